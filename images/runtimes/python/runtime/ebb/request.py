# SPDX-License-Identifier: Apache-2.0
"""A Request is one request, from its head to the end of its work. A context variable leads to it."""
import contextvars
import sys
import threading
import time
import traceback

from ebb.ipc import channel

_current = contextvars.ContextVar("ebb_request", default=None)
current = _current.get
enter = _current.set
leave = _current.reset

SUSPECT_ERRNOS = {12, 23, 24}  # ENOMEM, ENFILE, EMFILE: the process is in trouble, not one request


class Process:
    """State that all requests share. Its lock guards this and every request's counters."""

    def __init__(self):
        self.lock = threading.Lock()
        self.open = set()  # requests whose response or work is not over
        self.retiring = self.stopping = False
        self.on_idle = None  # called, in any thread, when open becomes empty
        self.stop = None  # function of an exit code

    def takes_nothing_new(self):
        return self.stopping or self.retiring


process = Process()


def retire(reason):
    """Takes no new requests, finishes open ones, and asks the host for a replacement."""
    with process.lock:
        if process.retiring:
            return
        process.retiring = True
    print(f"ebb: {reason}: this instance takes no new requests", file=sys.stderr)
    channel.retire(reason)
    if not channel.available and process.stop:
        process.stop(1)  # without ebb-ipc: finish open requests and exit


def retire_if_suspect(error):
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in SUSPECT_ERRNOS:
        retire(f"{type(error).__name__} leaves the process in doubt")


class Request:
    def __init__(self, ident, deadline_ms, call_later=None, on_fail=None, loop=None):
        self.id = ident or ""
        self.deadline = int(deadline_ms) / 1000 if deadline_ms and deadline_ms.isdigit() else None
        self.loop = loop
        self.work = set()
        self.over = False
        self.cut = None  # why work was given up
        self.failed = None
        self.partial = {}  # stream -> the line that has begun there
        self.late = None  # the timer that ends lines which begin after the end of the request
        self._held = False
        self._timer = None
        self._call_later = call_later
        self._on_fail = on_fail
        with process.lock:
            process.open.add(self)

    def seconds_left(self):
        return max(0.0, self.deadline - time.time())

    # --- errors ---------------------------------------------------------------------------------
    def fail(self, error, where="request"):
        """An error that belongs to this request: the log names it, and an open response becomes 500."""
        token = enter(self)
        try:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            print(f"ebb: error in {where} {self.id}: {text}", end="", file=sys.stderr)
        finally:
            leave(token)
        if not self.over and self.failed is None:
            self.failed = error
            if self._on_fail:
                self._on_fail()
        retire_if_suspect(error)

    def end_lines(self):
        """Ends the lines that the request has begun and not ended, so that they go out."""
        for stream in list(self.partial):
            stream.end_line(self)

    # --- work behind the response ---------------------------------------------------------------
    def begin(self, work):
        """Begins work behind the response; work has a cancel(). False if the deadline has passed."""
        with process.lock:
            if self.cut is not None:
                return False
            self.work.add(work)
            process.open.add(self)
            first, self._held = not self._held, True
        if first:
            if self.id:
                channel.hold(self.id, self.deadline)
            if self.deadline and self._call_later:
                self._timer = self._call_later(self.seconds_left(), self._at_deadline)
        return True

    def done(self, work):
        with process.lock:
            self.work.discard(work)
        self._settle()

    def finish(self):
        """The response has been sent, or its connection is gone."""
        with process.lock:
            self.over = True
        self._settle()

    def _settle(self):
        with process.lock:
            if not self.over or self.work or self not in process.open:
                return
            process.open.discard(self)
            held, self._held = self._held, False
            idle = not process.open
        if self._timer:
            self._timer.cancel()  # nothing may wake a frozen instance for no reason
        if held and self.id:
            channel.end(self.id, self.cut)
        self.end_lines()
        if idle and process.on_idle:
            process.on_idle()

    def _at_deadline(self):
        with process.lock:
            left, self.work = self.work, set()
            self.cut = f"work behind the response: cut at the deadline with {len(left)} not finished"
        if not left:
            return
        token = enter(self)
        print(f"ebb: {self.cut}", file=sys.stderr)
        leave(token)
        for work in left:
            work.cancel()
        self._settle()
