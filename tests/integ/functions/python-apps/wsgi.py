# SPDX-License-Identifier: Apache-2.0
"""A Flask application and everything the tests ask of one. Only /later knows of ebb."""
import logging
import sys
import threading
import time

from flask import Flask, Response, jsonify, request

import throws
from ebb import deadline, request_id, wait_until

app = Flask(__name__)
seen = {"done": []}


@app.get("/")
def hello():
    return "hello from flask\n"


@app.get("/sleep")
def sleep():
    time.sleep(int(request.args["ms"]) / 1000)
    return jsonify(slept=True)


@app.get("/peer")
def peer():
    return jsonify(peer=request.remote_addr)


@app.get("/throw")
def throw():
    how = request.args["in"]
    if how == "stream":
        return Response(throws.stream())
    if how == "handler":
        throws.handler(None)
    worker = threading.Thread(target=throws.fail, args=("thread",))
    if how == "timer":
        worker = threading.Timer(0.005, throws.fail, ("timer",))
    worker.start()
    worker.join()
    return "too late\n"


@app.get("/later")
def later():
    name, ms = request.args["name"], int(request.args["ms"])

    def work():
        time.sleep(ms / 1000)
        print("background work", name, "done")
        seen["done"].append(name)

    wait_until(work)
    return jsonify(deadline=deadline(), request=request_id())


@app.get("/show")
def show():
    return jsonify(seen)


@app.get("/log")
def log():
    name = request.args["name"]
    for i in range(int(request.args["n"])):
        print("line", i, "of", name)
        logging.getLogger("app").warning("logged %d of %s", i, name)
        thread = threading.Thread(target=print, args=("thread", i, "of", name))
        thread.start()
        thread.join()
        sys.stderr.write("half ")
        time.sleep(0.001)
        sys.stderr.write(f"{i} of {name}\n")
    return jsonify(logged=name)


@app.route("/leave", methods=["GET", "POST"])
def leave():
    sys.exit(7)
