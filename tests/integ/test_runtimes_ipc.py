# SPDX-License-Identifier: Apache-2.0
"""Messages of a program inside over /dev/ebb/ipc: work that outlives its response, logs, "replace me"."""
import json
import os
import re
import signal
import threading
import time

import pytest

import leaks
import pictures
import web
from waiting import SLOW, slow, throughout, wait_for

ID = "00112233445566778899aabbccddeeff"


def message(kind, request=ID, **payload):
    payload["context"] = {"invocationId": request}
    return json.dumps({"type": kind, "payload": payload}).encode() + b"\0"


@pytest.fixture(scope="module")
def box(module_ebb):
    """deploy(name, **settings): a service of the probe with one instance at most, freezing soon."""
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")

    def deploy(name, more=None, **settings):
        module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                                 "ebb": {"freezeAfter": "50ms", **(more or {})}, **settings}})
        return module_ebb

    return deploy


def say(ebb, service, body, wait=0):
    """Sends these bytes from inside; whether the host closed the connection within wait ms."""
    reply = ebb.get(service, f"/ipc?wait={wait}", method="POST", body=body, timeout=60)
    assert reply.status == 200, reply
    return reply.json["closed"]


def holds(ebb, service):
    return sum(i["holds"] for i in ebb.instances(service))


def lines_of(ebb, service, request):
    return [x["line"] for x in ebb.cli("logs", "--json", "--request", request, service).json]


def metric(ebb, name, instance):
    text = ebb.rest("GET", "/metrics").text
    found = re.findall(rf'^{name}\{{[^}}]*"{instance}"[^}}]*\}} (\d+)', text, re.M)
    return int(found[0])


# --- holds --------------------------------------------------------------------------------------
def test_hold_keeps_the_instance_awake_after_the_response_until_its_end(box):
    ebb = box("awake")
    ebb.get("awake")
    begun = time.monotonic()
    reply = ebb.get("awake", "/background?ms=1500")
    assert reply.status == 200 and reply.seconds < 1 * SLOW
    wait_for(lambda: holds(ebb, "awake") == 1)
    ebb.wait_frozen("awake")
    assert time.monotonic() - begun >= 1.5
    assert holds(ebb, "awake") == 0
    request = reply.headers["x-ebb-id"]
    assert request == reply.json["id"]
    wait_for(lambda: lines_of(ebb, "awake", request) == ["background done, repeated 0"])


def test_provisioned_time_counts_the_hold(box):
    ebb = box("billed")
    ebb.get("billed")
    ebb.wait_frozen("billed")
    before = ebb.usage("billed")["awake_us"]
    ebb.get("billed", "/background?ms=1000")
    wait_for(lambda: holds(ebb, "billed") == 1)
    ebb.wait_frozen("billed")
    counted = ebb.usage("billed")["awake_us"] - before
    assert 1_000_000 <= counted < 1_000_000 + slow(1_000_000)


def test_why_names_the_hold_by_request_and_deadline(box):
    ebb = box("named")
    reply = ebb.get("named", "/background?ms=1000")
    wait_for(lambda: holds(ebb, "named") == 1)
    why = ebb.cli("why", ebb.instance("named")["id"]).out
    assert f"request {reply.headers['x-ebb-id']} until 20" in why, why
    assert "1 holds" in why
    ebb.wait_frozen("named")


def test_hold_that_never_ends_is_cut_at_max_duration_and_the_log_says_whose(box):
    ebb = box("cut", maxDuration=1)
    begun = time.monotonic()
    reply = ebb.get("cut", "/background?ms=60000&end=0")
    wait_for(lambda: holds(ebb, "cut") == 1)
    (frozen,) = ebb.wait_frozen("cut")
    assert time.monotonic() - begun >= 1
    (line,) = wait_for(lambda: lines_of(ebb, "cut", reply.headers["x-ebb-id"]))
    assert "waitUntil was cut at maxDuration" in line
    assert metric(ebb, "ebb_instance_holds_cut_total", frozen["id"]) == 1


def test_hold_ends_at_the_deadline_the_program_gave_if_that_is_sooner(box):
    ebb = box("sooner", maxDuration=300)
    reply = ebb.get("sooner", "/background?ms=60000&end=0&deadline=300")
    assert "cut at maxDuration" in wait_for(
        lambda: lines_of(ebb, "sooner", reply.headers["x-ebb-id"]))[0]
    ebb.wait_frozen("sooner")


def test_hold_that_comes_when_the_instance_is_frozen_already_thaws_it(box):
    """ebb-ipc is stopped, so the message waits in the socket while the instance is frozen."""
    ebb = box("late")
    ebb.get("late")
    (pid,) = ebb.programs("ebb-ipc")
    os.kill(pid, signal.SIGSTOP)
    try:
        request = ebb.get("late", "/background?ms=700").headers["x-ebb-id"]
        ebb.wait_frozen("late")
        assert lines_of(ebb, "late", request) == []
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: lines_of(ebb, "late", request) == ["background done, repeated 0"])
    ebb.wait_frozen("late")
    assert holds(ebb, "late") == 0


def test_hundred_holds_at_once_all_end(box):
    ebb = box("many")
    replies = web.many(100, lambda i: ebb.get("many", f"/background?ms={300 + i}"))
    assert {r.status for r in replies} == {200}
    wait_for(lambda: holds(ebb, "many") == 0 and ebb.instance("many")["state"] == "frozen")


# --- ebb-ipc dies -------------------------------------------------------------------------------
def kill_ipc(ebb):
    (pid,) = ebb.programs("ebb-ipc")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: [p for p in ebb.programs("ebb-ipc") if p != pid])


def test_killed_ebb_ipc_loses_no_work_of_programs_that_repeat_their_holds(box):
    ebb = box("repeats")
    request = ebb.get("repeats", "/background?ms=3000").headers["x-ebb-id"]
    wait_for(lambda: holds(ebb, "repeats") == 1)
    kill_ipc(ebb)
    wait_for(lambda: holds(ebb, "repeats") == 1)
    wait_for(lambda: lines_of(ebb, "repeats", request) == ["background done, repeated 1"])
    assert ebb.instance("repeats")["freezes"] == 0
    wait_for(lambda: holds(ebb, "repeats") == 0)
    ebb.wait_frozen("repeats", 20)


def test_killed_ebb_ipc_leaves_no_hold_behind(box):
    ebb = box("forgets", maxDuration=300)
    ebb.get("forgets", "/background?ms=60000&repeat=0")
    wait_for(lambda: holds(ebb, "forgets") == 1)
    kill_ipc(ebb)
    assert holds(ebb, "forgets") == 0
    assert "its holds were lost with ebb-ipc" in ebb.cli("why", ebb.instance("forgets")["id"]).out
    ebb.wait_frozen("forgets", 20)
    assert ebb.get("forgets").start == "thaw"


def test_provisioned_time_survives_the_death_of_ebb_ipc(box):
    ebb = box("clock")
    begun = time.monotonic()
    for _ in range(3):
        ebb.get("clock", "/background?ms=300&repeat=0")
        wait_for(lambda: holds(ebb, "clock") == 1)
        kill_ipc(ebb)
    lived_us = (time.monotonic() - begun) * 1e6
    assert 0 < ebb.usage("clock")["awake_us"] <= lived_us
    assert ebb.cli("ledger", "verify").code == 0


# --- hostile programs ---------------------------------------------------------------------------
HOSTILE = {
    "not JSON": b"hello\0",
    "not an object": b"[1,2]\0",
    "no type": b'{"payload":{}}\0',
    "truncated": b'{"type":"end","payload":{\0',
    "huge": b'{"type":"metric","payload":"' + b"x" * 70000 + b'"}\0',
    "endless": b"x" * 300000,
    "deep": b"[" * 60000 + b"\0",
    "no id": b'{"type":"hold","payload":{"context":{"invocationId":"1"}}}\0',
    "not base64": message("log", message="*", encoding="base64"),
    "ten thousand holds": b"".join(message("hold", f"{n:032x}") for n in range(10000)),
}


@pytest.fixture(scope="module")
def victim(box):
    """A service whose hold, on another connection, must live through all that is sent."""
    ebb = box("hostile", maxDuration=300)
    request = ebb.get("hostile", "/background?ms=600000").headers["x-ebb-id"]
    wait_for(lambda: holds(ebb, "hostile") == 1)
    yield ebb
    ids = [f"{n:032x}" for n in range(10000)] + [request]
    say(ebb, "hostile", b"".join(message("end", one) for one in ids))
    wait_for(lambda: holds(ebb, "hostile") == 0)


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_message_closes_its_connection_only_and_is_counted(victim, what):
    instance, (pid,) = victim.instance("hostile")["id"], victim.programs("ebb-ipc")
    before = metric(victim, "ebb_instance_ipc_refused_total", instance)
    assert say(victim, "hostile", HOSTILE[what], wait=10000) is True
    assert metric(victim, "ebb_instance_ipc_refused_total", instance) == before + 1
    assert victim.programs("ebb-ipc") == [pid]
    assert 1 <= holds(victim, "hostile") <= 4096
    assert victim.get("hostile").status == 200


@pytest.mark.parametrize("level", ["error", "warn", "info"])
def test_ebb_ipc_lives_through_its_first_line_at_every_log_level(new_ebb, level):
    """Its first date is made under its filter: by a refusal it logs, or by a hold that it cuts."""
    ebb = new_ebb(settings={"log_level": level})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.apply({"probe": {"runtime": "container", "entrypoint": "probe", "maxDuration": 1,
                         "maxInstances": 1}})
    pids = ebb.programs("ebb-ipc")
    request = ebb.get("probe", "/background?ms=60000&end=0").headers["x-ebb-id"]
    assert "waitUntil was cut" in wait_for(lambda: lines_of(ebb, "probe", request))[0]
    assert say(ebb, "probe", b"{\0", wait=10000) is True
    assert holds(ebb, "probe") == 0
    assert ebb.programs("ebb-ipc") == pids


def test_message_in_pieces_is_taken_but_has_ten_seconds_only(victim):
    reply = victim.get("hostile", "/ipc?pause=1200&wait=100", method="POST",
                       body=message("log", message="in pieces"))
    assert reply.json["closed"] is False
    assert "in pieces" in wait_for(lambda: lines_of(victim, "hostile", ID))
    begun = time.monotonic()
    assert say(victim, "hostile", b'{"type":"end"', wait=30000) is True
    assert 9 < time.monotonic() - begun < 15 * SLOW


def test_harmless_messages_are_taken(victim):
    instance = victim.instance("hostile")["id"]
    before = metric(victim, "ebb_instance_ipc_messages_total", instance)
    body = (message("server-started", initDuration=3, httpPort=8080) + message("end", "f" * 32) +
            message("metric", value=1) + message("from-the-future") +
            message("end", "an id of somebody else") + b'{"type":"end"}\0')
    assert say(victim, "hostile", body, wait=200) is False
    wait_for(lambda: metric(victim, "ebb_instance_ipc_messages_total", instance) >= before + 6)


def test_more_connections_than_its_share_are_turned_away(victim):
    replies = web.many(40, lambda i: say(victim, "hostile", b'{"type":', wait=int(slow(700))))
    assert replies.count(True) >= 24


# --- being replaced -----------------------------------------------------------------------------
def test_instance_that_asks_for_it_is_replaced_and_finishes_what_is_open(box):
    ebb = box("retire", maxInstances=2)
    first = ebb.get("retire").instance
    slow_reply = []
    thread = threading.Thread(target=lambda: slow_reply.append(ebb.get("retire", "/sleep?ms=1500")))
    thread.start()
    wait_for(lambda: ebb.instance("retire")["tickets"] == 1)
    say(ebb, "retire", message("retire", reason="state is suspect"))
    wait_for(lambda: "state is suspect" in ebb.cli("events").out)
    other = ebb.get("retire")
    assert other.status == 200 and other.instance != first
    thread.join()
    assert slow_reply[0].status == 200 and slow_reply[0].instance == first
    wait_for(lambda: [i["id"] for i in ebb.instances("retire")] == [other.instance])


def test_min_instances_are_kept_when_one_retires(box):
    ebb = box("kept", minInstances=1, maxInstances=2)
    first = wait_for(lambda: ebb.get("kept").instance)
    say(ebb, "kept", message("unrecoverable-error", reason="poisoned"))
    wait_for(lambda: [i for i in ebb.instances("kept")
                      if i["id"] != first and i["state"] in ("running", "frozen")])
    assert "the runtime says that it cannot go on: poisoned" in ebb.cli("events").out


# --- logs ---------------------------------------------------------------------------------------
def test_logs_of_one_request_are_shown_though_hundred_ran_at_once(box):
    ebb = box("tagged")
    replies = web.many(100, lambda i: ebb.get("tagged", "/tagged?n=5&ms=3"))
    for reply in replies[::10]:
        request = reply.headers["x-ebb-id"]
        want = [f"line {n} of {request}" for n in range(5)]
        wait_for(lambda: lines_of(ebb, "tagged", request) == want)
        instance = ebb.instance("tagged")["id"]
        text = ebb.cli("logs", "--request", request, instance).out.splitlines()
        assert len(text) == 5 and all(request in line for line in text)
    rest = ebb.rest("GET", f"/v1/services/tagged/logs?format=ndjson&request={request}").text
    assert {json.loads(x)["request"] for x in rest.splitlines()} == {request}
    assert len(ebb.cli("logs", "--json", "tagged").json) == 500
    assert ebb.cli("logs", "--request", "nonsense", "tagged", ok=False).code == 2
    assert ebb.rest("GET", "/v1/services/tagged/logs?request=nonsense").status == 400


def test_following_one_request_shows_its_lines_only(box):
    ebb = box("follow")
    ebb.get("follow")
    connection = web.UnixConnection(ebb.socket, slow(20))
    connection.request("GET", f"/v1/services/follow/logs?follow=1&format=ndjson&request={ID}")
    answer = connection.getresponse()
    say(ebb, "follow", message("log", "f" * 32, message="other"))
    ebb.get("follow", "/log?text=untagged")
    say(ebb, "follow", message("log", message="mine"))
    line = json.loads(wait_for(answer.readline))
    connection.close()
    assert (line["request"], line["line"]) == (ID, "mine")


def test_log_messages_become_lines_of_their_request(box):
    ebb = box("speaks")
    body = (message("log", message="cGxhaW4=", encoding="base64", stream="stdout") +
            message("log", message="two\nlines") + message("log", message="x" * 6000) +
            json.dumps({"type": "log", "payload": {"message": "of nobody"}}).encode() + b"\0")
    say(ebb, "speaks", body)
    wait_for(lambda: "of nobody" in ebb.cli("logs", "speaks").out)
    lines = lines_of(ebb, "speaks", ID)
    assert lines[:3] == ["plain", "two", "lines"] and "".join(lines[3:]) == "x" * 6000


# --- stopping -----------------------------------------------------------------------------------
def test_stopping_an_instance_waits_for_its_holds(box):
    ebb = box("stopped")
    request = ebb.get("stopped", "/background?ms=1000").headers["x-ebb-id"]
    wait_for(lambda: holds(ebb, "stopped") == 1)
    instance = ebb.instance("stopped")["id"]
    ebb.cli("stop", instance)
    assert "draining, takes no more: 0 requests open, 1 holds" in ebb.cli("why", instance).out
    wait_for(lambda: ebb.instances("stopped") == [])
    assert lines_of(ebb, "stopped", request) == ["background done, repeated 0"]


def test_stopping_ebbd_waits_for_holds(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe")
    ebb.get("probe", "/background?ms=1500")
    wait_for(lambda: holds(ebb, "probe") == 1)
    ebb.stop()
    log = "".join(leaks.read(os.path.join(at, name)) for at, _, names in os.walk(ebb.root)
                  for name in names if name.endswith(".log"))
    assert "background done, repeated 0" in log


def test_ebb_ipc_is_confined(box):
    ebb = box("confined")
    (pid,) = ebb.programs("ebb-ipc")
    status = leaks.read(f"/proc/{pid}/status")
    assert re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert not re.search(r"^Uid:\s+0\s", status, re.M)
    assert os.listdir(f"/proc/{pid}/root/") == []
    assert throughout(0.1, lambda: ebb.programs("ebb-ipc"))[-1] == [pid]
