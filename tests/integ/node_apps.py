# SPDX-License-Identifier: Apache-2.0
"""The programs of functions/node-apps as services: one image, a command each."""
import pictures
from waiting import slow

NODE = ["/usr/bin/node", "--require=/usr/lib/ebb/node/boot.cjs"]


def import_apps(ebb):
    ebb.import_image("oci-archive:" + pictures.apps_archive("node-apps"), "node-apps")


def service(program, **more):
    """One program of node-apps, e.g. http.mjs; a setting of None takes the default away."""
    settings = {"runtime": "container", "entrypoint": "node-apps", "command": [*NODE, program],
                "maxInstances": 1, "memory": 2048, **more}
    settings["ebb"] = {"initTimeout": f"{slow(10):.0f}s", **more.get("ebb", {})}
    return {key: value for key, value in settings.items() if value is not None}


def deploy(ebb, name, program, **more):
    ebb.apply({name: service(program, **more)})
    return name

