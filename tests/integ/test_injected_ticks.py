# SPDX-License-Identifier: Apache-2.0
"""Each call that the filter of ebb-tick allows fails in turn, while a light instance is awake beside a heavy one. It goes
on, or ends with the cause in the log, and requests are answered all the same."""
import errno as E
import os
import re
import threading

import pytest

import injector
from injected_host import FAULTS, Host
from injected_runs import try_calls
from injected_steps import serves, well
from waiting import wait_for

PROGRAM = "ebb-tick"
# It waits and sleeps; nobody else wakes it but its own record.
ERRORS = {"futex": (E.EAGAIN, E.EINTR), "clock_nanosleep": (E.EINTR,), "clock_gettime": (E.EINVAL,), "timerfd_settime": ()}


class TickHost(Host):
    def start(self):
        super().start()
        assert well(self.rest("PUT", "/v1/services/heavy", {"image": "probe", "memory": 2048, "maxInstances": 1}, ok=True))
        self.read_to_here()


def ticks(host):
    """The heavy one works for 0.4 s: CPUs tick while requests to the other one are answered, and then no more."""
    burnt = []
    thread = threading.Thread(target=lambda: burnt.append(host.get("/attack?what=cpu&ms=400", service="heavy", timeout=60)))
    thread.start()
    fine = True
    while thread.is_alive():
        fine = serves(host) and fine
        thread.join(0.01)
    return fine and well(*burnt)


@pytest.fixture(scope="module")
def host():
    assert os.path.isdir(injector.INJECTED), f"no {injector.INJECTED}: make injected"
    made = TickHost(tick_us=20000)  # each tick asks the test
    yield made
    made.close()


def test_no_error_of_the_kernel_ends_it_without_a_word(host):
    met = try_calls(host, PROGRAM, [ticks], ERRORS)
    assert not host.faults, "\n\n".join(host.faults)
    assert "clock_nanosleep" in met


@pytest.mark.parametrize("error", [E.EAGAIN, E.ENOBUFS, E.ENOMEM, E.ETOOMANYREFS])
def test_its_first_record_fails_and_it_says_it_again_or_ends_with_the_cause(host, error):
    """It sends one record, when it has a thread on each CPU; without that ebbd asks for no ticks."""
    order = host.injector.order(PROGRAM, "sendmsg", error)
    host.ebb.end_program(PROGRAM)
    wait_for(lambda: order.failed and order.seen > 1 or "level=error prog=ebb-tick event=" in host.said(), 20)
    host.injector.clear()
    assert wait_for(lambda: host.ebb.programs(PROGRAM), 20) and ticks(host)
    assert not FAULTS.search(host.said()), host.said()
    host.read_to_here()


def test_a_forbidden_call_is_named_in_the_log(host):
    injector.say_forbidden(wait_for(lambda: next(filter(injector.hears, host.ebb.programs(PROGRAM)), None)))
    wait_for(lambda: re.search(rf"prog={PROGRAM} event=forbidden_call nr=41 name=socket", host.said()), 20)
    assert wait_for(lambda: host.ebb.programs(PROGRAM), 20) and ticks(host)
    host.read_to_here()
