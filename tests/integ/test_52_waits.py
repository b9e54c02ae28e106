# SPDX-License-Identifier: Apache-2.0
"""Every way in which a thread can wait ends in time though it is frozen; a static C program, on every kernel."""
import pytest

import pictures
from test_52_timers import LATE_MS, Metronome, timer_thaws, wait_why
from waiting import SLOW, wait_for

# What a thaw ends or lets go on, and what would be stretched by the time it was frozen.
FREEZABLE = ["nanosleep", "absolute", "poll", "epoll", "timerfd", "timerfd_epoll", "futex", "semaphore", "signal"]
STRETCHED = ["ppoll", "select"]
WAIT_MS = 2500 if SLOW == 1 else 10000  # long enough that freezing pays on this machine


@pytest.fixture(scope="module")
def waiting(module_ebb):
    """Services, one for each way, each asked to wait in it."""
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    names = {kind: "wait-" + kind.replace("_", "-") for kind in FREEZABLE + STRETCHED}
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "minInstances": 1}
                      for name in names.values()})
    for name in names.values():
        module_ebb.wait_frozen(name)
    for kind, name in names.items():
        assert module_ebb.get(name, f"/timer?kind={kind}&ms={WAIT_MS}").status == 200
    return module_ebb, names


def test_every_kind_of_wait_ends_in_time_though_it_was_frozen(waiting):
    ebb, names = waiting
    with Metronome() as metronome:
        for kind in STRETCHED:
            wait_why(ebb, names[kind], "sleeps in")
        for kind in FREEZABLE:
            (frozen,) = ebb.wait_frozen(names[kind])
            wait_for(lambda: timer_thaws(ebb, frozen["id"]), 2 + WAIT_MS / 1000, kind)
        for kind in STRETCHED:
            ebb.wait_frozen(names[kind])
    late = {kind: ebb.get(name, "/fired").json for kind, name in names.items()}
    assert all(len(of_kind) == 1 for of_kind in late.values()), late
    assert max(ms for (ms,) in late.values()) < LATE_MS + metronome.worst_ms, (late, metronome.worst_ms)
    assert not any(timer_thaws(ebb, ebb.instance(names[kind])["id"]) for kind in STRETCHED)
