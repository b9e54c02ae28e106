# SPDX-License-Identifier: Apache-2.0
"""The end of the process: who asked for it is in the log."""
import os
import sys

from ebb.request import current

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
    sys.stdout.flush()
    sys.stderr.flush()


def by_system_exit(error):
    """sys.exit in a request ends the process, as it would anywhere: a server would swallow it."""
    code = _code_of(error)
    log_end("sys.exit", code)
    _exit(code & 255)


def install():
    def exit_and_say(code):
        log_end("os._exit", code)
        _exit(code)

    os._exit = exit_and_say
