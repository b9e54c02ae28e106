# SPDX-License-Identifier: Apache-2.0
"""Serves ASGI applications with uvicorn. Each request has a task, and an error fails the request it belongs to."""
import asyncio
import logging
import os
import re
import signal
import sys
import time
from email.utils import formatdate

import uvicorn

from ebb import ends, request as requests, work
from ebb.ipc import channel
from ebb.request import Request, process

# A head waits this long for the first byte of its body, so that a stream that fails at once becomes a 500.
HEAD_WAITS_S = 0.02
# Work behind an answer that ends within this time needs no hold, because no instance is frozen sooner.
REST_BEGINS_S = 0.005
LAG_PERIOD_S = 0.25
LAG_MAX_S = float(os.environ.get("NACK_LAG_MS") or 5000) / 1000
NEVER_S = 10 ** 7
BODY_500 = b"Internal Server Error\n"
FORBIDDEN = re.compile(rb"[\r\n\0]")


class Cut(Exception):
    """Makes uvicorn close the connection; the error has been logged already."""


class Date:
    """The Date header without a timer: uvicorn's own would wake a frozen instance ten times a second."""
    second, header = 0, (b"date", b"")

    @classmethod
    def now(cls):
        second = int(time.time())
        if second != cls.second:
            cls.second = second
            cls.header = (b"date", formatdate(second, usegmt=True).encode())
        return cls.header


class Lag:
    """How late the event loop is, measured only while requests are open."""

    def __init__(self, loop):
        self._loop, self._handle, self._due, self.seconds = loop, None, 0.0, 0.0

    def watch(self):
        if self._handle is None:
            self._due = self._loop.time() + LAG_PERIOD_S
            self._handle = self._loop.call_at(self._due, self._measure)

    def _measure(self):
        self.seconds, self._handle = self._loop.time() - self._due, None
        if process.open:
            self.watch()
        else:
            self.seconds = 0.0

    def idle(self):
        if self._handle:
            self._handle.cancel()
        self._handle, self.seconds = None, 0.0


def check(message):
    """Raises an error for a head that uvicorn would refuse later, when no 500 can be sent any more."""
    if message["type"] == "http.response.start":
        if message["status"] not in range(100, 600):
            raise ValueError(f"http.response.start: status {message['status']!r} is none")
        for name, value in message.get("headers", ()):
            if isinstance(value, bytes) and FORBIDDEN.search(value):
                raise ValueError(f"http.response.start: line break or NUL in header {name!r}: {value!r}")
    elif not isinstance(body := message.get("body", b""), (bytes, bytearray, memoryview)):
        raise TypeError(f"{message['type']}: body is {type(body).__name__}, not bytes")


class Exchange:
    """Passes the messages of an application to uvicorn: keeps the head back until a byte of the body comes, and
    drops all messages after the request has failed."""

    def __init__(self, send, loop, on_complete=None):
        self._send, self._loop, self._on_complete = send, loop, on_complete
        self._head = self._waiting = self._flushing = None
        self.started = self.complete = self.dropped = False
        self._begun = False
        self._left = -1  # bytes that content-length promises and that were not sent yet; below 0: no such promise

    async def send(self, message):
        if self.dropped:
            return
        check(message)
        if message["type"] == "http.response.start":
            return self._keep_head(message)
        await self.flush()
        await self._send(message)
        if message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
            self._left -= len(message.get("body", b""))
            if (self.complete or self._left == 0) and self._on_complete:
                self._on_complete()
                self._on_complete = None

    def _keep_head(self, message):
        if self._begun:
            raise RuntimeError("http.response.start was sent before; one answer has one head")
        self._begun = True
        headers = list(message.get("headers", ()))
        fields = {name.lower(): value for name, value in headers}
        if b"date" not in fields:
            headers.append(Date.now())
        if (length := fields.get(b"content-length", b"")).isdigit():
            self._left = int(length)
        self._head = {**message, "headers": headers}
        self._waiting = self._loop.call_later(HEAD_WAITS_S, self._flush)

    def _flush(self):
        self._flushing = self._loop.create_task(self._send_head())

    async def _send_head(self):
        head, self._head = self._head, None
        if head is not None:
            self.started = True
            await self._send(head)

    async def flush(self):
        if self._waiting is None:
            return
        self._waiting.cancel()
        self._waiting = None
        if self._flushing:
            await self._flushing
        await self._send_head()

    def drop(self):
        """Drops all further messages of the application. True if a 500 can still be sent."""
        self.dropped, self._head = True, None
        if self._waiting:
            self._waiting.cancel()
        return not self.started

    async def answer(self, status, headers, body=b""):
        await self._send({"type": "http.response.start", "status": status, "headers": [
            *headers, (b"content-length", b"%d" % len(body)), Date.now()]})
        await self._send({"type": "http.response.body", "body": body})


class Rest:
    """The work of an application behind its answer (a BackgroundTask): it keeps the instance awake."""

    def __init__(self, request, task, loop):
        self._request, self._task, self._loop, self._soon = request, task, loop, None

    def begin_soon(self):
        self._soon = self._loop.call_later(REST_BEGINS_S, self._request.begin, self)

    def end(self):
        if self._soon:
            self._soon.cancel()
        self._request.done(self)

    def cancel(self):
        self._loop.call_soon_threadsafe(self._task.cancel)


class Application:
    def __init__(self, app, loop):
        self._app, self._loop = app, loop
        self._lag = Lag(loop)
        process.on_idle = lambda: loop.call_soon_threadsafe(self._lag.idle)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        head = {name: value.decode("latin-1") for name, value in scope["headers"]
                if name in (b"x-ebb-id", b"x-ebb-deadline", b"x-forwarded-for")}
        if client := head.get(b"x-forwarded-for"):
            scope["client"] = (client.split(",", 1)[0].strip(), 0)
        if scope["type"] == "http" and self._nacks():
            return await Exchange(send, self._loop).answer(503, [(b"x-ebb-nack", b"1")])
        self._lag.watch()
        task = asyncio.current_task()
        request = Request(head.get(b"x-ebb-id"), head.get(b"x-ebb-deadline"), self._call_later,
                          lambda: self._loop.call_soon_threadsafe(task.cancel), self._loop)
        requests.enter(request)
        rest = Rest(request, task, self._loop)
        exchange = Exchange(send, self._loop, rest.begin_soon) if scope["type"] == "http" else None
        try:
            await self._run(request, exchange, scope, receive, send)
        finally:
            rest.end()
            request.finish()

    def _nacks(self):
        return process.takes_nothing_new() or self._lag.seconds > LAG_MAX_S

    def _call_later(self, seconds, call):
        """As loop.call_later, for any thread. Returns an object with a cancel()."""
        handle = []
        self._loop.call_soon_threadsafe(lambda: handle.append(self._loop.call_later(seconds, call)))

        class Timer:
            cancel = staticmethod(lambda: self._loop.call_soon_threadsafe(
                lambda: handle and handle[0].cancel()))
        return Timer

    async def _run(self, request, exchange, scope, receive, send):
        task, out_of_time = asyncio.current_task(), None
        if exchange and request.deadline:
            out_of_time = self._loop.call_later(request.seconds_left(), task.cancel)
        try:
            await self._app(scope, receive, exchange.send if exchange else send)
        except asyncio.CancelledError as error:
            if task.cancelling() == 0:
                request.fail(error)  # something the application waited for
            elif request.failed is None and not self._is_late(request):
                raise
            while task.cancelling():
                task.uncancel()
        except SystemExit as error:
            ends.by_system_exit(error)
        except BaseException as error:
            request.fail(error)
        finally:
            if out_of_time:
                out_of_time.cancel()
        if exchange is None:
            if request.failed is not None:
                raise Cut()
        elif request.failed is None and not self._is_late(request):
            await exchange.flush()
        elif not exchange.complete:
            await self._give_up(request, exchange)

    @staticmethod
    def _is_late(request):
        return request.deadline is not None and time.time() >= request.deadline

    async def _give_up(self, request, exchange):
        if request.failed is None:
            print("ebb: cancelled: maxDuration is over", file=sys.stderr)
        if not exchange.drop():
            raise Cut()
        await exchange.answer(500, [(b"content-type", b"text/plain; charset=utf-8")], BODY_500)


def _task_factory(loop, coroutine, **more):
    """Makes tasks that know their request. Python reports an error that nobody awaits when the task's context is
    gone already."""
    task = asyncio.Task(coroutine, loop=loop, **more)
    task.ebb_request = requests.current()
    return task


def _request_of(context):
    for name in ("task", "future"):
        found = getattr(context.get(name), "ebb_request", None)
        if found is not None:
            return found
    handle = context.get("handle")
    return handle._context.run(requests.current) if handle is not None else requests.current()


def _on_loop_error(loop, context):
    error, request = context.get("exception"), _request_of(context)
    if error is None or isinstance(error, Cut):
        if error is None:
            loop.default_exception_handler(context)
        return
    if request is not None:
        return request.fail(error)
    loop.default_exception_handler(context)
    requests.retire("an error outside any request")


class Server(uvicorn.Server):
    """uvicorn without the timer that wakes it ten times a second, and with an end that waits for all work."""

    async def main_loop(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if self.should_exit:
            self._stop.set()
        process.stop = lambda code: self._loop.call_soon_threadsafe(self._begin_stop, code)
        channel.started(round(time.clock_gettime(time.CLOCK_MONOTONIC) * 1000) - started_ms(), self.port)
        await self._stop.wait()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # idle ones close, the others do after their answer
        await self._all_done()

    def _begin_stop(self, code):
        self.exit_code, process.stopping = code, True
        self.should_exit = True
        self._stop.set()

    async def _all_done(self):
        done, idle = asyncio.Event(), process.on_idle
        process.on_idle = lambda: (idle(), self._loop.call_soon_threadsafe(done.set))
        while process.open:
            done.clear()
            if process.open:
                await done.wait()

    def handle_exit(self, sig, frame):
        self.should_exit = True
        if process.stop:
            process.stop(0)


def started_ms():
    """When this process began, on the monotonic clock."""
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    return round(ticks * 1000 / os.sysconf("SC_CLK_TCK"))


def serve(app, listener, port):
    work.follow_into_threads()
    ends.install()
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], Cut)))

    async def run():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_task_factory)
        loop.set_exception_handler(_on_loop_error)
        config = uvicorn.Config(
            Application(app, loop), log_level="warning", access_log=False, date_header=False,
            timeout_keep_alive=NEVER_S, backlog=1024, interface="asgi3", proxy_headers=False)
        server = Server(config)
        server.port, server.exit_code = port, 0
        await server.serve(sockets=[listener])
        return 3 if not server.started else server.exit_code

    # A stop before the server listens: there is nothing to finish.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with asyncio.Runner() as runner:
        try:
            code = runner.run(run())
        except SystemExit as error:
            if getattr(error, "ebb_request", None) is not None:
                ends.by_system_exit(error)
            raise
    sys.exit(code)
