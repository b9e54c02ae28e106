# SPDX-License-Identifier: Apache-2.0
"""An ordinary Starlette application; nothing in it knows of ebb."""
import asyncio
import resource

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
    """Uses the CPU, and answers with the CPU time that the process measured."""
    before = cpu_us()
    while cpu_us() - before < number(request, "ms") * 1000:
        pass
    return JSONResponse({"cpu_us": cpu_us() - before})


class Echo:
    """Passes the body on as it comes. This is plain ASGI: Starlette's StreamingResponse listens for the
    end of the client itself and would take the messages with the body away."""

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"application/octet-stream")]})
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""),
                        "more_body": more})


async def size(request):
    total = number(request, "bytes")

    async def blocks():
        for start in range(0, total, len(BLOCK)):
            yield BLOCK[:total - start]

    return StreamingResponse(blocks(), media_type="application/octet-stream",
                             headers={"content-length": str(total)})


app = Starlette(routes=[
    Route("/", hello), Route("/sleep", sleep), Route("/burn", burn),
    Route("/echo", Echo()), Route("/size", size)])
