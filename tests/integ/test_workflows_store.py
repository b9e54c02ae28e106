# SPDX-License-Identifier: Apache-2.0
"""Runs of workflows through the real programs: an instance makes events over the socket inside it, reads what became
of them, and nothing of another namespace."""
import contextlib
import json
import os
import re
import signal
import sqlite3
import threading
import time

import pictures
import pytest
from queues import Inside
from test_queues import flow, put
from waiting import wait_for
from workflows import World, frames, new_id, octets, refused

BYTES = bytes(range(256)) * 17


@pytest.fixture(scope="module", name="pair")
def two_worlds(module_ebb):
    ebb = module_ebb
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("shop", "other"):
        put(ebb, name, {"minInstances": 1, "ebb": {"queues": name}})
        assert ebb.get(name, "/").status == 200
    made = World(ebb, "shop"), World(ebb, "other")
    yield ebb, *made
    for world in made:
        world.close()


@pytest.fixture(name="world")
def one_world(pair):
    return pair[1]


# --- runs ---------------------------------------------------------------------------------------------------
def test_a_run_from_its_beginning_to_its_end(world):
    run = new_id()
    made = world.event(run, "run_created", b'{"x":1}', BYTES, name="shop//order", deployment="dpl_7", occurred_at=5)
    assert made["event"]["eventType"] == "run_created" and made["event"]["occurredAt"] == 5
    assert made["event"]["eventId"].startswith("evnt_") and len(made["event"]["eventId"]) == 31
    assert made["run"]["status"] == "pending" and made["run"]["deploymentId"] == "dpl_7"
    assert "startedAt" not in made["run"] and "data" not in made["run"]["created"]
    made = world.event(run, "run_started", query="?data=all")
    assert made["run"]["status"] == "running" and octets(made["run"]["created"]["data"]) == BYTES
    world.event(run, "step_created", b"m", b"arguments", correlation="step_1", name="charge")
    assert world.event(run, "step_started", correlation="step_1")["step"]["attempt"] == 1
    step = world.event(run, "step_completed", b"", BYTES, correlation="step_1", query="?data=all")["step"]
    assert step["status"] == "completed" and octets(step["ended"]["data"]) == BYTES
    assert octets(step["created"]["data"]) == b"arguments" and step["ended"]["eventType"] == "step_completed"
    world.event(run, "run_completed", b"", b"out")
    got = world.get(f"runs/{run}?data=all").json
    assert (got["status"], got["workflowName"], got["events"], got["maxEvents"]) == ("completed", "shop//order", 6, 10000)
    assert octets(got["created"]["meta"]) == b'{"x":1}' and octets(got["ended"]["data"]) == b"out"
    assert got["createdAt"] <= got["startedAt"] <= got["completedAt"] == got["updatedAt"]
    events = world.rows(f"runs/{run}/events?data=all")
    assert [e["eventType"] for e in events] == ["run_created", "run_started", "step_created", "step_started",
                                               "step_completed", "run_completed"]
    assert sorted(e["eventId"] for e in events) == [e["eventId"] for e in events]
    assert octets(events[0]["data"]) == BYTES and octets(events[0]["meta"]) == b'{"x":1}' and "meta" not in events[1]
    assert world.get(f"runs/{run}/events/{events[4]['eventId']}?data=all").json == events[4]
    refused(world.get(f"runs/{run}/events/evnt_{'0' * 26}"), 404, "event_not_found")


def test_a_run_begins_once_and_a_run_that_is_over_stays_so(world):
    run = world.run()
    refused(world.make(run, "run_created", name="n", deployment="d"), 409, "run_exists")
    again = world.make(run, "run_started")
    assert again.status == 200 and "event" not in again.json and again.json["run"]["status"] == "running"
    world.event(run, "run_cancelled")
    again = world.make(run, "run_cancelled")
    assert again.status == 200 and "event" not in again.json and again.json["run"]["status"] == "cancelled"
    refused(world.make(run, "run_started"), 410, "run_over")
    for event in ("run_completed", "run_failed"):
        refused(world.make(run, event), 409, "run_over")
    refused(world.make(run, "step_created", correlation="s", name="n"), 409, "run_over")
    refused(world.make(run, "hook_created", correlation="h", token="t"), 409, "run_over")
    refused(world.make(run, "wait_created", correlation="w"), 409, "run_over")
    assert world.get(f"runs/{run}").json["events"] == 3


def test_a_run_whose_first_event_was_lost_begins_with_what_its_message_brings(world):
    run = new_id()
    refused(world.make(run, "run_started"), 404, "run_not_found")
    made = world.event(run, "run_started", b"m", b"in", name="n", deployment="d", query="?data=all")
    assert made["run"]["status"] == "running" and octets(made["run"]["created"]["data"]) == b"in"
    events = world.rows(f"runs/{run}/events?data=all")
    assert [e["eventType"] for e in events] == ["run_created", "run_started"]
    assert octets(events[0]["data"]) == b"in" and "data" not in events[1]


@pytest.mark.parametrize("event", ["run_completed", "run_failed", "run_cancelled", "step_started", "hook_received",
                                   "wait_completed"])
def test_nothing_happens_to_a_run_that_is_not_there(world, event):
    refused(world.make(new_id(), event, correlation="x"), 404, "run_not_found")


# --- steps --------------------------------------------------------------------------------------------------
def test_attempts_of_a_step_are_counted_and_one_that_is_over_changes_no_more(world):
    run = world.run()
    refused(world.make(run, "step_started", correlation="s"), 404, "step_not_found")
    world.event(run, "step_created", correlation="s", name="n")
    refused(world.make(run, "step_created", correlation="s", name="n"), 409, "exists")
    first = world.event(run, "step_started", correlation="s")["step"]
    second = world.event(run, "step_started", correlation="s")["step"]
    assert (first["attempt"], second["attempt"]) == (1, 2) and first["startedAt"] == second["startedAt"]
    later = int(time.time() * 1000) + 3_600_000
    step = world.event(run, "step_retrying", b"why", correlation="s", retry_at=later)["step"]
    assert step["status"] == "pending" and step["retryAfter"] == later and octets(step["ended"]["meta"]) == b"why"
    early = refused(world.make(run, "step_started", correlation="s"), 425, "too_early")
    assert 3_500_000 < early["retryAfterMs"] <= 3_600_000
    world.event(run, "step_retrying", correlation="s", retry_at=1)
    step = world.event(run, "step_started", correlation="s")["step"]
    assert step["attempt"] == 3 and "retryAfter" not in step
    assert world.event(run, "step_failed", b"e", correlation="s")["step"]["status"] == "failed"
    for event in ("step_started", "step_completed", "step_failed", "step_retrying"):
        refused(world.make(run, event, correlation="s"), 409, "step_over")


def test_a_step_under_way_ends_behind_its_run_and_none_begins(world):
    run = world.run()
    for step in ("runs", "waits"):
        world.event(run, "step_created", correlation=step, name="n")
    world.event(run, "step_started", correlation="runs")
    world.event(run, "run_failed", b"e")
    refused(world.make(run, "step_started", correlation="waits"), 410, "run_over")
    assert world.event(run, "step_completed", correlation="runs")["step"]["status"] == "completed"


# --- hooks and waits ----------------------------------------------------------------------------------------
def test_a_token_has_one_hook_until_it_is_disposed_or_its_run_is_over(pair):
    _, world, other = pair
    first, second, third = world.run(), world.run(), world.run()
    hook = world.event(first, "hook_created", b"m", b"meta", correlation="h1", token="tok/1")["hook"]
    assert hook["token"] == "tok/1" and hook["runId"] == first
    refused(world.make(first, "hook_created", correlation="h1", token="tok/1"), 409, "exists")
    made = world.event(second, "hook_created", correlation="h2", token="tok/1")
    assert made["event"]["eventType"] == "hook_conflict" and "hook" not in made
    assert octets(made["event"]["meta"]) == b'{"token":"tok/1","conflictingRunId":"%s"}' % first.encode()
    there = other.run()  # another namespace has tokens of its own
    assert other.event(there, "hook_created", correlation="h", token="tok/1")["hook"]["runId"] == there
    got = world.get("tokens?data=all", token="tok/1").json
    assert got["hookId"] == "h1" and octets(got["created"]["data"]) == b"meta"
    assert world.get("hooks/h1").json["runId"] == first
    assert world.event(first, "hook_received", b"", b"payload", correlation="h1")["hook"]["hookId"] == "h1"
    world.event(first, "hook_disposed", correlation="h1")
    for event in ("hook_received", "hook_disposed"):
        refused(world.make(first, event, correlation="h1"), 404, "hook_not_found")
    refused(world.get("tokens", token="tok/1"), 404, "hook_not_found")
    refused(world.get("hooks/h1"), 404, "hook_not_found")
    assert "hook" in world.event(third, "hook_created", correlation="h3", token="tok/1")
    assert [h["hookId"] for h in world.rows(f"runs/{third}/hooks")] == ["h3"]
    assert "h3" in [h["hookId"] for h in world.rows("hooks", limit=1)]
    world.event(third, "run_completed")
    refused(world.get("tokens", token="tok/1"), 404, "hook_not_found")
    assert other.get("tokens", token="tok/1").status == 200


def test_a_wait_is_over_once(world):
    run = world.run()
    wait = world.event(run, "wait_created", correlation="w", resume_at=1_900_000_000_000)["wait"]
    assert (wait["status"], wait["resumeAt"], wait["waitId"]) == ("waiting", 1_900_000_000_000, "w")
    refused(world.make(run, "wait_created", correlation="w"), 409, "exists")
    refused(world.make(run, "wait_completed", correlation="none"), 404, "wait_not_found")
    assert world.event(run, "wait_completed", correlation="w")["wait"]["status"] == "completed"
    refused(world.make(run, "wait_completed", correlation="w"), 409, "wait_over")
    assert [w["status"] for w in world.rows(f"runs/{run}/waits")] == ["completed"]


# --- promises to a client -----------------------------------------------------------------------------------
def test_an_event_that_comes_twice_with_its_key_is_made_once(world):
    run = world.run()
    first = world.make(run, "hook_created", correlation="h", token="twice", once="k1")
    again = world.make(run, "hook_created", correlation="h", token="twice", once="k1")
    assert (first.status, again.status) == (201, 200) and first.json == again.json
    world.event(run, "step_created", correlation="s", name="n")
    one, two = (world.make(run, "step_started", correlation="s", once="k2") for _ in range(2))
    assert one.json == two.json and two.json["step"]["attempt"] == 1
    assert world.make(run, "step_started", correlation="s", once="k3").json["step"]["attempt"] == 2
    made = new_id()
    one, two = (world.make(made, "run_created", name="n", deployment="d", once="k") for _ in range(2))
    assert (one.status, two.status) == (201, 200) and one.json["event"] == two.json["event"]


def test_an_event_of_a_replay_that_has_not_seen_the_last_one_is_refused(world):
    run = world.run()
    world.event(run, "hook_created", correlation="h", token=run)
    seen = world.event(run, "hook_received", correlation="h")["event"]["createdAt"]
    refused(world.make(run, "wait_created", correlation="w", seen_at=seen - 1), 412, "stale")
    world.event(run, "wait_created", correlation="w", seen_at=seen)
    world.event(run, "wait_created", correlation="w2")


def test_lists_come_in_pages_in_both_orders(world):
    run = world.run(name="paged")
    for n in range(7):
        world.event(run, "step_created", correlation=f"step_{n}", name="n")
    for path, key in ((f"runs/{run}/events", "eventId"), (f"runs/{run}/steps", "stepId")):
        up = [r[key] for r in world.rows(path + "?order=asc", limit=2)]
        down = [r[key] for r in world.rows(path + "?order=desc", limit=3)]
        assert up == down[::-1] and len(up) in (7, 9)
    runs = [world.run(name="paged", started=False) for _ in range(4)]
    assert [r["runId"] for r in world.rows("runs?status=pending", limit=2, name="paged")] == runs[::-1]
    assert [r["runId"] for r in world.rows("runs?order=asc", limit=2, name="paged")] == [run, *runs]
    assert [r["runId"] for r in world.rows("runs?status=pending&order=asc", limit=3, name="paged")] == runs
    assert {r["status"] for r in world.rows("runs?status=running", limit=3)} == {"running"}
    empty = world.get("runs", name="nobody").json
    assert empty == {"data": [], "cursor": None, "hasMore": False}
    page = world.get(f"runs/{run}/events?limit=1000").json
    assert page["cursor"] == page["data"][-1]["eventId"] and not page["hasMore"]
    world.event(run, "wait_created", correlation="w")
    (new,) = world.rows(f"runs/{run}/events?cursor={page['cursor']}")
    assert new["correlationId"] == "w"


def test_a_page_ends_when_it_has_much_and_one_row_always_fits(world):
    run = world.run()
    big = b"x" * (4 << 20)
    for n in range(3):
        world.event(run, "step_created", b"", big, correlation=f"s{n}", name="n")
    page = world.get(f"runs/{run}/steps?data=all").json
    assert len(page["data"]) == 1 and page["hasMore"] and octets(page["data"][0]["created"]["data"]) == big
    assert len(world.rows(f"runs/{run}/steps?data=all")) == 3
    reply = world.make(run, "step_created", b"", big + b"x", correlation="s", name="n")
    assert reply.status == 413
    world.close()


def test_events_about_one_thing(world):
    one, two = world.run(), world.run()
    for run in (one, two, one):
        world.event(run, "step_created" if run != one or not world.rows("events", correlation="about") else "step_started",
                    correlation="about", name="n")
    found = world.rows("events", limit=1, correlation="about")
    assert [(e["runId"], e["eventType"]) for e in found] == [(one, "step_created"), (two, "step_created"), (one, "step_started")]
    assert [e["runId"] for e in world.rows(f"events?run={two}", correlation="about")] == [two]
    assert world.rows(f"events?run={new_id()}", correlation="about") == []
    assert world.get("steps/about").json["runId"] == two
    assert world.get(f"runs/{one}/steps/about").json["status"] == "running"


# --- streams ------------------------------------------------------------------------------------------------
def chunks(answer):
    return [octets(c["data"]) for c in answer["data"]]


def test_a_stream_is_read_from_any_place_until_it_is_closed(world):
    run, name = new_id(), new_id("strm")  # the run need not be there
    assert world.read(name) == {"data": [], "next": 0, "tail": -1, "closed": False, "hasMore": False}
    assert world.append(name, run, b"a").json == {"chunks": 1, "closed": False}
    assert world.append(name, run, frames(b"b", b"", BYTES), frames=True).json["chunks"] == 4
    got = world.read(name, "limit=2")
    assert chunks(got) == [b"a", b"b"] and got["hasMore"] and (got["next"], got["tail"]) == (2, 3)
    assert chunks(world.read(name, "from=2")) == [b"", BYTES]
    assert chunks(world.read(name, "from=-1")) == [BYTES] and len(chunks(world.read(name, "from=-9"))) == 4
    assert world.read(name, "limit=0")["tail"] == 3
    assert world.append(name, run, b"z", close=True).json == {"chunks": 5, "closed": True}
    late = world.append(name, run, b"late")
    assert late.status == 200 and late.json == {"chunks": 5, "closed": True}
    assert world.read(name, "from=5&wait=30")["closed"]
    assert world.get(f"streams?run={run}").json == {"data": [name]}


def test_a_chunk_that_comes_twice_with_its_key_is_there_once(world):
    name = new_id("strm")
    for _ in range(2):
        world.append(name, "r", b"a", once="k1")
    assert world.append(name, "r", b"b", once="k2").json["chunks"] == 2


def test_who_waits_for_a_stream_hears_of_the_next_chunk_and_of_its_end(pair):
    ebb, world, _ = pair
    reader, name, heard = World(ebb, "shop"), new_id("strm"), []

    def follow():
        at, closed = 0, False
        while not closed:
            got = reader.read(name, f"from={at}&wait=30")
            heard.extend(chunks(got))
            at, closed = got["next"], got["closed"]

    thread = threading.Thread(target=follow)
    thread.start()
    for n in range(3):
        world.append(name, "r", b"%d" % n)
        wait_for(lambda count=n + 1: len(heard) == count)
    begun = time.monotonic()
    world.append(name, "r", close=True)
    thread.join(20)
    assert not thread.is_alive() and heard == [b"0", b"1", b"2"]
    assert time.monotonic() - begun < 20  # the end of the stream woke it, not its patience
    reader.close()
    assert world.read("none", "wait=1")["tail"] == -1


def test_a_reader_that_goes_away_leaves_nothing(pair):
    ebb, world, _ = pair
    name = new_id("strm")
    for _ in range(3):
        reader = World(ebb, "shop")
        with pytest.raises(TimeoutError):
            reader.get("hooks")
            reader.http.sock.settimeout(0.2)
            reader.get(f"streams/{name}?wait=30")
    assert world.append(name, "r", b"a", close=True).status == 201


# --- namespaces, bad words, deaths --------------------------------------------------------------------------
def test_namespaces_see_nothing_of_each_other(pair):
    _, world, other = pair
    run, name = world.run(), new_id("strm")
    world.event(run, "step_created", correlation="apart", name="n")
    world.append(name, run, b"a")
    cursor = world.get(f"runs/{run}/events?limit=1").json["cursor"]
    for path in (f"runs/{run}", f"runs/{run}/events?cursor={cursor}", f"runs/{run}/steps"):
        refused(other.get(path), 404, "run_not_found")
    refused(other.get(f"runs/{run}/events/{cursor}"), 404, "event_not_found")
    refused(other.get("steps/apart"), 404, "step_not_found")
    refused(other.make(run, "run_cancelled"), 404, "run_not_found")
    assert other.rows("events", correlation="apart") == [] and other.read(name)["tail"] == -1
    assert run not in [r["runId"] for r in other.rows("runs")]
    assert other.get(f"streams?run={run}").json == {"data": []}
    other.event(run, "run_created", name="mine", deployment="d")  # an id is of a namespace
    assert other.get(f"runs/{run}").json["workflowName"] == "mine" and world.get(f"runs/{run}").json["events"] == 3


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "runs/a.b", 400, "malformed"), ("GET", "nothing", 404, "malformed"), ("DELETE", "runs/a", 405, "malformed"),
    ("POST", "runs", 405, "malformed"), ("GET", "runs?limit=0", 400, "malformed"), ("GET", "runs?cursor=x", 400, "malformed"),
    ("GET", "events", 400, "malformed"), ("GET", "tokens", 400, "malformed"), ("POST", "streams/a", 400, "malformed"),
    ("GET", "streams", 400, "malformed"), ("POST", "runs/a/events", 400, "malformed")])
def test_what_is_malformed_is_refused_with_a_sentence(world, method, path, status, code):
    refused(world.ask(method, path), status, code)


def test_ebb_runs_lists_shows_cancels_and_goes_on(pair):
    ebb, world, _ = pair
    run, over = world.run(name="w//./a%20b//c", deployment="7"), world.run()
    world.event(over, "run_completed")
    assert over in ebb.cli("runs", "ls", "-q", "--state", "completed", "--namespace", "shop").out.split()
    assert run not in ebb.cli("runs", "ls", "-q", "--namespace", "other").out.split()
    (row,) = ebb.cli("runs", "show", run, "--json").json
    assert (row["state"], row["service"], row["workflow"], row["events"]) == ("running", "shop", "w//./a%20b//c", 2)
    assert ebb.cli("runs", "retry", run).out.strip() == run
    (message,) = world_queue(ebb).take("__wkf_workflow_shop")
    assert json.loads(message.body) == {"queueName": "__wkf_workflow_w//./a b//c", "payload": {"runId": run}, "deploymentId": "7"}
    assert ebb.cli("runs", "cancel", run, "--namespace", "shop").out.strip() == run
    assert world.get(f"runs/{run}").json["status"] == "cancelled"
    assert ebb.cli("runs", "retry", run, ok=False).code == 1 and ebb.cli("runs", "cancel", over, ok=False).code == 1
    refused = ebb.rest("POST", f"/v1/workflows/cancel?namespace=shop&id={over}")
    assert refused.status == 409
    assert ebb.cli("runs", "show", "none", ok=False).code == 1
    metrics = ebb.rest("GET", "/metrics").text
    assert "\nebb_workflow_cancelled_total " in metrics and "\nebb_workflow_runs " in metrics


def shown(ebb, run, *words):
    return ebb.cli("runs", "show", run, *words, "--namespace", "shop")


def test_ebb_runs_show_prints_the_log_of_a_run(pair):
    ebb, world, other = pair
    run = world.run()
    world.event(run, "step_created", b"", b"x" * 100, correlation="s1", name="charge")
    world.event(run, "step_started", correlation="s1")
    world.event(run, "wait_created", correlation="w1", resume_at=1)
    log = shown(ebb, run, "--events", "--json").json
    assert [(one["number"], one["event"], one["about"], one["step"]) for one in log] == [
        (1, "run_created", None, None), (2, "run_started", None, None), (3, "step_created", "s1", "charge"),
        (4, "step_started", "s1", "charge"), (5, "wait_created", "w1", None)]
    assert [one["id"] for one in log] == [one["eventId"] for one in world.rows(f"runs/{run}/events")] and log[2]["bytes"] == 100
    run_row, _, *rows = [line.split() for line in shown(ebb, run).out.splitlines()[1:]]
    assert run_row[0] == run and rows[0] == ["N", "AT", "EVENT", "ABOUT", "STEP", "BYTES"] and len(rows) == 6
    assert rows[3][0] == "3" and rows[3][2:] == ["step_created", "s1", "charge", "100"]
    assert ebb.rest("GET", f"/v1/workflows/events?namespace=other&id={run}").status == 404
    # A run of the same name elsewhere: the namespace says which.
    other.event(run, "run_created", name="n", deployment="d")
    assert ebb.cli("runs", "show", run, "--events", ok=False).code == 2 and "--namespace" not in ebb.cli("runs", "show", run).err
    assert len(ebb.cli("runs", "show", run, "--events", "--json", "--namespace", "other").json) == 1


def test_a_long_log_and_one_of_large_events_are_shown_whole(pair):
    ebb, world, _ = pair
    many, large = world.run(), world.run()
    for n in range(1100):  # beyond what is sent at once
        world.event(many, "wait_created", correlation=f"w{n}", resume_at=1)
    for n in range(4):
        world.event(large, "step_created", b"", bytes(3 << 20), correlation=f"s{n}", name="n")
    assert [one["number"] for one in shown(ebb, many, "--events", "--json").json] == list(range(1, 1103))
    assert [one["number"] for one in shown(ebb, large, "--events", "--json").json] == list(range(1, 7))
    reply = ebb.rest("GET", f"/v1/workflows/events?namespace=shop&id={large}").json["events"]
    assert len(reply) == 4  # two of them are 6 MiB, which is as much as is read at once
    rest = ebb.rest("GET", f"/v1/workflows/events?namespace=shop&id={large}&after=4").json["events"]
    assert [one["number"] for one in rest] == [5, 6]


def test_a_run_that_failed_is_an_event_and_many_push_nothing_out(pair):
    """Beyond some, events of a namespace are counted and not told; the next one that is told says how many."""
    ebb, failed = pair[0], []
    put(ebb, "failing", {"minInstances": 1, "ebb": {"queues": "unlucky"}})
    assert ebb.get("failing", "/").status == 200
    world = World(ebb, "failing")

    def fail():
        failed.append(world.run())
        world.event(failed[-1], "run_failed", b'{"error":{"message":"no"}}')

    def told():
        fail()
        found = ebb.cli("events", "failing", "--json", "--kind", "workflow_failed").json
        return found if found and "events were not told" in found[-1]["text"] else None
    for _ in range(60):
        fail()
    events = wait_for(told, 60)
    world.close()
    first, last = events[0]["text"], events[-1]["text"]
    assert first == f"run {failed[0]} of shop//order in namespace unlucky failed"
    untold = sum(int(n) for one in events for n in re.findall("before it ([0-9]+) events were not told", one["text"]))
    assert untold and failed.index(last.split()[1]) + 1 == len(events) + untold


def world_queue(ebb):
    return Inside(ebb, "shop")


def test_what_was_answered_outlives_ebb_flow(pair):
    ebb, world, other = pair
    run, name = world.run(), new_id("strm")
    world.event(run, "hook_created", correlation="h", token=run)
    world.append(name, run, b"a")
    before = [world.get(p).json for p in (f"runs/{run}?data=all", f"runs/{run}/events", "hooks")]
    os.kill(flow(ebb), signal.SIGKILL)
    for w in (world, other):
        w.close()

    def back():
        try:
            return world.get("hooks").status == 200
        except (OSError, AssertionError):
            world.close()
            return False
    wait_for(back, 20)
    assert [world.get(p).json for p in (f"runs/{run}?data=all", f"runs/{run}/events", "hooks")] == before
    assert chunks(world.read(name)) == [b"a"]
    assert world.event(run, "run_completed")["run"]["status"] == "completed"


def test_what_is_over_for_long_is_forgotten_in_steps_and_soon(pair):
    ebb, world, other = pair
    run, many = world.run(), 10000
    world.append(f"{run}-s", run, b"x")
    for n in range(40):
        assert world.append(f"{run}-alone-{n}", f"{run}-none", b"x").status == 201
    world.event(run, "run_completed")
    with contextlib.closing(sqlite3.connect(ebb.config["flow_dir"] + "/flow.db", timeout=20, isolation_level=None)) as db:
        def count(table, where):
            return db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}").fetchone()[0]
        ((stream,),) = db.execute("SELECT number FROM stream WHERE name = ?", (f"{run}-s",))
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO chunk (stream, number, data) VALUES (?, ?, x'00')", [(stream, n) for n in range(1, many)])
        db.execute("UPDATE work SET ended_us = 1 WHERE id = ?", (run,))
        db.execute("UPDATE stream SET touched_us = 1 WHERE alone = 1")
        db.execute("COMMIT")
        os.kill(flow(ebb), signal.SIGKILL)  # the next one begins with what is over for long
        seen = set()

        def gone():
            seen.add(left := count("chunk", f"stream = {stream}"))
            if 0 < left < many:
                world.close()
                with contextlib.suppress(OSError):  # its socket is made anew
                    refused(world.get(f"runs/{run}"), 404, "run_not_found")
                    assert run not in [r["runId"] for r in world.rows("runs")]
            return not count("work", f"id = '{run}'")
        wait_for(gone, 20)
        assert any(0 < n < many for n in seen) and not count("chunk", f"stream = {stream}"), seen
        assert not count("stream", f"name LIKE '{run}-%'") and not count("work_event", "work NOT IN (SELECT number FROM work)")
    for w in (world, other):
        w.close()
    refused(world.get(f"runs/{run}"), 404, "run_not_found")
