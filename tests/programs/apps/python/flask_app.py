# SPDX-License-Identifier: Apache-2.0
import flask

import timers

app = flask.Flask(__name__)


@app.get("/hello/<int:n>")
def hello(n):
    return f"hello {n} from flask"


@app.get("/timer/<int:ms>")
def timer(ms):
    return timers.by_thread(ms)


@app.post("/echo")
def echo():
    return flask.Response(flask.request.get_data(), mimetype="application/octet-stream")
