# SPDX-License-Identifier: Apache-2.0
"""The Python runtime: ASGI applications under uvicorn, WSGI under waitress, on the inherited socket; an error in one request stays in it. A program that listens itself is served as it is."""
import collections
import socket
import time

import pytest

import node_apps
import pictures
import web
from node_apps import python_service as service
from waiting import SLOW, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

THROWS = {"asgi": ["handler", "timer", "task", "callback", "thread", "stream"],
          "wsgi": ["handler", "timer", "thread", "stream"]}


@pytest.fixture(scope="module")
def python(runtimes_ebb):
    services = {"asgi": service("asgi:app"), "wsgi": service("wsgi:app")}
    with node_apps.deployed(runtimes_ebb, services) as ebb:
        yield ebb


def log_of(ebb, name):
    return ebb.cli("logs", name).out


@pytest.mark.parametrize("name,count", [("asgi", 100), ("wsgi", 30)])
def test_applications_serve_many_at_once_on_the_inherited_socket(python, name, count):
    assert python.get(name).text.startswith("hello from ")
    assert python.get(name, "/peer").json["peer"] == "127.0.0.1"
    begun = time.monotonic()
    replies = web.many(count, lambda i: python.get(name, "/sleep?ms=500"))
    assert [r.status for r in replies] == [200] * count
    assert time.monotonic() - begun < 2 * SLOW
    assert len({r.instance for r in replies}) == 1


def test_shared_libraries_are_found_by_name(python):
    """ctypes.util.find_library() asks ldconfig(8); drivers without a part in C need that."""
    assert python.get("asgi", "/library?name=c").json == {"found": "libc.so.6"}
    assert python.get("asgi", "/library?name=ssl").json == {"found": "libssl.so.3"}
    assert python.get("asgi", "/library?name=nothing").json == {"found": None}


@pytest.mark.parametrize("name", THROWS)
def test_one_of_hundred_throws_and_only_that_one_fails(python, name):
    """In a handler, a timer, a task nobody awaits, a callback, a thread, a stream."""
    instance = python.get(name).instance
    for how in THROWS[name]:
        replies = web.many(100, lambda i: python.get(
            name, f"/throw?in={how}" if i == 50 else "/sleep?ms=20"))
        assert collections.Counter(r.status for r in replies) == {200: 99, 500: 1}, how
        assert replies[50].status == 500
        if not (name == "wsgi" and how == "handler"):  # there Flask answers and logs
            ident = replies[50].headers["x-ebb-id"]
            wait_for(lambda: f"request {ident}" in log_of(python, name), what=how)
    assert python.get(name).instance == instance


@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_work_goes_on_behind_the_response(python, name):
    reply = python.get(name, "/later?name=first&ms=100")
    assert reply.json["request"] == reply.headers["x-ebb-id"]
    assert 0 < reply.json["deadline"] - time.time() < 300
    wait_for(lambda: "first" in python.get(name, "/show").json["done"])


def test_a_client_that_goes_away_is_a_disconnect_and_its_work_survives(python):
    python.get("asgi")
    sock = socket.create_connection(python.address)
    sock.sendall(b"GET /wait?name=survivor HTTP/1.1\r\nHost: asgi.localhost\r\n\r\n")
    wait_for(lambda: python.instance("asgi")["tickets"] > 0)
    sock.close()
    wait_for(lambda: python.get("asgi", "/show").json["disconnected"] == 1)
    wait_for(lambda: "survivor" in python.get("asgi", "/show").json["done"])


def test_max_duration_cancels_the_handler(python):
    python.apply({"short": service("asgi:app", maxDuration=1)})
    assert python.get("short", "/forever").status in (500, 504)
    wait_for(lambda: python.get("short", "/show").json["cancelled"] == 1)
    python.cli("rm", "short")


@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_sys_exit_ends_the_instance_and_the_log_says_who_called_it(python, name):
    quitter = name + "-quitter"
    python.apply({quitter: service(name + ":app")})
    reply = python.get(quitter, "/leave", method="POST")
    assert reply.status == 502, reply
    assert f"sys.exit(7) called by request {reply.headers['x-ebb-id']}" in log_of(python, quitter)
    assert python.get(quitter).status == 200
    python.cli("rm", quitter)


@pytest.mark.parametrize("name", ["asgi", "wsgi"])
def test_stop_finishes_what_is_open(python, name):
    stopped = name + "-stopped"
    python.apply({stopped: service(name + ":app")})
    python.get(stopped)
    instance = python.instance(stopped)["id"]
    with web.Raw(python.address) as raw:
        raw.send(f"GET /sleep?ms=1000 HTTP/1.1\r\nHost: {stopped}.localhost\r\n\r\n".encode())
        wait_for(lambda: python.instance(stopped)["tickets"] > 0)
        python.rest("POST", f"/v1/instances/{instance}/stop")
        assert b"200 OK" in raw.read_until(b"slept")
    wait_for(lambda: instance not in [i["id"] for i in python.instances(stopped)])
    python.cli("rm", stopped)
