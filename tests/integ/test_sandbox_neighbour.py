# SPDX-License-Identifier: Apache-2.0
"""An instance or its clients attack all that instances share: a neighbour goes on with its work, all its requests are
answered rightly, and no handler of ebbd uses much CPU time (handlers.py). tests/bench/bench_neighbour.py measures how
long the neighbour's requests take."""
import ctypes
import os
import struct
import time

import pytest

import handlers
import leaks
import neighbour
import pictures
import web
from waiting import wait_for

TAKE_TURNS = ["dies in a freeze", "shared descriptors"]  # attacks that need several looks, freezes and thaws
SYS_SCHED_GETATTR = 315
TURN_OF_EBB_US, TURN_OF_INSTANCE_US = 100, 200


@pytest.fixture(scope="module")
def box(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    module_ebb.apply({"neighbour": neighbour.settings(memory=1024), "hostile": neighbour.settings(memory=2048)})
    for name in ("neighbour", "hostile"):
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
    own = [box.process.pid, *box.programs("ebb-gateway"), *box.programs("ebb-ipc")]
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
    pid = box.instance(name)["pid"]
    mount, path = ("/sys/fs/cgroup/cpu", cpu_cgroup(pid)) if cpu_cgroup(pid) else ("/sys/fs/cgroup", None)
    path = path or leaks.read(f"/proc/{pid}/cgroup").split("0::")[1].split("\n")[0]
    return leaks.read(f"{mount}{path}/cpu.idle").strip() == "1"


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


def test_ebbs_own_programs_compete_beside_the_instances_and_with_more_weight(box):
    """In the root of a v1 hierarchy they waited for milliseconds beside an instance that forks or executes."""
    own = [box.process.pid, *box.programs("ebb-gateway"), *box.programs("ebb-ipc"), *box.programs("ebb-api")]
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
