# SPDX-License-Identifier: Apache-2.0
"""
Each of ebb's own programs runs out of descriptors, memory or processes for a while: requests go on, no program spins, and all of it
works again when there is room, without a restart of ebb.
"""
import contextlib
import os
import signal
import socket
import subprocess
import tempfile

import pytest

import leaks
import pictures
import web
from waiting import pass_time, slow, wait_for

KINDS = ("ebbd", "ebb-api", "ebb-ledger", "ebb-ipc", "ebb-net")
TICKS = os.sysconf("SC_CLK_TCK")


def pid_of(ebb, name):
    return ebb.ebbd_pid if name == "ebbd" else wait_for(lambda: ebb.programs(name))[0]


def cpu_s(pid):
    fields = leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def soft_limit(pid, what, value):
    """As the user that the program is, who may do that (prlimit(2))."""
    ids = {n: int(leaks.read(f"/proc/{pid}/status").split(n + ":")[1].split()[0]) for n in ("Uid", "Gid")}
    subprocess.run(["prlimit", f"--pid={pid}", f"--{what}={value}:"], user=ids["Uid"], group=ids["Gid"], extra_groups=[],
                   check=True)


@contextlib.contextmanager
def limited(pid, what, value):
    name = {"nofile": "Max open files", "as": "Max address space", "nproc": "Max processes"}[what]
    before = leaks.read(f"/proc/{pid}/limits").split(name)[1].split()[0]
    soft_limit(pid, what, value)
    try:
        yield
    finally:
        if os.path.exists(f"/proc/{pid}"):
            soft_limit(pid, what, before)


def works(ebb, name):
    """All that an operator and a client do."""
    assert ebb.rest("PUT", f"/v1/services/{name}", {"image": "probe", "memory": 128}).status in (200, 201)
    wait_for(lambda: ebb.get(name).status == 200, 20)
    assert ebb.rest("GET", "/v1/usage").status == 200
    assert ebb.rest("DELETE", f"/v1/services/{name}").status == 204


@pytest.mark.parametrize("name", KINDS)
def test_a_program_without_descriptors_serves_on_and_recovers(probe, name):
    assert probe.get("probe").status == 200
    pid = pid_of(probe, name)
    knocking = []
    with limited(pid, "nofile", len(os.listdir(f"/proc/{pid}/fd"))):
        for _ in range(3):  # clients of the API that nobody can accept, if it is ebb-api that has none
            knocking.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            knocking[-1].connect(probe.socket)
        begun = cpu_s(pid)
        pass_time(2)
        assert cpu_s(pid) - begun < 0.2, f"{name} spins: {cpu_s(pid) - begun} s"
        for _ in range(5):
            assert probe.get("probe").status == 200
    for one in knocking:
        one.close()
    works(probe, "behind")
    assert pid_of(probe, name) == pid, probe.log()
    assert probe.get("probe").status == 200


@pytest.mark.parametrize("name", KINDS[1:])
def test_a_program_without_memory_serves_on_or_comes_back(probe, name):
    """Requests go on; the program may end, with its cause in the log, and another one takes its place."""
    assert probe.get("probe").status == 200
    pid = pid_of(probe, name)
    now_bytes = int(leaks.read(f"/proc/{pid}/statm").split()[0]) * 4096
    with limited(pid, "as", now_bytes):
        for _ in range(30):
            with contextlib.suppress(OSError):
                reply = web.exchange(web.UnixConnection(probe.socket, slow(5)), "GET", "/v1/events")
                assert reply.status in (200, 500, 503), reply
            assert probe.get("probe").status == 200
    wait_for(lambda: probe.programs(name) and probe.rest("GET", "/readyz").status == 200, 20)
    works(probe, "behind")
    assert not probe.log_lines("event=bug|event=forbidden_call")


def test_no_program_needs_another_process(probe):
    """RLIMIT_NPROC of their users; ebbd is root, which that limit does not bind."""
    with contextlib.ExitStack() as all_of_them:
        for name in (*KINDS[1:], "ebb-gateway"):
            all_of_them.enter_context(limited(pid_of(probe, name), "nproc", 0))
        for _ in range(5):
            assert probe.get("probe").status == 200
        works(probe, "meanwhile")
    works(probe, "behind")


PIDS_V1 = "/sys/fs/cgroup/pids"


def pids_group(pid):
    """Its directory in the hierarchy of the pids controller."""
    for line in leaks.read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            return PIDS_V1 + path.rstrip("/")
    return leaks.cgroup_of(pid)


def put(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(str(text))


def move(pids, directory):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            put(directory + "/cgroup.procs", pid)


@contextlib.contextmanager
def group_of_its_own(ebb):
    """The directory of the pids controller with ebbd and its programs, without instances. Where the controller is v1's,
    ebb has none, and one is made."""
    home = pids_group(ebb.process.pid)
    if not home.startswith(PIDS_V1):
        yield home
        return
    made = tempfile.mkdtemp(prefix="ebb-it-", dir=PIDS_V1)
    own = [p for p in [ebb.process.pid, *leaks.descendants(ebb.process.pid)] if pids_group(p) == home]
    move(own, made)
    try:
        yield made
    finally:
        move(leaks.read(made + "/cgroup.procs").split(), home or PIDS_V1)
        os.rmdir(made)


@contextlib.contextmanager
def no_room_for_a_process(ebb):
    with group_of_its_own(ebb) as group:
        put(group + "/pids.max", 0)
        try:
            yield
        finally:
            put(group + "/pids.max", "max")


def test_without_room_for_processes_ebb_serves_on_says_so_and_recovers(probe):
    """As a service whose TasksMax is reached."""
    assert probe.get("probe").status == 200
    with no_room_for_a_process(probe):
        for _ in range(3):
            assert probe.get("probe").status == 200
        done = probe.import_image("oci-archive:" + pictures.probe_archive(), "more", ok=False)
        assert done.code != 0 and "Resource temporarily unavailable" in done.err, done
        (ipc,) = probe.programs("ebb-ipc")
        os.kill(ipc, signal.SIGKILL)
        wait_for(lambda: probe.log_lines("program=ebb-ipc.*Resource temporarily unavailable"))
        probe.wait_frozen("probe")
        assert probe.get("probe").status == 200
    wait_for(lambda: probe.programs("ebb-ipc") and probe.rest("GET", "/readyz").status == 200, 30)
    assert probe.import_image("oci-archive:" + pictures.probe_archive(), "more").code == 0
    works(probe, "behind")
    assert probe.get("probe").status == 200


def test_an_ebb_that_stands_behind_others_takes_images(ebb):
    """As with Nice=11 in its service."""
    os.setpriority(os.PRIO_PROCESS, ebb.ebbd_pid, 11)
    assert ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe").code == 0
