# SPDX-License-Identifier: Apache-2.0
"""examples/multi: a frontend, a Node API and a Python backend with WebSockets on one domain, from a vercel.json as it
is."""
import json
import os

import pytest

import pictures
from test_edge_websockets import Socket
from waiting import wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="the guest has neither compiler nor bases")
FILE = os.path.join(pictures.PROJECT, "examples/multi/vercel.json")


@pytest.fixture(scope="module", name="multi")
def deployed(module_ebb):
    done = module_ebb.cli("deploy", "-f", FILE, "--strict", timeout=120)  # nothing of it is left out
    assert "multi: deployment 1, created" in done.err, done
    return module_ebb


def get(ebb, path):
    return ebb.get("multi", path)


def states(ebb):
    return {i["service"]: i["state"] for i in ebb.instances()}


def test_each_path_of_the_domain_reaches_its_service(multi):
    page, script = get(multi, "/"), get(multi, "/app.js")
    assert page.status == 200 and "three services" in page.text and page.headers["x-content-type-options"] == "nosniff"
    assert "WebSocket" in script.text
    assert get(multi, "/chat").headers["location"] == "/"
    assert set(get(multi, "/api/time").json) == {"now"}
    assert get(multi, "/api/none").json == {"error": "not found"}  # the API's own 404 is the last word
    assert get(multi, "/none").status == 404 and get(multi, "/messages").status == 404  # only /live leads to the backend


def test_messages_reach_everybody_and_the_api_over_freezes(multi):
    ada, bob = Socket(multi, "multi", "/live"), Socket(multi, "multi", "/live")
    ada.say("hello")
    assert ada.hear_message() == bob.hear_message() == "hello"
    wait_for(lambda: {states(multi)[name] for name in ("frontend", "api")} == {"frozen"}, 20)
    assert get(multi, "/api/messages").json == {"messages": ["hello"]}  # the API thaws, and asks the backend
    bob.say("two")
    assert ada.hear_message() == bob.hear_message() == "two"
    ada.close()
    bob.close()
    wait_for(lambda: set(states(multi).values()) == {"frozen"}, 20)
    assert get(multi, "/api/messages").json == {"messages": ["hello", "two"]}  # both thaw
    assert len(multi.instances("backend")) == 1


def test_a_second_deployment_changes_nothing(multi):
    before = {s["name"]: s["revision"] for s in multi.services()}
    multi.cli("deploy", "-f", FILE, timeout=120)
    assert {s["name"]: s["revision"] for s in multi.services()} == before
    assert json.load(open(FILE, encoding="ascii"))["services"].keys() == before.keys()
