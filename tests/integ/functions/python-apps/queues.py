# SPDX-License-Identifier: Apache-2.0
"""Calls of ebb.queue that a test asks for, and handlers of messages, as an ASGI and as a WSGI application."""
import json
import time

from flask import Flask, jsonify, request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ebb import queue, request_id

seen, taken = [], {}


def shown(result):
    if isinstance(result, list):
        for message in result:
            taken[message.id] = message
        return [{**vars(m), "body": m.body.decode("latin-1")} for m in result]
    return result


def call(order):
    """{"call": name, "args": [...], "more": {...}}; the first argument may be a message that was taken."""
    args = [taken[a["taken"]] if isinstance(a, dict) and "taken" in a else a for a in order["args"]]
    args = [a["bytes"].encode("latin-1") if isinstance(a, dict) and "bytes" in a else a for a in args]
    try:
        return {"result": shown(getattr(queue, order["call"])(*args, **order.get("more", {})))}
    except (queue.QueueError, ValueError, TypeError) as error:
        return {"error": type(error).__name__, "text": str(error), "status": getattr(error, "status", None)}


def bill(message):
    seen.append({**vars(message), "body": message.text(), "request": request_id(), "at": time.time()})
    order = message.json()
    if order.get("fail", 0) >= message.delivery_count:
        raise RuntimeError(f"bill of {message.id} fails on purpose")
    if order.get("later") and message.delivery_count == 1:
        message.extend(order["later"])


async def bill_awaited(message):
    bill(message)


PATHS = {"/bill": bill, "/bill-awaited": bill_awaited}


async def asgi_call(req):
    return JSONResponse(call(json.loads(await req.body())))


async def asgi_seen(_):
    return JSONResponse(seen)


asgi = queue.handlers(Starlette(routes=[Route("/call", asgi_call, methods=["POST"]), Route("/seen", asgi_seen)]), PATHS)

flask = Flask(__name__)


@flask.post("/call")
def wsgi_call():
    return jsonify(call(request.get_json(force=True)))


@flask.get("/seen")
def wsgi_seen():
    return jsonify(seen)


wsgi = queue.handlers(flask, PATHS)
alone = queue.handlers(None, {"/bill-awaited": bill_awaited})
