# SPDX-License-Identifier: Apache-2.0
"""The backend: a room of WebSockets, and its last messages. It sleeps while nobody says anything."""
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

KEPT = 100
kept, everybody = [], set()


async def live(socket):
    await socket.accept()
    everybody.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            kept.append(text)
            del kept[:-KEPT]
            for one in list(everybody):
                await one.send_text(text)
    except WebSocketDisconnect:
        pass
    finally:
        everybody.discard(socket)


async def messages(request):
    return JSONResponse(kept)


app = Starlette(routes=[WebSocketRoute("/live", live), Route("/messages", messages)])
