# SPDX-License-Identifier: Apache-2.0
"""serve.py ENTRYPOINT: starts a Python function on $PORT.

"file.py" is a program that listens itself and is simply run. "module:name" is an application: an ASGI
one runs under uvicorn, a WSGI one under waitress. Nothing is imported that the function does not need.
"""
import importlib
import inspect
import os
import runpy
import sys

WSGI_THREADS = 32  # requests one instance works on at once; more wait in waitress's queue


def is_asgi(app):
    """ASGI 3: a coroutine function, or an object whose __call__ is one, of (scope, receive, send)."""
    call = app if inspect.isfunction(app) or inspect.ismethod(app) else type(app).__call__
    return inspect.iscoroutinefunction(call)


def serve_asgi(app, port):
    import uvicorn

    # The gateway closes idle connections itself; a server that did so too would race with it.
    uvicorn.run(app, host="0.0.0.0", port=port, log_level="warning", access_log=False,
                timeout_keep_alive=3600, backlog=2048)


def serve_wsgi(app, port):
    import waitress

    waitress.serve(app, host="0.0.0.0", port=port, threads=WSGI_THREADS, backlog=1024,
                   channel_timeout=3600, _quiet=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: serve.py FILE.py | MODULE:APPLICATION")
    entrypoint = sys.argv[1]
    sys.path.insert(0, os.getcwd())
    if ":" not in entrypoint:
        sys.argv = [entrypoint]
        runpy.run_path(entrypoint, run_name="__main__")
        return
    module, name = entrypoint.split(":", 1)
    app = getattr(importlib.import_module(module), name)
    port = int(os.environ.get("PORT", "8080"))
    (serve_asgi if is_asgi(app) else serve_wsgi)(app, port)


if __name__ == "__main__":
    main()
