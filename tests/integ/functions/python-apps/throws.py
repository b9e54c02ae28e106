# SPDX-License-Identifier: Apache-2.0
"""The ways in which a request can throw where nobody waits for it."""
import asyncio
import threading


def fail(where):
    raise RuntimeError(f"thrown in {where}")


def handler(loop):
    fail("handler")


def timer(loop):
    loop.call_later(0.005, fail, "timer")


def task(loop):
    async def run():
        await asyncio.sleep(0.005)
        fail("task")

    asyncio.ensure_future(run())


def callback(loop):
    """asyncio's event emitter."""
    future = loop.create_future()
    future.add_done_callback(lambda _: fail("callback"))
    loop.call_later(0.005, future.set_result, None)


def thread(loop):
    threading.Timer(0.005, fail, ("thread",)).start()


def stream():
    fail("stream")
    yield b""


async def async_stream():
    fail("stream")
    yield b""
