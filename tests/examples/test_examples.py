# SPDX-License-Identifier: Apache-2.0
"""Each example of a language is built from its own Dockerfile, and served, frozen, thawed and ended as any program."""
import json
import os
import shutil
import subprocess

import pytest

import ebb
import steps
import web
from table import EXAMPLES, MB

BASE = os.path.join(ebb.PROJECT, "examples/debian/make")
BUILD_S = 900
ASLEEP = 16  # requests at once that each wait
ONE = {"maxInstances": 1, "ebb": {"cpu": steps.CPU}}
ROWS = os.path.join(os.path.dirname(ebb.CACHE), "examples")


@pytest.fixture(scope="module", autouse=True)
def base():
    """Debian's base image, where the Dockerfiles find it without a registry."""
    subprocess.run([BASE], check=True, env={**os.environ, "EBB_CACHE": ebb.CACHE})


class Trial(steps.Trial):
    """That of a program, for a service that `ebb deploy -f` builds."""

    def __init__(self, host, example, folder):
        super().__init__(lambda *_: host, example)
        self.folder = str(folder)

    def serve(self):
        """As a user would: the folder, `npm install` where there is a package.json, `ebb deploy -f`."""
        shutil.copytree(self.program.folder, self.folder, ignore=shutil.ignore_patterns("node_modules"))
        if os.path.exists(os.path.join(self.folder, "package.json")):
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=self.folder, check=True)
        file = os.path.join(self.folder, "ebb.json")
        with open(file, "w", encoding="utf-8") as out:
            json.dump({"services": {self.name: {**self.program.service, **ONE}}}, out)
        self.ebb.cli("deploy", "-f", file, env={"EBB_CACHE": ebb.CACHE}, timeout=BUILD_S)
        self.row["first_s"] = round(self.ask(timeout=60).seconds, 2)

    def sleep_at_once(self):
        """Requests that wait share one instance."""
        if self.program.pages:
            return
        replies = web.many(ASLEEP, lambda n: self.ebb.get(self.name, "/sleep?ms=300"))
        assert [r.json["slept_ms"] for r in replies] == [300] * ASLEEP, replies
        assert len({r.instance for r in replies}) == 1, replies

    def know_limits(self):
        """The run-time believes that it has what its instance has: a part of one CPU here, and some MB."""
        if self.program.pages:
            return
        self.row["limits"] = said = self.ebb.get(self.name, "/limits").json
        if self.program.cpus:
            assert said["cpus"] == 1, said
        if self.program.memory_is:
            least, most = (part * self.program.memory * MB for part in self.program.memory_is)
            assert least <= said["memory"] <= most, said

    def live_on_garbage(self):
        """The heap is collected before the kernel ends the instance for its memory."""
        if self.program.garbage:
            reply = self.ebb.get(self.name, self.program.garbage, timeout=60)
            assert reply.status == 200 and reply.json["made"] > 0, reply
            assert not self.ebb.told(self.name, "instance_failed")

    PROGRAM = steps.Trial
    CLAIMS = (PROGRAM.log_lines, PROGRAM.answer_at_once, PROGRAM.echo, sleep_at_once, know_limits, live_on_garbage,
              PROGRAM.freeze, PROGRAM.thaw, PROGRAM.keep_memory, PROGRAM.stop)

    def keep(self, folder):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, self.program.name + ".json"), "w", encoding="utf-8") as file:
            json.dump(self.row, file, indent=1)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_example_is_built_and_served_frozen_and_ended(host, tmp_path, example):
    trial = Trial(host, example, tmp_path / "project")
    faults = trial.run()
    trial.keep(ROWS)
    assert not faults, "\n".join(f"{claim}: {what}" for claim, what in faults.items())
