# SPDX-License-Identifier: Apache-2.0
"""Every way in which a thread can wait ends in time though it is frozen; a static C program, on every kernel."""
import re

import pytest

import pictures
from test_fluid_timers import LATE_MS, Metronome, timer_thaws, wait_why, why
from waiting import SLOW, pass_time, wait_for

# Ways to wait: UNKNOWN, whose end ebb cannot read; FREEZABLE, which a thaw ends in time or lets go on; STRETCHED, which
# would last longer by the frozen time.
UNKNOWN = ["posix"]  # only the program itself can ask when it is due (timer_gettime(2))
FREEZABLE = ["nanosleep", "absolute", "poll", "epoll", "timerfd", "timerfd_epoll", "futex", "semaphore", "signal"]
STRETCHED = ["ppoll", "select"]
WAIT_MS = 2500 if SLOW == 1 else 10000  # long enough that freezing pays on this machine


@pytest.fixture(scope="module")
def waiting(module_ebb):
    """(ebb, {way to wait: service}); each service has been asked to wait in its way."""
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    names = {kind: "wait-" + kind.replace("_", "-") for kind in FREEZABLE + STRETCHED + UNKNOWN}
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
        for kind in UNKNOWN:
            wait_why(ebb, names[kind], "whose time cannot be read")
        for kind in FREEZABLE:
            (frozen,) = ebb.wait_frozen(names[kind])
            wait_for(lambda: timer_thaws(ebb, frozen["id"]), 2 + WAIT_MS / 1000, kind)
        for kind in STRETCHED + UNKNOWN:
            ebb.wait_frozen(names[kind])
    late = {kind: ebb.get(name, "/fired").json for kind, name in names.items()}
    assert all(len(of_kind) == 1 for of_kind in late.values()), late
    assert max(ms for (ms,) in late.values()) < LATE_MS + metronome.worst_ms, (late, metronome.worst_ms)
    assert not any(timer_thaws(ebb, ebb.instance(names[kind])["id"]) for kind in STRETCHED + UNKNOWN)


def test_a_sleep_that_repeats_is_frozen_whenever_it_was_looked_at_first(module_ebb, waiting):
    """A look every 500 ms or so would meet a sleep of 500 ms at the same place again and again."""
    names = [f"ticks-{n}" for n in range(4)]
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                             "ebb": {"timers": "fire"}} for name in names})
    for name in names:
        assert module_ebb.get(name, f"/ticks?ms={500 * SLOW:.0f}").status == 200
    for n, name in enumerate(names):  # ebbd has not seen when the present sleep began
        assert module_ebb.get(name, f"/sleep?ms={600 + 100 * n}").status == 200
    for name in names:
        (frozen,) = module_ebb.wait_frozen(name)
        wait_for(lambda: timer_thaws(module_ebb, frozen["id"]))
        assert module_ebb.instance(name)["invocations"] == 2


def test_the_last_of_a_hundred_sleeps_ends_in_time_after_a_thaw(module_ebb, waiting):
    """After a thaw a sleep that goes on cannot be seen any more: it must have been remembered."""
    module_ebb.apply({"crowd": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    for _ in range(100):
        assert module_ebb.get("crowd", "/timer?kind=poll&ms=600000").status == 200
    with Metronome() as metronome:
        assert module_ebb.get("crowd", f"/timer?kind=poll&ms={WAIT_MS}").status == 200
        (frozen,) = module_ebb.wait_frozen("crowd")
        assert module_ebb.get("crowd").start == "thaw"
        wait_for(lambda: timer_thaws(module_ebb, frozen["id"]), 2 + WAIT_MS / 1000)
        module_ebb.wait_frozen("crowd")
    (late,) = module_ebb.get("crowd", "/fired").json
    assert late < LATE_MS + metronome.worst_ms, (late, metronome.worst_ms)


@pytest.mark.skipif(pictures.IN_VM, reason="the system calls of one look take minutes under emulation")
def test_a_crowd_with_many_descriptors_is_not_looked_at_for_ever(module_ebb, waiting):
    """A million descriptors in all: each look at them has a budget, and a part of it never keeps ebbd long."""
    before = loop(module_ebb)
    module_ebb.apply({"swarm": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "memory": 512,
                                "maxDuration": int(6 * SLOW)}})
    assert module_ebb.get("swarm", "/hoard?what=crowd&n=250", timeout=60).json["made"] == 250
    wait_why(module_ebb, "swarm", "more threads, processes and descriptors than ebbd looks at")
    for n in range(5):
        module_ebb.apply({f"beside-{n}": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
        assert module_ebb.get(f"beside-{n}").status == 200
    module_ebb.wait_frozen("swarm")
    assert loop(module_ebb)["stalls_total"] == before["stalls_total"], loop(module_ebb)
    for name in ("swarm", *(f"beside-{n}" for n in range(5))):
        module_ebb.cli("rm", name)


def loop(ebb):
    """The watchdog of ebbd's loop: handlers that used 50 ms of CPU, and the longest."""
    return {name: float(value) for name, value in
            re.findall(r"^ebb_loop_(\w+) ([0-9.]+)$", ebb.rest("GET", "/metrics").text, re.M)}


def test_a_posix_timer_waits_for_the_next_request_when_timers_may_be_late(module_ebb, waiting):
    module_ebb.apply({"late-posix": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                                     "ebb": {"timers": "late"}}})
    assert module_ebb.get("late-posix", "/timer?kind=posix&ms=300").status == 200
    (frozen,) = module_ebb.wait_frozen("late-posix")
    assert "timers wait for that" in why(module_ebb, "late-posix")
    pass_time(0.6)
    assert module_ebb.instance("late-posix")["cpu_us"] == frozen["cpu_us"]
    (late,) = wait_for(lambda: module_ebb.get("late-posix", "/fired").json)
    assert late > 200


def test_why_says_that_a_posix_timer_waits_in_what_was_frozen_by_hand(module_ebb, waiting):
    module_ebb.apply({"hand-posix": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    assert module_ebb.get("hand-posix", "/timer?kind=posix&ms=60000").status == 200
    module_ebb.cli("freeze", module_ebb.instance("hand-posix")["id"])
    module_ebb.wait_frozen("hand-posix")
    assert "whose time cannot be read: it waits for the next request" in why(module_ebb, "hand-posix")


def test_work_without_a_request_ends_at_max_duration_though_a_posix_timer_is_armed(module_ebb, waiting):
    module_ebb.apply({"long-posix": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                                     "maxDuration": 2}})
    assert module_ebb.get("long-posix", "/timer?kind=posix&ms=60000").status == 200
    wait_why(module_ebb, "long-posix", "whose time cannot be read")
    module_ebb.wait_frozen("long-posix")
    assert "wait for the next request" in why(module_ebb, "long-posix")


TICKS = {"poll": 100, "nanosleep": 50, "epoll": 500, "select": 1000, "futex": 50, "timerfd": 100,
         "stretch": 1000, "reads": 100}


@pytest.mark.parametrize("kind", TICKS)
def test_a_tick_that_does_nothing_waits_for_the_next_request(module_ebb, waiting, kind):
    """As most servers of the world tick: JVMs, uvicorn, gunicorn, PHP, httpd, redis. Sleepers beside the tick wake in time."""
    name, ms = f"idle-{kind}", TICKS[kind] if SLOW == 1 else max(TICKS[kind], 500)
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    assert module_ebb.get(name, f"/ticks?kind={kind}&ms={ms}").status == 200
    wait_for(lambda: re.search(r"frozen.*thread \d+ waits .* at a time", why(module_ebb, name)))
    frozen = module_ebb.instance(name)
    before = len(timer_thaws(module_ebb, frozen["id"]))  # one may have told that it is a tick
    pass_time(1.5)
    assert module_ebb.instance(name)["cpu_us"] == frozen["cpu_us"]
    with Metronome() as metronome:
        assert module_ebb.get(name, f"/timer?kind=poll&ms={WAIT_MS}").status == 200
        wait_for(lambda: len(timer_thaws(module_ebb, frozen["id"])) > before, 2 + WAIT_MS / 1000)
        module_ebb.wait_frozen(name)
    (late,) = module_ebb.get(name, "/fired").json
    assert late < LATE_MS + metronome.worst_ms, (late, metronome.worst_ms)
    module_ebb.cli("rm", name)


@pytest.mark.parametrize("kind", ["poll", "nanosleep", "epoll"])
def test_the_rest_of_a_longer_wait_is_no_tick(module_ebb, waiting, kind):
    """Two timers in one loop: their waits follow one another as ticks do, but are not alike."""
    name = f"rest-{kind}"
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    assert module_ebb.get(name, f"/ticks?kind={kind}&ms={900 * SLOW:.0f}&then_ms={500 * SLOW:.0f}").status == 200
    wait_for(lambda: "the rest is over" in module_ebb.cli("logs", name).out)
    module_ebb.wait_frozen(name)
    module_ebb.cli("rm", name)


@pytest.mark.parametrize("kind", ["poll", "nanosleep", "epoll"])
def test_the_steps_to_a_longer_time_are_no_ticks(module_ebb, waiting, kind):
    """As tokio's wheel of timers goes: a long wait, and then the rest in brief ones, which may be alike."""
    name = f"steps-{kind}"
    module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    steps = f"/ticks?kind={kind}&ms={1500 * SLOW:.0f}&then_ms={100 * SLOW:.0f}&times=2"
    assert module_ebb.get(name, steps).status == 200
    wait_for(lambda: "the rest is over" in module_ebb.cli("logs", name).out)
    module_ebb.wait_frozen(name)
    module_ebb.cli("rm", name)


def test_a_tick_that_writes_keeps_its_instance_awake(module_ebb, waiting):
    module_ebb.apply({"writes": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "maxDuration": 4}})
    assert module_ebb.get("writes", "/ticks?kind=nanosleep&ms=100&says=1").status == 200
    wait_why(module_ebb, "writes", "writes when that is over")
    ticks = module_ebb.cli("logs", "writes").out.count("tick")
    wait_for(lambda: module_ebb.cli("logs", "writes").out.count("tick") > ticks + 5)
    module_ebb.wait_frozen("writes")
    module_ebb.cli("rm", "writes")
