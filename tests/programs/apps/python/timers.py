# SPDX-License-Identifier: Apache-2.0
"""A timer of the program's own, as anybody sets one; when it fires it says how late."""
import asyncio
import threading
import time


def said(ms, due):
    print(f"timer {ms} late {round((time.monotonic() - due) * 1000)} ms", flush=True)


def by_thread(ms):
    timer = threading.Timer(ms / 1000, said, (ms, time.monotonic() + ms / 1000))
    timer.daemon = True
    timer.start()
    return f"timer {ms} set"


def by_loop(ms):
    asyncio.get_running_loop().call_later(ms / 1000, said, ms, time.monotonic() + ms / 1000)
    return f"timer {ms} set"
