# SPDX-License-Identifier: Apache-2.0
"""
A frozen program's timers fire in time, nothing is frozen that must not be, and `ebb why` says what is due.

The program itself measures how late a timer was. 50 ms is the claim, to which comes the delay that this machine adds to
any timer: a thread of the harness measures that at the same time.
"""
import fcntl
import os
import subprocess
import threading
import time

import pytest

import leaks
import pictures
from waiting import SLOW, pass_time, slow, wait_for

LATE_MS = 50 * SLOW
NODE, PYTHON = "node-timers", "python-timers"


class Metronome(threading.Thread):
    """How late the machine itself is with a timer of 5 ms, at the worst."""

    def __init__(self):
        super().__init__(daemon=True)
        self.worst_ms, self.ended = 0.0, threading.Event()

    def run(self):
        while not self.ended.is_set():
            due = time.monotonic() + 0.005
            self.ended.wait(0.005)
            self.worst_ms = max(self.worst_ms, (time.monotonic() - due) * 1000)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


@pytest.fixture(scope="module")
def apps(module_ebb):
    if pictures.IN_VM:
        pytest.skip("an interpreter takes half a minute there")
    for name in (NODE, PYTHON):
        module_ebb.import_image("oci-archive:" + pictures.apps_archive(name), name)
    return module_ebb


def deploy(server, service, image, **more):
    own = {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 512, **more}
    server.apply({service: own})
    assert server.get(service).status == 200
    return service


@pytest.fixture
def service(apps, request):
    """service(image, settings...) deploys one for this test only."""
    made = []

    def make(image, **more):
        made.append(f"s{len(made)}-{abs(hash(request.node.name)) % 10**8}")
        return deploy(apps, made[-1], image, **more)
    yield make
    for name in made:
        apps.cli("rm", name)
        wait_for(lambda: not apps.instances(name))


def timer_thaws(ebb, instance):
    return [e for e in ebb.events(instance, "instance_thawed") if "timer" in e["text"]]


def why(ebb, name):
    return ebb.cli("why", ebb.instance(name)["id"]).out


def wait_why(ebb, name, word, deadline_s=10):
    return wait_for(lambda: word in why(ebb, name) and why(ebb, name), deadline_s,
                    f"{word!r} in {why(ebb, name)}")


CASES = [(NODE, "/once?ms=1500", 1.5, 1), (NODE, "/every?ms=700&count=3", 2.1, 3),
         (PYTHON, "/once?ms=1500", 1.5, 1), (PYTHON, "/every?ms=700&count=3", 2.1, 3),
         (PYTHON, "/timerfd?ms=1500", 1.5, 1), (PYTHON, "/thread?ms=1500", 1.5, 1)]


@pytest.mark.parametrize("image, path, due_s, count", CASES,
                         ids=[f"{c[0]}-{c[1].split('?', maxsplit=1)[0][1:]}" for c in CASES])
def test_a_frozen_programs_timer_fires_within_50_ms(apps, service, image, path, due_s, count):
    name = service(image, ebb={"timers": "fire"})  # timers of 700 ms too
    with Metronome() as metronome:
        begun = time.monotonic()
        assert apps.get(name, path).status == 200
        (frozen,) = apps.wait_frozen(name)
        text = why(apps, name)
        assert "thaws in" in text and "for a timer" in text, text
        asked = apps.instance(name)["invocations"]
        pass_time(due_s + 0.2, begun)
        apps.wait_frozen(name)
        assert len(timer_thaws(apps, frozen["id"])) >= count
        assert apps.instance(name)["invocations"] == asked, "no request thawed it"
    late = apps.get(name, "/fired").json
    assert len(late) == count
    assert max(late) < LATE_MS + metronome.worst_ms, (late, metronome.worst_ms)


@pytest.mark.parametrize("pool", ["/pool", "/pg"])
def test_an_idle_pool_closes_its_connection_in_time_though_no_request_comes(apps, service, pool):
    """npm generic-pool looks every 500 ms for what was idle for 2 s; npm pg-pool sets a timer of 2 s."""
    name = service(NODE)
    most_ms = 2500 if pool == "/pool" else 2000
    with Metronome() as metronome:
        assert apps.get(name, pool).json == "returned"
        (frozen,) = apps.wait_frozen(name)
        asked = apps.instance(name)["invocations"]
        pass_time(2.7)
        assert timer_thaws(apps, frozen["id"])
        assert apps.instance(name)["invocations"] == asked
    closed = apps.get(name, "/closed").json
    assert len(closed) == 1
    assert 1990 < closed[0] < most_ms + LATE_MS + metronome.worst_ms, (closed, metronome.worst_ms)


def test_late_timers_wait_for_the_next_request(apps, service):
    name = service(NODE, ebb={"timers": "late"})
    apps.get(name, "/once?ms=400")
    (frozen,) = apps.wait_frozen(name)
    assert "timers wait for that (`timers`: \"late\")" in why(apps, name)
    pass_time(0.8)
    assert apps.instance(name)["cpu_us"] == frozen["cpu_us"]
    assert apps.get(name).start == "thaw"
    late = wait_for(lambda: apps.get(name, "/fired").json)
    assert late[0] > 300


def test_a_timer_every_20_ms_keeps_it_awake_and_why_says_so(apps, service):
    name = service(NODE)
    apps.get(name, "/every?ms=20&count=100000")
    text = wait_why(apps, name, "freezing does not pay")
    assert "epoll" in text and "(`timers`: \"late\" lets" in text
    assert apps.instance(name)["state"] == "running"


def test_what_ticks_for_ever_is_frozen_at_last(apps, service):
    """Work without a hold has no claim beyond maxDuration."""
    name = service(NODE, maxDuration=2)
    begun = time.monotonic()
    apps.get(name, "/every?ms=20&count=100000")
    (frozen,) = apps.wait_frozen(name)
    assert time.monotonic() - begun > 1.9
    assert "wait for the next request" in why(apps, name)
    assert apps.get(name).instance == frozen["id"]


@pytest.mark.parametrize("image", [NODE, PYTHON])
def test_background_work_is_not_frozen_until_it_is_done(apps, service, image):
    name = service(image, ebb={"freezeAfter": 20})
    begun = time.monotonic()
    apps.get(name, "/spin?ms=1500")
    text = wait_why(apps, name, "CPU has not gone quiet")
    assert "awake" in text
    apps.wait_frozen(name)
    assert time.monotonic() - begun > 1.4, "frozen while it worked"


def test_background_work_without_a_hold_ends_at_max_duration(apps, service):
    name = service(PYTHON, maxDuration=1)
    apps.get(name, "/spin?ms=60000")
    (frozen,) = apps.wait_frozen(name)
    first = apps.instance(name)["cpu_us"]
    pass_time(0.5)
    assert apps.instance(name)["cpu_us"] == first


def test_work_that_a_timer_begins_is_done_however_long_ago_the_last_request_was(apps, service):
    name = service(NODE, maxDuration=1)
    begun = time.monotonic()
    apps.get(name, "/job?ms=2500&busy=400")
    apps.wait_frozen(name)
    pass_time(4, begun)
    apps.wait_frozen(name)
    (late,) = apps.get(name, "/fired").json
    assert 400 <= late < 1000, "frozen while it worked"


def test_what_works_for_ever_is_not_thawed_for_its_timers(apps, service):
    name = service(NODE, maxDuration=1)
    apps.get(name, "/every?ms=700&count=100000")
    apps.get(name, "/spin?ms=60000")
    (frozen,) = apps.wait_frozen(name)
    assert "wait for the next request" in why(apps, name)
    first = apps.instance(name)["cpu_us"]
    pass_time(1.5)
    assert apps.instance(name)["cpu_us"] == first
    assert not timer_thaws(apps, frozen["id"])


HOLDER = """
import fcntl, struct, sys, time
f = open(sys.argv[1], "w")
if sys.argv[2] == "flock":
    fcntl.flock(f, fcntl.LOCK_EX)
elif sys.argv[2] == "posix":
    fcntl.lockf(f, fcntl.LOCK_EX)
else:  # F_OFD_SETLK
    fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
print("locked", flush=True)
sys.stdin.read()
fcntl.flock(f, fcntl.LOCK_UN)
f.close()
print("unlocked", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("kind", ["flock", "posix", "ofd"])
def test_a_holder_of_locks_on_shared_storage_is_not_frozen(probe, tmp_path, kind):
    """A process of the instance's cgroup holds a lock on a file of the host."""
    probe.get("probe")
    (instance,) = probe.wait_frozen("probe")
    holder = subprocess.Popen(["/usr/bin/python3", "-c", HOLDER, str(tmp_path / "shared"), kind],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with open(leaks.cgroup_of(instance["pid"]) + "/cgroup.procs", "w") as f:
            f.write(str(holder.pid))
        probe.cli("thaw", instance["id"])
        text = wait_why(probe, "probe", "file lock")
        assert f"process {holder.pid} " in text
        assert f"inode {os.stat(tmp_path / 'shared').st_ino})" in text
        assert probe.instance("probe")["state"] == "running"
        holder.stdin.close()
        assert holder.stdout.readline() == "unlocked\n"
        probe.wait_frozen("probe")
    finally:
        holder.kill()
        probe.cli("thaw", instance["id"])
        holder.wait(slow(10))


@pytest.mark.parametrize("opened", ["open('/tmp/own', 'w')", "open('/proc/self/maps')", "os.open('/sys', 0)",
                                    "os.memfd_create('own')"], ids=["scratch", "proc", "sys", "memfd"])
def test_a_lock_on_what_nobody_shares_does_not_matter(apps, service, opened):
    name = service(PYTHON, command=["/usr/bin/python3", "-c",
                                    f"import fcntl, os, runpy; f = {opened}; "
                                    "fcntl.flock(f, fcntl.LOCK_EX); "
                                    "runpy.run_path('main.py', run_name='__main__')"])
    apps.get(name)
    apps.wait_frozen(name)


@pytest.mark.parametrize("image", [NODE, PYTHON])
def test_prewarmed_instances_are_ready_frozen_and_use_no_cpu(apps, image):
    name = "warm-" + image.split("-", maxsplit=1)[0]
    apps.apply({name: {"runtime": "container", "entrypoint": image, "minInstances": 2, "memory": 512,
                       "ebb": {"timers": "late"}}})
    found = wait_for(lambda: len(apps.instances(name)) == 2 and apps.wait_frozen(name))
    before = {i["id"]: i["cpu_us"] for i in found}
    assert all(before.values()), "they have booted"
    assert {i["invocations"] for i in found} == {0}
    pass_time(2)
    assert {i["id"]: i["cpu_us"] for i in apps.instances(name)} == before
    assert apps.usage(name)["awake_us"] == 0
    reply = apps.get(name)
    assert reply.status == 200 and reply.start == "thaw" and reply.instance in before
    apps.cli("rm", name)
    wait_for(lambda: not apps.instances(name))
