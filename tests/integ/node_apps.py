# SPDX-License-Identifier: Apache-2.0
"""The programs of functions/node-apps and python-apps as services: one image, a command each."""
import contextlib

from waiting import slow

SERVE = ["/usr/bin/python3", "/usr/lib/ebb/serve.py"]
NODE = ["/usr/bin/node", "--experimental-async-context-frame", "--no-memory-reducer",
        "--require=/usr/lib/ebb/node/boot.cjs"]


def service(program, **more):
    """One program of node-apps, e.g. http.mjs."""
    settings = {"runtime": "container", "entrypoint": "node-apps", "command": [*NODE, program],
                "maxInstances": 1, "memory": 2048, **more}
    settings["ebb"] = {"initTimeout": f"{slow(10):.0f}s", **more.get("ebb", {})}
    return settings


def python_service(program, **more):
    """One application of python-apps, e.g. asgi:app."""
    return service(program, **{"entrypoint": "python-apps", "command": [*SERVE, program], **more})


@contextlib.contextmanager
def deployed(ebb, services):
    """All of them until the end."""
    ebb.apply(services)
    try:
        yield ebb
    finally:
        ebb.cli("rm", *services)
