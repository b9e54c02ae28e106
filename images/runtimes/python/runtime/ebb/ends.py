# SPDX-License-Identifier: Apache-2.0
"""The end of the process. The log names the request that asked for it."""
import os
import sys

from ebb.request import current, enter, process

_exit = os._exit


def _code_of(error):
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def log_end(call, code):
    request = current()
    if request is not None:
        print(f"ebb: {call}({code}) called by request {request.id}", file=sys.stderr)
    for one in list(process.open):
        one.end_lines()  # lines that have begun still go out
    sys.stdout.flush()
    sys.stderr.flush()


def by_system_exit(error):
    """Ends the process when a request called sys.exit, as outside of a server; uvicorn and waitress would go on."""
    if current() is None:  # a task of a request ended the event loop
        enter(getattr(error, "ebb_request", None))
    code = _code_of(error)
    log_end("sys.exit", code)
    _exit(code & 255)


def install():
    def leave(status=None, /):
        error = SystemExit(status)
        error.ebb_request = current()
        raise error

    def exit_and_say(code):
        log_end("os._exit", code)
        _exit(code)

    sys.exit, os._exit = leave, exit_and_say
