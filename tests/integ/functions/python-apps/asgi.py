# SPDX-License-Identifier: Apache-2.0
"""A Starlette application and everything the tests ask of one. Only /later knows of ebb."""
import asyncio
import ctypes.util
import logging
import os
import sys
import threading

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

import throws
from ebb import deadline, request_id, wait_until

seen = {"disconnected": 0, "done": [], "cancelled": 0}


async def hello(request):
    return PlainTextResponse("hello from starlette\n")


async def sleep(request):
    await asyncio.sleep(int(request.query_params["ms"]) / 1000)
    return JSONResponse({"slept": True})


async def peer(request):
    return JSONResponse({"peer": request.client.host})


async def throw(request):
    how = request.query_params["in"]
    if how == "stream":
        return StreamingResponse(throws.async_stream())
    getattr(throws, how)(asyncio.get_running_loop())
    await asyncio.sleep(3600)


async def work(name, seconds):
    await asyncio.sleep(seconds)
    print("background work", name, "done")
    seen["done"].append(name)


async def later(request):
    name, ms = request.query_params["name"], int(request.query_params["ms"])
    wait_until(work(name, ms / 1000))
    return JSONResponse({"deadline": deadline(), "request": request_id()})


async def show(request):
    return JSONResponse(seen)


async def wait(request):
    """Until http.disconnect comes."""
    wait_until(work(request.query_params.get("name", ""), 0.3))
    try:
        await request.body()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        seen["disconnected"] += 1
    except ClientDisconnect:
        seen["disconnected"] += 1
    return PlainTextResponse("nobody reads this")


async def forever(request):
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        seen["cancelled"] += 1
        raise


async def log(request):
    name = request.query_params["name"]
    logger = logging.getLogger("app")
    for i in range(int(request.query_params["n"])):
        print("line", i, "of", name)
        await asyncio.sleep(0.001)
        logger.warning("logged %d of %s", i, name)
        await asyncio.to_thread(print, "thread", i, "of", name)
        sys.stderr.write("half ")
        await asyncio.sleep(0.001)
        sys.stderr.write(f"{i} of {name}\n")
    return JSONResponse({"logged": name})


async def library(request):
    return JSONResponse({"found": ctypes.util.find_library(request.query_params["name"])})


async def leave(request):
    sys.exit(7)


async def nobody(request):
    """A timer that no request started throws."""
    pending.set()
    return PlainTextResponse("soon\n")


pending = threading.Event()


def poll(loop):
    if pending.is_set():
        pending.clear()
        raise RuntimeError("thrown for nobody")
    loop.call_later(0.005, poll, loop)


async def start():
    if os.environ.get("POLL"):
        poll(asyncio.get_running_loop())


app = Starlette(on_startup=[start], routes=[
    Route("/" + call.__name__ if call is not hello else "/", call, methods=["GET", "POST"])
    for call in (hello, sleep, peer, throw, later, show, wait, forever, log, library, leave, nobody)])
