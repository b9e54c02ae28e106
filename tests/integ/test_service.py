# SPDX-License-Identifier: Apache-2.0
"""The service as a whole: it starts, serves, survives its functions, and ends."""
import os
import re
import signal
import subprocess
import threading

import pytest

import web
from waiting import SLOW, wait_for


def test_is_ready_when_it_says_so(ebb):
    for path in ("/healthz", "/readyz", "/v1", "/v1/node", "/metrics", "/openapi.json"):
        assert ebb.rest("GET", path).status == 200, path


def test_socket_is_not_open_to_everybody(ebb):
    assert os.stat(ebb.socket).st_mode & 0o007 == 0


def test_prints_its_configuration(ebb):
    out = subprocess.run(ebb.command("-T"), capture_output=True, text=True, check=True).stdout
    assert f"listen = 127.0.0.1:{ebb.port}" in out and f"root = {ebb.root}" in out


def test_refuses_a_wrong_setting_by_name(ebb):
    done = subprocess.run(ebb.command("--set", "queue_max=0"), capture_output=True, text=True)
    assert done.returncode != 0 and "queue_max" in done.stderr + done.stdout


def test_refuses_a_second_ebbd_on_the_same_root(ebb):
    done = subprocess.run(ebb.command(), capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert ebb.rest("GET", "/readyz").status == 200


def test_answers_from_an_unchanged_c_server(probe):
    first = probe.get("probe")
    assert first.status == 200 and first.json["hello"] == "probe", first
    assert first.start in ("cold", "thaw", "warm") and first.headers["x-ebb-id"]
    assert first.instance == probe.instance("probe")["id"] == first.json["instance"]


def test_first_request_of_a_service_without_minimum_is_cold(probe):
    assert probe.instances("probe") == []
    assert probe.get("probe").start == "cold"


def test_request_ids_differ(probe):
    ids = {probe.get("probe").headers["x-ebb-id"] for _ in range(20)}
    assert len(ids) == 20


def test_minimum_instances_run_before_any_request(probe):
    probe.deploy("ready", "probe", "--min", 2)
    wait_for(lambda: len(probe.instances("ready")) == 2)
    probe.wait_frozen("ready")
    assert probe.get("ready").start == "thaw"


def test_maximum_instances_bounds_them(probe):
    probe.deploy("few", "probe", "--max", 2, "--concurrency", 1)
    replies = web.many(6, lambda i: probe.get("few", f"/sleep?ms={200 * SLOW:.0f}"))
    assert [r.status for r in replies] == [200] * 6
    assert len({r.instance for r in replies}) == 2


def test_starts_more_instances_when_one_is_full(probe):
    probe.deploy("wide", "probe", "--max", 4, "--concurrency", 1)
    replies = web.many(4, lambda i: probe.get("wide", "/sleep?ms=1500"))
    assert len({r.instance for r in replies}) == 4


def test_deploying_the_same_again_changes_nothing(probe):
    first = probe.get("probe").instance
    before = probe.rest("GET", "/v1/services/probe").json
    probe.deploy("probe", "probe")
    assert probe.rest("GET", "/v1/services/probe").json == before
    assert probe.get("probe").instance == first


def test_new_revision_takes_over_and_the_old_one_drains(probe):
    old = probe.get("probe").instance
    slow, ms = [], max(1500, 500 * SLOW)  # as long as a deployment takes
    thread = threading.Thread(target=lambda: slow.append(probe.get("probe", f"/sleep?ms={ms:.0f}")))
    thread.start()
    wait_for(lambda: probe.instance("probe")["tickets"] == 1)
    probe.deploy("probe", "probe", "--env", "COLOUR=green")
    new = probe.get("probe", "/env")
    assert "COLOUR=green" in new.text and new.instance != old
    thread.join()
    assert slow[0].status == 200 and slow[0].instance == old
    wait_for(lambda: old not in [i["id"] for i in probe.instances("probe")])


def test_removed_service_is_gone(probe):
    probe.get("probe")
    probe.cli("rm", "probe")
    wait_for(lambda: probe.instances() == [])
    reply = probe.get("probe")
    assert reply.status == 404 and reply.headers["x-ebb-error"] == "NO_SERVICE"


def test_crash_is_the_crashing_request_s_own_fault(probe):
    reply = probe.get("probe", "/crash", method="POST")
    assert reply.status == 502 and reply.headers["x-ebb-error"] == "INSTANCE_CRASHED", reply
    assert re.search(r"signal 11\b|SIGSEGV", reply.text), reply
    after = probe.get("probe")
    assert after.status == 200 and after.start == "cold"


def test_exit_code_of_a_crash_is_named(probe):
    reply = probe.get("probe", "/exit?code=42", method="POST")
    assert reply.status == 502 and re.search(r"\bcode 42\b", reply.text), reply


def test_idempotent_request_runs_again_when_an_instance_is_killed(probe):
    probe.deploy("two", "probe", "--min", 2)
    wait_for(lambda: len(probe.wait_frozen("two")) == 2)
    done = []
    thread = threading.Thread(target=lambda: done.append(probe.get("two", "/sleep?ms=1000")))
    thread.start()
    busy = wait_for(lambda: [i for i in probe.instances("two") if i["tickets"] == 1])[0]
    os.kill(busy["pid"], signal.SIGKILL)
    thread.join()
    assert done[0].status == 200 and done[0].instance != busy["id"]


def test_too_long_a_request_is_ended(probe):
    probe.deploy("short", "probe", "--max-duration", 1)
    reply = probe.get("short", "/sleep?ms=20000")
    assert reply.status == 504 and reply.headers["x-ebb-error"] == "MAX_DURATION", reply


def test_sigterm_lets_open_requests_finish(probe):
    done = []
    thread = threading.Thread(target=lambda: done.append(probe.get("probe", "/sleep?ms=1500")))
    thread.start()
    wait_for(lambda: [i for i in probe.instances("probe") if i["tickets"]])
    probe.stop()
    thread.join()
    assert done[0].status == 200, done


def test_sigterm_reaches_the_function(probe):
    probe.get("probe")
    probe.stop()
    path = subprocess.run(["grep", "-rl", "signal 15", probe.root], capture_output=True, text=True)
    assert path.stdout.strip(), "the function's log does not show SIGTERM"


def test_stubborn_function_is_killed_after_its_grace(probe):
    probe.apply({"stubborn": {"runtime": "container", "entrypoint": "probe",
                              "env": {"PROBE_MODE": "stubborn"}, "ebb": {"stopGrace": "1s"}}})
    assert probe.get("stubborn").status == 200
    probe.cli("rm", "stubborn")
    wait_for(lambda: probe.instances("stubborn") == [])


def test_sighup_keeps_serving(probe):
    probe.get("probe")
    probe.process.send_signal(signal.SIGHUP)
    assert probe.get("probe").status == 200
    assert probe.process.poll() is None


def test_services_come_back_after_a_restart(probe):
    probe.get("probe")
    probe.stop()
    probe.start()
    assert wait_for(lambda: probe.get("probe").status == 200)


@pytest.mark.parametrize("program", ["ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns",
                                     "ebb-tick"])
def test_killed_program_is_started_again(probe, program):
    probe.get("probe")
    (pid,) = probe.programs(program)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [p for p in probe.programs(program) if p != pid])

    def serves():
        try:
            return probe.get("probe").status == 200 and probe.rest("GET", "/readyz").status == 200
        except OSError:
            return False
    wait_for(serves)


@pytest.mark.parametrize("program", ["ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-tick"])
def test_own_programs_hold_no_privilege(ebb, program):
    def status(pid):
        with open(f"/proc/{pid}/status") as f:
            return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)

    for pid in wait_for(lambda: ebb.programs(program)):
        # ebbd is ready before all of them have read their first record, which is behind the filter.
        wait_for(lambda: status(pid)["Seccomp"] == "2")
        seen = status(pid)
        assert int(seen["Uid"].split()[0]) >= 65536
        assert [int(seen[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [0] * 5
        assert seen["NoNewPrivs"] == "1"
        own = {n: os.readlink(f"/proc/self/ns/{n}") for n in ("net", "mnt", "ipc", "uts")}
        assert all(os.readlink(f"/proc/{pid}/ns/{n}") != own[n] for n in own)
