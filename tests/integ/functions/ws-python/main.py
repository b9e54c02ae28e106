# SPDX-License-Identifier: Apache-2.0
"""Python's `websockets` as its manual shows it: each message comes back with its number on this connection.
HEARTBEAT_MS replaces the library's ping interval and timeout of 20 s."""
import asyncio
import http
import json
import os

import websockets

closed = 0


async def echo(ws):
    global closed
    count = 0
    try:
        async for message in ws:
            if isinstance(message, str):
                message, count = f"{count}:{message}", count + 1
            await ws.send(message)
    finally:
        closed += 1


async def plain(path, headers):
    if "Upgrade" not in headers:
        return http.HTTPStatus.OK, [], json.dumps({"closed": closed}).encode()


async def main():
    beat_s = float(os.environ.get("HEARTBEAT_MS", "20000")) / 1000
    async with websockets.serve(echo, "0.0.0.0", int(os.environ["PORT"]), process_request=plain,
                                ping_interval=beat_s, ping_timeout=beat_s, backlog=1024):
        await asyncio.Future()


asyncio.run(main())
