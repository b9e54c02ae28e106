# SPDX-License-Identifier: Apache-2.0
"""Deaths of ebbd, and work that goes on meanwhile."""
import contextlib
import http.client
import os
import random
import signal
import threading
import time

import lanes
import web
from waiting import wait_for

COUNTED = ("a", "b")


def works(ebb):
    """The ebbd that lives is ready."""
    return "event=ready" in ebb.log_lines("event=ready listen=|event=ebbd_died ")[-1]


def kill_ebbd(ebb, how=signal.SIGKILL):
    """Until another one works; how long that took."""
    old = wait_for(lambda: works(ebb) and ebb.ebbd_pid, 30)
    before = len(ebb.log_lines("event=ready listen="))
    begun = time.monotonic()
    os.kill(old, how)
    ebb.deaths += 1

    def ready():
        assert ebb.process.poll() is None, f"the keeper gave up\n{ebb.log()}"
        return len(ebb.log_lines("event=ready listen=")) > before
    wait_for(ready, 30, "another ebbd")
    return time.monotonic() - begun


def kill_program(ebb, name, which=0):
    """One of the processes of that name, which has to be there."""
    pids = sorted(wait_for(lambda: ebb.programs(name), 30, f"a process {name}"))
    with contextlib.suppress(ProcessLookupError):  # it ended by itself since
        os.kill(pids[which % len(pids)], signal.SIGKILL)


def kill_instance(ebb, service):
    def living():
        with contextlib.suppress(OSError, http.client.HTTPException):  # somebody else died a moment ago
            return [one["pid"] for one in ebb.instances(service) if one["pid"]]
        return []
    (pid, *_) = wait_for(living, 60, f"an instance of {service}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Background(threading.Thread):
    """Calls work() again and again until told to end; faults is a list of its errors."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.faults, self.done, self.over = work, [], 0, False

    def run(self):
        while not self.over:
            try:
                self.work()
                self.done += 1
            except (OSError, AssertionError) as error:
                self.faults.append(repr(error))


class Throughout:
    """
    Counted requests, long ones and uploads, while the block runs. Then none has failed, each was counted and billed once,
    and the instances are those of before.
    """

    def __init__(self, ebb):
        self.ebb, self.over = ebb, threading.Event()

    def __enter__(self):
        ebb = self.ebb
        ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "ebb": {"freezeAfter": 1}}
                   for name in COUNTED})
        ebb.deploy("long", "probe", "--max", 2)
        self.lanes = [lanes.Lane(ebb, name, number * 1000000, 1000000, lambda: random.uniform(0, 0.03), until=self.over.is_set)
                      for name in COUNTED for number in range(3)]
        self.work = [Background(self._sleeps), Background(self._uploads)]
        for each in [*self.lanes, *self.work]:
            each.start()
        wait_for(lambda: all(lane.answered > 3 for lane in self.lanes) and all(w.done for w in self.work), 30)
        self.ids = self._ids()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for each in self.work:
            each.over = True
        for each in [*self.lanes, *self.work]:
            each.join()
        if kind is None:
            self._judge()

    def _ids(self):
        return {name: self.ebb.instance(name)["id"] for name in COUNTED}

    def _sleeps(self):
        reply = self.ebb.get("long", "/sleep?ms=700")
        assert reply.status == 200, reply

    def _uploads(self):
        assert web.echo(self.ebb.address, "long.localhost", 3 << 20, chunked=True)

    def _judge(self):
        faults = [f"{lane.service}: {fault}" for lane in self.lanes for fault in lane.faults]
        faults += [f for w in self.work for f in w.faults]
        assert not faults, (faults[:20], self.ebb.log())
        assert self._ids() == self.ids
        for name in COUNTED:
            answered = sum(lane.answered for lane in self.lanes if lane.service == name)
            lanes.assert_each_counted_once(self.ebb, name, answered)
            wait_for(lambda name=name, n=answered: self.ebb.usage(name)["invocations"] == 1 + n, 20)
        self.ebb.cli("ledger", "verify")

    def says(self):
        return (f"{sum(lane.answered for lane in self.lanes)} requests, the slowest "
                f"{max(lane.worst_s for lane in self.lanes) * 1000:.0f} ms, none lost")
