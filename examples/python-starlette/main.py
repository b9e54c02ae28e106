# SPDX-License-Identifier: Apache-2.0
"""An ordinary Starlette application; nothing in it knows of ebb."""
import asyncio
import resource
import time

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

BLOCK = b"x" * 65536


def number(request, name):
    return int(request.query_params.get(name, "0"))


def cpu_us():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int((used.ru_utime + used.ru_stime) * 1_000_000)


async def hello(request):
    return PlainTextResponse("hello from python\n")


async def sleep(request):
    """Waits without using the CPU: many at once."""
    milliseconds = number(request, "ms")
    await asyncio.sleep(milliseconds / 1000)
    return JSONResponse({"slept_ms": milliseconds})


async def burn(request):
    """Uses the CPU, and says what it thinks it used."""
    before, until = cpu_us(), time.monotonic() + number(request, "ms") / 1000
    while time.monotonic() < until:
        pass
    return JSONResponse({"cpu_us": cpu_us() - before})


async def echo(request):
    return StreamingResponse(request.stream(), media_type=request.headers.get(
        "content-type", "application/octet-stream"))


async def size(request):
    total = number(request, "bytes")

    async def blocks():
        for start in range(0, total, len(BLOCK)):
            yield BLOCK[:total - start]

    return StreamingResponse(blocks(), media_type="application/octet-stream",
                             headers={"content-length": str(total)})


app = Starlette(routes=[
    Route("/", hello), Route("/sleep", sleep), Route("/burn", burn),
    Route("/echo", echo, methods=["POST", "PUT"]), Route("/size", size)])
