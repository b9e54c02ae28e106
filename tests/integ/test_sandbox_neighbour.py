# SPDX-License-Identifier: Apache-2.0
"""An instance or its clients attack all that instances share: a neighbour goes on with its work, all its requests are
answered rightly, and no handler of ebbd uses much CPU time (handlers.py). tests/bench/bench_neighbour.py measures how
long the neighbour's requests take."""
import concurrent.futures
import ctypes
import os
import re
import struct
import time

import pytest

import handlers
import leaks
import neighbour
import pictures
import web
from waiting import slow, wait_for

TAKE_TURNS = ["dies in a freeze", "shared descriptors"]  # attacks that need several looks, freezes and thaws
SYS_SCHED_GETATTR = 315
TURN_OF_EBB_US, TURN_OF_INSTANCE_US = 100, 200


@pytest.fixture(scope="module")
def box(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    module_ebb.apply({"neighbour": neighbour.settings(memory=1024), "hostile": neighbour.settings(memory=2048),
                      "sudden": neighbour.settings()})
    for name in ("neighbour", "hostile", "sudden"):
        assert module_ebb.get(name).status == 200
    return module_ebb


@pytest.mark.parametrize("name", neighbour.ATTACKS)
def test_neighbour_does_its_work_beside(box, name):
    begun = time.monotonic()
    with neighbour.Work(box, "neighbour") as work, neighbour.under(name, box):
        time.sleep(1.2 if name in TAKE_TURNS else .4)  # the time of the attack
    print(f"{name}: {len(work.found)} requests in {time.monotonic() - begun:.1f} s")
    longest_s = neighbour.health(box)["ebb_loop_longest_cpu_seconds"]
    assert longest_s < handlers.MOST_S, box.log_lines("event=loop_stalled")


def test_long_work_beside_is_heard_of_to_its_end(box):
    """Work behind an answer, a timer and a log line of the neighbour come to their end during an attack."""
    with neighbour.under("bomb", box):
        request = box.get("neighbour", "/background?ms=500").headers["x-ebb-id"]
        box.get("neighbour", "/timer?kind=nanosleep&ms=300")
        wait_for(lambda: box.cli("logs", "--json", "--request", request, "neighbour").json)
        wait_for(lambda: box.get("neighbour", "/fired").json)


# --- a neighbour gets in when a spinning instance has the CPU ---------------------------------------
def turn_us(tid):
    attr = ctypes.create_string_buffer(56)
    assert ctypes.CDLL(None).syscall(SYS_SCHED_GETATTR, tid, attr, 56, 0) == 0
    return struct.unpack_from("=Q", attr, 24)[0] // 1000


def test_turns_on_the_cpu_are_short_and_those_of_ebb_shorter(box):
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    kept = release >= (6, 12)  # before, the kernel takes the wish and has no such thing
    own = [box.ebbd_pid, *box.programs("ebb-gateway"), *box.programs("ebb-ipc")]
    assert {turn_us(pid) for pid in own} == {TURN_OF_EBB_US if kept else 0}
    init = box.instance("neighbour")["pid"]
    inside = wait_for(lambda: leaks.descendants(init))
    assert {turn_us(pid) for pid in [init, *inside]} == {TURN_OF_INSTANCE_US if kept else 0}


def cpu_cgroup(pid):
    """Where the cpu controller has it: in a v1 hierarchy, or in cgroup2."""
    found = {}
    for line in leaks.read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        found.update({controller: path for controller in controllers.split(",")})
    return found.get("cpu", found[""])


def weight(cgroup):
    """Of a directory, in parts of what one has that nobody gave any."""
    for file, usual in (f"/cpu{cgroup}/cpu.shares", 1024), (f"{cgroup}/cpu.weight", 100):
        if os.path.exists(leaks.CGROUP_ROOT + file):
            return int(leaks.read(leaks.CGROUP_ROOT + file)) / usual
    raise AssertionError(f"{cgroup} has no weight")


def is_behind(box, name):
    """Whether the instance runs only while no other wants the CPU it is on."""
    cgroup = cpu_cgroup(box.instance(name)["pid"])
    return any(leaks.read(f"{leaks.CGROUP_ROOT}{folder}{cgroup}/cpu.idle").strip() == "1" for folder in ("/cpu", ""))


def why(box, name):
    return box.cli("why", box.instance(name)["id"]).out


def test_who_uses_much_of_the_cpu_runs_behind_who_uses_little(box):
    box.get("neighbour")
    with neighbour.under("cpu", box):
        wait_for(lambda: is_behind(box, "hostile"))
        wait_for(lambda: "others run before it" in why(box, "hostile"))  # not while it is frozen between two requests
        assert not is_behind(box, "neighbour")

    def in_front():
        """Each request thaws it, a second of a freeze or of little use is enough."""
        box.get("hostile")
        return not is_behind(box, "hostile")
    wait_for(in_front, 30)
    assert "others run before it" not in why(box, "hostile")


def test_a_thaw_is_known_before_its_answer_is_out(box):
    """Else nobody judges what works for seconds behind one."""
    wait_for(lambda: box.instance("sudden")["state"] == "frozen")
    before = len(box.events("sudden", "instance_thawed"))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(box.get, "sudden", f"/attack?what=cpu&ms={slow(2) * 1000:.0f}")
        wait_for(lambda: len(box.events("sudden", "instance_thawed")) > before)
        assert not answer.done()


def naps(box):
    """How often the threads of ebb-tick went to sleep."""
    (pid,) = wait_for(lambda: box.programs("ebb-tick"))
    found = [leaks.read(f"/proc/{pid}/task/{thread}/status") for thread in os.listdir(f"/proc/{pid}/task")]
    return sum(int(n) for status in found for n in re.findall(r"^voluntary_ctxt_switches:\s(\d+)", status, re.M))


def ticks(box):
    before = naps(box)
    time.sleep(slow(.2))  # the time over which they are counted
    return naps(box) - before


def test_cpus_tick_while_light_and_heavy_instances_are_awake(box):
    (pid,) = wait_for(lambda: box.programs("ebb-tick"))
    threads = os.listdir(f"/proc/{pid}/task")
    assert sorted(len(os.sched_getaffinity(int(t))) for t in threads)[:-1] == [1] * len(os.sched_getaffinity(0))
    assert {line for t in threads for line in leaks.read(f"/proc/{pid}/task/{t}/status").splitlines()
            if line.startswith("Seccomp:")} == {"Seccomp:\t2"}
    wait_for(lambda: ticks(box) == 0)
    with neighbour.Work(box, "neighbour"), neighbour.under("cpu", box):
        wait_for(lambda: ticks(box) > 10)
        box.end_program("ebb-tick")
        wait_for(lambda: ticks(box) > 10)  # the next one is told
    wait_for(lambda: ticks(box) == 0)


def test_ticks_begin_before_an_instance_is_judged(box):
    """An attack of 60 ms is over before its first sample of 100 ms."""
    def at_rest():
        if is_behind(box, "sudden"):
            box.get("sudden")  # each request thaws it, a second of a freeze is enough
            return False
        return box.instance("sudden")["state"] == "frozen" and ticks(box) == 0

    def ticked():
        wait_for(at_rest, 30)
        before = naps(box)
        box.get("sudden", "/attack?what=cpu&ms=60")
        return naps(box) - before > 10
    with neighbour.Work(box, "neighbour"):
        wait_for(ticked, 30)


def test_a_heavy_instance_alone_makes_no_ticks(box):
    wait_for(lambda: box.instance("neighbour")["state"] == "frozen")
    with neighbour.under("cpu", box):
        wait_for(lambda: is_behind(box, "hostile"))
        wait_for(lambda: ticks(box) == 0 and box.instance("neighbour")["state"] == "frozen")


def test_ebbs_own_programs_compete_beside_the_instances_and_with_more_weight(box):
    """In the root of a v1 hierarchy they waited for milliseconds beside an instance that forks or executes."""
    own = [box.ebbd_pid, *box.programs("ebb-gateway"), *box.programs("ebb-ipc"), *box.programs("ebb-api")]
    tree = cpu_cgroup(box.process.pid).removesuffix("/own")
    assert os.path.basename(tree) == box.config["cgroup"]
    assert {cpu_cgroup(pid) for pid in own} == {tree + "/own"}
    assert cpu_cgroup(box.instance("neighbour")["pid"]).startswith(tree + "/instances/")
    assert (weight(tree + "/own"), weight(tree + "/instances")) == (10, 1)


def test_listing_hundreds_of_instances_many_times_keeps_nobody_waiting(box):
    """Listings and readings of all meters go in parts, one behind the other; each has every instance once."""
    many = 60 if pictures.IN_VM else 200
    box.apply({"many": neighbour.settings(memory=64, minInstances=many, maxInstances=many)})
    with neighbour.Work(box, "neighbour"):
        listed = web.many(20, lambda n: [i["id"] for i in box.instances("many")] if n % 2 else box.usage("many"))
    assert all(len(set(ids)) == len(ids) == many for ids in listed[1::2])
    box.cli("rm", "many")
    wait_for(lambda: not box.instances("many"), 60)
    assert neighbour.health(box)["ebb_loop_longest_cpu_seconds"] < handlers.MOST_S, box.log_lines("event=loop_stalled")
