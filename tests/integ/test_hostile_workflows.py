# SPDX-License-Identifier: Apache-2.0
"""A function that is an enemy of workflows: its bytes, its runs and the streams that it waits for cost that instance
alone. ebb-flow lives, its memory is bounded, and another namespace makes events meanwhile."""
import contextlib
import json
import sqlite3

import pytest
from test_hostile_queues import MIB, answer, connections, many, nobody_else_hurt, resident, rivals
from waiting import wait_for
from workflows import World, frames, new_id, octets, refused

BASE = b"/api/ebb/workflow/v1"


@pytest.fixture(scope="module", name="pair")
def two_worlds(module_ebb):
    return rivals(module_ebb, World)


def ends_a_run(good):
    run = good.run()
    assert good.event(run, "run_completed", b"", b"well")["run"]["status"] == "completed"


@pytest.fixture(autouse=True)
def nobody_else_is_hurt(pair):
    with nobody_else_hurt(pair, ends_a_run):
        yield


def post(path, fields=b"", body=b""):
    return (b"POST " + BASE + path + b" HTTP/1.1\r\nHost: q\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def get(path, fields=b""):
    return b"GET " + BASE + path + b" HTTP/1.1\r\nHost: q\r\n" + fields + b"\r\n"


CREATE = b"x-ebb-event: run_created\r\nx-ebb-name: n\r\nx-ebb-deployment: d\r\n"

# --- bytes --------------------------------------------------------------------------------------------------
BYTES = [
    (get(b"/runs/%2e%2e"), 400), (get(b"/runs/" + b"r" * 65), 400), (get(b"/runs//events"), 400), (get(b"//runs"), 404),
    (get(b"/runs/r/events/" + b"e" * 129), 400), (get(b"/streams/" + b"s" * 256), 400), (get(b"/streams/a%2fb?wait=31"), 400),
    (get(b"/runs?limit=18446744073709551616"), 400), (get(b"/runs?cursor=9223372036854775808"), 400),
    (get(b"/runs?cursor=" + b"1" * 200), 400), (get(b"/hooks?cursor=-1"), 400), (get(b"/runs?cursor=0&order=desc"), 200),
    (get(b"/streams/s?from=-2147483647"), 200), (get(b"/streams/s?from=2147483647"), 200), (get(b"/streams/s?from=2147483648"), 400),
    (get(b"/tokens", b"x-ebb-token: a b\r\n"), 400), (get(b"/tokens", b"x-ebb-token: " + b"t" * 513 + b"\r\n"), 400),
    (get(b"/tokens", b"x-ebb-token: a\xff\r\n"), 400), (get(b"/events", b"x-ebb-correlation: '\r\n"), 200),
    (post(b"/runs/r/events", CREATE + b"x-ebb-meta-bytes: 1\r\n"), 400),
    (post(b"/runs/r/events", CREATE + b"x-ebb-meta-bytes: 18446744073709551615\r\n", b"x"), 400),
    (post(b"/runs/r/events", CREATE + b"x-ebb-spec: 9223372036854775808\r\n"), 400),
    (post(b"/runs/r/events", CREATE + b"x-ebb-occurred-at: 281474976710657\r\n"), 400),
    (post(b"/runs/r/events", b"x-ebb-event: hook_conflict\r\nx-ebb-correlation: h\r\n"), 400),
    (post(b"/runs/r/events", b"x-ebb-event: wait_created\r\nx-ebb-correlation: w\r\nx-ebb-resume-at: 281474976710656\r\n"), 404),
    (post(b"/runs/r/events", b"x-ebb-event: step_created\r\nx-ebb-name: n\r\nx-ebb-correlation: " + b"c" * 129 + b"\r\n"), 400),
    (post(b"/streams/s?run=r", b"x-ebb-frames: 1\r\n", b"\xff\xff\xff\xff"), 400),
    (post(b"/streams/s?run=r", b"x-ebb-frames: 1\r\n", b"\0\0\0"), 400),
    (post(b"/streams/s?run=r", b"x-ebb-frames: 1\r\n", b"\0\0\0\2a"), 400),
    (post(b"/streams/s?run=r", b"x-ebb-frames: 1\r\n", b"\0\0\0\0" * 1001), 413),
    (post(b"/streams/s?run=r&run=", b"", b"x"), 400), (post(b"/streams/s", b"", b"x"), 400),
]


def test_bytes_that_mean_nothing_are_refused(pair):
    _, evil, _ = pair
    for request, status in BYTES:
        with many(evil, 1) as (s,):
            s.sendall(request)
            got, body = answer(s)
            assert got == status and (got < 300 or json.loads(body)["error"]), (request[:120], got, body)


def test_a_header_that_is_not_ascii_comes_back_from_nobody(pair):
    _, evil, _ = pair
    with many(evil, 1) as (s,):
        s.sendall(post(b"/runs/r9/events", CREATE.replace(b"name: n", b"name: n\xc3\xa4")))
        assert answer(s)[0] == 400
    refused(evil.get("runs/r9"), 404, "run_not_found")


# --- shares -------------------------------------------------------------------------------------------------
def test_many_runs_at_once_take_turns_with_those_of_others(pair):
    _, evil, good = pair
    count, prefix = 400, new_id("many").encode()
    with many(evil, 1) as (s,):
        s.sendall(b"".join(post(b"/runs/%s_%d/events" % (prefix, n), CREATE) for n in range(count)))
        assert answer(s)[0] == 201
        good.run(started=False)
        got = b""
        while got.count(b"HTTP/1.1 201") < count - 2:
            got += s.recv(65536)
    assert len(evil.rows("runs?status=pending")) >= count


def test_answers_that_nobody_reads_and_readers_that_wait_are_bounded(pair):
    ebb, evil, good = pair
    run = evil.run()
    for n in range(3):
        evil.event(run, "step_created", b"", b"z" * (4 * MIB), correlation=f"s{n}", name="n")
    before = resident(ebb)
    with many(evil, 63) as deaf:
        for s in deaf:
            s.sendall(get(b"/runs/%s/steps?data=all" % run.encode()))
        good.run()
        assert resident(ebb) - before < 96 * MIB
    evil.close()
    wait_for(lambda: connections(ebb) == 1)
    with many(evil, 63) as waiting:
        for n, s in enumerate(waiting):
            s.sendall(get(b"/streams/never-%d?wait=30" % (n % 2)) + get(b"/runs") * 20)
        good.run()
        assert resident(ebb) - before < 96 * MIB
        assert evil.append("never-0", "r", b"x").status == 201  # it wakes half of them, and each goes on
        got = b""
        while got.count(b"HTTP/1.1 200") < 21:
            got += waiting[0].recv(65536)
        assert b'"index":0,"data":"eA=="' in got
    evil.close()


def test_a_reader_that_is_gone_when_its_stream_goes_on_is_forgotten(pair):
    _, evil, _ = pair
    for n in range(20):
        name = new_id("gone")
        with many(evil, 8) as waiting:
            for s in waiting:
                s.sendall(get(b"/streams/%s?wait=30" % name.encode()))
        assert evil.append(name, "r", frames(b"a", b"b"), frames=True, close=n % 2 == 0).status == 201
        assert [octets(c["data"]) for c in evil.read(name)["data"]] == [b"a", b"b"]


def test_the_most_events_of_a_run_end_with_its_end(pair):
    ebb, evil, good = pair
    run = evil.run()
    evil.event(run, "hook_created", correlation="h", token=run)
    with contextlib.closing(sqlite3.connect(ebb.config["flow_dir"] + "/flow.db", timeout=20)) as db, db:
        db.execute("UPDATE work SET events = 9998 WHERE id = ?", (run,))  # as if it had had them
    statuses = [evil.make(run, "hook_received", correlation="h").status for _ in range(4)]
    assert statuses == [201, 201, 409, 409]
    refused(evil.make(run, "hook_received", correlation="h"), 409, "events_limit")
    good.run()
    assert evil.event(run, "run_completed")["run"]["events"] == 10001


def test_a_hook_of_a_token_that_many_want_is_of_one_run(pair):
    _, evil, _ = pair
    runs = [evil.run() for _ in range(20)]
    with contextlib.ExitStack() as stack:
        sockets = stack.enter_context(many(evil, 20))
        for s, run in zip(sockets, runs, strict=True):
            s.sendall(post(b"/runs/%s/events" % run.encode(),
                           b"x-ebb-event: hook_created\r\nx-ebb-correlation: h\r\nx-ebb-token: wanted\r\n"))
        made = [json.loads(answer(s)[1])["event"]["eventType"] for s in sockets]
    assert made.count("hook_created") == 1 and made.count("hook_conflict") == 19


# --- bounds of a run, a namespace and an answer ---------------------------------------------------------------
@contextlib.contextmanager
def store(ebb):
    with contextlib.closing(sqlite3.connect(ebb.config["flow_dir"] + "/flow.db", timeout=20)) as db, db:
        yield db


def put_streams(db, run, count, alone):
    """Streams of a run as if it had made them."""
    (space,) = db.execute("SELECT id FROM workspace WHERE name = 'evil'").fetchone()
    db.executemany("INSERT INTO stream (space, name, work, alone, chunks, bytes, closed, once, touched_us)"
                   " VALUES (?, ?, ?, ?, 0, 512, 0, '', 9000000000000000)",
                   [(space, f"{run}-{n}", f"{run}-{n % 100}" if alone else run, alone) for n in range(count)])


def test_a_run_has_a_thousand_streams_and_a_namespace_ten_thousand_of_runs_that_are_not_there(pair):
    ebb, evil, _ = pair
    run, other = evil.run(), evil.run()
    with store(ebb) as db:
        put_streams(db, run, 999, 0)
    assert evil.append("last", run).status == 201 and evil.append("last", run, b"x").status == 201
    refused(evil.append("beyond", run), 413, "too_large")
    assert evil.append("of-another", other).status == 201
    with store(ebb) as db:
        db.execute("DELETE FROM stream WHERE alone = 1")
        put_streams(db, "none", 9999, 1)
    assert evil.append("alone", "r").status == 201
    refused(evil.append("alone-too", "r"), 507, "full")
    assert evil.append("of-a-run", other).status == 201
    with store(ebb) as db:
        db.execute("DELETE FROM stream")


def test_a_step_that_comes_again_and_ends_of_steps_are_bounded_as_their_run_is(pair):
    ebb, evil, _ = pair
    run = evil.run()
    for n in range(3):
        evil.event(run, "step_created", correlation=f"s{n}", name="n")
    with store(ebb) as db:
        db.execute("UPDATE work SET bytes = ? WHERE id = ?", (128 * MIB, run))
    refused(evil.make(run, "step_retrying", b"", b"x", correlation="s0"), 413, "too_large")
    evil.event(run, "step_completed", b"", b"x", correlation="s1")
    with store(ebb) as db:
        db.execute("UPDATE work SET bytes = ? WHERE id = ?", (144 * MIB, run))
    refused(evil.make(run, "step_failed", b"", b"x", correlation="s2"), 413, "too_large")
    evil.event(run, "run_completed", b"", bytes(MIB))


def test_an_answer_of_an_event_its_run_and_all_their_bytes_has_room_or_is_not_made(pair):
    _, evil, _ = pair
    run = evil.run(data=b"z" * (4 * MIB - 4096))
    with many(evil, 4) as deaf:
        for s in deaf[:3]:
            s.sendall(get(b"/runs/%s?data=all" % run.encode()))
            assert s.recv(1) == b"H"
        deaf[3].sendall(get(b"/runs/%s/events?data=all" % run.encode()))  # 16 MiB are on their way
        status, body = answer(deaf[3])
        assert status == 503 and json.loads(body)["code"] == "unavailable"
    evil.close()
    wait_for(lambda: evil.get(f"runs/{run}?data=all").status == 200)


def test_a_stream_wakes_no_reader_of_another_namespace(pair):
    _, evil, good = pair
    with many(good, 1) as (reader,):
        reader.sendall(get(b"/streams/evil?wait=30"))
        good.run()
        assert evil.append("good", "r", b"x").status == 201  # "evil" of good and "good" of evil: one sum
        evil.run()
        assert good.append("evil", "r", b"mine").status == 201
        body = json.loads(answer(reader)[1])
        assert [octets(c["data"]) for c in body["data"]] == [b"mine"]
