# SPDX-License-Identifier: Apache-2.0
"""The death of an instance harms no other request: requests that may run again do so, the clients of the others
are told why, and a request that keeps killing instances is refused."""
import itertools
import platform
import signal
import threading

import pytest

import pictures
import web
from waiting import slow, wait_for

KINDS = ["probe"] if pictures.IN_VM else ["probe", "killer-node", "killer-python"]
DEATHS = {"exit": "exited with code 3", "segfault": "killed by signal 11", "oom": "ran out of memory (oom"}
PROBE_PATHS = {"exit": "/exit", "segfault": "/crash", "oom": "/alloc?mb=600"}


NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def host(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for kind in KINDS[1:]:
        module_ebb.import_image("oci-archive:" + pictures.apps_archive(kind), kind)
    return module_ebb


@pytest.fixture(params=KINDS)
def service(host, request):
    """(name of the service, path(how): the path that makes it die so). A number as maxConcurrency: a busy machine starts no
    second instance beside the first."""
    kind = request.param
    name = f"{kind}-{next(NUMBERS)}"
    host.apply({name: {"runtime": "container", "entrypoint": kind, "memory": 256, "maxInstances": 4,
                       "maxConcurrency": 100,
                       "ebb": {"cpu": 1000, "initTimeout": f"{slow(10):.0f}s"}}})
    assert host.get(name).status == 200
    yield name, lambda how: PROBE_PATHS[how] if kind == "probe" else "/" + how
    host.cli("rm", name)
    wait_for(lambda: not host.instances(name), 30)


def post(ebb, name, path):
    return ebb.get(name, path, method="POST", body=b"x", timeout=60)


def message(reply):
    return reply.json["error"]["message"]


class Innocents:
    """Requests that go on as long as this instance of the service lives; another instance answers them at once."""

    def __init__(self, ebb, name, gets, posts, instance):
        path = f"/sleep?ms=50000&only={instance}"
        calls = [lambda: ebb.get(name, path, timeout=60)] * gets
        calls += [lambda: post(ebb, name, path)] * posts
        self.ebb, self.name, self.replies = ebb, name, [None] * len(calls)
        self.threads = [threading.Thread(target=self.run, args=(i, c)) for i, c in enumerate(calls)]

    def run(self, i, call):
        self.replies[i] = call()

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_for(lambda: sum(i["tickets"] for i in self.ebb.instances(self.name)) == len(self.threads))
        return self

    def __exit__(self, *_):
        for t in self.threads:
            t.join()


@pytest.mark.parametrize("how", DEATHS)
def test_innocents_run_again_and_the_others_hear_the_cause(host, service, how):
    name, path = service
    before = host.get(name).instance
    with Innocents(host, name, gets=10, posts=3, instance=before) as innocents:
        killer = post(host, name, path(how))
    gets, posts = innocents.replies[:10], innocents.replies[10:]
    assert [r.status for r in gets] == [200] * 10
    assert before not in {r.instance for r in gets}
    for reply in [killer, *posts]:
        assert (reply.status, reply.headers["x-ebb-error"]) == (502, "INSTANCE_CRASHED"), reply
        assert DEATHS[how] in message(reply) and before in message(reply), message(reply)
    assert host.get(name).status == 200
    assert len(host.events(name, "instance_failed")) == 1


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 calls, which end by seccomp, exist on x86_64 only")
def test_who_is_killed_by_its_seccomp_filter_is_told_so(host):
    host.apply({"forbidden": {"runtime": "container", "entrypoint": "probe", "maxInstances": 2}})
    first = host.get("forbidden").instance
    reply = post(host, "forbidden", "/try?call=x32")
    assert (reply.status, reply.headers["x-ebb-error"]) == (502, "INSTANCE_CRASHED"), reply
    assert f"{first} made a system call that is not allowed (seccomp)" in message(reply)
    assert f"killed by signal {signal.SIGSYS:d} while it had this request" in message(reply)
    (failed,) = host.events("forbidden", "instance_failed")
    assert failed["instance"] == first and "not allowed (seccomp)" in failed["text"], failed
    wait_for(lambda: first not in host.cli("ps").out)
    assert host.get("forbidden").instance != first
    host.cli("rm", "forbidden")
    wait_for(lambda: not host.instances("forbidden"), 20)


def test_a_killer_that_may_be_repeated_gets_two_instances_and_is_then_refused(host, service):
    """A client's request is given two instances at most. When three instances in a row have died under requests of
    one kind, only that kind is refused until a cool-down is over."""
    name, path = service
    first = host.get(name, path("exit"), timeout=60)
    assert first.status == 502 and "gets no third" in message(first), message(first)
    assert len(host.events(name, "instance_failed")) == 2
    second = host.get(name, path("exit"), timeout=60)
    assert (second.status, second.headers["x-ebb-error"]) == (503, "INSTANCE_CRASHED"), second
    assert 1 <= int(second.headers["retry-after"]) <= 11
    assert "ended by themselves" in message(second)
    assert len(host.events(name, "instance_failed")) == 3
    assert f"GET {path('exit')} is refused" in host.events(name, "request_banned")[0]["text"]
    assert {r.status for r in web.many(10, lambda i: host.get(name, path("exit")))} == {503}
    assert {r.status for r in web.many(10, lambda i: host.get(name))} == {200}
    assert len(host.events(name, "instance_failed")) == 3


def test_a_killer_of_which_the_body_came_later_is_named_too(host):
    """The gateway holds such a request no longer when it dies."""
    host.apply({"later": {"runtime": "container", "entrypoint": "probe", "memory": 256, "maxInstances": 4,
                        "ebb": {"cpu": 1000}}})
    assert host.get("later").status == 200
    for _ in range(3):
        with web.Raw(host.address) as raw:
            raw.send(b"POST /alloc?mb=600 HTTP/1.1\r\nHost: later.localhost\r\nContent-Length: 1\r\n\r\n")
            wait_for(lambda: sum(i["tickets"] for i in host.instances("later")) == 1)
            raw.send(b"x")
            assert b" 502 " in raw.read_until(b"\r\n")
    banned = wait_for(lambda: host.events("later", "request_banned"))
    assert banned[0]["text"].startswith("POST /alloc is refused for "), banned
    host.cli("rm", "later")
    wait_for(lambda: not host.instances("later"), 20)


def test_who_shared_instances_with_a_killer_is_not_blamed(host):
    host.deploy("shared", "probe", "--max", 4)
    assert host.get("shared").status == 200
    for _ in range(3):
        with Innocents(host, "shared", gets=5, posts=0, instance=host.get("shared").instance) as innocents:
            post(host, "shared", "/exit")
        assert [r.status for r in innocents.replies] == [200] * 5
    banned = wait_for(lambda: host.events("shared", "request_banned"))
    assert [e["text"].split(" is refused")[0] for e in banned] == ["POST /exit"]
    assert post(host, "shared", "/exit").status == 503
    assert host.get("shared", "/sleep?ms=1").status == 200
    # When the cool-down is over it may try again, and a new revision starts with a clean sheet.
    wait_for(lambda: post(host, "shared", "/exit").status == 502, 20)
    wait_for(lambda: post(host, "shared", "/exit").status == 503)
    host.deploy("shared", "probe", "--max", 4, "--env", "FIXED=1")
    wait_for(lambda: "FIXED=1" in host.get("shared", "/env").text)
    assert post(host, "shared", "/exit").status == 502
    host.cli("rm", "shared")
    wait_for(lambda: not host.instances("shared"), 20)


def test_an_instance_on_which_nobody_listens_any_more_is_replaced(host):
    """Its process lives, so only a gateway sees that: the kernel refuses each connection."""
    host.apply({"deaf": {"runtime": "container", "entrypoint": "probe", "memory": 128, "maxInstances": 1,
                         "env": {"PROBE_CLOSES_BEHIND": "GET"}}})
    first = host.get("deaf").instance
    assert host.get("deaf", "/try?call=deaf").text == "OK"
    host.get("deaf")  # an honest error, or an answer of the next instance
    assert wait_for(lambda: (reply := host.get("deaf")).status == 200 and reply.instance) != first
    assert any("nobody listens on its port" in text for text in host.told(first, "instance_unresponsive")), host.log()
    host.cli("rm", "deaf")
    wait_for(lambda: not host.instances("deaf"), 30)
