# SPDX-License-Identifier: Apache-2.0
"""npm's @vercel/queue as it is, in an instance of Node: it sends, polls, and messages are pushed to its handleCallback."""
import json

import pictures
import pytest
from conftest import running
from test_queues import happened, trigger
from waiting import wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute to start under emulation")


@pytest.fixture(scope="module", name="ebb")
def one_ebb():
    with running(gateways=1) as ebb:
        ebb.import_image("oci-archive:" + pictures.apps_archive("queue-node"), "queue-node")
        ebb.rest("PUT", "/v1/services/work", {
            "image": "queue-node", "maxInstances": 1, "minInstances": 1, "initTimeout": "60s", "memory": 512,
            "experimentalTriggers": [trigger("jobs", "/api/work"), trigger("endless", "/api/endless", maxDeliveries=1)]})
        wait_for(lambda: ebb.get("work", "/").status == 200, 60)
        yield ebb


def call(ebb, path, document):
    reply = ebb.http(path, host="work.localhost", method="POST", body=json.dumps(document).encode(),
                     headers={"Content-Type": "application/json"})
    assert reply.status == 200, reply
    return reply.json


def seen(ebb, where, topic):
    return [m for m in json.loads(ebb.get("work", where).text) if m["topicName"] == topic]


def waiting(ebb, topic):
    return [q["messages"] for q in ebb.cli("queue", "ls", "--json").json if q["topic"] == topic]


def test_a_message_is_pushed_to_the_handler_and_acknowledged(ebb):
    sent = call(ebb, "/send", {"topic": "jobs", "payload": {"n": "once"}})
    one = wait_for(lambda: [m for m in seen(ebb, "/pushed", "jobs") if m["message"]["n"] == "once"])
    assert [(m["messageId"], m["deliveryCount"], m["consumerGroup"]) for m in one] == [(sent["messageId"], 1, "api_Swork")]
    wait_for(lambda: waiting(ebb, "jobs") == [0])


def test_a_handler_that_throws_says_when_it_wants_the_message_again(ebb):
    call(ebb, "/send", {"topic": "jobs", "payload": {"n": "twice", "fails": 1}})
    call(ebb, "/send", {"topic": "jobs", "payload": {"n": "never", "fails": 9}})  # acknowledged by its retry function
    wait_for(lambda: waiting(ebb, "jobs") == [0], 20)
    counts = {n: [m["deliveryCount"] for m in seen(ebb, "/pushed", "jobs") if m["message"]["n"] == n] for n in ("twice", "never")}
    assert counts == {"twice": [1, 2], "never": [1, 2, 3]}


def test_a_key_of_idempotency_and_a_batch(ebb):
    first = call(ebb, "/send", {"topic": "jobs", "payload": {"n": "key"}, "idempotencyKey": "k"})
    assert call(ebb, "/send", {"topic": "jobs", "payload": {"n": "key"}, "idempotencyKey": "k"}) == first
    said = call(ebb, "/batch", {"topic": "jobs", "messages": [{"payload": {"n": f"b{n}"}} for n in range(5)]})
    assert [one["status"] for one in said] == ["sent"] * 5
    wait_for(lambda: waiting(ebb, "jobs") == [0], 20)
    names = [m["message"]["n"] for m in seen(ebb, "/pushed", "jobs")]
    assert names.count("key") == 1 and sorted(n for n in names if n[0] == "b") == [f"b{n}" for n in range(5)]


def test_polls(ebb):
    ids = [call(ebb, "/send", {"topic": "polls", "payload": {"n": n}})["messageId"] for n in range(3)]
    assert call(ebb, "/poll", {"topic": "polls", "limit": 10}) == {"ok": True}
    assert [m["messageId"] for m in seen(ebb, "/polled", "polls")] == ids
    assert call(ebb, "/poll", {"topic": "polls"}) == {"ok": False, "reason": "empty"}
    assert call(ebb, "/poll", {"topic": "polls", "messageId": ids[0]})["reason"] == "already_processed"
    assert call(ebb, "/poll", {"topic": "polls", "messageId": "999999"})["reason"] == "not_found"
    assert waiting(ebb, "polls") == [0]


def test_an_answer_that_never_ends_is_a_failure(ebb):
    call(ebb, "/send", {"topic": "endless", "payload": {}})
    (event,) = wait_for(lambda: happened(ebb, "message_dead"), 30)
    assert "larger than 16 MiB" in event["text"], event
