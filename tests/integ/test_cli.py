# SPDX-License-Identifier: Apache-2.0
"""The command line, as people and scripts see it."""
import contextlib
import json
import os
import re
import subprocess

import pytest

from ebb import BIN
from waiting import slow, wait_for

VERBS = ["build", "image", "deploy", "up", "ls", "ps", "inspect", "rm", "rollback", "logs", "events",
         "top", "usage", "ledger", "freeze", "thaw", "stop", "why", "node", "doctor"]


def alone(*words, **env):
    return subprocess.run([os.path.join(BIN, "ebb"), *words], capture_output=True, text=True,
                          timeout=slow(30), env={**os.environ, **env})


def test_help_names_every_verb():
    out = alone("help").stdout
    assert [v for v in VERBS if v not in out] == []


@pytest.mark.parametrize("words", [["frobnicate"], ["deploy", "--memory"], ["ps", "--nonsense"], ["rm"]])
def test_wrong_usage_is_exit_2(words):
    done = alone(*words)
    assert done.returncode == 2 and done.stderr.strip()


@pytest.mark.parametrize("verb", ["ps", "ls", "usage", "node"])
def test_no_server_is_exit_3_and_says_how_to_mend(verb, tmp_path):
    done = alone(verb, EBB_SOCKET=str(tmp_path / "none.sock"))
    assert done.returncode == 3 and "none.sock" in done.stderr


def test_ps_has_the_promised_keys(probe):
    probe.get("probe")
    (row,) = probe.cli("ps", "--json").json
    assert {"id", "service", "revision", "state", "tickets", "holds", "pid", "cpu_us", "awake_us",
            "frozen_us", "memory_bytes", "invocations", "started_at"} <= set(row)
    assert row["service"] == "probe" and row["invocations"] == 1 and row["memory_bytes"] > 0
    assert row["state"] in ("running", "frozen")


def test_usage_has_the_promised_keys(probe):
    probe.get("probe")
    bill = probe.cli("usage", "--json").json
    assert {"from", "to", "services", "total"} <= set(bill)
    (row,) = bill["services"]
    assert {"service", "invocations", "active_cpu_us", "provisioned_mb_ms", "awake_us"} <= set(row)


def test_tables_name_what_runs(probe):
    instance = probe.get("probe").instance
    assert instance in probe.cli("ps").out
    assert "probe" in probe.cli("ls").out and "probe" in probe.cli("usage").out
    assert "probe" in probe.cli("image", "ls").out
    assert "\x1b" not in probe.cli("ps").out


@pytest.mark.parametrize("words", [["ps"], ["ls"], ["inspect", "probe"], ["usage"], ["image", "ls"],
                                   ["node"], ["ledger", "verify"], ["doctor"]])
def test_json_is_one_document(probe, words):
    json.loads(probe.cli(*words, "--json", ok=words != ["doctor"]).out)


def test_inspect_shows_the_settings_and_refuses_strangers(probe):
    probe.deploy("big", "probe", "--memory", 768)
    assert probe.cli("inspect", "big", "--json").json["memory"] == 768
    assert re.search(r"\bmemory\W+768\b", probe.cli("inspect", "big").out)
    done = probe.cli("inspect", "stranger", ok=False)
    assert done.code == 1 and "stranger" in done.err


def test_logs_show_what_the_function_said(probe):
    probe.get("probe", "/log?text=hello-from-inside")
    wait_for(lambda: "hello-from-inside" in probe.cli("logs", "probe").out)


@contextlib.contextmanager
def following(ebb, *words):
    """A command that goes on; gives shown(), which says what it has printed so far."""
    process = subprocess.Popen([os.path.join(BIN, "ebb"), *words], stdout=subprocess.PIPE,
                               env={**os.environ, "EBB_SOCKET": ebb.socket})
    os.set_blocking(process.stdout.fileno(), False)
    seen = []

    def shown():
        seen.append(process.stdout.read() or b"")
        return b"".join(seen)
    try:
        yield shown
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_logs_f_follows(probe):
    probe.get("probe", "/log?text=first")
    with following(probe, "logs", "-f", "probe") as shown:
        wait_for(lambda: b"first" in shown())
        probe.get("probe", "/log?text=second")
        wait_for(lambda: b"second" in shown())


def test_log_of_a_hostile_function_can_not_drive_the_terminal(probe):
    probe.get("probe", "/log?text=a\x1b[2Jb".replace("\x1b", "%1b"))
    assert "\x1b" not in probe.cli("logs", "probe").out


def test_events_tell_the_life_of_an_instance(probe):
    probe.get("probe")
    probe.wait_frozen("probe")
    probe.get("probe")
    wait_for(lambda: all(word in probe.cli("events").out
                         for word in ("instance_ready", "instance_frozen", "instance_thawed")))


def test_events_of_one_name_or_kind(probe):
    instance = probe.get("probe").instance
    of = probe.cli("events", "--json", instance).json
    assert of and {e["instance"] for e in of} == {instance}
    kinds = probe.cli("events", "--json", "--kind", "instance_ready", "probe").json
    assert kinds and {(e["kind"], e["service"]) for e in kinds} == {("instance_ready", "probe")}
    nobody = probe.cli("events", "--json", "prob", ok=False)
    assert nobody.code == 1 and "did you mean 'probe'?" in nobody.err
    wrong = probe.cli("events", "--kind", "instance_readz", ok=False)
    assert wrong.code != 0 and "no kind of event named 'instance_readz'" in wrong.err and "did you mean 'instance_ready'?" in wrong.err


def test_events_f_shows_what_comes_of_one_name(probe):
    with following(probe, "events", "-f", "other") as shown:
        probe.deploy("other", "probe")
        wait_for(lambda: b"service_up other" in shown())
        probe.get("probe")
        probe.get("other")
        wait_for(lambda: b"instance_ready other" in shown())
        whole = [line for line in shown().splitlines(keepends=True) if line.endswith(b"\n")]
    probe.cli("rm", "other")
    assert len(whole) >= 3 and all(b" other" in line for line in whole), whole


def test_what_comes_between_past_and_watch_is_not_lost(probe):
    """follow=1 answers for a name that nothing has yet, too, with the rev from which to watch."""
    nobody = probe.rest("GET", "/v1/events?of=later")
    assert nobody.status == 404
    past = probe.rest("GET", "/v1/events?follow=1&of=later")
    assert (past.status, past.json["events"]) == (200, [])
    probe.deploy("later", "probe")
    since = probe.rest("GET", f"/v1/events?of=later&since={past.json['rev']}").json["events"]
    assert since[0]["kind"] == "service_up" and {e["service"] for e in since} == {"later"}
    probe.cli("rm", "later")


def test_why_names_the_reason(probe):
    instance = probe.get("probe").instance
    probe.wait_frozen("probe")
    assert "frozen" in probe.cli("why", instance).out.lower()


def test_stop_ends_one_instance(probe):
    instance = probe.get("probe").instance
    probe.cli("stop", instance)
    wait_for(lambda: not probe.instances("probe"))
    assert probe.get("probe").start == "cold"


def test_rollback_brings_the_former_revision_back(probe):
    probe.deploy("probe", "probe", "--env", "COLOUR=green")
    assert "COLOUR=green" in probe.get("probe", "/env").text
    probe.cli("rollback", "probe")
    wait_for(lambda: "COLOUR" not in probe.get("probe", "/env").text)


def test_up_attached_serves_and_ends_with_sigterm(probe):
    path = os.path.join(probe.root, "up.json")
    with open(path, "w") as f:
        json.dump({"services": {"upped": {"runtime": "container", "entrypoint": "probe"}}}, f)
    up = subprocess.Popen([os.path.join(BIN, "ebb"), "up", "-f", path, "--attach"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={**os.environ, "EBB_SOCKET": probe.socket})
    try:
        wait_for(lambda: probe.get("upped").status == 200)
        up.terminate()
        assert up.wait(slow(20)) == 0, up.stderr.read()
    finally:
        up.kill()
        up.wait()
        up.stderr.close()


def test_doctor_checks_the_host(probe):
    done = probe.cli("doctor", ok=False)
    assert done.code in (0, 1)
    for word in ("cgroup", "freez", "io_uring", "overlay", "erofs", "seccomp"):
        assert word in done.out.lower(), word


def test_openapi_knows_what_is_served(ebb):
    paths = ebb.rest("GET", "/openapi.json").json["paths"]
    for path in ("/v1/services", "/v1/instances", "/v1/images", "/v1/usage", "/v1/node"):
        assert path in paths
