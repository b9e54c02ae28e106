# SPDX-License-Identifier: Apache-2.0
"""How many instances: reuse before start, saturation as measured, bounded queues; and ebb says why."""
import contextlib
import os
import re
import subprocess
import sys
import threading
import time

import pytest

import leaks
import pictures
import web
from waiting import slow, throughout, wait_for


@pytest.fixture(scope="module")
def host(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return module_ebb


@pytest.fixture
def service(host, request):
    """deploy(...) puts a service named after the test; it is removed afterwards."""
    name = request.node.name.replace("_", "-")[5:60].strip("-")

    def deploy(**settings):
        host.apply({name: {"runtime": "container", "entrypoint": "probe", **settings}})
        return name

    yield deploy
    host.cli("rm", name)
    wait_for(lambda: not host.instances(name), 20)


class Load:
    """count clients in a closed loop until the block ends; their replies."""

    def __init__(self, ebb, name, path, count):
        self.ebb, self.name, self.path = ebb, name, path
        self.replies, self.over = [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def run(self):
        while not self.over:
            self.replies.append(self.ebb.get(self.name, self.path, timeout=60))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for t in self.threads:
            t.join()


def test_full_cpu_saturates_and_another_instance_is_started(host, service):
    name = service(memory=512, maxInstances=2)
    with Load(host, name, "/burn?ms=20", 8) as load:
        wait_for(lambda: len(host.instances(name)) == 2, 30)
        wait_for(lambda: len({r.instance for r in load.replies}) == 2, 30)
    assert {r.status for r in load.replies} == {200}
    saturated = host.told(name, "instance_saturated")
    assert saturated and "CPU" in saturated[0] and "of what it may use" in saturated[0]
    started = host.told(name, "instance_starting")
    assert "every instance is saturated: " in started[-1] or "requests wait" in started[-1], started


def test_what_is_saturated_again_after_a_sleep_is_told_again(host, service):
    name = service(memory=512, maxInstances=1)
    for count in (1, 2):
        with Load(host, name, "/burn?ms=20", 8):
            wait_for(lambda: len(host.told(name, "instance_saturated")) >= count, 30)
        host.wait_frozen(name, 30)


def has_psi():
    try:
        with open("/proc/pressure/cpu") as f:
            return f.read().startswith("some ")
    except OSError:  # EOPNOTSUPP: compiled in and switched off
        return False


class Hogs:
    """A busy process on each CPU until the block ends, and for two minutes at most in any case."""

    def __enter__(self):
        burn = "import os, sys, time\nos.sched_setaffinity(0, [int(sys.argv[1])])\n" \
               "end = time.monotonic() + float(sys.argv[2])\nwhile time.monotonic() < end: pass"
        self.hogs = [subprocess.Popen([sys.executable, "-c", burn, str(cpu), str(slow(120))])
                     for cpu in os.sched_getaffinity(0)]
        return self

    def __exit__(self, *_):
        for hog in self.hogs:
            hog.kill()
            hog.wait()


def cpu_it_gets(ebb, name):
    """Thousandths of a CPU that the one instance used over a second."""
    def reading():
        return time.monotonic(), ebb.instance(name)["cpu_us"]
    (begun, before), *_, (ended, after) = throughout(slow(1), reading)
    return (after - before) / (ended - begun) / 1000


@pytest.mark.skipif(not has_psi(), reason="this kernel tells no pressure (boot it with psi=1)")
def test_tasks_that_wait_for_a_cpu_saturate_an_instance_below_its_quota(host, service):
    """Others keep both CPUs busy. The quota is chosen so that 70 % of it are left for the instance."""
    def saturated():
        # Other programs may use less CPU than a moment ago; then the quota is wrong, and all is tried again.
        name = service(maxInstances=1, ebb={"cpu": 8000})
        with Load(host, name, "/burn?ms=200", 8):
            wait_for(lambda: [i["tickets"] for i in host.instances(name)] == [8], 30)
            given = cpu_it_gets(host, name)
        host.wait_frozen(name, 30)
        before = len(host.told(name, "instance_saturated"))
        service(maxInstances=1, ebb={"cpu": round(given / 0.7)})
        with Load(host, name, "/burn?ms=200", 8), contextlib.suppress(AssertionError):
            wait_for(lambda: len(host.told(name, "instance_saturated")) > before, 10)
        host.wait_frozen(name, 30)
        told = host.told(name, "instance_saturated")[before:]
        return [t for t in told if "waited for a CPU" in t]
    with Hogs():
        (told, *_) = wait_for(saturated, 90)
    words = told.split()
    assert told.startswith("saturated: CPU ") and 50 <= int(words[2]) < 95, told
    assert "% of the time a task waited for a CPU; new requests go elsewhere" in told, told
    assert int(words[words.index("and") + 1]) >= 50, told


def test_automatic_concurrency_follows_the_cpu_and_is_told(host, service):
    name = service(memory=512, maxInstances=1)
    with Load(host, name, "/burn?ms=20", 12) as load:
        told = wait_for(lambda: host.told(name, "concurrency_changed"), 30)
        refused = wait_for(lambda: host.told(name, "start_refused"), 30)
    assert told[0].startswith("auto concurrency 100 -> "), told
    assert {r.status for r in load.replies} == {200}
    assert len(host.told(name, "instance_starting")) == 1
    assert "maxInstances are up already" in refused[0], refused


def test_a_number_is_a_limit_and_not_an_opinion(host, service):
    name = service(memory=512, maxConcurrency=3, maxInstances=4)
    replies = web.many(9, lambda i: host.get(name, "/sleep?ms=1000"))
    assert {r.status for r in replies} == {200}
    used = [r.instance for r in replies]
    assert max(map(used.count, used)) <= 3 and len(host.instances(name)) <= 4
    with Load(host, name, "/burn?ms=20", 8):
        wait_for(lambda: host.told(name, "instance_saturated"), 30)
    assert not host.told(name, "concurrency_changed")


@pytest.mark.skipif(pictures.IN_VM, reason="under emulation the CPU is full before the pool is")
def test_a_queue_inside_the_function_is_seen_by_its_latency(host, service):
    name = service(memory=1024, maxInstances=2)
    for _ in range(100):
        assert host.get(name, "/pool?ms=5").status == 200
    with Load(host, name, "/pool?ms=5", 24):
        # On a busy host its accept queue may be seen first.
        wait_for(lambda: any("its own baseline is" in t for t in host.told(name, "instance_saturated")), 30)
        wait_for(lambda: len(host.instances(name)) == 2, 30)


def test_a_request_that_is_given_back_runs_elsewhere(host, service):
    name = service(maxInstances=4)
    replies = web.many(6, lambda i: host.get(name, f"/nack?max=2&ms={slow(500):.0f}", method="POST"))
    assert [r.status for r in replies] == [200] * 6
    assert len({r.instance for r in replies}) >= 3
    assert any("gave back" in t for t in host.told(name, "instance_saturated"))


def test_min_instances_are_there_before_anybody_asks(host, service):
    name = service(minInstances=2, maxInstances=3)
    host.wait_frozen(name)
    assert len(host.instances(name)) == 2
    told = host.told(name, "instance_starting")
    assert len(told) == 2 and all("minInstances or a deployment that waits asks for it: 0 requests wait" in t for t in told), told


def test_many_requests_reuse_one_instance(host, service):
    name = service(memory=2048, maxInstances=10)
    # As many at once as this machine can read in without its CPU being full: emulated, that is one.
    rounds, at_once = (30, 1) if pictures.IN_VM else (4, 40)
    for _ in range(rounds):
        replies = web.many(at_once, lambda i: host.get(name, "/sleep?ms=100"))
        assert {r.status for r in replies} == {200}
    assert len(host.instances(name)) == 1, host.told(name, "instance_starting")


def test_waiting_has_an_end_and_it_is_told(new_ebb):
    ebb = new_ebb(settings={"queue_age_ms": 300, "queue_max": 6})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("one", "probe", "--concurrency", 1, "--max", 1)
    assert ebb.get("one").status == 200
    replies = web.many(12, lambda i: ebb.get("one", f"/sleep?ms={slow(1500):.0f}"))
    refused = [r for r in replies if r.status == 503]
    assert [r.status for r in replies].count(200) >= 1 and len(refused) >= 9
    assert {r.headers["x-ebb-error"] for r in refused} == {"OVERLOADED"}
    assert all(1 <= int(r.headers["retry-after"]) <= 30 for r in refused)
    told = wait_for(lambda: ebb.told("one", "requests_refused"), 15)
    assert "as the queue was full" in told[0] or "waited longer" in told[0], told


def test_why_an_instance_was_chosen_is_told(host, service):
    name = service(maxConcurrency=2, minInstances=2, maxInstances=2)

    def told(text):
        return wait_for(lambda: [e for e in host.told(name, "instance_chosen") if text in e], 20)
    host.wait_frozen(name)
    wait_for(lambda: len(host.instances(name)) == 2)
    assert host.get(name).start == "thaw"
    assert "1 of 2 open there now, there were 2 frozen;" in told("frozen, as none awake had room")[0]
    # The first of these wakes one, the second joins it, the third finds it full.
    with Load(host, name, "/sleep?ms=100", 3) as load:
        fullest = told("the fullest of those awake with room")
    assert "2 of 2 open" in fullest[0] or "1 of 2 open" in fullest[0], fullest
    assert {r.status for r in load.replies} == {200}
    sums = [sum(map(int, re.findall(r"(?:: |, )(\d+) (?:to|woke)", text.split("such event")[1])))
            for text in host.told(name, "instance_chosen")]
    assert sums and all(sums) and sum(sums) <= 1 + len(load.replies)


def test_nothing_is_measured_of_what_is_frozen(host, service):
    """Measured, each would be looked at some four times within these two seconds."""
    name = service(minInstances=8, maxInstances=8)
    assert host.get(name).status == 200
    wait_for(lambda: [i["state"] for i in host.instances(name)] == ["frozen"] * 8, 30)
    pid = host.ebbd_pid

    def reads():
        with open(f"/proc/{pid}/io") as f:
            return int(f.read().split("syscr: ")[1].split()[0])
    wait_for(lambda: all(i["state"] == "frozen" for i in host.instances()), 20)
    events = [leaks.cgroup_of(i["pid"]) + "/cgroup.events" for i in host.instances(name)]
    before = reads()
    seen = throughout(2, lambda: ["frozen 1" in leaks.read(path) for path in events])
    assert seen == [[True] * 8] * len(seen)
    assert reads() - before <= 5
