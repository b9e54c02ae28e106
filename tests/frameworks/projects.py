# SPDX-License-Identifier: Apache-2.0
"""Copies of the projects in apps/, with other versions of their packages, and their images."""
import json
import os
import re
import shutil

from ebb import CACHE
from waiting import wait_for

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
BUILD_S = 900


def project(folder, place, versions=()):
    """A copy of apps/FOLDER in place; versions: {package: version} of package.json."""
    shutil.copytree(os.path.join(APPS, folder), place)
    path = os.path.join(place, "package.json")
    with open(path, encoding="utf-8") as file:
        package = json.load(file)
    package["dependencies"].update(versions)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(package, file, indent=2)
    return place


def built(ebb, place, name, *options, ok=True):
    """ebb build of a folder."""
    return ebb.cli("build", place, "-t", name, *options, ok=ok, timeout=BUILD_S, env={"EBB_CACHE": CACHE})


def serve(ebb, name, memory=512, **more):
    ebb.apply({name: {"runtime": "container", "entrypoint": name, "memory": memory, "maxInstances": 1, **more}})


def frozen_at_no_cost(ebb, name):
    """Waits until its instance is frozen for half a second by the bill, and that half second costs nothing. V8 wakes a
    server some times in its first minutes, so it may take more than one look."""
    ebb.wait_frozen(name)
    last = [ebb.usage(name)]

    def at_rest():
        now = ebb.usage(name)
        if now["active_cpu_us"] != last[0]["active_cpu_us"]:
            last[0] = now
        return now["frozen_us"] - last[0]["frozen_us"] > 500_000
    wait_for(at_rest, 60, "rest that is not billed")


def node_folder(cache):
    """Where the Node of the images is, for builds without ebb."""
    base = max((d.path for d in os.scandir(cache) if d.name.startswith("base-node-")), key=os.path.getmtime)
    return os.path.join(base, "root/usr/bin")


def preloaded(reply):
    """The addresses of a page's scripts that its `link` field or its text names."""
    text = reply.headers.get("link", "") + reply.text
    return sorted({"/" + one.lstrip("./") for one in re.findall(r"[./]*_app/immutable/[\w./-]+\.js", text)})


def scripts_of(page):
    """The addresses of the page's own scripts."""
    return sorted(set(re.findall(r'src="(/_next/static/[^"]+\.js[^"]*)"', page)))
