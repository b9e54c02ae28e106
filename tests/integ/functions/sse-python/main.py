# SPDX-License-Identifier: Apache-2.0
"""GET /events: server-sent events by starlette; POST /events?TEXT sends one to all clients of it."""
import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

queues = set()


async def listen(request):
    queue = asyncio.Queue()
    queues.add(queue)

    async def lines():
        try:
            yield "data: hello\n\n"
            while True:
                yield f"data: {await queue.get()}\n\n"
        finally:
            queues.discard(queue)
    return StreamingResponse(lines(), media_type="text/event-stream")


async def say(request):
    for queue in queues:
        queue.put_nowait(request.url.query)
    return PlainTextResponse(str(len(queues)))


app = Starlette(routes=[Route("/events", listen, methods=["GET"]), Route("/events", say, methods=["POST"])])
