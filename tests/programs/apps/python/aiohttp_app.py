# SPDX-License-Identifier: Apache-2.0
import os

from aiohttp import web

import timers


async def hello(request):
    return web.Response(text=f"hello {request.match_info['n']} from aiohttp")


async def timer(request):
    return web.Response(text=timers.by_loop(int(request.match_info["ms"])))


async def echo(request):
    return web.Response(body=await request.read())


app = web.Application()
app.add_routes([web.get("/hello/{n}", hello), web.get("/timer/{ms}", timer), web.post("/echo", echo)])
web.run_app(app, port=int(os.environ["PORT"]))
