# SPDX-License-Identifier: Apache-2.0
"""Each call that the filter of ebb-flow allows fails in turn, with each error that it can have, and so does malloc. It goes
on, or ends with the cause in the log; a run that was acknowledged is delivered and has its result all the same."""
import errno as E
import itertools
import os

import pytest

import injector
from injected_host import Host, honest
from injected_runs import try_calls, try_no_memory
from injected_steps import well
from waiting import wait_for

PROGRAM = "ebb-flow"
ERRORS = {"connect": (E.EAGAIN, E.ECONNREFUSED, E.ENOENT), "socket": (E.EMFILE, E.ENFILE, E.ENOMEM),
          "sendto": (E.EPIPE, E.EAGAIN, E.ENOBUFS, E.ENOMEM), "recvfrom": (E.ECONNRESET, E.EAGAIN, E.EINTR, E.ENOMEM),
          "fallocate": (E.ENOSPC,), "timerfd_settime": ()}
COUNTER = itertools.count()
FAR = "0 0 1 1 *"  # the steps run it by hand
PATIENCE_S = 40    # an unlock that fails keeps SQLite for 10 s


class FlowHost(Host):
    def start(self):
        super().start()
        changes(self)
        self.read_to_here()


def settings(number):
    """The numbers begin anew where there is no room."""
    return {"image": "probe", "maxInstances": 1, "schedules": {
        "tidy": {"schedule": FAR, "path": "/note"}, "bad": {"schedule": FAR, "path": "/status?code=404"},
        f"n{number}": {"schedule": f"{number % 60} * * * *", "timezone": "Europe/Berlin", "path": "/note"}}}


def over(host, run):
    """The run, once it is over; None: nobody could say."""
    found = []

    def ended():
        reply = host.rest("GET", "/v1/runs?service=probe", timeout=PATIENCE_S)
        found[:] = [r for r in reply.json["runs"] if r["id"] == run] if well(reply) else []
        return found and found[0]["ended_at"]
    with honest():
        wait_for(ended, 60, f"run {run}: {found}")
    return found[0]


def run(host, name, state):
    """A run that was acknowledged comes to its end, whatever failed."""
    reply = host.rest("POST", f"/v1/schedules/run?name={name}&service=probe", timeout=PATIENCE_S)
    if not well(reply):
        return False
    assert over(host, reply.json["run"])["state"] == state
    return True


def runs(host):
    return run(host, "tidy", "done") and run(host, "bad", "failed")


def changes(host):
    """Schedules that were taken are known a little later."""
    number = next(COUNTER)
    reply = host.rest("PUT", "/v1/services/probe", settings(number), timeout=PATIENCE_S)

    def known():
        found = host.rest("GET", "/v1/schedules?service=probe", timeout=PATIENCE_S)
        return well(found) and f"n{number}" in [s["name"] for s in found.json["schedules"]]
    if not well(reply):
        return False
    wait_for(known, 30, f"n{number} known")
    return runs(host)


STEPS = [runs, changes]


@pytest.fixture(scope="module")
def host():
    assert os.path.isdir(injector.INJECTED), f"no {injector.INJECTED}: make injected"
    made = FlowHost()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_fault(host):
    yield
    faults, host.faults = host.faults, []
    assert not faults, f"{len(faults)} errors ended badly:\n" + "\n\n".join(faults)


def test_no_error_of_the_kernel_ends_it_without_a_word(host):
    met = try_calls(host, PROGRAM, STEPS, ERRORS)
    assert {"connect", "sendto", "recvfrom", "pwrite64", "fdatasync", "sendmsg", "recvmsg"} <= met


def test_no_lack_of_memory_ends_it_without_a_word(host):
    try_no_memory(host, PROGRAM, STEPS)


def test_a_store_that_cannot_be_opened_is_tried_again(host):
    """The calls of its start, which no step asks for."""
    for call, error in (("openat", E.EIO), ("fsync", E.EIO), ("fallocate", E.ENOSPC), ("mmap", E.ENOMEM)):
        order = host.injector.order(PROGRAM, call, error)
        host.ebb.end_program(PROGRAM)
        wait_for(lambda failed=order: failed.failed, 20, f"{call} to fail")
        host.injector.clear()
        wait_for(lambda: runs(host), 30, f"runs behind a failed {call}")
    host.read_to_here()
