# SPDX-License-Identifier: Apache-2.0
"""Serves WSGI applications with waitress. Each request has a thread, and an error fails the request it belongs to."""
import errno
import logging
import os
import re
import signal
import sys
import threading
import time

import waitress.channel
import waitress.parser
import waitress.server
from waitress.utilities import RequestEntityTooLarge

from ebb import ends, request as requests, work
from ebb.ipc import channel
from ebb.request import Request, process

THREADS = int(os.environ.get("WSGI_THREADS") or 32)  # more requests wait in waitress's queue
NEVER_S = 10 ** 7
HEADERS_500 = [("content-type", "text/plain; charset=utf-8"), ("content-length", "22")]
BODY_500 = b"Internal Server Error\n"
NACK = b"HTTP/1.1 503 Service Unavailable\r\nx-ebb-nack: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
STUCK_S = 2  # seconds after maxDuration, the time that ebb gives a function to end a request
STATUS = re.compile(r"[1-5][0-9][0-9]( |$)")


class Cut(Exception):
    """Makes waitress close the connection; the error has been logged already."""


class Parser(waitress.parser.HTTPRequestParser):
    """waitress keeps a body in /tmp until the application reads it. A body that does not fit there gets 413."""

    def received(self, data):
        try:
            return super().received(data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            ident = self.headers.get("X_EBB_ID", "")
            print(f"\x1e{ident} ebb: request {ident}: its body does not fit into /tmp: raise `ebb.scratch`",
                  file=sys.stderr)
            self.close()  # the room is free before the answer is out, so that the next body has it
            self.error, self.completed = RequestEntityTooLarge("no room in /tmp"), True
            return len(data)

    def close(self):
        try:
            super().close()
        except OSError as error:  # close writes the rest of a body that did not fit
            if error.errno != errno.ENOSPC:
                raise


class Response:
    """The application's answer. Its head is sent with the first byte of its body; until then an error is a 500."""

    def __init__(self, app, environ, start_response, request, token):
        self._environ, self._start, self._request, self._token = environ, start_response, request, token
        self._head = self._write = None
        self._body = self._blocks = None
        self._sent = self._done = False
        self._attempt(lambda: self._begin(app))

    def _begin(self, app):
        self._body = app(self._environ, self._start_response)
        self._blocks = iter(self._body)

    def _start_response(self, status, headers, exc_info=None):
        if exc_info is not None and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._head is not None:
            raise AssertionError("start_response was called before; a second call needs exc_info")
        if not STATUS.match(status):
            raise ValueError(f"start_response: {status!r} is no status, as '200 OK' is one")
        self._head = (status, list(headers), exc_info)
        return self._write_directly

    def _write_directly(self, data):
        self._send_head()
        return self._write(data)

    def _send_head(self):
        if self._sent:
            return
        if self._head is None:
            raise AssertionError("the application did not call start_response")
        self._write = self._start(*self._head)
        self._sent = True

    def _send_block(self, block):
        """Sends the head as soon as a byte of the body comes or the body ends (block is None), as PEP 3333 wants."""
        if block is not None and not isinstance(block, (bytes, bytearray, memoryview)):
            raise TypeError(f"the application's body holds {type(block).__name__}, not bytes")
        if block == b"":
            return
        if not self._sent and self._head is not None and self._is_whole():
            self._head[1].append(("Content-Length", str(len(block or b""))))
        self._send_head()

    def _is_whole(self):
        """Whether the body is one block and has no length yet. Without Content-Length waitress would close the
        connection behind the answer."""
        status, headers, _ = self._head
        return isinstance(self._body, (list, tuple)) and len(self._body) <= 1 and \
            not status.startswith(("1", "204", "304")) and \
            not any(name.lower() == "content-length" for name, _ in headers)

    def _attempt(self, call):
        try:
            return call()
        except SystemExit as error:
            ends.by_system_exit(error)
        except BaseException as error:
            self._request.fail(error)
        return None

    def __iter__(self):
        return self

    def __next__(self):
        if self._done:
            raise StopIteration
        block = self._attempt(self._next_block) if self._request.failed is None else None
        if self._request.failed is not None:
            return self._give_up()
        if block is None:
            self._done = True
            raise StopIteration
        return block

    def _next_block(self):
        block = next(self._blocks, None)
        if self._request.failed is None:
            self._send_block(block)
        return block

    def _give_up(self):
        self._done = True
        if self._sent:
            raise Cut()
        failed = self._request.failed
        self._start("500 Internal Server Error", HEADERS_500, (type(failed), failed, None))
        return BODY_500

    def close(self):
        try:
            if hasattr(self._body, "close"):
                self._attempt(self._body.close)
        finally:
            requests.leave(self._token)
            self._request.finish()


class Application:
    def __init__(self, app):
        self._app = app

    def __call__(self, environ, start_response):
        if process.takes_nothing_new():
            start_response("503 Service Unavailable", [("x-ebb-nack", "1"), ("content-length", "0")])
            return []
        if client := environ.get("HTTP_X_FORWARDED_FOR"):
            environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = client.split(",", 1)[0].strip()
        request = Request(environ.get("HTTP_X_EBB_ID"), environ.get("HTTP_X_EBB_DEADLINE"), call_later)
        return Response(self._app, environ, start_response, request, requests.enter(request))


def retire_if_stuck():
    """Retires the instance if a thread goes on after maxDuration. A thread cannot be stopped, so it is lost for other
    requests."""
    late = time.time() - STUCK_S
    with process.lock:
        stuck = [r.id for r in process.open if not r.over and r.deadline and r.deadline < late]
    if stuck:
        requests.retire(f"request {stuck[0]} goes on behind maxDuration")


def nack_without_thread(add_task):
    """Wraps the server's add_task, so that a nack needs no worker thread: all of them may be busy for ever."""
    def add(channel):
        retire_if_stuck()
        if not process.takes_nothing_new():
            return add_task(channel)
        channel.requests.pop().close()
        channel.write_soon(NACK)
        channel.close_when_flushed = True
    return add


def call_later(seconds, call):
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), call)
    timer.daemon = True
    timer.start()
    return timer


class Stop:
    """On SIGTERM: takes no new requests, finishes open ones, exits."""

    def __init__(self, server):
        self._server, self._code, self._idle = server, None, threading.Event()
        process.on_idle = self._idle.set
        process.stop = self
        signal.signal(signal.SIGTERM, lambda *_: self(0))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored

    def __call__(self, code):
        if self._code is not None:
            return
        self._code, process.stopping = code, True
        self._server.accepting = False
        threading.Thread(target=self._finish, daemon=True).start()

    def _finish(self):
        while process.open:
            self._idle.clear()
            if process.open:
                self._idle.wait()
        while any(c.requests or c.total_outbufs_len for c in list(self._server.active_channels.values())):
            time.sleep(0.01)  # waitress tells nobody when an answer has been sent
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # ends server.run()

    @property
    def code(self):
        return self._code or 0


def _on_thread_error(arguments):
    """Handles an error in a thread that no request started."""
    threading.__excepthook__(arguments)
    if arguments.exc_type is not SystemExit:
        requests.retire("an error outside any request")


def serve(app, listener, port):
    work.follow_into_threads()
    ends.install()
    waitress.channel.HTTPChannel.parser_class = Parser
    listener.setblocking(False)
    server = waitress.server.create_server(
        Application(app), sockets=[listener], threads=THREADS, backlog=1024, channel_timeout=NEVER_S,
        max_request_body_size=1 << 62,  # the room in /tmp decides
        cleanup_interval=NEVER_S, asyncore_loop_timeout=86400, channel_request_lookahead=1,
        # The gateway bounds the connections; waitress accepts none beyond its own limit, so that limit is high.
        connection_limit=1 << 20, asyncore_use_poll=True, ident=None, clear_untrusted_proxy_headers=False)
    logging.getLogger("waitress").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], Cut)))
    server.add_task = nack_without_thread(server.add_task)
    threading.excepthook = _on_thread_error
    stop = Stop(server)
    channel.started(round(time.process_time() * 1000), port)
    server.run()  # until Stop interrupts it
    sys.stdout.flush()
    sys.exit(stop.code)
