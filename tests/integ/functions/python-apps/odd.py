# SPDX-License-Identifier: Apache-2.0
"""Wrong or rare things that applications do: each path is one such thing. Bare ASGI and WSGI."""
import asyncio
import contextlib
import functools
import sys
import threading
import time

from starlette.applications import Starlette

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"odd\n"}
background = []


def start(**more):
    return {**START, **more}


async def tidy():
    print("behind the answer")
    await asyncio.sleep(1)
    print("tidied up")


async def leave():
    sys.exit(8)


async def late_words():
    await asyncio.sleep(0.02)
    print("late", "words", end="")


async def last_words():
    print("last", "words", end="")
    sys.exit(3)


def bytes_out():
    sys.stdout.buffer.write("bytes of stdout: é\n".encode())


SENT = {
    "/": [START, BODY],
    "/status": [start(status="200"), BODY],
    "/header": [start(headers=[(b"x-a", b"a\nb")]), BODY],
    "/twice": [START, START, BODY],
    "/text": [START, {**BODY, "body": "text"}],
    "/short": [start(headers=[(b"content-length", b"10")]), BODY],
    "/behind": [START, BODY, tidy],
    "/behind-length": [start(headers=[(b"content-length", b"4")]), {**BODY, "more_body": True}, tidy,
                       {**BODY, "body": b""}],
    "/task-leaves": [lambda: asyncio.create_task(leave()), lambda: asyncio.sleep(3600)],
    "/late-words": [lambda: background.append(asyncio.create_task(late_words())), START, BODY],
    "/last-words": [last_words],
    "/bytes": [bytes_out, START, BODY],
    "/sleep": [lambda: asyncio.sleep(1), START, BODY],
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    for what in SENT[scope["path"]]:
        if isinstance(what, dict):
            await send(what)
        elif asyncio.iscoroutine(coroutine := what()):
            await coroutine


def plain(scope, receive, send):
    return app(scope, receive, send)


wrapped = functools.partial(app)


def make():
    return app


number = 3


@contextlib.asynccontextmanager
async def fails(_):
    raise RuntimeError("no database to be found")
    yield


no_start = Starlette(lifespan=fails)


# --- WSGI -------------------------------------------------------------------------------------------
def twice(start_response):
    start_response("200 OK", [])
    start_response("201 Created", [])
    return [b"odd\n"]


def late(start_response):
    yield b""
    start_response("203 Late", [])
    yield b"late\n"


def answer(body, status="200 OK", headers=()):
    def call(start_response):
        start_response(status, list(headers))
        return body
    return call


def interrupt(start_response):
    raise KeyboardInterrupt


def speak_late(start_response):
    threading.Thread(target=lambda: (time.sleep(0.02), print("late", "words", end=""))).start()
    return answer([b"odd\n"])(start_response)


WSGI = {
    "/": answer([b"odd\n"]), "/twice": twice, "/late": late, "/none": answer(None), "/text": answer(["text"]),
    "/status": answer([b"odd\n"], status="OK"), "/header": answer([b"odd\n"], headers=[("x-a", "a\nb")]),
    "/never": lambda start_response: [b"odd\n"], "/interrupt": interrupt,
    "/forever": lambda start_response: time.sleep(3600), "/late-words": speak_late,
}


def wsgi(environ, start_response):
    return WSGI[environ["PATH_INFO"]](start_response)
