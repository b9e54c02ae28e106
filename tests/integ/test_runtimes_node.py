# SPDX-License-Identifier: Apache-2.0
"""The Node runtime: unmodified programs of Node's http, Express, Fastify and Hono, and fetch-style handlers, with many
requests at once on the inherited socket; an error in one request harms no other."""
import collections
import re
import socket
import time

import pytest

import node_apps
import pictures
import web
from waiting import SLOW, pass_time, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

PROGRAMS = {"http": "http.mjs", "express": "express.mjs", "fastify": "fastify.mjs", "hono": "hono.mjs",
            "hono-export": "hono-export.mjs", "fetch": "fetch.mjs"}
THROWS = ["handler", "timer", "promise", "emitter", "stream"]


@pytest.fixture(scope="module")
def node(runtimes_ebb):
    services = {name: node_apps.service(program) for name, program in PROGRAMS.items()}
    with node_apps.deployed(runtimes_ebb, services) as ebb:
        yield ebb


def log_of(ebb, name):
    return ebb.cli("logs", name).out


@pytest.mark.parametrize("name", PROGRAMS)
def test_unmodified_program_serves_many_at_once_on_the_inherited_socket(node, name):
    reply = node.get(name)
    assert reply.status == 200 and reply.text.startswith("hello from "), reply
    assert node.get(name, "/peer").json["peer"] == "127.0.0.1"
    begun = time.monotonic()
    replies = web.many(100, lambda i: node.get(name, "/sleep?ms=500"))
    assert [r.status for r in replies] == [200] * 100
    assert time.monotonic() - begun < 2 * SLOW
    assert len({r.instance for r in replies}) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_one_of_hundred_throws_and_only_that_one_fails(node, name):
    """In a handler, a timer, a promise nobody awaits, an event emitter, a stream."""
    instance = node.get(name).instance
    for how in THROWS:
        replies = web.many(100, lambda i: node.get(
            name, f"/throw?in={how}" if i == 50 else "/sleep?ms=100"))
        assert collections.Counter(r.status for r in replies) == {200: 99, 500: 1}, how
        assert replies[50].status == 500
        ident = replies[50].headers["x-ebb-id"]
        if not (how == "handler" and name in ("fastify", "express", "hono", "hono-export")):
            # There the framework answers its own handler's error.
            wait_for(lambda: f"in request {ident}" in log_of(node, name), what=how)
    assert node.get(name).instance == instance


def test_an_error_at_a_bodys_end_belongs_to_its_request(node):
    """The event comes from the connection, which knows of no request."""
    node.get("http")
    replies = web.many(20, lambda i: node.get("http", "/body", method="POST", body=b"x" * 1000)
                       if i == 7 else node.get("http", "/sleep?ms=50"))
    assert collections.Counter(r.status for r in replies) == {200: 19, 500: 1}


def test_an_error_behind_the_head_cuts_the_answer_off(node):
    with web.Raw(node.address) as raw:
        raw.send(b"GET /late HTTP/1.1\r\nHost: http.localhost\r\n\r\n")
        got = raw.read_to_end()
    assert b"begun" in got and not got.endswith(b"0\r\n\r\n")
    assert node.get("http").status == 200


def test_fetch_style_handlers_stream_both_ways(node):
    body = bytes(range(256)) * 2048
    assert node.get("fetch", "/echo", method="POST", body=body).body == body
    assert node.get("fetch", "/cookies").status == 204
    with web.Raw(node.address) as raw:
        raw.send(b"GET /ticks HTTP/1.1\r\nHost: fetch.localhost\r\n\r\n")
        begun = time.monotonic()
        raw.read_until(b"tick 0\n")
        first = time.monotonic() - begun
        raw.read_until(b"tick 2\n")
        assert time.monotonic() - begun - first > 0.15  # the first was not kept back for the last


@pytest.fixture(scope="module")
def exports(node):
    programs = {"methods": "methods.mjs", "handler": "handler.cjs", "function": "function.mjs"}
    services = {name: node_apps.service(program) for name, program in programs.items()}
    with node_apps.deployed(node, services) as ebb:
        yield ebb


def test_exported_methods_and_functions_are_served(exports):
    assert exports.get("methods", "/a/b").json == {"path": "/a/b"}
    posted = exports.get("methods", method="POST", body=b"hello")
    assert (posted.status, posted.text) == (201, "hello")
    refused = exports.get("methods", method="DELETE")
    assert refused.status == 405 and "POST" in refused.headers["allow"]
    assert exports.get("handler").text == "hello from main\n"
    assert exports.get("function", method="PUT").text == "PUT\n"


def test_a_program_that_neither_listens_nor_exports_says_so(node):
    done = node.apply({"mute": node_apps.service("work.mjs", minInstances=1)}, ok=False)
    assert done.code != 0
    wait_for(lambda: "neither listens on $PORT nor exports a handler" in log_of(node, "mute"))
    node.cli("rm", "mute")


def test_a_heap_near_its_limit_gives_requests_back_and_they_run_elsewhere(node):
    """Of 512 MB the heap may use 416, young objects come on top; the kernel would kill for more."""
    node.apply({"hoarder": node_apps.service("http.mjs", memory=512, maxInstances=2, ebb={"cpu": 2000})})
    full = node.get("hoarder").instance
    assert node.get("hoarder", "/heap").json["heap_size_limit"] == (416 + 48) << 20
    with web.Raw(node.address) as raw:
        raw.send(b"GET /hoard?mb=360 HTTP/1.1\r\nHost: hoarder.localhost\r\n\r\n")
        assert b" 200 " in raw.read_until(b"full\n")
        replies, told = [], []

        def gave_back():
            """A busy loop may send a request elsewhere before the heap does: ask until the heap has."""
            replies.append(node.get("hoarder", method="POST"))
            told[:] = [e["text"] for e in node.cli("events", "--json").json
                       if e["kind"] == "instance_saturated" and e["instance"] == full]
            return any(re.search(r"it gave back \d+ requests unstarted", text) for text in told)
        wait_for(gave_back, 30)
        replies += web.many(20, lambda i: node.get("hoarder", method="POST"))
        assert {r.status for r in replies} == {200}
        assert any(reply.instance != full for reply in replies)
        assert full in [i["id"] for i in node.instances("hoarder")]
    node.cli("rm", "hoarder")


def leave(ebb, name, path):
    """A client that asks and goes away when the request has reached the instance."""
    sock = socket.create_connection(ebb.address)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
    wait_for(lambda: ebb.instance(name)["tickets"] > 0)
    return sock


def test_a_client_that_goes_away_closes_the_request_and_not_its_background_work(node):
    node.get("http")
    leave(node, "http", "/wait?name=survivor&ms=300").close()
    wait_for(lambda: node.get("http", "/seen").json["closed"] == 1)
    wait_for(lambda: "survivor" in node.get("http", "/done").json)


def test_a_client_that_goes_away_aborts_the_signal_of_a_fetch_handler(node):
    node.get("fetch")
    leave(node, "fetch", "/wait?name=survivor&ms=300").close()
    wait_for(lambda: node.get("fetch", "/seen").json["aborted"] == ["AbortError"])
    wait_for(lambda: "survivor" in node.get("fetch", "/done").json)


def test_max_duration_aborts_the_signal(node):
    node.apply({"brief": node_apps.service("fetch.mjs", maxDuration=1)})
    assert node.get("brief", "/wait").status == 504
    wait_for(lambda: node.get("brief", "/seen").json["aborted"])
    assert node.get("brief").status == 200
    node.cli("rm", "brief")


def test_process_exit_ends_the_instance_and_the_log_says_who_called_it(node):
    node.apply({"quitter": node_apps.service("http.mjs")})
    reply = node.get("quitter", "/exit", method="POST")
    assert reply.status == 502, reply
    ident = reply.headers["x-ebb-id"]
    assert f"process.exit(7) called by request {ident}" in log_of(node, "quitter")
    assert node.get("quitter").status == 200
    node.cli("rm", "quitter")


def test_stop_finishes_what_is_open(node):
    node.apply({"stopped": node_apps.service("http.mjs")})
    node.get("stopped")
    instance = node.instance("stopped")["id"]
    with web.Raw(node.address) as raw:
        raw.send(b"GET /sleep?ms=1000 HTTP/1.1\r\nHost: stopped.localhost\r\n\r\n")
        wait_for(lambda: node.instance("stopped")["tickets"] > 0)
        node.rest("POST", f"/v1/instances/{instance}/stop")
        assert b"200 OK" in raw.read_until(b"slept")
    wait_for(lambda: instance not in [i["id"] for i in node.instances("stopped")])
    assert "process.exit" not in log_of(node, "stopped")  # the runtime's own end is nobody's request
    node.cli("rm", "stopped")


@pytest.mark.parametrize("how", ["close", "later", "says", "dispose", "exit"])
def test_a_program_that_handles_sigterm_itself_is_let_do_it(node, how):
    """SIGTERM comes while a request is open, and while the gateway has an idle connection: the program closes its
    server without an error and ends with 0 long before the grace is over, and no request is lost."""
    node.apply({"graceful": node_apps.service("graceful.mjs", env={"HOW": how}, ebb={"stopGrace": "60s"})})
    node.get("graceful")
    instance = node.instance("graceful")["id"]
    with web.Raw(node.address) as raw:
        raw.send(b"GET /?ms=700 HTTP/1.1\r\nHost: graceful.localhost\r\n\r\n")
        wait_for(lambda: node.instance("graceful")["tickets"] > 0)
        node.rest("POST", f"/v1/instances/{instance}/stop")
        assert b"200 OK" in raw.read_until(b"graceful")
    wait_for(lambda: instance not in [i["id"] for i in node.instances("graceful")], 20)
    log = log_of(node, "graceful")
    assert "closed in peace" in log and "ERR_SERVER" not in log
    node.cli("rm", "graceful")


def test_a_program_that_listens_to_rejections_decides_what_becomes_of_them(node):
    """Next's image route rejects on the side of good answers."""
    node.apply({"graceful": node_apps.service("graceful.mjs", env={"HOW": "close"})})
    replies = web.many(20, lambda i: node.get("graceful", "/side"))
    assert [r.status for r in replies] == [200] * 20
    assert len({r.instance for r in replies}) == 1
    wait_for(lambda: log_of(node, "graceful").count("seen by the program: work on the side") == 20)
    assert node.instance("graceful")["id"] == replies[0].instance
    node.cli("rm", "graceful")


def test_the_store_of_tracing_is_kept_beside_the_request(runtimes_ebb):
    """Another AsyncLocalStorage around each request, in its work and in the events of its connection."""
    with node_apps.deployed(runtimes_ebb, {"tracing": node_apps.service("tracing.mjs")}) as ebb:
        replies = web.many(20, lambda i: ebb.get("tracing", f"/{i}", headers={"x-forwarded-for": "10.1.2.3"}))
        for number, reply in enumerate(replies):
            seen = reply.json
            assert seen["id"] == reply.headers["x-ebb-id"] and seen["seen"] == [f"/{number}"] * 2, seen
            assert (seen["peer"], seen["port"]) == ("127.0.0.1", 8080), seen
        closed = wait_for(lambda: len(found := ebb.get("tracing", "/last").json["closed"]) >= 20 and found)
        ids = {reply.headers["x-ebb-id"] for reply in replies}
        assert ids <= {ident for _, ident in closed}, closed


@pytest.mark.parametrize("name", ["http", "express", "fastify"])
def test_no_timer_that_the_program_did_not_set_wakes_a_frozen_instance(node, name):
    """After many requests, V8 and Node have work of their own for later. Without the runtime's care it was due within 20 s."""
    assert {r.status for r in web.many(300, lambda i: node.get(name))} == {200}
    (frozen,) = node.wait_frozen(name)
    wait_for(lambda: "thaws in" not in node.cli("why", frozen["id"]).out)
    before = len(node.events(frozen["id"], "instance_thawed"))
    pass_time(3)
    assert "thaws in" not in node.cli("why", frozen["id"]).out
    assert len(node.events(frozen["id"], "instance_thawed")) == before


def test_a_timer_of_the_program_wakes_it_in_time(node):
    node.get("http", "/timer?ms=2000")
    (frozen,) = node.wait_frozen("http")
    assert "for a timer" in node.cli("why", frozen["id"]).out
    wait_for(lambda: [e for e in node.events(frozen["id"], "instance_thawed") if "for a timer" in e["text"]])
    late = wait_for(lambda: node.get("http", "/seen").json["lateMs"], 20)
    assert -5 < late < 1000, late
