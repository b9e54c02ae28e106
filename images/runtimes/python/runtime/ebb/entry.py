# SPDX-License-Identifier: Apache-2.0
"""Finds the application that "module:name" names. If there is none, the error says what was looked for and where."""
import functools
import importlib
import inspect
import os
import sys


def _refuse(entrypoint, why):
    sys.exit(f"ebb: entrypoint {entrypoint}: {why}")


def _module(entrypoint, name):
    if name.endswith(".py") or "/" in name:
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        _refuse(entrypoint, f"name the module, not its file: {dotted}:{entrypoint.partition(':')[2]}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise  # the module is there, but imports a module that is not
        _refuse(entrypoint, f"there is no module {error.name} in {os.getcwd()}")


def _takes(call, count):
    try:
        inspect.signature(call).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def load(entrypoint):
    """Loads module:name or module:object.name; module:name() calls a function that makes the application."""
    name, _, path = entrypoint.partition(":")
    if not path:
        _refuse(entrypoint, "what is the application's name? module:name")
    app = _module(entrypoint, name)
    for part in path.removesuffix("()").split("."):
        if not hasattr(app, part):
            _refuse(entrypoint, f"{getattr(app, '__file__', type(app).__name__)} has no {part!r}")
        app = getattr(app, part)
    if path.endswith("()"):
        app = app()
    if not callable(app):
        _refuse(entrypoint, f"{type(app).__name__} is no application: it cannot be called")
    if _takes(app, 0) and not _takes(app, 2) and not _takes(app, 3):
        _refuse(entrypoint, f"a function without arguments is no application; if it makes one: {entrypoint}()")
    return app


def is_asgi(app):
    """Whether app is an ASGI 3 application: a coroutine function, an object whose __call__ is one, or a callable that
    takes three arguments (scope, receive, send) and not two (environ, start_response)."""
    call = app
    while isinstance(call, functools.partial):
        call = call.func
    if not (inspect.isfunction(call) or inspect.ismethod(call)):
        call = type(call).__call__
    return inspect.iscoroutinefunction(call) or _takes(app, 3) and not _takes(app, 2)
