# SPDX-License-Identifier: Apache-2.0
"""The runtimes over /dev/ebb/ipc: work that outlives its response (npm @vercel/functions unmodified, ebb.wait_until),
the log of one request out of many, and instances that ask to be replaced."""
import os
import signal
import threading
import time

import pytest

import node_apps
import pictures
import web
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

PROGRAMS = {"http": ("node", "http.mjs"), "express": ("node", "express.mjs"),
            "fastify": ("node", "fastify.mjs"), "hono": ("node", "hono.mjs"),
            "fetch": ("node", "fetch.mjs"), "asgi": ("python", "asgi:app"), "wsgi": ("python", "wsgi:app")}


def service(name, **more):
    language, program = PROGRAMS[name]
    make = node_apps.service if language == "node" else node_apps.python_service
    return make(program, **more)


@pytest.fixture(scope="module")
def both(runtimes_ebb):
    with node_apps.deployed(runtimes_ebb, {name: service(name) for name in PROGRAMS}) as ebb:
        yield ebb


def log_of(ebb, name, *options):
    return ebb.cli("logs", *options, name).out


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_instance_stays_awake_until_the_work_ends(both, name):
    begun = time.time()
    reply = both.get(name, "/later?name=work&ms=1000")
    assert reply.status == 200
    wait_for(lambda: both.instance(name)["holds"] == 1)
    deadline = reply.json["deadline"] * (1000 if name in ("asgi", "wsgi") else 1)
    assert abs(deadline - (begun + 300) * 1000) < slow(10) * 1000
    line = "background work work done"
    both.wait_frozen(name)
    assert line in log_of(both, name, "--request", reply.headers["x-ebb-id"])
    assert both.instance(name)["holds"] == 0


@pytest.mark.parametrize("name", ["http", "asgi", "wsgi"])
def test_work_is_cut_at_the_deadline_and_the_log_says_whose(both, name):
    brief = name + "-brief"
    both.apply({brief: service(name, maxDuration=1)})
    ident = both.get(brief, "/later?name=long&ms=60000").headers["x-ebb-id"]
    both.wait_frozen(brief)
    assert "cut at the deadline with 1 not" in log_of(both, brief, "--request", ident)
    both.cli("rm", brief)


def test_attach_database_pool_keeps_the_instance_awake_until_its_connection_is_closed(both):
    """Unmodified @vercel/functions and pg-pool: the idle reaper runs on time, then the freeze comes."""
    both.apply({"pool": node_apps.service("pool.mjs", ebb={"timers": "late"})})
    reply = both.get("pool")
    assert reply.json["client"] == 1
    wait_for(lambda: both.instance("pool")["holds"] == 1)
    both.wait_frozen("pool")
    assert "client 1 closed" in log_of(both, "pool")
    (closed,) = both.get("pool", "/closed").json
    assert 400 < closed - reply.json["at"] < 400 + slow(1000)
    both.cli("rm", "pool")


@pytest.mark.parametrize("name", ["http", "asgi"])
def test_holds_are_repeated_to_a_new_reader(both, name):
    both.get(name, "/later?name=kept&ms=3000")
    (reader,) = both.programs("ebb-ipc")
    os.kill(reader, signal.SIGKILL)
    wait_for(lambda: both.programs("ebb-ipc") not in ([], [reader]))
    wait_for(lambda: both.instance(name)["holds"] == 1)
    wait_for(lambda: "background work kept done" in log_of(both, name))
    both.wait_frozen(name)


@pytest.mark.parametrize("name,lines", [("http", 2), ("asgi", 4), ("wsgi", 4)])
def test_the_log_shows_one_requests_lines_though_hundred_ran_at_once(both, name, lines):
    """print, console, logging, direct writes, threads; half lines wait for their other half."""
    replies = web.many(100, lambda i: both.get(name, f"/log?n=3&name=caller-{i}-"))
    assert [r.status for r in replies] == [200] * 100
    for i in (0, 42, 99):
        def told():
            text = log_of(both, name, "--request", replies[i].headers["x-ebb-id"])
            return len(text.splitlines()) == 3 * lines and text
        text = wait_for(told, what=log_of(both, name, "--request", replies[i].headers["x-ebb-id"]))
        assert all(f"of caller-{i}-" in line for line in text.splitlines()), text


@pytest.mark.parametrize("name", ["http", "asgi"])
def test_an_error_of_no_request_retires_the_instance_and_the_others_finish(both, name):
    sick = name + "-sick"
    both.apply({sick: service(name, env={"POLL": "1"}, maxInstances=2)})
    instance = both.get(sick).instance

    def call(i):
        return both.get(sick, "/nobody" if i == 5 else "/sleep?ms=700")

    replies = web.many(20, call)
    assert [r.status for r in replies] == [200] * 20
    wait_for(lambda: instance not in [i["id"] for i in both.instances(sick)])
    assert "an error outside any request" in both.cli("events").out
    assert both.get(sick).instance != instance
    both.cli("rm", sick)


def test_an_event_loop_that_is_late_beyond_sense_sends_requests_elsewhere(both):
    both.apply({"busy": service("http", env={"NACK_LAG_MS": "200"}, maxInstances=2, minInstances=2,
                                maxConcurrency=50)})
    calls = [threading.Thread(target=both.get, args=("busy", path))
             for path in ("/sleep?ms=4000", "/block?ms=1500")]
    calls[0].start()
    (busy,) = wait_for(lambda: [i["id"] for i in both.instances("busy") if i["tickets"]])
    calls[1].start()
    wait_for(lambda: "blocking" in log_of(both, "busy"))
    replies = web.many(12, lambda i: both.get("busy", "/sleep?ms=10"))
    for call in calls:
        call.join()
    assert [(r.status, r.instance == busy) for r in replies] == [(200, False)] * 12
    both.cli("rm", "busy")
