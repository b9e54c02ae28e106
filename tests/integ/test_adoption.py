# SPDX-License-Identifier: Apache-2.0
"""ebbd is killed while it works; the next one takes over, and clients notice nothing. EBB_KILLS: how often under load
(make deaths-ebbd)."""
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

import counts
import leaks
import pictures
import web
from ebbd_deaths import Background, Throughout, kill_ebbd
from queues import Inside
from test_queues import put, queues_go_on, trigger
from ebb import BIN, PROJECT
from test_edge_websockets import Socket
from test_edge_websockets import service as socket_service
from test_sandbox_neighbour import is_behind
from test_service_reload import Reloadable, other_port
from waiting import SLOW, wait_for

KILLS = int(os.environ.get("EBB_KILLS", "3" if pictures.IN_VM else "10"))
SAME = ("id", "pid", "revision", "state", "freezes", "thaws", "invocations")


def test_a_killed_ebbd_is_followed_by_another(probe):
    assert probe.get("probe").status == 200
    probe.wait_frozen("probe")
    before, gateways = probe.instance("probe"), probe.programs("ebb-gateway")
    kill_ebbd(probe)
    assert probe.programs("ebb-gateway") == gateways
    after = probe.instance("probe")
    assert {k: after[k] for k in SAME if k in after} == {k: before[k] for k in SAME if k in before}
    reply = probe.get("probe")
    assert reply.status == 200 and reply.instance == before["id"] and reply.start == "thaw"
    probe.wait_frozen("probe")
    probe.cli("ledger", "verify")


def test_no_request_is_lost_or_doubled(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    with Throughout(ebb) as load:
        took = [kill_ebbd(ebb) for _ in range(KILLS)]
    counts.note(f"adoption: {len(took)} kills of ebbd, another one after {max(took) * 1000:.0f} ms at most; {load.says()}")


@pytest.mark.skipif(pictures.IN_VM, reason="interpreters are too slow under emulation")
def test_websockets_sleep_on_and_wake(ebb):
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    ebb.apply({"talks": socket_service("ws-node")})
    sockets = [Socket(ebb, "talks") for _ in range(20)]
    try:
        for one in sockets:
            one.say("a")
        assert {one.hear() for one in sockets} == {"0:a"}
        ebb.wait_frozen("talks", 30)
        before = ebb.instance("talks")["id"]
        kill_ebbd(ebb)
        for number, one in enumerate(sockets):
            one.say("b", str(number))
        for number, one in enumerate(sockets):
            assert [one.hear_message(), one.hear_message()] == ["1:b", f"2:{number}"]
        assert ebb.instance("talks")["id"] == before
        ebb.wait_frozen("talks", 30)
    finally:
        for one in sockets:
            one.close()


def test_timers_of_a_frozen_instance_fire(probe):
    probe.apply({"probe": {"runtime": "container", "entrypoint": "probe", "ebb": {"freezeAfter": "50ms"}}})
    assert probe.get("probe", "/timer?kind=poll&ms=4000").status == 200
    probe.wait_frozen("probe")
    kill_ebbd(probe)
    assert probe.instance("probe")["state"] == "frozen"
    wait_for(lambda: [text for text in probe.told("probe", "instance_thawed") if "for a timer" in text], 20)
    (late,) = wait_for(lambda: probe.get("probe", "/fired").json, 20)
    assert late < 1000 * SLOW, late


def test_work_behind_an_answer_goes_on(probe):
    probe.apply({"probe": {"runtime": "container", "entrypoint": "probe", "ebb": {"freezeAfter": "50ms"}}})
    request = probe.get("probe", "/background?ms=4000").headers["x-ebb-id"]
    wait_for(lambda: probe.instance("probe")["holds"] == 1)
    before = probe.instance("probe")["id"]
    kill_ebbd(probe)

    def lines():
        return [x["line"] for x in probe.cli("logs", "--json", "--request", request, "probe").json]
    wait_for(lambda: lines() == ["background done, repeated 1"], 20)
    (found,) = probe.wait_frozen("probe", 20)
    assert found["id"] == before and found["freezes"] == 1, "the one behind the work"


def test_a_deployment_in_flight_is_there_or_not(probe):
    """Its client may hear an error; the same command again makes it so, and nothing of the other remains."""
    def again():
        done = probe.cli("deploy", "other", "--image", "probe", "--max", 2, ok=False)
        return done.code == 0
    for _ in range(2):
        client = threading.Thread(target=again)
        client.start()
        kill_ebbd(probe)
        client.join()
        wait_for(again, 20)
        assert probe.get("other").status == 200
        probe.cli("rm", "other")
        wait_for(lambda: not probe.instances("other"), 20)
    assert probe.get("other").status == 404 and probe.get("probe").status == 200


def test_a_revision_that_changes_is_carried_through(probe):
    """Requests run meanwhile; at the end the new revision alone serves."""
    assert probe.get("probe").status == 200
    first = probe.services()[0]["revision"]
    asked = Background(lambda: assert_ok(probe.get("probe", "/sleep?ms=20")))
    asked.start()
    probe.cli("deploy", "probe", "--image", "probe", "--env", "A=1")
    kill_ebbd(probe)
    probe.handed_over(["probe"])
    asked.over = True
    asked.join()
    assert not asked.faults, asked.faults[:5]
    wait_for(lambda: {i["revision"] for i in probe.instances("probe")} == {first + 1}, 20, "the end of the old one")
    assert "A=1" in probe.get("probe", "/env").text.splitlines()


def test_who_ran_behind_others_comes_in_front_again(probe):
    """The next ebbd knows that it is behind; else it would stay there for good."""
    probe.apply({"probe": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    assert_ok(probe.get("probe"))
    burns = Background(lambda: assert_ok(probe.get("probe", "/burn?ms=300")))
    burns.start()
    wait_for(lambda: is_behind(probe, "probe"), 20)
    kill_ebbd(probe)
    burns.over = True
    burns.join()
    assert not burns.faults, burns.faults[:5]

    def in_front():
        """Each request thaws it; a second of a freeze or of little use is enough."""
        probe.get("probe")
        return not is_behind(probe, "probe")
    wait_for(in_front, 30)


def assert_ok(reply):
    assert reply.status == 200, reply


def test_a_command_ends_and_the_next_one_runs(probe):
    """Its pipes mean nothing to the next ebbd."""
    probe.import_image("oci-archive:" + pictures.shell_archive(), "shell")
    probe.apply({"shell": {"runtime": "container", "entrypoint": "shell", "maxInstances": 1}})
    assert probe.get("shell").status == 200
    one = probe.instance("shell")
    with subprocess.Popen([os.path.join(BIN, "ebb"), "exec", one["id"], "--", "sh", "-c", "echo here; sleep 1000"],
                          env={**os.environ, "EBB_SOCKET": probe.socket}, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as command:
        assert command.stdout.readline() == "here\n"
        kill_ebbd(probe)
        assert command.wait(20) != 0
    assert probe.instance("shell")["id"] == one["id"]
    assert probe.cli("exec", one["id"], "--", "sh", "-c", "echo again").out == "again\n"
    probe.wait_frozen("shell", 20)


# --- settings -----------------------------------------------------------------------------------
@pytest.fixture
def reloadable():
    made = []

    def make(**options):
        made.append(Reloadable(**options).start())
        made[-1].import_image("oci-archive:" + pictures.probe_archive(), "probe")
        made[-1].deploy("probe", "probe")
        return made[-1]
    yield make
    for ebb in made:
        ebb.stop()
        ebb.remove()


def listens(port):
    try:
        return web.request(("127.0.0.1", port), "/", host="probe.localhost").status == 200
    except OSError:
        return False


def test_settings_of_a_reload_stay_in_force(reloadable):
    """Neither the first settings nor those of a file that nobody asked to read."""
    ebb, port, unasked = reloadable(gateways=2), other_port(), other_port()
    assert "now=" in ebb.reload({"listen": f"127.0.0.1:{port}", "queue_max": 7})
    kill_ebbd(ebb)
    ebb.write({"listen": f"127.0.0.1:{unasked}"})
    kill_ebbd(ebb)
    assert listens(port) and listens(ebb.port) and not listens(unasked)
    assert "listen" in ebb.reload({"listen": f"127.0.0.1:{unasked}"})
    kill_ebbd(ebb)
    assert listens(unasked) and listens(ebb.port) and not listens(port)


def test_a_reload_that_came_while_no_ebbd_lived_is_answered(reloadable):
    ebb, port = reloadable(), other_port()
    ebb.write({"listen": f"127.0.0.1:{port}"})
    os.kill(ebb.ebbd_pid, signal.SIGKILL)
    ebb.deaths += 1
    ebb.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ebb.log_lines("event=settings_changed"), 20)
    assert listens(port)


# --- the keeper ---------------------------------------------------------------------------------
def test_a_stop_that_came_while_no_ebbd_lived_is_one(probe):
    assert probe.get("probe").status == 200
    probe.witness.note(probe.process.pid)
    os.kill(probe.ebbd_pid, signal.SIGKILL)
    probe.deaths += 1
    probe.stop()


def test_an_ebbd_that_crashes_again_and_again_is_followed_by_a_fresh_one(probe):
    assert probe.get("probe").status == 200
    first = probe.instance("probe")["id"]
    for _ in range(3):
        kill_ebbd(probe, signal.SIGSEGV)
    assert [line.split("next=")[1].split()[0] for line in probe.log_lines("event=ebbd_died ")] == [
        "adopts", "adopts", "afresh"]
    assert wait_for(lambda: (r := probe.get("probe")).status == 200 and r, 20).instance != first


def newborn_zygote(ebb, before):
    """The zygote of the ebbd that follows this one."""
    ebbds = [pid for pid in leaks.children(ebb.process.pid) if leaks.read(f"/proc/{pid}/comm") == "ebbd\n" and pid != before]
    return [pid for ebbd in ebbds for pid in leaks.children(ebbd)
            if leaks.read(f"/proc/{pid}/cmdline").startswith("ebbd:zygote")]


def test_an_ebbd_whose_zygote_dies_while_it_comes_makes_another(new_ebb, tmp_path):
    """Its death was that of the ebbd as well, and the next one took over. The zygote waits for its policy, a pipe."""
    policy = tmp_path / "policy"
    shutil.copy(os.path.join(PROJECT, "sandbox/policy/default.policy"), policy)
    ebb = new_ebb(gateways=1, settings={"seccomp_policy": policy})
    whole = policy.read_text()
    policy.unlink()
    os.mkfifo(policy)
    old, ready = ebb.ebbd_pid, len(ebb.log_lines("event=ready listen="))
    os.kill(old, signal.SIGKILL)
    ebb.deaths += 1
    (newborn, *_) = wait_for(lambda: newborn_zygote(ebb, old))
    other = tmp_path / "other"
    other.write_text(whole)
    other.rename(policy)
    os.kill(newborn, signal.SIGKILL)
    wait_for(lambda: len(ebb.log_lines("event=ready listen=")) > ready, 30)
    assert len(ebb.log_lines("event=zygote_died_early")) == 1
    assert len(ebb.log_lines("event=ebbd_died ")) == 1, ebb.log_lines("event=ebbd_died ")


def test_the_keeper_waits_for_signals_and_nothing_else(probe):
    """It has no channel; in its whole life after the start it makes these calls: rt_sigtimedwait, wait4, kill, clone."""
    keeper = probe.process.pid
    assert leaks.read(f"/proc/{keeper}/comm").strip() == "ebb-keeper"
    kill_ebbd(probe)
    assert wait_for(lambda: leaks.read(f"/proc/{keeper}/syscall").split()[:1]) == ["128"]  # rt_sigtimedwait
    assert len(os.listdir(f"/proc/{keeper}/task")) == 1


def test_no_child_of_ebbd_has_the_estate(probe):
    """It holds the environment of every service; the zygote and what it makes execute nothing for long."""
    def largest(pid):
        """MiB that it has of the estate."""
        found = [line.split()[0].split("-") for line in leaks.read(f"/proc/{pid}/maps").splitlines() if "memfd:ebb-estate" in line]
        return max((int(end, 16) - int(begin, 16) for begin, end in found), default=0) >> 20
    assert largest(probe.process.pid) == largest(probe.ebbd_pid) > 4
    kill_ebbd(probe)
    assert largest(probe.ebbd_pid) > 4
    below = leaks.descendants(probe.ebbd_pid)
    assert len(below) > 5 and not [leaks.describe(pid) for pid in below if largest(pid) > 0]


def test_nothing_is_left_after_deaths(probe):
    """ebbd, its descriptors, cgroups, mounts and processes are as many as before."""
    def held():
        probe.wait_armed()
        mounts = [m for m in leaks.read(f"/proc/{probe.ebbd_pid}/mountinfo").splitlines() if probe.root in m]
        return {"descriptors": probe.fd_count(), "cgroups": len(leaks.cgroup_dirs(probe.config["cgroup"])),
                "mounts": len(mounts), "processes": len(leaks.descendants(probe.process.pid))}
    assert probe.get("probe").status == 200
    probe.wait_frozen("probe")
    kill_ebbd(probe)
    before = held()
    for _ in range(2):
        kill_ebbd(probe)
    wait_for(lambda: held() == before, 10, f"{before}, and not {held()}")


def test_queues_go_on(new_ebb):
    """Messages that wait, the way in of an instance that stays, and triggers."""
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"minInstances": 1, "experimentalTriggers": [trigger("orders", "/note")]})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    pid = inside.pid
    for _ in range(2):
        queues_go_on(ebb, inside, lambda: kill_ebbd(ebb))
    assert ebb.instance("web")["pid"] == pid
    inside.close()
