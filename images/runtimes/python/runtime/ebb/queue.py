# SPDX-License-Identifier: Apache-2.0
"""Queues of the service's namespace (docs/guide/queues.md): from ebb import queue.

    queue.send("orders", {"order": 7})                        # before the answer; the id of the message
    for message in queue.receive("orders", "billing"):        # poll: it is this program's for 300 s
        bill(message.json())
        message.acknowledge()
    app = queue.handlers(app, {"/api/bill": bill})            # push: bill(message), at a trigger's path

The calls wait for their answer. A coroutine says: await asyncio.to_thread(queue.send, "orders", body).
"""
import asyncio
import http.client
import inspect
import json
import os
import urllib.parse

from ebb.entry import is_asgi

__all__ = ["Message", "QueueError", "acknowledge", "extend", "handlers", "pushed", "receive", "send"]

TIMEOUT_S = 30
EVENT = "com.vercel.queue.v2beta"
NO_QUEUES = ('EBB_QUEUE_URL is not set, so this service has no queues: give it "experimentalTriggers", or '
             '"ebb": {"queues": "NAMESPACE"}')


class QueueError(Exception):
    """A call that was refused (status says how) or that got no answer (status is None)."""

    def __init__(self, text, status=None):
        super().__init__(text)
        self.status = status


class Message:
    """A message that was taken, until it is acknowledged or its time (visibility) is over."""

    def __init__(self, topic, consumer, head, body):
        self.topic, self.consumer, self.body = topic, consumer, body  # body: bytes
        self.id, self.receipt = head["message-id"], head["receipt-handle"]
        self.delivery_count = int(head["delivery-count"])  # 1 at the first delivery
        self.content_type = head["content-type"]
        self.created, self.expires = head["created"], head["expires"]  # dates of RFC 3339

    def __repr__(self):
        return f"<message {self.id} of {self.topic}, delivery {self.delivery_count}, {len(self.body)} bytes>"

    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)

    def acknowledge(self):
        acknowledge(self)

    def extend(self, seconds):
        extend(self, seconds)


# --- calls --------------------------------------------------------------------------------------------------
def send(topic, body, *, idempotency_key=None, delay=None, retention=None, key=None):
    """Sends a message and returns its id when it is on the disk. body: bytes, str, or what JSON can say.

    idempotency_key: a second message with it is the first one. delay: seconds before it is due. retention: seconds
    before it is dropped (60 to 604800, a day if nothing is said). key: messages of a topic with the same key are
    delivered one after the other, in order.
    """
    what = f"queue.send({topic!r})"
    data, kind = _encode(what, body)
    headers = {"Content-Type": kind, **_word(what, "idempotency_key", "Vqs-Idempotency-Key", idempotency_key),
               **_word(what, "key", "X-Ebb-Order-Key", key), **_number(what, "delay", "Vqs-Delay-Seconds", delay),
               **_number(what, "retention", "Vqs-Retention-Seconds", retention)}
    return json.loads(_ask(what, "POST", [topic], data, headers).body)["messageId"]


def receive(topic, consumer, *, max_messages=1, visibility_timeout=300):
    """Takes up to max_messages (1 to 10) that wait for this consumer; [] if there is none. Each comes again
    after visibility_timeout seconds (0 to 3600), unless it was acknowledged."""
    what = f"queue.receive({topic!r}, {consumer!r})"
    headers = {**_number(what, "max_messages", "Vqs-Max-Messages", max_messages),
               **_number(what, "visibility_timeout", "Vqs-Visibility-Timeout-Seconds", visibility_timeout)}
    reply = _ask(what, "POST", [topic, "consumer", consumer], b"", headers)
    if reply.status == 204:
        return []
    boundary = reply.headers.get_param("boundary").encode()
    return [_part(topic, consumer, part) for part in (b"\r\n" + reply.body).split(b"\r\n--" + boundary)[1:-1]]


def acknowledge(message):
    """The message was handled; it does not come again."""
    _ask(f"queue.acknowledge({message!r})", "DELETE", _lease(message))


def extend(message, seconds):
    """The message comes again in so many seconds (0 to 604800), counted from now, and not sooner."""
    body = json.dumps({"visibilityTimeoutSeconds": seconds}).encode()
    _ask(f"queue.extend({message!r}, {seconds!r})", "PATCH", _lease(message), body,
         {"Content-Type": "application/json"})


class _Reply:
    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    def why(self):
        try:
            return json.loads(self.body)["error"]
        except (ValueError, KeyError, TypeError):
            return self.body[:200].decode(errors="replace")


def _ask(what, method, path, body=None, headers=None):
    """One request on a connection of its own: an open one could be lost while the instance is frozen."""
    base = os.environ.get("EBB_QUEUE_URL")
    if not base:
        raise QueueError(f"{what}: {NO_QUEUES}")
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=TIMEOUT_S)
    path = "/api/v3/topic/" + "/".join(urllib.parse.quote(part, safe="") for part in path)
    try:
        connection.request(method, path, body, {**(headers or {}), "Connection": "close"})
        reply = _Reply(connection.getresponse())
    except (OSError, http.client.HTTPException) as error:
        raise QueueError(f"{what}: no answer from {base} ({error!r}): whether it was done is not known; send "
                         "it again with the same idempotency_key, or receive again") from error
    finally:
        connection.close()
    if reply.status >= 300:
        raise QueueError(f"{what}: {reply.status}: {reply.why()}", reply.status)
    return reply


def _lease(message):
    return [message.topic, "consumer", message.consumer, "lease", message.receipt]


def _encode(what, body):
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    try:
        return json.dumps(body).encode(), "application/json"
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: body is bytes, str, or what json.dumps takes: {error}") from None


def _word(what, name, header, value):
    if value is None:
        return {}
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise ValueError(f"{what}: {name} is a str of printable ASCII, not {value!r}")
    return {header: value}


def _number(what, name, header, value):
    if value is None:
        return {}
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what}: {name} is a whole number of 0 or more, not {value!r}")
    return {header: str(value)}


def _part(topic, consumer, part):
    head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
    return Message(topic, consumer, {
        "message-id": lines["vqs-message-id"], "receipt-handle": lines["vqs-receipt-handle"],
        "delivery-count": lines["vqs-delivery-count"], "content-type": lines["content-type"],
        "created": lines["vqs-timestamp"], "expires": lines["vqs-expires-at"]}, body)


# --- push ---------------------------------------------------------------------------------------------------
def pushed(headers, body):
    """The message of a request to the path of a trigger: a CloudEvent in binary mode. headers: a mapping, as that
    of a framework's request; body: bytes. ValueError for a request that is none."""
    fields = {name.lower(): value for name, value in headers.items()}
    if fields.get("ce-type") != EVENT:
        raise ValueError(f"this request is no message of a queue: its ce-type is {fields.get('ce-type')!r}, not "
                         f"{EVENT!r}; messages come to the path of a trigger (experimentalTriggers)")
    try:
        head = {name: fields["ce-vqs" + name.replace("-", "")]
                for name in ("message-id", "receipt-handle", "delivery-count")}
        head.update({"content-type": fields.get("content-type", "application/octet-stream"),
                     "created": fields["ce-vqscreatedat"], "expires": fields["ce-vqsexpiresat"]})
        return Message(fields["ce-vqsqueuename"], fields["ce-vqsconsumergroup"], head, body)
    except KeyError as error:
        raise ValueError(f"this message of a queue has no header {error.args[0]!r}") from None


def handlers(app, paths):
    """An application as app is one (ASGI or WSGI; None: there is no other) that gives messages to functions.

    paths: {path of a trigger: function of a Message}. When the function returns, the message is acknowledged; when it
    raises, the message comes again. One that called message.extend(seconds) comes again then. A coroutine function is
    awaited; in an ASGI application other functions run in a thread.
    """
    paths = {urllib.parse.unquote(path): function for path, function in paths.items()}
    for path, function in paths.items():
        if not path.startswith("/") or not callable(function):
            raise TypeError(f"queue.handlers: paths is {{\"/path\": function}}, not {path!r}: {function!r}")
    if app is None:
        app = _nothing_asgi if any(map(inspect.iscoroutinefunction, paths.values())) else _nothing_wsgi
    return _asgi(app, paths) if is_asgi(app) else _wsgi(app, paths)


def _asgi(app, paths):
    async def serve(scope, receive, send):
        function = paths.get(scope["path"]) if scope["type"] == "http" else None
        if function is None:
            return await app(scope, receive, send)
        body = await _read(receive)
        if body is None:
            return None  # the sender is gone, and sends the message again
        try:
            message = pushed({n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}, body)
        except ValueError as error:
            return await _answer(send, 400, f"{error}\n".encode())
        if inspect.iscoroutinefunction(function):
            await function(message)
        else:
            await asyncio.to_thread(function, message)
        return await _answer(send, 204, b"")

    return serve


async def _read(receive):
    pieces = []
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return None
        pieces.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(pieces)


async def _answer(send, status, body):
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers if body else []})
    await send({"type": "http.response.body", "body": body})


def _wsgi(app, paths):
    def serve(environ, start_response):
        function = paths.get(environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace"))
        if function is None:
            return app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        fields = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        try:
            message = pushed({**fields, "content-type": environ.get("CONTENT_TYPE") or "application/octet-stream"}, body)
        except ValueError as error:
            return _say(start_response, "400 Bad Request", f"{error}\n".encode())
        done = function(message)
        if inspect.isawaitable(done):
            asyncio.run(_wait(done))
        start_response("204 No Content", [])
        return []

    return serve


async def _wait(awaitable):
    await awaitable


def _say(start_response, status, body):
    start_response(status, [("content-type", "text/plain; charset=utf-8"), ("content-length", str(len(body)))])
    return [body]


def _nothing_wsgi(_environ, start_response):
    return _say(start_response, "404 Not Found", b"only messages are taken here\n")


async def _nothing_asgi(scope, receive, send):
    if scope["type"] != "lifespan":
        return await _answer(send, 404, b"only messages are taken here\n")
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    return await send({"type": "lifespan.shutdown.complete"})
