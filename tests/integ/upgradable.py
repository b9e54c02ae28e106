# SPDX-License-Identifier: Apache-2.0
"""An ebbd whose programs stand in a directory of its own, where others take their place."""
import os
import signal
import time

from ebb import BIN, Ebb
from waiting import wait_for

PROGRAMS = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick")


class Upgradable(Ebb):
    """Its programs stand in a directory of its own, and others can be put in their place."""

    def __init__(self, **more):
        super().__init__(**more)
        self.place = os.path.join(self.root, "programs-here")
        self.version = os.popen(f"{BIN}/ebb version").read().split()[-1]
        self.next = self.version[:-1] + ("9" if self.version[-1] != "9" else "8")
        os.mkdir(self.place)
        self.install(self.version)
        self.program = os.path.join(self.place, "ebbd")

    def install(self, version, change=None):
        """As a package manager does: each file takes the place of another one."""
        for name in sorted(n for n in os.listdir(BIN) if n.startswith("ebb") and os.path.isfile(os.path.join(BIN, n))):
            if "." in name or not os.access(os.path.join(BIN, name), os.X_OK):
                continue
            with open(os.path.join(BIN, name), "rb") as file:
                data = file.read().replace(self.version.encode(), version.encode())
            new = os.path.join(self.place, name + ".new")
            with open(new, "wb") as file:
                file.write(change(data) if change else data)
            os.chmod(new, 0o755)
            os.rename(new, os.path.join(self.place, name))

    def ask(self):
        self.process.send_signal(signal.SIGUSR2)

    def upgrade(self, version):
        """Until every program is of this version; how long ebbd was away."""
        before = len(self.log_lines("event=upgraded"))
        self.install(version)
        begun = time.monotonic()
        self.ask()
        wait_for(lambda: len(self.log_lines("event=upgraded")) > before, 30, "the new ebbd")
        took = time.monotonic() - begun
        wait_for(self.all_new, 30, "the new programs")
        return took

    def all_new(self):
        """No program but gateways that retire is of another version than those in place."""
        return all(self.is_new(pid, name) for name in PROGRAMS if name != "ebb-gateway" for pid in self.programs(name)) \
            and len([p for p in self.programs("ebb-gateway") if self.is_new(p, "ebb-gateway")]) == self.gateways

    def is_new(self, pid, name):
        try:
            return os.stat(f"/proc/{pid}/exe").st_ino == os.stat(os.path.join(self.place, name)).st_ino
        except OSError:
            return False

    def shown(self):
        return self.rest("GET", "/v1/node").json["version"]
