# SPDX-License-Identifier: Apache-2.0
"""
All that users and operators do, at random and at once: requests, WebSockets, deployments, shared traffic, imports,
exports, removals, freezes, commands, upgrades in place, and deaths of instances, of ebb's programs and of ebbd. pause() brings it to rest,
so that stocks can be compared.
"""
import collections
import contextlib
import http.client
import os
import random
import signal
import sqlite3
import subprocess
import threading

import bill
import pictures
from test_edge_websockets import Socket, service
from waiting import wait_for

SERVICES = ("a", "b", "c", "d")
PATHS = ["/", "/burn?us=20", "/burn?us=2000", "/burn?ms=30", "/sleep?ms=40", "/work?us=500&ms=20", "/orphan",
         "/threads?n=2", "/spawn?n=1", "/alloc?mb=4", "/size?bytes=200000", "/background?ms=100",
         "/timer?kind=select&ms=50", "/log?text=soak&times=20"]
MORTAL = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick", "ebbd:zygote")


class Mix:
    def __init__(self, ebb, seed, tmp):
        self.ebb, self.rng, self.tmp = ebb, random.Random(seed), tmp
        self.bill = bill.Bill(ebb)
        self.mortal = [name for name in MORTAL if ebb.programs(name)]
        self.runs = {}  # runs of a schedule that were acknowledged, and how they ended
        self.done = collections.Counter()   # acts that went well, by name
        self.faults = collections.Counter()  # answers that were errors, by name and answer
        self.ended, self.go = threading.Event(), threading.Event()
        self.working, self.lock = 0, threading.Condition()
        self.threads = []

    # --- rest and work ----------------------------------------------------------------------------
    def _turn(self, act, rng, every_s):
        while not self.ended.is_set():
            self.go.wait()
            with self.lock:
                if not self.go.is_set():
                    continue
                self.working += 1
            try:
                act(rng)
                self.done[act.__name__] += 1
            except (OSError, AssertionError, EOFError, TypeError, ValueError, http.client.HTTPException,
                    sqlite3.Error, subprocess.TimeoutExpired) as error:
                self.faults[f"{act.__name__}: {str(error)[:60] or type(error).__name__}"] += 1
            finally:
                with self.lock:
                    self.working -= 1
                    self.lock.notify_all()
            self.ended.wait(rng.random() * 2 * every_s)

    def plan(self):
        """Acts, and how often one thread does each: [(act, seconds in between)]."""
        return [(self.request, 0.01), (self.request, 0.01), (self.request, 0.02), (self.talk, 0.5), (self.deploy, 1.5),
                (self.share, 3), (self.renew, 10), (self.bring, 8), (self.take, 8), (self.freeze, 0.7),
                (self.command, 2), (self.look, 1), (self.count_bill, 1), (self.kill_instance, 2), (self.kill_program, 7),
                (self.run_schedule, 1), (self.drain, 45), (self.upgrade, 25), (self.kill_ebbd, 12)]

    def start(self):
        for act, every_s in self.plan():
            thread = threading.Thread(target=self._turn, args=(act, random.Random(self.rng.random()), every_s),
                                      daemon=True)
            self.threads.append(thread)
            thread.start()
        self.go.set()

    @contextlib.contextmanager
    def pause(self):
        """Nothing is asked, nothing is on its way, and every instance is gone."""
        self.go.clear()
        with self.lock:
            assert self.lock.wait_for(lambda: self.working == 0, 420), "something hangs"
        wait_for(self._whole, 60, "all programs live")
        wait_for(self._runs_are_over, 60, "no run is open")
        wait_for(self._empty, 60, "no instance is left")
        wait_for(lambda: not self.ebb.programs("ebb-unpack"), 60)
        wait_for(self.ebb.all_new, 60, "programs of one version")
        wait_for(lambda: len(self.ebb.programs("ebb-gateway")) == self.ebb.gateways, 60,
                 "gateways that were replaced are gone")
        self.ebb.wait_armed()
        yield
        self.go.set()

    def stop(self):
        self.ended.set()
        self.go.set()
        for thread in self.threads:
            thread.join(120)

    def _whole(self):
        return all(self.ebb.programs(name) for name in self.mortal) and self._serves()

    def _serves(self):
        try:
            return self.ebb.rest("GET", "/readyz").status == 200
        except OSError:
            return False

    def _empty(self):
        for instance in self.ebb.instances():
            self.ebb.cli("stop", instance["id"], ok=False)
        return not self.ebb.instances()

    # --- acts ---------------------------------------------------------------------------------------
    def request(self, rng):
        answer = self.ebb.get(rng.choice(SERVICES), rng.choice(PATHS), timeout=60)
        self.done[f"answers {answer.status}"] += 1

    def talk(self, rng):
        with contextlib.closing(Socket(self.ebb, "ws")) as one:
            for n in range(rng.randrange(1, 5)):
                one.say(f"{n}")
                one.hear_message()

    def deploy(self, rng):
        self.ebb.rest("PUT", f"/v1/services/{rng.choice(SERVICES)}",
                      {"image": rng.choice(("probe", "again")), "memory": rng.choice((128, 192)),
                       "maxInstances": 2, "env": {"N": str(rng.randrange(3))}}, timeout=60)

    def share(self, rng):
        name = rng.choice(SERVICES)
        known = [r["revision"] for r in self.ebb.rest("GET", f"/v1/services/{name}/revisions").json["revisions"]]
        if len(known) > 1:
            one, two = rng.sample(known, 2)
            self.ebb.rest("PUT", f"/v1/services/{name}/traffic",
                          {"traffic": [{"revision": one, "percent": 70}, {"revision": two, "percent": 30}]}, timeout=60)

    def renew(self, rng):
        name = f"passing-{rng.randrange(3)}"
        self.ebb.rest("PUT", "/v1/services/" + name, {"image": "probe", "memory": 128}, timeout=60)
        self.ebb.get(name, "/", timeout=60)
        self.ebb.rest("DELETE", "/v1/services/" + name, timeout=60)

    def bring(self, rng):
        self.ebb.import_image("oci-archive:" + rng.choice((pictures.own_archive(), pictures.probe_archive())),
                              f"passing-{rng.randrange(3)}", ok=False)
        self.ebb.cli("image", "rm", f"passing-{rng.randrange(3)}", ok=False)
        self.ebb.cli("image", "gc", ok=False)

    def run_schedule(self, _rng):
        """One more run; beside those that are due each minute."""
        answer = self.ebb.rest("POST", "/v1/schedules/run?name=soak&service=ticks")
        if answer.status == 202:
            self.runs[answer.json["run"]] = None
        self.done[f"runs {answer.status}"] += 1

    def _runs_are_over(self):
        """Each run that was acknowledged, as long as it is among the last ones, that ebb keeps."""
        found = {r["id"]: r["state"] for r in self.ebb.rest("GET", "/v1/runs?service=ticks").json["runs"]}
        self.runs.update((run, state) for run, state in found.items() if run in self.runs)
        return all(state in ("done", "failed", "skipped") for state in found.values())

    def take(self, _rng):
        self.ebb.cli("image", "export", "probe", "-o", os.path.join(self.tmp, "soak.tar"), ok=False)

    def _instance(self, rng):
        found = self.ebb.instances()
        return rng.choice(found) if found else None

    def freeze(self, rng):
        instance = self._instance(rng)
        if instance:
            self.ebb.cli(rng.choice(("freeze", "thaw")), instance["id"], ok=False)

    def command(self, rng):
        instance = self._instance(rng)
        if instance and instance["service"] in SERVICES:
            self.ebb.cli("exec", instance["id"], "--", "/srv/probe", "tree", "/srv", ok=False, stdin="")

    def look(self, rng):
        for path in ("/v1/usage", "/metrics", "/v1/instances", "/v1/events", "/v1/images", "/v1/node"):
            self.ebb.rest("GET", path)
        self.ebb.cli("logs", rng.choice(SERVICES), ok=False)

    def kill_instance(self, rng):
        instance = self._instance(rng)
        if instance:
            self.bill.kill(instance)

    def count_bill(self, _rng):
        self.bill.look()

    def kill_program(self, rng):
        name = rng.choice(self.mortal)
        for pid in rng.sample(found := self.ebb.programs(name), min(1, len(found))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def upgrade(self, rng):
        """To a copy of the same programs that says that it is of another version. Refused while an ebbd takes over."""
        self.ebb.install(rng.choice((self.ebb.version, self.ebb.next)))
        wait_for(lambda: self.ebb.cli("upgrade", ok=False, timeout=200).code == 0, 400, "an upgrade")

    def kill_ebbd(self, _rng):
        """Also in the middle of an upgrade."""
        pid = self.ebb.ebbd_pid
        if pid:
            os.kill(pid, signal.SIGKILL)

    def drain(self, _rng):
        """An undrain that meets a death is said again, or the host would stay drained."""
        self.ebb.cli("drain", "--deadline", "2s", ok=False)
        wait_for(lambda: self.ebb.cli("undrain", ok=False).code == 0, 60, "an undrain")


def prepare(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.import_image("oci-archive:" + pictures.own_archive(), "again")
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    for name in SERVICES:
        ebb.deploy(name, "probe", "--max", 2)
    ebb.rest("PUT", "/v1/services/ticks", {"image": "probe", "maxInstances": 1, "schedules": {
        "minutely": {"schedule": "* * * * *", "path": "/burn?us=500"},
        "soak": {"schedule": "0 0 1 1 *", "path": "/work?us=500&ms=20", "retries": 5}}})
    ebb.apply({"ws": {**service("ws-node", concurrency=50), "memory": 256}})
