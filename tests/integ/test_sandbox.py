# SPDX-License-Identifier: Apache-2.0
"""The sandbox, seen from inside (the probe tries things) and from the host."""
import os
import re

import pytest

from waiting import wait_for

ID_BASE = 1879048192
NAMESPACES = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"]


@pytest.fixture(scope="module")
def box(module_probe):
    """The probe, with an instance running; there is no other one, however busy the tests make it."""
    module_probe.deploy("probe", "probe", "--max", 1)
    assert module_probe.get("probe").status == 200
    return module_probe


def inside(box, path):
    reply = box.get("probe", path)
    assert reply.status == 200, reply
    return reply.text


def tried(box, call, path=""):
    return inside(box, f"/try?call={call}&path={path}")


def function_pid(box):
    """The function itself on the host: the child of the instance's PID 1."""
    init = box.instance("probe")["pid"]
    with open(f"/proc/{init}/task/{init}/children") as f:
        return int(f.read().split()[0])


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)


@pytest.mark.parametrize("name", NAMESPACES)
def test_has_a_namespace_of_its_own(box, name):
    theirs = os.readlink(f"/proc/{function_pid(box)}/ns/{name}")
    assert theirs != os.readlink(f"/proc/self/ns/{name}")
    assert theirs != os.readlink(f"/proc/{box.ebbd_pid}/ns/{name}")


def test_two_instances_share_no_namespace_and_no_id(box):
    box.deploy("other", "probe", "--min", 1)
    other = wait_for(lambda: box.instances("other"))[0]["pid"]
    mine = function_pid(box)
    for name in NAMESPACES:
        assert os.readlink(f"/proc/{mine}/ns/{name}") != os.readlink(f"/proc/{other}/ns/{name}")
    assert status(mine)["Uid"] != status(other)["Uid"]
    box.cli("rm", "other")
    wait_for(lambda: not box.instances("other"))


def test_runs_under_its_own_id_range(box):
    pid = function_pid(box)
    with open(f"/proc/{pid}/uid_map") as f:
        first, host, count = map(int, f.read().split())
    assert first == 0 and count == 65536 and host >= ID_BASE + 2 * 65536 and host % 65536 == 0
    for p in (pid, box.instance("probe")["pid"]):
        assert all(host <= int(i) < host + count for i in status(p)["Uid"].split())


CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_BIND_SERVICE = (1 << n for n in (0, 1, 3, 5, 6, 7, 10))
OF_ROOT = CHOWN | DAC_OVERRIDE | FOWNER | KILL | SETGID | SETUID | NET_BIND_SERVICE


def rights(box, service):
    """Of its PID 1 and of the function: all five sets, where those that are not given must be 0."""
    init = box.instance(service)["pid"]
    # It becomes ebb-init while the function starts, so an answer may come before that.
    wait_for(lambda: status(init)["Seccomp_filters"] == "2")  # the zygote's and its own
    with open(f"/proc/{init}/task/{init}/children") as f:
        pids = [init, int(f.read().split()[0])]
    found = []
    for seen in map(status, pids):
        assert seen["NoNewPrivs"] == "1" and seen["Seccomp"] == "2"
        assert int(seen["CapInh"], 16) == int(seen["CapAmb"], 16) == 0
        sets = {int(seen[c], 16) for c in ("CapPrm", "CapEff", "CapBnd")}
        assert len(sets) == 1, sets
        found.append(sets.pop())
    return found


CONFINED = {
    "root": ({}, [KILL, OF_ROOT]),
    "none": ({"capabilities": []}, [0, 0]),
    "some": ({"capabilities": ["CHOWN", "CAP_SETUID"]}, [KILL, CHOWN | SETUID]),
    "number": ({"user": "1000"}, [0, 0]),
    "name": ({"user": "alice"}, [0, 0]),
}


@pytest.mark.parametrize("case", CONFINED)
def test_is_confined(box, case):
    settings, expected = CONFINED[case]
    box.apply({case: {"runtime": "container", "entrypoint": "probe", **settings}})
    assert box.get(case).status == 200
    assert rights(box, case) == expected
    box.cli("rm", case)
    wait_for(lambda: not box.instances(case))


def test_the_user_of_a_service_overrides_the_image(box):
    box.apply({"alice": {"runtime": "container", "entrypoint": "probe", "user": "alice"},
               "number": {"runtime": "container", "entrypoint": "probe", "user": "1234:7"}})
    lines = box.get("alice", "/file?path=/proc/self/status").text
    assert "Uid:\t1234\t" in lines and "Gid:\t1235\t" in lines and "Groups:\t2000 \n" in lines, lines
    assert "\nHOME=/home/alice\n" in box.get("alice", "/env").text
    lines = box.get("number", "/file?path=/proc/self/status").text
    assert "Uid:\t1234\t" in lines and "Gid:\t7\t" in lines and "Groups:\t \n" in lines, lines
    for name in ("alice", "number"):
        box.cli("rm", name)
        wait_for(lambda: not box.instances(name))


@pytest.mark.parametrize("settings,word", [
    ({"user": "nobody-there"}, "neither in the image's /etc/passwd"),
    ({"user": "65536"}, "neither"), ({"user": "0:staff"}, "is not a number"), ({"user": "-1"}, "neither"),
    ({"user": "1000", "capabilities": ["CHOWN"]}, "only user 0"),
    ({"capabilities": ["SYS_ADMIN"]}, "none that an instance may have"),
    ({"capabilities": "CHOWN"}, "list"), ({"capabilities": ["chown", 3]}, "none that")])
def test_a_wrong_user_or_right_is_refused_by_name(box, settings, word):
    reply = box.rest("PUT", "/v1/services/wrong", {"image": "probe", **settings})
    assert reply.status == 422 and word in reply.text, reply


def test_root_inside_may_drop_to_a_user_and_signals_still_reach_it(box):
    """As nginx, gosu and postgres do: chown, become somebody else, be stopped by SIGTERM."""
    box.deploy("dropper", "probe")
    steps = box.get("dropper", "/become?uid=1234&gid=1235&path=/home/alice/own")
    assert steps.text == "chown=OK setgroups=OK setgid=OK setuid=OK root=EPERM\n", steps
    init = box.instance("dropper")["pid"]
    assert box.get("dropper", "/try?call=write&path=/dev/stdout").text == "OK"
    box.rest("POST", f"/v1/instances/{box.instance('dropper')['id']}/stop")
    wait_for(lambda: not os.path.exists(f"/proc/{init}"))
    wait_for(lambda: "probe: signal 15" in box.cli("logs", "dropper").out)
    box.cli("rm", "dropper")
    wait_for(lambda: not box.instances("dropper"))


def test_inherits_no_descriptor(box):
    fds = [f for f in inside(box, "/list?path=/proc/self/fd").split() if f.isdigit()]
    assert {"0", "1", "2"} < set(fds)
    for fd in fds:
        target = box.get("probe", f"/link?path=/proc/self/fd/{fd}")
        assert target.status == 404 or re.match(
            r"socket:|pipe:|/dev/null|/proc/\d+/fd|anon_inode:\[eventpoll\]", target.text), target.text


# Attempt -> the answer of its barrier. It is the filter's EPERM but for three kinds: ENOSYS, where programs then use an
# older call; EACCES, where the namespace of PID 1 cannot even be opened; EAFNOSUPPORT for families of sockets.
REFUSED = {
    **dict.fromkeys(["mount", "umount", "unshare_user", "clone_user", "ptrace_init", "bpf", "keyctl", "io_uring", "perf",
                     "userfaultfd", "mknod", "chroot", "hostname", "module", "reboot", "handle"], "EPERM"),
    "clone3": "ENOSYS", "setns": "EACCES", "packet_socket": "EAFNOSUPPORT", "vsock_socket": "EAFNOSUPPORT"}


@pytest.mark.parametrize("call", REFUSED)
def test_kernel_refuses(box, call):
    assert tried(box, call) == REFUSED[call]


def test_init_can_not_be_killed_from_inside(box):
    """The kernel takes a signal to PID 1 from inside and drops it."""
    before = box.instance("probe")
    assert tried(box, "signal_init") == "OK"
    reply = box.get("probe")
    assert (reply.status, reply.instance) == (200, before["id"]) and reply.start != "cold"
    assert box.instance("probe")["pid"] == before["pid"]


@pytest.mark.parametrize("path", [
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
    "/proc/1/mem", "/sys/kernel/uevent_helper", "/proc/sys/kernel/modprobe"])
def test_can_not_write(box, path):
    absent = ["ENOENT"] * (not os.path.exists(path))  # in this kernel
    assert tried(box, "write", path) in ["EACCES", "EROFS", *absent]


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kmsg",
                                  "/proc/sched_debug", "/sys/firmware"])
def test_masked_paths_show_nothing(box, path):
    listed = box.get("probe", f"/list?path={path}")
    read = box.get("probe", f"/file?path={path}")
    names = set(listed.text.split()) - {".", ".."} if listed.status == 200 else set()
    assert not names and (read.status == 404 or read.body == b""), (listed, read)


HIDDEN = [
    "/proc/cmdline", "/proc/bootconfig", "/proc/config.gz", "/proc/modules", "/proc/kallsyms", "/proc/interrupts",
    "/proc/softirqs", "/proc/schedstat", "/proc/diskstats", "/proc/partitions", "/proc/swaps", "/proc/mdstat",
    "/proc/iomem", "/proc/ioports", "/proc/zoneinfo", "/proc/buddyinfo", "/proc/slabinfo", "/proc/vmallocinfo",
    "/proc/key-users", "/proc/locks", "/proc/pressure", "/sys/block", "/sys/bus", "/sys/dev", "/sys/kernel", "/sys/module",
    "/sys/hypervisor", "/sys/class/block"]


@pytest.mark.parametrize("path", HIDDEN)
def test_facts_that_tell_hosts_apart_are_hidden(box, path):
    read, listed = box.get("probe", f"/file?path={path}"), box.get("probe", f"/list?path={path}")
    if listed.status == 200:
        assert set(listed.text.split()) == {".", ".."}
    else:
        assert read.body == b"" or read.status == 404, read


def test_devices_of_the_host_are_hidden_and_processors_are_shown(box):
    names = set(inside(box, "/list?path=/sys/devices").split()) - {".", ".."}
    assert names == {"system", "virtual"}
    assert set(inside(box, "/list?path=/sys/devices/virtual").split()) - {".", ".."} == {"net"}
    assert set(inside(box, "/list?path=/sys/devices/virtual/net").split()) - {".", ".."} == {"lo"}
    for path in ("/sys/devices/system/cpu/online", "/proc/cpuinfo", "/proc/version"):
        with open(path) as f:
            text = f.read()
        assert inside(box, f"/file?path={path}")[:60] == text[:60], path
    assert "MemTotal" in inside(box, "/file?path=/proc/meminfo") and "cpu0" in inside(box, "/file?path=/proc/stat")
    assert inside(box, "/file?path=/sys/class/net/lo/mtu") == "65536\n"


def test_boot_id_is_of_the_instance_alone(box):
    box.deploy("other", "probe", "--min", 1)
    path = "/file?path=/proc/sys/kernel/random/boot_id"
    with open("/proc/sys/kernel/random/boot_id") as f:
        ids = [f.read(), inside(box, path), box.get("other", path).text]
    assert len(set(ids)) == 3 and inside(box, path) == ids[1]
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n", i) for i in ids)
    box.cli("rm", "other")
    wait_for(lambda: not box.instances("other"))


def test_no_cgroup_file_system_inside(box):
    mounts = inside(box, "/file?path=/proc/self/mountinfo")
    assert " - cgroup" not in mounts


def test_mounts_are_nosuid_and_nodev(box):
    for line in inside(box, "/file?path=/proc/self/mountinfo").splitlines():
        options = line.split()[5].split(",")
        if " - devpts " not in line and not re.search(r" /dev/\w+ ", line):
            assert "nosuid" in options, line
    root = [line for line in inside(box, "/file?path=/proc/self/mountinfo").splitlines()
            if line.split()[4] == "/"]
    assert root and "nodev" in root[0].split()[5]


def test_own_cgroup_looks_like_the_root(box):
    lines = inside(box, "/file?path=/proc/self/cgroup").splitlines()
    assert [line for line in lines if line.startswith("0::")] == ["0::/"]


def test_host_processes_are_invisible(box):
    pids = [p for p in inside(box, "/list?path=/proc").split() if p.isdigit()]
    assert len(pids) <= 3 and "1" in pids


def test_devices_are_the_harmless_ones(box):
    names = set(inside(box, "/list?path=/dev").split()) - {".", ".."}
    assert {"null", "zero", "urandom", "random", "full"} <= names
    assert names <= {"null", "zero", "urandom", "random", "full", "tty", "shm", "fd", "stdin",
                     "stdout", "stderr", "ptmx", "pts", "mqueue", "ebb"}
    assert tried(box, "write", "/dev/null") == "OK"


def test_network_is_loopback_only(box):
    lines = inside(box, "/file?path=/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in lines] == ["lo"]


def test_host_name_is_the_instance(box):
    assert box.get("probe", "/process").json["host"] == box.instance("probe")["id"]


def test_orphans_are_reaped(box):
    inside(box, "/orphan")
    init = box.instance("probe")["pid"]

    def children():
        with open(f"/proc/{init}/task/{init}/children") as f:
            return f.read().split()
    box.get("probe", "/sleep?ms=200")
    wait_for(lambda: len(children()) == 1)


# --- limits -------------------------------------------------------------------------------------
def test_memory_limit_holds_and_is_named(module_probe):
    module_probe.deploy("small", "probe", "--memory", 64)
    assert module_probe.get("small", "/alloc?mb=20").status == 200
    reply = module_probe.get("small", "/alloc?mb=200", method="POST")
    assert reply.status == 502 and re.search(r"\boom\b|out of memory", reply.text.lower()), reply
    assert module_probe.get("small").status == 200


def test_pid_limit_holds(module_probe):
    module_probe.apply({"forky": {"runtime": "container", "entrypoint": "probe", "memory": 256,
                                  "ebb": {"pids": 64}}})
    made = module_probe.get("forky", "/spawn?n=500").json["made"]
    assert 1 < made < 64
    module_probe.cli("rm", "forky")
    wait_for(lambda: not module_probe.instances("forky"))


def test_scratch_space_is_bounded_by_memory_or_size(module_probe):
    module_probe.deploy("disk", "probe")
    mounts = module_probe.get("disk", "/file?path=/proc/self/mountinfo").text
    assert mounts.count("overlay") == 1


def test_cpu_follows_memory(module_probe):
    """512 MB of 2 GiB = a quarter of a CPU: 200 ms of CPU need about 800 ms of time."""
    module_probe.deploy("quarter", "probe", "--memory", 512)
    module_probe.get("quarter")
    reply = module_probe.get("quarter", "/burn?ms=400")
    assert reply.json["cpu_us"] >= 400000 and reply.seconds > 1.0, reply.seconds
