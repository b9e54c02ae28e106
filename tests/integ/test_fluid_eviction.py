# SPDX-License-Identifier: Apache-2.0
"""Frozen instances stay until their room is wanted; then the least recently used goes first."""
import contextlib
import os
import re
import subprocess
import sys
import threading

import pytest

import leaks
import pictures
from waiting import slow, wait_for


@pytest.fixture
def small(new_ebb):
    def make(*names, services=None, **settings):
        ebb = new_ebb(settings={"armed": 1, "memory_reserve_mb": 0, **settings})
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.apply({n: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                       **(services or {}).get(n, {})} for n in names})
        return ebb
    return make


def evicted(ebb):
    found = ebb.cli("events", "--json").json
    found = found if isinstance(found, list) else found["events"]
    return [(e["service"], e["text"]) for e in found if e["kind"] == "instance_evicted"]


def use(ebb, *names, path="/"):
    for name in names:
        assert ebb.get(name, path).status == 200
        ebb.wait_frozen(name)


def test_the_least_recently_used_makes_place(small):
    ebb = small("a", "b", "c", instances_max=2)
    use(ebb, "a", "b", "a")
    assert ebb.get("c").status == 200
    assert [name for name, _ in evicted(ebb)] == ["b"]
    assert "instances_max" in evicted(ebb)[0][1] and "for service c" in evicted(ebb)[0][1]
    wait_for(lambda: not ebb.instances("b"))
    assert ebb.instance("a")["state"] == "frozen"
    assert ebb.get("b").status == 200 and ebb.get("b").start != "cold"


def test_one_after_the_other_for_hundreds_of_starts_no_request_fails(small):
    names = [f"s{n}" for n in range(6)]
    ebb = small(*names, instances_max=3)
    for _ in range(4):
        use(ebb, *names)
    assert len(evicted(ebb)) >= 10


def test_who_just_became_idle_is_waited_for(small):
    """The services are used one right after the other, so no instance is frozen yet when its place is wanted."""
    names = [f"s{n}" for n in range(4)]
    ebb = small(*names, instances_max=2)
    for _ in range(5):
        for name in names:
            reply = ebb.get(name)
            assert reply.status == 200, reply
    assert len(evicted(ebb)) >= 10


def test_who_works_and_who_is_wanted_stays(small):
    ebb = small("kept", "works", "c", instances_max=2, services={"kept": {"minInstances": 1}})
    wait_for(lambda: ebb.instances("kept"))
    ebb.wait_frozen("kept")
    use(ebb, "works")
    answers = []
    worker = threading.Thread(target=lambda: answers.append(ebb.get("works", "/sleep?ms=2000")))
    worker.start()
    wait_for(lambda: ebb.instance("works")["tickets"] == 1)
    reply = ebb.get("c")
    assert reply.status == 503 and reply.headers["x-ebb-error"] == "OVERLOADED"
    assert not evicted(ebb)
    worker.join()
    assert answers[0].status == 200
    ebb.wait_frozen("works")
    assert ebb.get("c").status == 200
    assert [name for name, _ in evicted(ebb)] == ["works"]
    assert ebb.instance("kept")["state"] == "frozen"


def test_memory_of_the_budget_is_given_back(small):
    ebb = small("a", "b", "c", memory_max_mb=240)
    use(ebb, "a", "b", path="/alloc?mb=90&keep=1")
    assert ebb.get("c").status == 200
    ((name, text),) = evicted(ebb)
    assert name == "a" and "memory_max_mb" in text and "gives back 9" in text


def test_below_the_hosts_reserve_frozen_ones_go_and_starts_go_on(small):
    ebb = small("a", "b", "c", memory_reserve_mb=1 << 22)
    use(ebb, "a")
    assert ebb.get("b").status == 200
    assert [name for name, _ in evicted(ebb)] == ["a"]
    assert "memory_reserve_mb" in evicted(ebb)[0][1]


def test_nothing_is_evicted_while_there_is_room(small):
    ebb = small("a", "b", "c", memory_max_mb=4096, instances_max=10)
    use(ebb, "a", "b", "c", "a")
    assert not evicted(ebb)
    assert len(ebb.instances()) == 3


# --- the kernel's memory pressure ---------------------------------------------------------------------
STALLS = "/sys/fs/cgroup/stalls-of-a-test"
FOREVER = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\n"
# Takes ever more than its memory.high: the kernel lets it wait, which is a stall for memory.
STALL = FOREVER + f"""
open("{STALLS}/cgroup.procs", "w").write("0")
taken = []
while time.monotonic() < end:
    taken.append(b"x" * (1 << 16))
"""
# Takes memory until 6 % of the machine's are left; the first to go if it is too much.
TAKE = FOREVER + """
open("/proc/self/oom_score_adj", "w").write("1000")
def host(name):
    return next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith(name))
taken = []
while host("MemAvailable:") > host("MemTotal:") * 6 // 100:
    taken.append(b"x" * (8 << 20))
print("taken", flush=True)
time.sleep(end - time.monotonic())
"""


def stalled_us():
    with open("/proc/pressure/memory") as f:
        return int(re.match(r"some .* total=(\d+)", f.read())[1])


@contextlib.contextmanager
def running(program):
    """Two minutes at most, whatever happens here."""
    process = subprocess.Popen([sys.executable, "-c", program, str(slow(120))], text=True,
                               stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def stalls():
    os.mkdir(STALLS)
    try:
        with open(STALLS + "/memory.high", "w") as f:
            f.write("16M")
        with running(STALL) as process:
            yield process
    finally:
        wait_for(lambda: not leaks.read(STALLS + "/cgroup.procs").strip(), 30)
        os.rmdir(STALLS)


@pytest.mark.skipif(not pictures.IN_VM, reason="takes the machine's memory: in the guest of make check-vm only")
def test_a_host_that_stalls_for_memory_evicts_when_it_is_scarce_too(small):
    ebb = small("a", "b", "c")
    use(ebb, "a", "b", "c", "a", path="/alloc?mb=60&keep=1")
    with stalls() as stalling:
        # A cgroup at its own limit, and the host has gigabytes: no reason. PSI is told in windows of 2 s.
        for _ in range(3):
            begun = stalled_us()
            wait_for(lambda: stalled_us() > begun + 2_000_000, 30)
        assert stalling.poll() is None and not evicted(ebb)
        with running(TAKE) as hog:
            assert hog.stdout.readline() == "taken\n"
            gone = wait_for(lambda: len(evicted(ebb)) >= 2 and evicted(ebb), 60)
    assert [name for name, _ in gone][:2] == ["b", "c"], gone
    assert all("the host stalls for memory (/proc/pressure/memory)" in text for _, text in gone), gone
    for name in "bc":
        assert ebb.get(name).status == 200


def test_who_is_idle_and_cannot_freeze_makes_place(small):
    """A timer that ebb cannot read keeps the instance awake; it has no request, no hold and no lock."""
    ebb = small("awake", "wanted", instances_max=1)
    assert ebb.get("awake", "/timer?kind=posix&ms=600000").status == 200
    assert ebb.get("wanted", timeout=20).status == 200
    assert [name for name, text in evicted(ebb) if text.startswith("awake and unused")] == ["awake"]
