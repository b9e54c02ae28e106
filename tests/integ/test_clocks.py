# SPDX-License-Identifier: Apache-2.0
"""
The host's clock is set by a day, forth and back, and the host is suspended: nothing that waits, bills or remembers
depends on it. Only in the guest, whose clock nobody else needs; there are no such tests elsewhere.
"""
import contextlib
import http.client
import threading
import time

import pictures
import web
from waiting import slow, wait_for

DAY_S = 86400


@contextlib.contextmanager
def clock_of_its_own():
    """The clock is right again at the end."""
    real, steady = time.time(), time.monotonic()
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, real + time.monotonic() - steady)


def shift(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


def serve_and_freeze(ebb):
    for path in ("/burn?us=2000", "/sleep?ms=20"):
        assert ebb.get("probe", path).status == 200
    ebb.wait_frozen("probe", 30)
    return 2


def a_clock_set_by_a_day_changes_no_bill_and_stops_nothing(probe):
    with clock_of_its_own():
        served = serve_and_freeze(probe)
        for jump_s in (DAY_S, -2 * DAY_S, DAY_S, -DAY_S):
            shift(jump_s)
            served += serve_and_freeze(probe)
            usage = wait_for(lambda: (u := probe.usage("probe"))["invocations"] == served and u, 20, served)
            assert usage["active_cpu_us"] > 0 and usage["awake_us"] > 0
            assert probe.rest("GET", "/readyz").status == 200
        assert probe.cli("ledger", "verify").code == 0


def deadlines_keep_their_length_when_the_clock_is_set(probe):
    with clock_of_its_own():
        for jump_s in (DAY_S, -DAY_S):
            begun = time.monotonic()
            assert probe.rest("POST", "/v1/node/drain?async=1&deadline=60s").status == 202
            shift(jump_s)
            wait_for(lambda: probe.rest("GET", "/readyz").status == 503)
            assert probe.rest("POST", "/v1/node/undrain").status == 200
            assert probe.get("probe").status == 200 and time.monotonic() - begun < 600
        waited = probe.rest("PUT", "/v1/services/probe?async=1", {"image": "probe", "memory": 200})
        shift(DAY_S)
        assert probe.rest("GET", waited.headers["location"] + "?wait=1m").json["state"] == "done"


def revisions_and_logs_keep_their_order_when_the_clock_goes_back(probe):
    with clock_of_its_own():
        probe.get("probe", "/log?text=first")
        shift(-DAY_S)
        assert probe.rest("PUT", "/v1/services/probe", {"image": "probe", "memory": 200}).status == 201
        probe.get("probe", "/log?text=second")
        wait_for(lambda: "second" in probe.cli("logs", "probe").out)
        numbers = [r["revision"] for r in probe.rest("GET", "/v1/services/probe/revisions").json["revisions"]]
        assert sorted(numbers) == [1, 2] and probe.rest("GET", "/v1/services/probe").json["revision"] == 2


def timer_thaws(ebb, service):
    return [text for text in ebb.told(service, "instance_thawed") if "for a timer" in text]


def a_frozen_program_that_waits_for_a_date_sees_it_come_when_the_clock_is_set(module_probe):
    """No request thaws it. A program that waits for another moment goes on to wait."""
    with clock_of_its_own():
        for name in ("date", "other"):
            module_probe.deploy(name, "probe")
        assert module_probe.get("date", "/timer?kind=date&ms=3600000").status == 200
        assert module_probe.get("other", "/timer?kind=absolute&ms=3600000").status == 200
        for name in ("date", "other"):
            module_probe.wait_frozen(name, 30)
        shift(-DAY_S)
        wait_for(lambda: module_probe.log_lines("event=clock_jumped"))
        assert not timer_thaws(module_probe, "date")
        shift(2 * DAY_S)
        wait_for(lambda: timer_thaws(module_probe, "date"))
        assert not timer_thaws(module_probe, "other")
        assert len(module_probe.get("date", "/fired").json) == 1 and module_probe.get("other", "/fired").json == []


def suspend(seconds):
    """To memory, until the host's clock wakes it; returns how long."""
    with open("/sys/class/rtc/rtc0/wakealarm", "w", encoding="utf-8") as f:
        f.write("0")
    with open("/sys/class/rtc/rtc0/wakealarm", "w", encoding="utf-8") as f:
        f.write(f"+{seconds}")
    apart = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    with open("/sys/power/state", "w", encoding="utf-8") as f:
        f.write("mem")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic() - apart


def a_suspended_host_goes_on_as_if_no_time_had_passed(module_probe):
    """Requests are answered, connections go on, timers of the clock that went on fire, and none of it is billed."""
    probe = module_probe
    for name in ("sleeps", "boots"):
        probe.deploy(name, "probe")
    begun = time.monotonic()
    assert probe.get("boots", "/timer?kind=boottime&ms=8000").status == 200
    probe.wait_frozen("boots", 30)
    with contextlib.closing(http.client.HTTPConnection(*probe.address, timeout=slow(60))) as kept:
        asks = {"Host": "sleeps.localhost"}
        assert web.exchange(kept, "GET", "/", headers=asks).status == 200
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(probe.get("sleeps", "/sleep?ms=3000", timeout=120)))
        waiting.start()
        wait_for(lambda: probe.instance("sleeps")["tickets"] == 1)
        assert suspend(15) > 8
        waiting.join()
        assert [a.status for a in answers] == [200]
        assert web.exchange(kept, "GET", "/", headers=asks).status == 200
    wait_for(lambda: timer_thaws(probe, "boots"))
    assert len(probe.get("boots", "/fired").json) == 1
    for name in ("sleeps", "boots"):
        probe.wait_frozen(name, 30)
        lived_us = (time.monotonic() - begun) * 1e6
        usage = wait_for(lambda name=name: (u := probe.usage(name))["invocations"] >= 2 and u, 20)
        assert usage["awake_us"] < lived_us, usage
    assert probe.usage("sleeps")["invocations"] == 3 and probe.usage("boots")["invocations"] == 2
    assert probe.rest("GET", "/readyz").status == 200
    probe.deploy("later", "probe")
    assert probe.get("later").status == 200
    assert probe.cli("ledger", "verify").code == 0


if pictures.IN_VM:
    test_a_clock_set_by_a_day_changes_no_bill_and_stops_nothing = a_clock_set_by_a_day_changes_no_bill_and_stops_nothing
    test_deadlines_keep_their_length_when_the_clock_is_set = deadlines_keep_their_length_when_the_clock_is_set
    test_revisions_and_logs_keep_their_order_when_the_clock_goes_back = (
        revisions_and_logs_keep_their_order_when_the_clock_goes_back)
    test_a_frozen_program_that_waits_for_a_date_sees_it_come_when_the_clock_is_set = (
        a_frozen_program_that_waits_for_a_date_sees_it_come_when_the_clock_is_set)
    test_a_suspended_host_goes_on_as_if_no_time_had_passed = a_suspended_host_goes_on_as_if_no_time_had_passed
