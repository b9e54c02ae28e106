# SPDX-License-Identifier: Apache-2.0
"""
The work that each program must do, with a method for each claim. A trial runs all of them, keeps its measures in its
row, and collects the faults, so that one fault hides no other.
"""
import json
import os
import re
import subprocess
import time

import images
import leaks
import pairs
import web
from waiting import slow, wait_for

AT_ONCE = 100
AT_ONCE_S = 8      # the slowest takes 2; a program that waits for a time-out takes longer
FREEZE_S = 1.0     # from the last answer
TIMER_MS = 2500
LATE_MS = 500
TRIES = 3          # a time is the best of so many: another program of this host may have had the CPU
CPU = 1000         # thousandths: so that a slow start does not take the time of the whole check
STOP_S = 5


class Trial:
    def __init__(self, host, program):
        self.host, self.ebb, self.program, self.name = host, host(), program, re.sub(r"[^a-z0-9]+", "-", program.name.lower())
        self.row = {"name": program.name, "family": program.family, "package": program.package,
                    "made": program.made, "note": program.note, "faults": {}}

    # --- asking ---------------------------------------------------------------------------------
    def ask(self, n=1, timeout=30):
        """The program's own answer to request n, and when it was there."""
        if self.program.path is None:
            return self.client("grpc", "hello", "1")
        reply = self.ebb.get(self.name, self.program.path.format(n=n), timeout=timeout)
        assert self.program.says.format(n=n) in reply.text and reply.status in (200, 404), reply
        return reply

    def client(self, file, *words):
        """A client of npm's, as its guide shows it, under Node itself."""
        folder = os.path.join(images.npm_folder("npm"), "clients")
        begun = time.monotonic()
        done = subprocess.run([images.node(), file + ".mjs", str(self.ebb.port), *words],
                              cwd=folder, capture_output=True, text=True, timeout=slow(60))
        assert done.stdout.strip() == "right", f"{file} {words}: {done.stdout[:500]} {done.stderr[:1500]}"
        return web.Reply(200, [], b"", time.monotonic() - begun)

    def log(self):
        return self.ebb.cli("logs", self.name, "--tail", 1000).out

    def instance(self):
        return self.ebb.instance(self.name)

    def is_frozen(self):
        """By the kernel's own word."""
        number = self.instance()["id"].rsplit("-", 1)[1]
        paths = [p for p in leaks.cgroup_dirs(self.ebb.config["cgroup"]) if p.endswith("/instances/" + number)]
        return lambda: any("frozen 1" in leaks.read(p + "/cgroup.events") for p in paths)

    def wait_frozen(self):
        try:
            wait_for(self.is_frozen(), 5)
        except AssertionError:
            raise AssertionError(f"not frozen within {slow(5):g} s: {self.why()}") from None

    # --- claims ---------------------------------------------------------------------------------
    def serve(self):
        program = self.program
        self.host(program.image)
        self.ebb.apply({self.name: {
            "runtime": "container", "entrypoint": program.image, "command": program.argv, "env": program.env,
            "memory": program.memory, "maxInstances": 1, "hosts": ["127.0.0.1"],
            "ebb": {"cpu": CPU, "initTimeout": "30s", "stopGrace": f"{STOP_S}s", **program.ebb}}})
        reply = self.ask(timeout=60)
        self.row["first_s"] = round(reply.seconds, 2)

    def answer_at_once(self):
        begun = time.monotonic()
        if self.program.path is None:
            self.client("grpc", "hello", str(AT_ONCE))
        else:
            web.many(AT_ONCE, self.ask)
        took = time.monotonic() - begun
        self.row["at_once_s"] = round(took, 2)
        assert took <= slow(AT_ONCE_S), f"{AT_ONCE} answers took {took:.1f} s"

    def echo(self):
        if self.program.echo:
            for size in (0, 1, 100_000):
                body = os.urandom(size)
                reply = self.ebb.get(self.name, "/echo", method="POST", body=body,
                                     headers={"Content-Type": "application/octet-stream"})
                assert reply.status in (200, 204) and reply.body == body, f"{size} bytes: {reply}"

    def talk(self):
        for file, *words in self.program.clients:
            self.client(file, *words)

    def talk_grpc(self):
        if self.program.path is None:
            self.client("grpc", "all")

    def answer_as_plainly(self):
        """The same random requests to it and to the same program run plainly: the same answers, none lost."""
        count = pairs.count_for(self.program)
        if count:
            differing, pair = pairs.compare(self.program, self.ebb.address, self.name + ".localhost", count)
            self.row["pair"], self.row["allowed"], self.row["slowest_s"] = pair.count, pair.kinds, pair.slowest
            assert not differing, "\n".join(differing)

    def freeze(self):
        """Within a second of the last answer."""
        seen = []
        for n in range(TRIES):
            self.ask(n)
            begun = time.monotonic()
            self.wait_frozen()
            seen.append(time.monotonic() - begun)
        self.row["frozen_ms"] = round(min(seen) * 1000)
        assert min(seen) <= slow(FREEZE_S), f"frozen only after {min(seen):.2f} s: {self.why()}"

    def why(self):
        found = re.search(r"^why\s+(.*)$", self.ebb.cli("why", self.instance()["id"], ok=False).out, re.M)
        return found.group(1) if found else "nothing to say"

    def thaw(self):
        seen = []
        for n in range(TRIES):
            self.wait_frozen()
            reply = self.ask(n)
            assert self.program.path is None or reply.start == "thaw", reply
            seen.append(reply.seconds)
        if self.program.path is not None:
            self.row["thaw_ms"] = round(min(seen) * 1000, 1)

    def fire_timer(self):
        """A timer of the program's own, while nobody asks for anything."""
        if self.program.path is None:
            self.client("grpc", "timer", str(TIMER_MS))
        elif self.program.timer is None:
            return
        else:
            reply = self.ebb.get(self.name, self.program.timer.format(ms=TIMER_MS))
            assert reply.status == 200, reply
        before = self.instance()["freezes"]
        line = rf"timer {TIMER_MS} late (-?\d+) ms"  # rounded twice: it may be one too early
        late = wait_for(lambda: re.search(line, self.log()), TIMER_MS / 1000 + 3, f"its timer: {self.why()}")
        self.row["timer_late_ms"] = int(late.group(1))
        self.row["timer_frozen"] = self.instance()["freezes"] > before
        assert int(late.group(1)) <= slow(LATE_MS), late.group(0)

    def log_lines(self):
        if self.program.logs:
            wait_for(lambda: re.search(self.program.logs, self.log()), 5,
                     f"{self.program.logs} in the log: {self.log()[-1000:]}")

    def keep_memory(self):
        memory = self.instance()["memory_bytes"]
        self.row["memory_mb"] = round(memory / 1e6)
        assert memory <= self.program.memory << 20, memory
        failed = self.ebb.told(self.name, "instance_failed")
        assert not failed, failed

    def stop(self):
        """SIGTERM to a frozen instance: it ends by itself, well within its grace."""
        wanted = self.instance()["id"]
        begun = time.monotonic()
        self.ebb.cli("stop", wanted)
        told = wait_for(lambda: self.ebb.told(wanted, "instance_stopped")
                        or self.ebb.told(wanted, "instance_failed"), STOP_S + 10, "the end of " + wanted)
        self.row["stop_ms"] = round((time.monotonic() - begun) * 1000)
        self.row["stop"] = told[0]
        assert "kill" not in told[0] and self.row["stop_ms"] < slow(STOP_S) * 1000, told

    # Lines of the start are looked for before so many others follow.
    CLAIMS = (answer_at_once, echo, log_lines, talk, talk_grpc, answer_as_plainly, freeze, thaw, fire_timer, keep_memory,
              stop)

    def run(self):
        """The whole of it; faults as {claim: sentence}."""
        try:
            if not self._try(type(self).serve):
                return self.row["faults"]
            for claim in self.CLAIMS:
                self._try(claim)
        finally:
            self.ebb.cli("rm", self.name, ok=False)
        return self.row["faults"]

    def _try(self, claim):
        try:
            claim(self)
        except (AssertionError, OSError, web.http.client.HTTPException, subprocess.SubprocessError) as error:
            said = self.ebb.cli("logs", self.name, "--tail", 15, ok=False).out
            self.row["faults"][claim.__name__] = f"{str(error)[:2000] or repr(error)}\n{said}"
            return False
        return True

    def keep(self, folder):
        os.makedirs(folder, exist_ok=True)
        self.row["version"] = images.short(images.version(self.program))
        with open(os.path.join(folder, self.program.name + ".json"), "w", encoding="utf-8") as file:
            json.dump(self.row, file, indent=1)
