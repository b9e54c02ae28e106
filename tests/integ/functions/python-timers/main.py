# SPDX-License-Identifier: Apache-2.0
"""Timers and counters in an ordinary asyncio program; nothing in it knows of ebb."""
import asyncio
import ctypes
import json
import os
import signal
import struct
import sys
import threading
import time
import urllib.parse

late, counts = [], {}
libc = ctypes.CDLL(None, use_errno=True)


def fired(due):
    late.append((time.monotonic() - due) * 1000)


async def sleep(ms):
    due = time.monotonic() + ms / 1000
    await asyncio.sleep(ms / 1000)
    fired(due)


async def every(ms, count):
    for _ in range(count):
        await sleep(ms)


def timerfd(ms):
    """CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC, read by the event loop."""
    loop, due = asyncio.get_running_loop(), time.monotonic() + ms / 1000
    fd = libc.timerfd_create(1, 0o2004000)
    spec = struct.pack("qqqq", 0, 0, ms // 1000, ms % 1000 * 1000000)
    assert fd >= 0 and libc.timerfd_settime(fd, 0, spec, None) == 0, ctypes.get_errno()

    def ready():
        loop.remove_reader(fd)
        os.close(fd)
        fired(due)
    loop.add_reader(fd, ready)


def in_thread(ms):
    due = time.monotonic() + ms / 1000

    def wait():
        time.sleep(ms / 1000)
        fired(due)
    threading.Thread(target=wait, daemon=True).start()


def spin(ms):
    def run():
        end = time.monotonic() + ms / 1000
        while time.monotonic() < end:
            pass
    threading.Thread(target=run, daemon=True).start()


def take_fired():
    global late
    taken, late = late, []
    return taken


def count(n):
    counts[n] = counts.get(n, 0) + 1
    return n


tasks = set()


def background(coroutine):
    task = asyncio.get_running_loop().create_task(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


PATHS = {
    "/": lambda q: "ok",
    "/once": lambda q: background(sleep(int(q["ms"]))),
    "/every": lambda q: background(every(int(q["ms"]), int(q["count"]))),
    "/timerfd": lambda q: timerfd(int(q["ms"])),
    "/thread": lambda q: in_thread(int(q["ms"])),
    "/fired": lambda q: take_fired(),
    "/spin": lambda q: spin(int(q["ms"])),
    "/count": lambda q: count(q["n"]),
    "/counts": lambda q: {"asked": len(counts), "twice": [n for n, k in counts.items() if k > 1]},
}


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            url = urllib.parse.urlsplit(head.split()[1].decode())
            run = PATHS.get(url.path)
            result = run(dict(urllib.parse.parse_qsl(url.query))) if run else None
            body = json.dumps(result).encode()
            status = "200 OK" if run else "404 Not Found"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit, 0)
    server = await asyncio.start_server(serve, "0.0.0.0", int(os.environ.get("PORT", "8080")), backlog=1024)
    await server.serve_forever()

asyncio.run(main())
