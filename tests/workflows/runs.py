# SPDX-License-Identifier: Apache-2.0
"""The application of apps/suite, built once by npm and the SDK, deployed by `ebb deploy -f`; and its runs."""
import contextlib
import glob
import hashlib
import http.client
import json
import os
import shutil
import subprocess

import pictures
from ebb import CACHE
from projects import node_folder
from waiting import wait_for

APP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps/suite")
BUILD_S = 300
LOST = (OSError, http.client.HTTPException, ValueError)


def built():
    """The folder with the application as its build leaves it; kept in the cache of the tests."""
    files = sorted(p for p in glob.glob(APP + "/**", recursive=True) if os.path.isfile(p))
    key = hashlib.sha256(b"".join(open(path, "rb").read() for path in files)).hexdigest()[:20]
    path = os.path.join(CACHE, f"workflows-{key}")
    if os.path.isdir(path):
        return path
    pictures.apps_archive("world-node")  # so that the Node of the images is in the cache
    new = f"{path}.{os.getpid()}"
    env = {**os.environ, "PATH": f"{node_folder(CACHE)}:{os.environ['PATH']}"}
    try:
        shutil.copytree(APP, new)
        for command in (["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                        ["npm", "run", "build"]):
            subprocess.run(command, cwd=new, env=env, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_S)
        shutil.rmtree(os.path.join(new, "node_modules"))
        os.rename(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return path


class Suite:
    """The application as a service of an ebbd."""

    def __init__(self, ebb, place, name="suite"):
        self.ebb, self.name, self.place = ebb, name, os.path.join(place, name)
        shutil.copytree(built(), self.place)

    def deploy(self, **settings):
        path = os.path.join(self.place, "ebb.json")
        service = {"root": "dist", "runtime": "node", "entrypoint": "index.mjs", "memory": 512, "ebb": {"initTimeout": "60s", "cpu": 1000},
                   **settings}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"name": self.name + "-site", "services": {self.name: service}}, file)
        self.ebb.cli("deploy", "-f", path, "--wait", timeout=BUILD_S, env={"EBB_CACHE": CACHE})
        return self

    def ask(self, path, document=None):
        reply = self.ebb.http(path, host=f"{self.name}.localhost", method="POST" if document is not None else "GET",
                              body=json.dumps(document).encode() if document is not None else None,
                              headers={"Content-Type": "application/json"}, timeout=60)
        assert reply.status == 200, reply
        return reply

    def start(self, workflow, *args):
        return self.ask("/invoke", {"workflow": workflow, "args": args}).json["runId"]

    def surely_start(self, workflow, *args):
        """A run, also while programs are killed: a start that was lost is made again."""
        while True:
            with contextlib.suppress(AssertionError, *LOST):
                return self.start(workflow, *args)

    def look(self, run):
        with contextlib.suppress(AssertionError, *LOST):
            return self.ask(f"/runs/{run}").json
        return None

    def over(self, run, timeout=60):
        """The run when it has ended."""
        return wait_for(lambda: (lambda r: r if r and r["status"] not in ("pending", "running") else None)(self.look(run)),
                        timeout, f"the end of {run}")

    def result(self, run, timeout=60):
        end = self.over(run, timeout)
        assert end["status"] == "completed", end
        return end["output"]

    def kinds(self, run):
        return [event["eventType"] for event in self.ask(f"/events/{run}").json]
