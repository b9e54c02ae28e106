# SPDX-License-Identifier: Apache-2.0
"""One instance takes all that it can get of each thing that the kernel counts by user or by host; the host's root and
a neighbour still get theirs. And no inode of a device or directory is shared by two instances."""
import json
import os
import subprocess

import pytest

import pictures
from waiting import wait_for

# kind -> how many are asked for, how many it may get at most, how many the others must still get
MEMORY_MB = 128
TABLES = {
    "inotify": (5000, 4096, 5),
    "inotify-watch": (20000, 20000, 5),
    "timer": (20000, 4096, 50),
    "signal": (20000, 4096, 50),
    "mqueue": (500, 20, 3),
    "pty": (500, 32, 3),
    "file": (100000, 100000, 50),
    "epoll-watch": (100000, 100000, 50),
    "eventfd": (100000, 100000, 50),
    "timerfd": (100000, 100000, 50),
    "sem": (50000, 40000, 5),
    "shm": (500, MEMORY_MB, 5),  # MiB
    "mlock": (500, 8, 1),
    "thread": (5000, 512, 5),
    "directory": (200000, 20000, 5),
}
EMULATED_MAX = 50000
REFUSED = ["userns", "key", "fanotify", "aio", "msg", "bpf", "perf"]


@pytest.fixture(scope="module")
def hosts(module_probe):
    for name in ("neighbour", "mine"):
        module_probe.apply({name: {"runtime": "container", "entrypoint": "probe", "memory": 128, "maxInstances": 1}})
        assert module_probe.get(name).status == 200
    return module_probe


@pytest.fixture
def greedy(hosts):
    hosts.apply({"greedy": {"runtime": "container", "entrypoint": "probe", "memory": MEMORY_MB, "maxInstances": 1}})
    assert hosts.get("greedy").status == 200
    yield hosts
    hosts.cli("rm", "greedy")
    wait_for(lambda: not hosts.instances("greedy"))


def take(box, service, kind, most):
    """None when it died of it: the memory limit ended the instance."""
    reply = box.get(service, f"/hoard?what={kind}&n={most}", timeout=60)
    return reply.json if reply.status == 200 else None


def how_many(kind):
    """An instance asks for so many. Where all is emulated and slow, for a quarter more than it may get."""
    asked, most, _ = TABLES[kind]
    return min(asked, most * 5 // 4, EMULATED_MAX) if pictures.IN_VM else asked


def take_on_host(kind, most):
    ran = subprocess.run([pictures.probe_program(), "hoard", kind, str(most)], capture_output=True,
                         check=True, timeout=60)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("kind", TABLES)
def test_one_instance_leaves_enough_to_the_others(greedy, kind):
    _, most, others = TABLES[kind]
    got = take(greedy, "greedy", kind, how_many(kind))
    assert got is None or got["made"] <= most, got
    assert take_on_host(kind, others)["made"] == others
    beside = take(greedy, "neighbour", kind, others)
    assert beside and beside["made"] == others, beside


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_counted_by_host_alone_is_refused(greedy, kind):
    got = take(greedy, "greedy", kind, 10)
    assert got == {"made": 0, "errno": got["errno"]} and got["errno"] in ("EPERM", "ENOSYS"), got


# KiB in buffers that nobody reads. A quarter of the memory on top is for sockets in cgroup v1.
@pytest.mark.parametrize("kind", ["tcp", "udp", "unix", "pipe"])
def test_what_lies_in_buffers_is_memory_of_the_instance(greedy, kind):
    got = take(greedy, "greedy", kind, 1 << 20)
    assert got is None or got["made"] <= MEMORY_MB * 1024 * 1.5, got
    assert take(greedy, "neighbour", kind, 64)["made"] >= 64


def test_connections_inside_are_tracked_by_nobody(greedy):
    """Its network namespace has no rules, so no entry of the host's table is made for it."""
    got = take(greedy, "greedy", "tcp", 16 * 1024)
    assert got and got["made"] > 0, got
    count = greedy.get("greedy", "/file?path=/proc/sys/net/netfilter/nf_conntrack_count")
    assert count.status == 404 or count.text == "0\n", count


# --- one inode, one tenant --------------------------------------------------------------------------
SHARED = ["/dev", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/full", "/dev/shm", "/dev/ebb", "/dev/pts",
          "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/sys", "/proc/version",
          "/sys", "/sys/kernel", "/sys/fs", "/sys/class/net", "/", "/srv", "/srv/probe", "/etc/passwd",
          "/etc/hosts", "/tmp"]
ENDLESS = ["/dev/zero", "/dev/urandom", "/dev/full"]


def reach(box, service, what, path=""):
    reply = box.get(service, f"/reach?what={what}&path={path}")
    assert reply.status == 200, reply
    return reply.json


@pytest.mark.parametrize("what", ["lock", "record", "lease"])
def test_no_lock_is_seen_by_another_instance(hosts, what):
    for path in SHARED:
        first = reach(hosts, "neighbour", what, path)
        assert reach(hosts, "mine", what, path) == first, path
        if what == "lock" and first["got"] == 0:
            assert reach(hosts, "neighbour", what, path)["errno"] == "EAGAIN", path


def test_no_watch_hears_another_instance(hosts):
    for path in SHARED:
        reach(hosts, "neighbour", "watch", path)
    reach(hosts, "neighbour", "heard")
    for path in SHARED:
        if path not in ENDLESS:
            hosts.get("mine", f"/file?path={path}")
        hosts.get("mine", f"/list?path={path}")
        hosts.get("mine", f"/try?call=write&path={path}")
    for service in ("mine", "neighbour"):
        assert hosts.get(service).status == 200
    assert reach(hosts, "neighbour", "heard")["got"] == 0


def test_instances_of_one_image_share_no_device_and_inode(hosts):
    """As the host sees them, through /proc/PID/root."""
    def inodes(service):
        root = f"/proc/{hosts.instance(service)['pid']}/root"
        found = {}
        for path in SHARED:
            try:
                st = os.stat(root + path, follow_symlinks=False)
            except OSError:
                continue
            found[path] = (st.st_dev, st.st_ino)
        return found
    mine, theirs = inodes("mine"), inodes("neighbour")
    assert len(mine) > 10 and mine.keys() == theirs.keys()
    # stat(2) shows for a file of a layer the numbers of the file system below, which all instances share; locks and
    # watches are on the overlay's own inode, as the tests above show.
    for path in mine:
        if not path.startswith(("/srv", "/etc/passwd")):
            assert mine[path] != theirs[path], path


@pytest.mark.parametrize("what,path", [("rename", "/tmp"), ("rename", "/home"), ("remake", "/home/alice"),
                                       ("rename", "/home/alice"), ("remake", "/tmp")])
def test_directories_of_an_image_can_be_changed(hosts, what, path):
    """Before Linux 6.6 tmpfs has no user xattrs: one overlay gave EXDEV and EIO."""
    got = reach(hosts, "mine", what, path)
    assert got["got"] == 0, got


def test_own_host_name_resolves(hosts):
    name = hosts.instance("mine")["id"]
    assert f"127.0.0.1\t{name}\n" in hosts.get("mine", "/file?path=/etc/hosts").text
    assert hosts.get("mine", "/file?path=/etc/hostname").text == name + "\n"


# --- words for run-times ----------------------------------------------------------------------------
SHOWN = {"memory.max": "134217728\n", "cpu.max": "6200 100000\n", "pids.max": "512\n", "memory.swap.max": "0\n",
         "memory/memory.limit_in_bytes": "134217728\n", "cpu/cpu.cfs_quota_us": "6200\n",
         "cpu/cpu.cfs_period_us": "100000\n", "cgroup.controllers": "cpu memory pids\n"}


@pytest.mark.parametrize("name", SHOWN)
def test_its_own_limits_stand_where_run_times_look(hosts, name):
    assert hosts.get("mine", f"/file?path=/sys/fs/cgroup/{name}").text == SHOWN[name]
    assert hosts.get("mine", f"/try?call=write&path=/sys/fs/cgroup/{name}").text == "EROFS"


def test_meminfo_shows_its_own_memory_and_cannot_be_written(hosts):
    text = hosts.get("mine", "/file?path=/proc/meminfo").text
    shown = {line.split(":")[0]: line.split()[1] for line in text.splitlines()}
    assert {shown[k] for k in ("MemTotal", "MemFree", "MemAvailable")} == {str(128 << 10)}
    assert shown["SwapTotal"] == shown["SwapFree"] == "0"
    with open("/proc/meminfo", encoding="ascii") as real:  # in the same columns, which some programs count
        assert text.splitlines()[0].index(" kB") == real.readline().index(" kB")
    assert hosts.get("mine", "/try?call=write&path=/proc/meminfo").text == "EROFS"
    assert hosts.get("neighbour", "/file?path=/proc/meminfo").text == text


def test_a_crash_starts_no_program_of_the_host(hosts):
    """A core_pattern with a pipe asks for no limit but 1, core(5)."""
    limits = hosts.get("mine", "/file?path=/proc/self/limits").text
    (core,) = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core[4:6] == ["1", "1"]
    assert hosts.get("mine", "/try?call=core_limit").text == "OK"  # the call does nothing


def variables(box, service):
    return dict(line.split("=", 1) for line in box.get(service, "/env").text.splitlines())


def test_run_times_that_ask_variables_are_told_and_what_is_set_stays(hosts):
    told = variables(hosts, "mine")
    assert told["NODE_OPTIONS"] == "--max-old-space-size=64" and told["GOMEMLIMIT"] == "108MiB"
    assert "-XX:MaxRAM=128m" in told["JAVA_TOOL_OPTIONS"] and told["GOMAXPROCS"] == "1"
    assert int(told["DOTNET_GCHeapHardLimit"], 16) == int(told["BUN_JSC_forceRAMSize"]) == 64 << 20
    assert told["DENO_V8_FLAGS"] == told["NODE_OPTIONS"] and told["PYTHON_CPU_COUNT"] == "1"
    hosts.apply({"set": {"runtime": "container", "entrypoint": "probe", "memory": 128,
                         "env": {"NODE_OPTIONS": "--enable-source-maps", "JAVA_TOOL_OPTIONS": "-Xmx7m"}}})
    own = variables(hosts, "set")
    assert own["NODE_OPTIONS"] == "--enable-source-maps" and own["JAVA_TOOL_OPTIONS"] == "-Xmx7m"
    hosts.cli("rm", "set")
    wait_for(lambda: not hosts.instances("set"))
