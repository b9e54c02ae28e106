# SPDX-License-Identifier: Apache-2.0
import fastapi
import fastapi.responses

import timers

app = fastapi.FastAPI()


@app.get("/hello/{n}", response_class=fastapi.responses.PlainTextResponse)
async def hello(n: int):
    return f"hello {n} from fastapi"


@app.get("/timer/{ms}", response_class=fastapi.responses.PlainTextResponse)
async def timer(ms: int):
    return timers.by_loop(ms)


@app.post("/echo")
async def echo(request: fastapi.Request):
    return fastapi.Response(await request.body(), media_type="application/octet-stream")
