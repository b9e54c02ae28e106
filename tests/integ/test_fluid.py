# SPDX-License-Identifier: Apache-2.0
"""Fluid compute: many requests in one instance, frozen between work, thawed by the next request."""
import os
import signal
import threading
import time

import pytest

import leaks
import pictures
import web
from waiting import SLOW, slow, throughout, wait_for

# An unchanged application of each kind, with /, /sleep?ms=N, /burn?ms=N.
KINDS = ["probe", "c-hello", "node-express"]
if not pictures.IN_VM:
    KINDS.append("python-starlette")


@pytest.fixture(scope="module", params=KINDS)
def app(request, module_ebb):
    """(ebb, service name): a service of this kind with one instance at most."""
    kind = request.param
    archive = pictures.probe_archive() if kind == "probe" else pictures.example_archive(kind)
    module_ebb.import_image("oci-archive:" + archive, kind)
    module_ebb.apply({kind: {"runtime": "container", "entrypoint": kind, "maxInstances": 1,
                             "memory": 2048,
                             # "late": no timer of the program thaws it (Node's server looks at its
                             # connections now and then).
                             "ebb": {"initTimeout": f"{slow(10):.0f}s", "timers": "late"}}})
    yield module_ebb, kind
    module_ebb.cli("rm", kind)
    wait_for(lambda: not module_ebb.instances(kind))


def test_hundred_waiting_requests_share_one_instance(app):
    ebb, name = app
    assert ebb.get(name).status == 200
    begun = time.monotonic()
    replies = web.many(100, lambda i: ebb.get(name, "/sleep?ms=1000"))
    took = time.monotonic() - begun
    assert [r.status for r in replies] == [200] * 100
    assert len({r.instance for r in replies}) == 1
    assert took < 2 * SLOW, f"100 overlapping requests of 1 s took {took:.2f} s"


def test_frozen_instance_uses_no_cpu_and_the_next_request_thaws_it(app):
    ebb, name = app
    assert ebb.get(name).status == 200
    (before,) = ebb.wait_frozen(name)
    seen = throughout(5, lambda: ebb.instance(name))
    assert {i["state"] for i in seen} == {"frozen"}
    assert {i["cpu_us"] for i in seen} == {before["cpu_us"]}
    reply = ebb.get(name)
    assert reply.status == 200 and reply.start == "thaw", reply
    assert reply.instance == before["id"]


def test_every_process_of_a_frozen_instance_stands_still(app):
    """Believe the kernel, not ebb: cgroup.events says frozen and cpu.stat does not move."""
    ebb, name = app
    ebb.get(name)
    (instance,) = ebb.wait_frozen(name)
    group = leaks.cgroup_of(instance["pid"])
    assert "frozen 1" in leaks.read(group + "/cgroup.events")
    usage = {leaks.read(group + "/cpu.stat").splitlines()[0] for _ in range(1)}
    usage |= set(throughout(1, lambda: leaks.read(group + "/cpu.stat").splitlines()[0]))
    assert len(usage) == 1


def test_warm_thaw_and_cold_are_told_apart(probe):
    assert probe.get("probe").start == "cold"
    probe.wait_frozen("probe")
    assert probe.get("probe").start == "thaw"
    replies = web.many(5, lambda i: probe.get("probe", "/sleep?ms=300"))
    assert [r.start for r in replies].count("warm") >= 4


def test_instance_is_never_frozen_with_work(probe):
    """The instance is silent for 700 ms before each answer, far longer than the grace: it must not be frozen before
    the answer, and must be frozen once after it."""
    probe.get("probe")
    (before,) = probe.wait_frozen("probe")
    for count in range(3):
        seen, replies = [], []
        client = threading.Thread(target=lambda: replies.append(probe.get("probe", "/sleep?ms=700")))
        client.start()
        while client.is_alive():
            seen.append(probe.instance("probe"))
        client.join()
        (after,) = probe.wait_frozen("probe")
        working = [i for i in seen if i["tickets"]]
        assert {(i["state"], i["freezes"]) for i in working} == {("running", before["freezes"] + count)}, working
        assert [(r.status, r.start, r.instance) for r in replies] == [(200, "thaw", before["id"])]
        assert after["freezes"] == before["freezes"] + count + 1


def test_request_hammering_around_the_freeze_loses_nothing(probe):
    """Gaps near the grace make requests meet every phase of freezing."""
    probe.get("probe")
    for gap_ms in list(range(0, 120, 3)) * 2:
        reply = probe.get("probe")
        assert reply.status == 200
        end = time.monotonic() + gap_ms / 1000
        while time.monotonic() < end:
            time.sleep(0.001)


def test_concurrent_bursts_around_the_freeze_lose_nothing(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    for round_number in range(15):
        replies = web.many(20, lambda i: ebb.get("probe"))
        assert {r.status for r in replies} == {200}
        if round_number % 3 == 0:
            ebb.wait_frozen("probe")


def test_hundred_threads_freeze_and_thaw(probe):
    probe.apply({"threads": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                             "memory": 512, "env": {"PROBE_THREADS": "100"}}})
    for _ in range(3):
        assert probe.get("threads").status == 200
        probe.wait_frozen("threads")


def test_clock_runs_on_while_frozen(probe):
    before = probe.get("probe", "/tick").json["monotonic_ms"]
    probe.wait_frozen("probe")
    assert set(throughout(1, lambda: probe.instance("probe")["state"])) == {"frozen"}
    assert probe.get("probe", "/tick").json["monotonic_ms"] - before > 1000


def test_freeze_and_thaw_by_hand(probe):
    probe.get("probe")
    instance = probe.wait_frozen("probe")[0]["id"]
    assert probe.cli("thaw", instance).code == 0
    probe.wait_frozen("probe")
    assert probe.cli("freeze", instance).code == 0
    assert probe.get("probe").start == "thaw"


def test_service_with_freezing_later_stays_awake_that_long(probe):
    probe.apply({"lazy": {"runtime": "container", "entrypoint": "probe",
                          "ebb": {"freezeAfter": "2s"}}})
    probe.get("lazy")
    begun = time.monotonic()
    probe.wait_frozen("lazy")
    assert time.monotonic() - begun > 1.5


def test_killed_while_frozen_is_replaced(probe):
    probe.get("probe")
    instance = probe.wait_frozen("probe")[0]
    group = leaks.cgroup_of(instance["pid"])
    os.kill(instance["pid"], signal.SIGKILL)
    wait_for(lambda: instance["id"] not in [i["id"] for i in probe.instances("probe")])
    assert probe.get("probe").status == 200
    wait_for(lambda: not os.path.exists(group))
