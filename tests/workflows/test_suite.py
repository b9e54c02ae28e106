# SPDX-License-Identifier: Apache-2.0
"""The five tests of npm's @workflow/world-testing, and what they leave out."""
import time

from waiting import wait_for

SDK = "/.well-known/workflow/v1/"


def test_the_world_is_chosen_and_the_routes_are_private(suite):
    assert suite.ask("/world").json["target"] == "/usr/lib/ebb/node/world/index.cjs"
    for route in ("flow", "step"):
        reply = suite.ebb.http(SDK + route, host="suite.localhost", method="POST", body=b"{}")
        assert reply.status == 404 and "Only ebb delivers" in reply.text, reply


# --- of @workflow/world-testing -----------------------------------------------------------------------------------
def test_addition(suite):
    assert suite.result(suite.start("addition", 1, 2)) == 3


def test_idempotency(suite):
    assert len(suite.result(suite.start("brokenWf"), 180)["numbers"]) == 110


def test_hooks(suite):
    token = f"token-{time.time_ns()}"
    run = suite.start("collectWithHook", token, "mine")
    wait_for(lambda: suite.kinds(run).count("step_completed") == 1, 30)
    for n, payload in enumerate(({"data": "first"}, {"data": "second"}, {"data": "third", "done": True})):
        suite.ask(f"/hooks/{token}", payload)
        assert n == 2 or wait_for(lambda n=n: suite.kinds(run).count("step_completed") == n + 2, 30)
    collected = suite.result(run)["collected"]
    assert [(one["data"], one["metadata"]) for one in collected] == [(word, {"customData": "mine"})
                                                                     for word in ("first", "second", "third")]


def test_null_byte(suite):
    assert suite.result(suite.start("nullByteWorkflow")) == "null byte \0"


def test_errors(suite):
    found = suite.result(suite.start("retryableAndFatalErrorWorkflow"))
    assert found["gotFatalError"] and found["retryableResult"]["attempt"] == 2
    assert found["retryableResult"]["duration"] >= 2000


# --- more ---------------------------------------------------------------------------------------------------------
def test_an_instance_is_frozen_while_its_run_sleeps(suite):
    run = suite.start("nap", "4s")
    wait_for(lambda: "wait_created" in suite.kinds(run), 30)
    suite.ebb.wait_frozen("suite")
    assert [one["n"] for one in suite.result(run)] == [0, 1]
    assert suite.kinds(run).count("wait_completed") == 1


def test_a_webhook_is_public_by_its_token_alone(suite):
    run = suite.start("awaitWebhook")
    wait_for(lambda: suite.kinds(run).count("step_completed") == 1, 30)
    (hook,) = [e for e in suite.ask(f"/events/{run}").json if e["eventType"] == "hook_created"]
    token = hook["eventData"]["token"]
    assert suite.ebb.http(f"{SDK}webhook/{token}x", host="suite.localhost", method="POST", body=b"no").status == 404
    assert suite.ebb.http(f"{SDK}webhook/{token}", host="suite.localhost", method="PUT", body=b"words").status == 202
    assert suite.result(run) == {"method": "PUT", "text": "words"}
    assert suite.ebb.http(f"{SDK}webhook/{token}", host="suite.localhost", method="POST", body=b"late").status == 404


def test_a_run_that_is_cancelled_goes_no_further(suite):
    run = suite.start("nap", "2s")
    wait_for(lambda: "wait_created" in suite.kinds(run), 30)
    suite.ask(f"/cancel/{run}", {})
    assert suite.over(run)["status"] == "cancelled"
    other = suite.start("nap", "3s")
    assert len(suite.result(other)) == 2  # the message of the first one was due before
    assert suite.kinds(run)[-1] == "run_cancelled"


def test_many_runs_at_once_end_each_with_its_own_result(suite):
    runs = [suite.start("addition", n, 1000) for n in range(30)]
    assert [suite.result(run, 120) for run in runs] == [1000 + n for n in range(30)]
