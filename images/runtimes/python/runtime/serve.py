# SPDX-License-Identifier: Apache-2.0
"""serve.py ENTRYPOINT: starts a Python function.

"module:name" is an application: an ASGI application runs under uvicorn, a WSGI application under waitress, on the
inherited socket if there is one, else on $PORT. "file.py" is a program that listens on $PORT itself; it is run as it
is. Modules that the function does not need are not imported.
"""
import os
import runpy
import socket
import sys

from ebb import entry, logs

FIRST_FD = 3
BACKLOG = 1024


def listening_socket(port):
    """The inherited socket (sd_listen_fds(3)); without one, a TCP socket that listens on the port."""
    count, pid = os.environ.pop("LISTEN_FDS", "0"), os.environ.pop("LISTEN_PID", "")
    if int(count or 0) >= 1 and pid in ("", str(os.getpid())):
        return socket.socket(fileno=FIRST_FD)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(BACKLOG)
    return listener


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: serve.py FILE.py | MODULE:APPLICATION")
    entrypoint = sys.argv[1]
    sys.path.insert(0, os.getcwd())
    if ":" not in entrypoint:
        sys.argv = [entrypoint]
        runpy.run_path(entrypoint, run_name="__main__")
        return
    logs.install()
    app = entry.load(entrypoint)
    port = int(os.environ.get("PORT", "8080"))
    if entry.is_asgi(app):
        from ebb import asgi as server
    else:
        from ebb import wsgi as server
    server.serve(app, listening_socket(port), port)


if __name__ == "__main__":
    main()
