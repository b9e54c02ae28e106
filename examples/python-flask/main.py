# SPDX-License-Identifier: Apache-2.0
"""An ordinary Flask application; nothing in it knows of ebb."""
import resource
import time

from flask import Flask, Response, jsonify, request

BLOCK = b"x" * 65536
app = Flask(__name__)


def number(name):
    return int(request.args.get(name, "0"))


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return int((used.ru_utime + used.ru_stime) * 1_000_000)


@app.get("/")
def hello():
    return Response("hello from flask\n", mimetype="text/plain")


@app.get("/sleep")
def sleep():
    """Waits without using the CPU: as many at once as there are threads."""
    time.sleep(number("ms") / 1000)
    return jsonify(slept_ms=number("ms"))


@app.get("/burn")
def burn():
    """Uses the CPU, and answers with the CPU time that the process measured."""
    before, until = cpu_us(), time.monotonic() + number("ms") / 1000
    while time.monotonic() < until:
        pass
    return jsonify(cpu_us=cpu_us() - before)


@app.route("/echo", methods=["POST", "PUT"])
def echo():
    body = request.stream  # the request itself is gone when the answer is sent
    return Response(iter(lambda: body.read(len(BLOCK)), b""),
                    mimetype=request.content_type or "application/octet-stream")


@app.get("/size")
def size():
    total = number("bytes")
    blocks = (BLOCK[:total - start] for start in range(0, total, len(BLOCK)))
    return Response(blocks, mimetype="application/octet-stream",
                    headers={"content-length": str(total)})
