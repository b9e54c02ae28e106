# SPDX-License-Identifier: Apache-2.0
"""Lines written inside a request begin with 0x1e, the request's id and a space, so that the log knows their request.
A line that has begun is kept until it ends, so two requests never share a line."""
import os
import sys
import threading

from ebb.request import current, process

PARTIAL_MAX = 16384
LATE_S = 0.02  # a line begun after the end of its request is ended after this time


class TaggedBuffer:
    """sys.stdout.buffer: bytes written inside a request become tagged lines, too."""

    def __init__(self, text):
        self._text, self._buffer = text, text._stream.buffer

    def __getattr__(self, name):
        return getattr(self._buffer, name)

    def write(self, data):
        if current() is None:
            return self._buffer.write(data)
        self._text.write(bytes(data).decode("utf-8", self._text._stream.errors))
        return len(data)


class TaggedStream:
    def __init__(self, stream):
        self._stream = stream
        self._lock = threading.Lock()
        self._midline = False  # the last text written outside a request did not end its line
        self.buffer = TaggedBuffer(self)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        request = current()
        with self._lock:
            if request is None or not request.id:
                self._midline = not text.endswith("\n") if text else self._midline
                return self._stream.write(text)
            self._write_of(request, text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def end_line(self, request):
        """Ends the line that a request has begun, if there is one."""
        with self._lock:
            if request.partial.get(self):
                self._write_of(request, "\n")

    @staticmethod
    def _end_late(request):
        request.late = None
        request.end_lines()

    def _write_of(self, request, text):
        text = request.partial.pop(self, "") + text
        lines, _, rest = text.rpartition("\n")
        if len(rest) > PARTIAL_MAX:
            lines, rest = text, ""
        if rest:
            request.partial[self] = rest
            if request not in process.open and not request.late:
                request.late = threading.Timer(LATE_S, self._end_late, (request,))
                request.late.start()
        if lines or text != rest:
            begin = "\n" if self._midline else ""
            self._midline = False
            tag = f"\x1e{request.id} "
            self._stream.write(begin + tag + lines.replace("\n", "\n" + tag) + "\n")


def install():
    if os.environ.get("EBB_INSTANCE"):  # else nobody reads tags
        sys.stdout, sys.stderr = TaggedStream(sys.stdout), TaggedStream(sys.stderr)
