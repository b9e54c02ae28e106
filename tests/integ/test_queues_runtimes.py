# SPDX-License-Identifier: Apache-2.0
"""Queues by the calls that the runtimes give to a function: ebb.queue in Python."""
import json

import pytest

import node_apps
import pictures
from node_apps import python_service
from waiting import wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")


def trigger(topic, path, **more):
    return {"type": "queue/v2beta", "topic": topic, "path": path, "retryAfterSeconds": 0, **more}


def triggers():
    return [trigger("orders", "/bill", consumer="billing"), trigger("awaited", "/bill-awaited", maxDeliveries=2)]


@pytest.fixture(scope="module")
def python(runtimes_ebb):
    services = {kind: python_service(f"queues:{kind}", experimentalTriggers=triggers()) for kind in ("asgi", "wsgi")}
    services["alone"] = python_service("queues:alone", ebb={"queues": "asgi"})
    services["without"] = python_service("queues:asgi")
    with node_apps.deployed(runtimes_ebb, services) as ebb:
        yield ebb


def call(ebb, service, name, *args, **more):
    reply = ebb.get(service, "/call", method="POST", body=json.dumps({"call": name, "args": args, "more": more}))
    assert reply.status == 200, reply
    return reply.json


def done(ebb, service, name, *args, **more):
    answer = call(ebb, service, name, *args, **more)
    assert "error" not in answer, answer
    return answer["result"]


def refused(ebb, service, name, *args, **more):
    answer = call(ebb, service, name, *args, **more)
    assert "error" in answer, answer
    return answer["error"], answer["status"], answer["text"]


def seen(ebb, service, number):
    return [m for m in ebb.get(service, "/seen").json if m["id"] == number]


KINDS = pytest.mark.parametrize("kind", ["asgi", "wsgi"])


@KINDS
@pytest.mark.parametrize("topic", ["orders", "awaited"])
def test_a_handler_gets_the_message_and_its_return_acknowledges_it(python, kind, topic):
    number = done(python, kind, "send", topic, {"n": 1, "text": "ä"})
    (message,) = wait_for(lambda: seen(python, kind, number))
    assert json.loads(message["body"]) == {"n": 1, "text": "ä"} and message["content_type"] == "application/json"
    assert message["consumer"] == ("billing" if topic == "orders" else "bill-awaited")
    assert (message["topic"], message["delivery_count"], len(message["request"])) == (topic, 1, 32)
    wait_for(lambda: [q["messages"] for q in python.cli("queue", "ls", "--json").json
                      if (q["namespace"], q["topic"]) == (kind, topic)] == [0])


@KINDS
def test_a_message_comes_again_when_its_handler_raises_or_says_so(python, kind):
    number = done(python, kind, "send", "orders", {"fail": 1})
    wait_for(lambda: [m["delivery_count"] for m in seen(python, kind, number)] == [1, 2])
    assert "fails on purpose" in python.cli("logs", "--request", seen(python, kind, number)[0]["request"], kind).out
    number = done(python, kind, "send", "orders", {"later": 1})
    wait_for(lambda: len(seen(python, kind, number)) == 2)
    first, second = seen(python, kind, number)
    assert second["delivery_count"] == 2 and second["at"] - first["at"] > 0.9


@KINDS
def test_a_handler_that_always_raises_leaves_a_dead_letter(python, kind):
    number = done(python, kind, "send", "awaited", {"fail": 9})
    (letter,) = wait_for(lambda: python.cli("queue", "peek", f"{kind}/awaited", "--dead", "--json").json)
    assert (letter["id"], [m["delivery_count"] for m in seen(python, kind, number)]) == (number, [1, 2]), letter
    python.cli("queue", "purge", f"{kind}/awaited", "--dead")


@KINDS
def test_messages_are_polled_with_each_byte_as_it_was(python, kind):
    """Several parts come in one answer; line breaks and dashes are also those between parts."""
    bodies = ["", "\r\n", "\r\n--ebb", "\r\n\r\n--\r\n", "--", "".join(map(chr, range(256)))]
    for body in bodies:
        done(python, kind, "send", "bytes", {"bytes": body})
    messages = done(python, kind, "receive", "bytes", "one", max_messages=10)
    assert [m["body"] for m in messages] == bodies
    assert {m["content_type"] for m in messages} == {"application/octet-stream"}
    assert messages[0]["created"] < messages[0]["expires"]
    for message in messages:
        done(python, kind, "acknowledge", {"taken": message["id"]})
    assert done(python, kind, "receive", "bytes", "one") == []
    assert refused(python, kind, "acknowledge", {"taken": messages[0]["id"]})[:2] == ("QueueError", 404)


@KINDS
def test_what_was_taken_comes_again_in_the_time_that_is_asked(python, kind):
    done(python, kind, "send", "again", "text")
    (first,) = done(python, kind, "receive", "again", "one", visibility_timeout=0)
    (second,) = done(python, kind, "receive", "again", "one")
    assert second["id"] == first["id"] and second["content_type"] == "text/plain; charset=utf-8"
    done(python, kind, "extend", {"taken": second["id"]}, 0)
    (third,) = done(python, kind, "receive", "again", "one")
    assert [m["delivery_count"] for m in (first, second, third)] == [1, 2, 3]
    done(python, kind, "acknowledge", {"taken": third["id"]})


@KINDS
def test_the_words_of_a_message_are_kept(python, kind):
    first = done(python, kind, "send", "words", 1, idempotency_key="k")
    assert done(python, kind, "send", "words", 2, idempotency_key="k") == first
    for n in range(2):
        done(python, kind, "send", "words", n, key="lane")
    done(python, kind, "send", "words", 3, delay=1, retention=60)
    got = done(python, kind, "receive", "words", "one", max_messages=10)
    assert [m["body"] for m in got] == ["1", "0"]  # the second of the lane waits, and the delayed one
    (late,) = wait_for(lambda: done(python, kind, "receive", "words", "one", max_messages=10))
    assert late["body"] == "3"
    python.cli("queue", "purge", f"{kind}/words")


@KINDS
@pytest.mark.parametrize("error, says, name, args, more", [
    ("QueueError", "queue.send('or.ders'): 400: the name of a topic", "send", ["or.ders", 1], {}),
    ("QueueError", "letters, digits", "send", ["orders/consumer/x", 1], {}),
    ("QueueError", "60 to 604800", "send", ["orders", 1], {"retention": 5}),
    ("QueueError", "1 to 10", "receive", ["orders", "c"], {"max_messages": 11}),
    ("QueueError", "413: the body is larger", "send", ["orders", "x" * ((4 << 20) + 1)], {}),
    ("ValueError", "delay is a whole number of 0 or more, not 1.5", "send", ["orders", 1], {"delay": 1.5}),
    ("ValueError", "key is a str of printable ASCII", "send", ["orders", 1], {"key": "a\r\nb"}),
    ("ValueError", "idempotency_key is a str of printable ASCII", "send", ["orders", 1], {"idempotency_key": ""}),
    ("TypeError", "paths is {\"/path\": function}", "handlers", [None, {"bill": 1}], {}),
    ("ValueError", "no message of a queue: its ce-type is None", "pushed", [{"a": "b"}, ""], {}),
    ("ValueError", "has no header 'ce-vqsmessageid'", "pushed", [{"Ce-Type": "com.vercel.queue.v2beta"}, ""], {}),
])
def test_a_call_that_cannot_be_done_says_what_is_wrong(python, kind, error, says, name, args, more):
    kind_of_error, _, text = refused(python, kind, name, *args, **more)
    assert kind_of_error == error and says in text, text


def test_a_service_without_queues_is_told_how_to_have_some(python):
    error, status, text = refused(python, "without", "send", "orders", 1)
    assert (error, status) == ("QueueError", None)
    assert "queue.send('orders')" in text and "EBB_QUEUE_URL is not set" in text and "experimentalTriggers" in text


def test_a_request_that_is_no_message_gets_400_at_the_path_of_a_handler(python):
    for service, path in (("without", "/bill"), ("alone", "/bill-awaited")):
        reply = python.get(service, path, method="POST", body="{}")
        assert reply.status == 400 and "no message of a queue" in reply.text, reply
    assert python.get("alone", "/elsewhere").status == 404
