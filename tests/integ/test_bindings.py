# SPDX-License-Identifier: Apache-2.0
"""Services call each other at a URL of their own loopback: requests like any other, thawed for, billed to the called
service, traced, bounded, and private where a service says so. Callers are in C, Node and Python."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal

import pictures
import pytest
from queues import Inside, connect
from waiting import throughout, wait_for

NODE = pytest.mark.skipif(pictures.IN_VM, reason="interpreters are too slow under emulation")


def bound(service, env="API_URL"):
    return {"type": "service", "service": service, "format": "url", "env": env}


def settings(*bindings, **more):
    return {"image": "probe", "maxInstances": 1, "bindings": [bound(*b) for b in bindings], **more}


def put(ebb, name, document, query=""):
    reply = ebb.rest("PUT", f"/v1/services/{name}{query}", document)
    assert reply.status in (200, 201), reply
    return reply.json


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=2, settings={"access_log": 1})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


@pytest.fixture(name="pair")
def two_services(ebb):
    """web calls api, which nobody else reaches."""
    put(ebb, "api", settings(ebb={"private": True}))
    put(ebb, "web", settings(("api",)))
    return ebb


def call(ebb, path="/", env="API_URL", service="web", words="", **more):
    """The answer that the caller got, whole, as text."""
    reply = ebb.get(service, f"/call?env={env}&path={path}{words}", **more)
    assert reply.status == 200, reply
    return reply.text


def lines(ebb):
    """The access log's."""
    found = []
    for number in range(ebb.gateways):
        path = f"{ebb.root}/log/_access/gateway-{number}.log"
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                found += [json.loads(line) for line in file]
    return found


def test_a_call_is_a_request_of_the_called_service_and_of_nobody_else(pair):
    ebb = pair
    for host in ("api.localhost", "api.example", None):
        assert ebb.http("/", host=host).status == 404  # no public request is for it
    got = call(ebb, "/head")
    assert got.startswith("HTTP/1.1 200 ") and re.search(r"\r\nx-ebb-instance: api-\d+\r\n", got), got
    head = got.split("\r\n\r\n", 1)[1].lower()
    for wanted in ("x-ebb-caller: web", "x-ebb-depth: 1", "x-real-ip: 127.0.0.1", "via: 1.1 ebb", "traceparent: 00-"):
        assert wanted in head, (wanted, head)
    assert f"API_URL=http://127.0.0.1:{port_of(ebb)}" in ebb.get("web", "/env").text
    # It is thawed for, and the bill is its own.
    ebb.wait_frozen("api")
    assert "x-ebb-start: thaw" in call(ebb)
    before = {name: ebb.usage(name) for name in ("web", "api")}
    assert call(ebb, "/burn?ms=100").startswith("HTTP/1.1 200")
    after = {name: ebb.usage(name) for name in ("web", "api")}
    used = {name: after[name]["active_cpu_us"] - before[name]["active_cpu_us"] for name in after}
    assert used["api"] > 60_000 and used["api"] > used["web"], used
    assert [after[n]["invocations"] - before[n]["invocations"] for n in ("web", "api")] == [1, 1]
    line = wait_for(lambda: [r for r in lines(ebb) if r.get("service") == "api" and r["target"] == "/head"])[0]
    assert line["caller"] == ebb.instance("web")["id"] and line["peer"] == "127.0.0.1" and line["status"] == 200


def port_of(ebb, env="API_URL", service="web"):
    return int(re.search(rf"{env}=http://127.0.0.1:(\d+)\n", ebb.get(service, "/env").text).group(1))


def test_words_about_depth_and_caller_are_of_gateways_only(pair):
    ebb = pair
    forged = {"x-ebb-depth": "7", "x-ebb-caller": "evil", "x_ebb_depth": "7"}
    assert "evil" not in ebb.get("web", "/head", headers=forged).text
    assert "x-ebb-depth: 0" in ebb.get("web", "/head", headers=forged).text.lower()  # web calls others
    got = call(ebb, "/head", headers=forged)
    assert "x-ebb-depth: 1" in got.lower() and "evil" not in got, got
    for said in ("x-ebb-caller:evil", "x-ebb-depth:9", "x-ebb-depth:-1", "x-ebb-depth:0", "x-ebb-depth:99999999999",
                 "forwarded:for=1.2.3.4", "x-forwarded-for:1.2.3.4", "x-real-ip:1.2.3.4"):
        got = call(ebb, "/head", words="&say=" + said).lower()
        assert "x-ebb-depth: 1\r" in got and "x-ebb-caller: web" in got and "1.2.3.4" not in got, (said, got)


def post(pid, port, path, headers):
    """A POST of what runs in that process's network: the status of the answer."""
    with contextlib.closing(http.client.HTTPConnection("callee")) as connection:
        connection.sock = connect(pid, port)
        connection.request("POST", path, b"{}", headers)
        return connection.getresponse().status


def test_a_binding_is_no_right_to_the_queues_of_the_called_service(ebb):
    sdk = "/.well-known/workflow/v1/"
    paths = ["/note", sdk + "flow", sdk + "step"]
    triggers = [{"type": "queue/v2beta", "topic": f"t{n}", "path": path} for n, path in enumerate(paths)]
    put(ebb, "api", {"image": "probe", "maxInstances": 1, "minInstances": 1, "experimentalTriggers": triggers,
                     "ebb": {"private": True}})
    put(ebb, "web", settings(("api",), minInstances=1))
    assert call(ebb, "/").startswith("HTTP/1.1 200")
    pid, port = Inside(ebb, "web").pid, port_of(ebb)
    forged = {"ce-vqsmessageid": "1", "ce-vqsdeliverycount": "4", "x-ebb-attempt": "1", "x-ebb-run": "1", "x-ebb-revision": "1"}
    for path in (*paths, "/NOTE", "//note", "/%6eote", "/x/../note", "/note?a=1", sdk + "FLOW"):
        assert post(pid, port, path, forged) in (400, 404), path
    assert post(pid, port, "/noted", forged) == 200 and "POST" not in call(ebb, "/noted")
    with contextlib.closing(Inside(ebb, "api")) as inside:  # ebb itself comes to it
        inside.send("t0", b"{}")
        wait_for(lambda: "POST /note" in call(ebb, "/noted"))


def test_a_loop_ends_with_508(ebb):
    put(ebb, "loop", settings(("loop", "SELF")))
    got = ebb.get("loop", "/call?env=SELF&again=1").text
    assert got.count("HTTP/1.1 200 ") == 15 and got.count("HTTP/1.1 508 Loop Detected") == 1, got
    assert "x-ebb-error: LOOP_DETECTED" in got and "number 16 of a chain" in got
    # Two services that call each other, deployed in one file, though neither was there before.
    ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "bindings": [bound(other, "NEXT")]}
               for name, other in (("ping", "pong"), ("pong", "ping"))})
    got = ebb.get("ping", "/call?env=NEXT&again=1").text
    assert got.count("HTTP/1.1 508") == 1 and got.count("x-ebb-instance: ping") == 7, got
    # Nothing stays behind: the next chain begins anew.
    for name in ("ping", "pong"):
        ebb.wait_frozen(name)
    assert "508" in ebb.get("pong", "/call?env=NEXT&again=1").text
    assert call(ebb, "/", "NEXT", "ping").startswith("HTTP/1.1 200")


BAD = [
    ({"service": "api", "env": "A", "type": "queue"}, "type"), ({"service": "api", "env": "A", "format": "host"}, "format"),
    ({"service": "API!", "env": "A"}, "service"), ({"service": "api"}, "env"), ({"service": "api", "env": "A B"}, "env"),
    ({"service": "api", "env": "PORT"}, "ebb itself"), ({"service": "api", "env": "SET"}, "sets itself"),
    ({"service": "api", "env": "A", "more": 1}, "unknown key"), ("api", "not an object"),
    ({"service": "api", "env": "V" * 128}, "too long"), ({"service": "nobody", "env": "A"}, 'no service \\"nobody\\"'),
]


def test_a_binding_that_cannot_be_is_refused_with_its_path(pair):
    ebb = pair
    for binding, words in BAD:
        reply = ebb.rest("PUT", "/v1/services/bad", {**settings(), "env": {"SET": "1"}, "bindings": [binding]})
        assert reply.status == 422 and words in reply.text and "bindings[0]" in reply.text, (binding, reply)
    twice = ebb.rest("PUT", "/v1/services/bad", settings(("api",), ("api",)))
    assert twice.status == 422 and "another binding" in twice.text
    many = ebb.rest("PUT", "/v1/services/bad", settings(*(("api", f"A{n}") for n in range(9))))
    assert many.status == 422 and "..8" in many.text
    near = ebb.rest("PUT", "/v1/services/bad", settings(("apo",)))
    assert "did you mean 'api'" in near.text
    # Eight are fine, the function's own port is left out, and an answer can be sent back.
    put(ebb, "eight", settings(*(("api", f"A{n}") for n in range(8)), ebb={"port": 29903}))
    ports = [port_of(ebb, f"A{n}", "eight") for n in range(8)]
    assert len(set(ports)) == 8 and 29903 not in ports
    assert all(call(ebb, "/", f"A{n}", "eight").startswith("HTTP/1.1 200") for n in range(8))
    shown = ebb.rest("GET", "/v1/services/eight").json
    assert ebb.rest("PUT", "/v1/services/eight", shown).status == 200


def test_a_removed_service_is_an_error_of_the_call_and_its_successor_is_found(pair):
    ebb = pair
    assert call(ebb).startswith("HTTP/1.1 200")
    ebb.cli("rm", "api")
    got = wait_for(lambda: (got := call(ebb)).startswith("HTTP/1.1 404") and got)
    assert "x-ebb-error: NO_SERVICE" in got and "service of this binding" in got
    put(ebb, "other", settings())  # takes the number that api had
    assert call(ebb).startswith("HTTP/1.1 404")
    put(ebb, "api", settings())
    wait_for(lambda: "x-ebb-instance: api-" in call(ebb))


def test_a_caller_gets_the_revision_that_it_was_deployed_with_while_that_serves(pair):
    ebb = pair
    put(ebb, "api", settings(env={"A": "2"}))
    put(ebb, "web", settings(("api",), env={"W": "2"}))
    put(ebb, "api", settings(env={"A": "3"}))
    assert ebb.rest("GET", "/v1/services/web").json["bindings"][0]["revision"] == 2
    ebb.handed_over(["api"])
    assert "A=3" in call(ebb, "/env")  # revision 2 serves no more
    shares = {"traffic": [{"revision": 2, "percent": 1}, {"revision": 3, "percent": 99}]}
    assert ebb.rest("PUT", "/v1/services/api/traffic", shares).status == 200
    wait_for(lambda: "A=2" in call(ebb, "/env"))
    assert all("A=2" in call(ebb, "/env") for _ in range(10))
    # The same settings are no new revision, although api has changed.
    assert put(ebb, "web", settings(("api",), env={"W": "2"}))["change"] == "unchanged"


def test_calls_outlive_gateways_freezes_and_instances(pair):
    ebb = pair
    assert call(ebb).startswith("HTTP/1.1 200")
    for _ in range(2):
        victims = ebb.programs("ebb-gateway")
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        wait_for(lambda gone=victims: len(set(ebb.programs("ebb-gateway")) - set(gone)) == 2)
        ebb.wait_frozen("web")
        # A new gateway has the listeners that the instance was born with.
        wait_for(lambda: ebb.http("/", host="web.localhost").status == 200)
        assert wait_for(lambda: call(ebb).startswith("HTTP/1.1 200"))
    first = ebb.instance("web")["id"]
    for name in ("api", "web"):
        ebb.cli("stop", ebb.instance(name)["id"])
    wait_for(lambda: first not in [i["id"] for i in ebb.instances()])
    assert call(ebb).startswith("HTTP/1.1 200")
    # One that ends in the middle of a call is a client that left.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ebb.get, "web", "/call?env=API_URL&path=/sleep?ms=5000", method="POST")
        wait_for(lambda: ebb.instance("api")["tickets"] == 1)
        os.kill(ebb.instance("web")["pid"], signal.SIGKILL)
        assert waiting.result().status == 502
    wait_for(lambda: ebb.instance("api")["tickets"] == 0)


def test_a_hostile_caller_leaves_connections_to_the_public(new_ebb):
    ebb = new_ebb(settings={"connections_max": 64})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "api", settings())
    for name in ("evil", "good"):
        put(ebb, name, settings(("api",)))
    found = ebb.get("evil", "/call?env=API_URL&path=/sleep?ms=300&hold=200").json
    assert found["answered"] == 4 and found["refused"] + found["cut"] == 196, found
    with concurrent.futures.ThreadPoolExecutor() as pool:
        held = pool.submit(ebb.get, "evil", "/call?env=API_URL&path=/sleep?ms=2000&hold=200")
        wait_for(lambda: ebb.instance("api")["tickets"] == 4)
        assert ebb.get("api", "/").status == 200  # the public, and other callers
        assert call(ebb, service="good").startswith("HTTP/1.1 200")
        assert held.result().status == 200
    wait_for(lambda: call(ebb, service="evil").startswith("HTTP/1.1 200"))


def test_frozen_callers_and_listeners_wake_nobody(pair):
    ebb = pair
    for number in range(3):
        put(ebb, f"idle{number}", settings(("api",), ("api", "B")))
        assert ebb.get(f"idle{number}", "/").status == 200
        ebb.wait_frozen(f"idle{number}")

    def enters():
        for pid in ebb.programs("ebb-gateway"):
            os.kill(pid, signal.SIGUSR1)
        return [ebb.instance(f"idle{n}")["state"] for n in range(3)]
    assert all(states == ["frozen"] * 3 for states in throughout(0.5, enters))


@pytest.fixture(scope="module", name="callers")
def node_and_python(module_ebb):
    ebb = module_ebb
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("calls-node", "calls-python", "ws-node"):
        ebb.import_image("oci-archive:" + pictures.apps_archive(name), name)
    put(ebb, "api", settings(ebb={"private": True}))
    put(ebb, "sockets", {"image": "ws-node", "maxInstances": 1, "memory": 1024, "ebb": {"private": True}})
    for name in ("calls-node", "calls-python"):
        put(ebb, name, {"image": name, "maxInstances": 1, "memory": 1024,
                        "bindings": [bound("api"), bound("api", "EARLY_URL"), bound("sockets", "WS_URL")]})
    return ebb


@NODE
@pytest.mark.parametrize("name", ["calls-node", "calls-python"])
def test_programs_call_with_their_own_clients(callers, name):
    ebb = callers
    for _ in range(3):  # with its pool, frozen in between
        assert ebb.get(name, "/?env=API_URL&path=/head").status == 200
        ebb.wait_frozen(name)
        ebb.wait_frozen("api")
    assert f"x-ebb-caller: {name}" in ebb.get(name, "/?env=API_URL&path=/head").text.lower()
    assert ebb.get(name, "/?env=API_URL&path=/status?code=418").status in (418, 200)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        done = [pool.submit(ebb.get, name, "/?env=API_URL&path=/sleep?ms=50") for _ in range(60)]
        assert {d.result().status for d in done} == {200}
    assert len(ebb.instances(name)) == 1


@NODE
def test_a_program_may_call_before_it_listens(callers):
    assert callers.get("calls-node", "/early").text != ""


@NODE
def test_a_websocket_and_a_stream_pass_a_binding(callers):
    ebb = callers
    assert ebb.get("calls-node", "/ws?env=WS_URL").text == "0:hello"
    reply = ebb.get("calls-node", "/?env=API_URL&path=/stream?count=5%26ms=50")
    assert reply.text == "".join(f"part {n}\n" for n in range(5)), reply
