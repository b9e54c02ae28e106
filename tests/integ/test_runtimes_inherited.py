# SPDX-License-Identifier: Apache-2.0
"""Runtimes of ours (EBB_RUNTIME=1) serve on the listening socket they inherit; foreign images do not."""
import pytest

import pictures
import web
from waiting import wait_for


@pytest.fixture(scope="module")
def own(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.own_archive(), "own")
    return module_ebb


def put(at, name, env=None, **more):
    return at.apply({name: {"runtime": "container", "entrypoint": "own", "env": env or {},
                             "maxInstances": 1, **more}}, ok=False)


def test_requests_reach_the_inherited_socket(own):
    put(own, "inherit")
    env = own.get("inherit", "/env").text.split()
    assert "LISTEN_FDS=1" in env and "LISTEN_PID=2" in env
    assert own.get("inherit", "/link?path=/proc/self/fd/3").text.startswith("socket:")
    ready = own.cli("events", "--json").out
    assert "accepts on its inherited socket" in ready


def test_bodies_and_many_at_once_go_over_it(own):
    put(own, "inherit")
    body = bytes(range(256)) * 4096
    assert own.get("inherit", "/echo", method="POST", body=body).body == body
    replies = web.many(200, lambda i: own.get("inherit", "/sleep?ms=300"))
    assert [r.status for r in replies] == [200] * 200
    assert len({r.instance for r in replies}) == 1


def test_it_freezes_and_thaws_like_any_other(own):
    put(own, "inherit")
    own.get("inherit")
    own.wait_frozen("inherit")
    assert own.get("inherit").start == "thaw"


def test_requests_before_the_program_is_ready_wait_for_it(own):
    put(own, "slow", {"PROBE_MODE": "slow"})
    replies = web.many(10, lambda i: own.get("slow"))
    assert {r.status for r in replies} == {200}


def failure(ebb, name):
    reply = ebb.get(name)
    assert reply.status in (502, 503), reply
    return reply.text


def test_one_that_ignores_the_socket_is_told_so(own):
    put(own, "ignore", {"PROBE_MODE": "ignore"}, ebb={"initTimeout": "500ms"})
    assert "accepted nothing on the listening socket it inherited" in failure(own, "ignore")


def test_one_that_closes_the_socket_is_told_so(own):
    put(own, "close", {"PROBE_MODE": "close"})
    assert "closed the listening socket it inherited" in failure(own, "close")


def test_one_that_exits_at_start_is_reported_as_that(own):
    put(own, "exit", {"PROBE_MODE": "exit"})
    assert "exited with code 7" in failure(own, "exit")


def test_foreign_image_inherits_nothing(module_probe):
    env = module_probe.get("probe", "/env").text
    assert "LISTEN_FDS" not in env and "EBB_RUNTIME" not in env
    wait_for(lambda: "accepts on port 8080" in module_probe.cli("events", "--json").out)
