# SPDX-License-Identifier: Apache-2.0
"""Queues through the real programs: an instance sends to topics of its namespace, polls, acknowledges, and gets
messages pushed to a path, over the protocol of npm @vercel/queue."""
import concurrent.futures
import http.client
import json
import os
import signal
import time

import pictures
import pytest
from queues import Inside
from waiting import wait_for


def put(ebb, name, document=None, status=(200, 201)):
    reply = ebb.rest("PUT", f"/v1/services/{name}", {"image": "probe", "maxInstances": 1, **(document or {})})
    assert reply.status in status, reply
    return reply


def trigger(topic, path="/note", **more):
    return {"type": "queue/v2beta", "topic": topic, "path": path, "retryAfterSeconds": 0, **more}


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


@pytest.fixture(name="inside")
def one_inside(ebb):
    put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    yield inside
    inside.close()


def flow(ebb):
    (pid,) = wait_for(lambda: ebb.programs("ebb-flow"))
    return pid


def noted(ebb, service):
    """The requests that the function noted: their heads as dicts, with the request line."""
    found = []
    for note in json.loads(ebb.get(service, "/noted").text):
        first, *lines = note["head"].strip().split("\n")
        found.append({"": first, **{k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}})
    return found


def happened(ebb, kind):
    return ebb.cli("events", "--json", "--kind", kind).json


def queues_go_on(ebb, inside, change):
    """The same instance sends and polls behind a change of programs, and has what it sent before; pushes come."""
    before, pushed = inside.send("waits"), len(noted(ebb, "web"))
    change()
    inside.close()

    def sent():
        try:
            return inside.send("orders")
        except (OSError, http.client.HTTPException, AssertionError):
            inside.close()
            return None
    wait_for(sent, 20)
    wait_for(lambda: len(noted(ebb, "web")) > pushed, 20)
    (message,) = inside.take("waits")
    assert message.id == before and inside.acknowledge("waits", "one", message.receipt).status == 204
    assert ebb.get("web", "/note").status == 404


# --- send, poll, acknowledge --------------------------------------------------------------------------------
def test_a_message_is_polled_once_and_gone_when_it_is_acknowledged(inside):
    number = inside.send("orders", b'{"n": 1}')
    (message,) = inside.take("orders")
    assert (message.id, message.body, message.count) == (number, b'{"n": 1}', 1)
    assert message.head["content-type"] == "application/json"
    assert inside.take("orders") == []  # somebody has it
    assert inside.acknowledge("orders", "one", message.receipt).status == 204
    reply = inside.acknowledge("orders", "one", message.receipt)
    assert reply.status == 404 and "acknowledged before" in reply.json["error"]


def test_each_consumer_gets_each_message_also_one_that_comes_late(inside):
    inside.take("orders", "early")
    for n in range(3):
        inside.send("orders", str(n).encode())
    for consumer in ("early", "late"):
        assert [m.body for m in inside.take("orders", consumer, 10)] == [b"0", b"1", b"2"]


def test_what_is_not_acknowledged_comes_again_and_an_old_receipt_counts_no_more(inside):
    inside.send("orders")
    (first,) = inside.take("orders", lease=0)
    (second,) = inside.take("orders")
    assert (second.id, second.count) == (first.id, 2)
    assert inside.acknowledge("orders", "one", first.receipt).status == 409
    assert inside.extend("orders", "one", second.receipt, 0).status == 200
    (third,) = inside.take("orders")
    assert third.count == 3 and inside.acknowledge("orders", "one", third.receipt).status == 204


def test_by_id(inside):
    number = inside.send("orders")
    by_id = f"orders/consumer/one/id/{number}"
    reply = inside.ask("POST", by_id)
    assert reply.status == 200
    assert inside.ask("POST", by_id).status == 409
    assert inside.acknowledge("orders", "one", reply.body.split(b"receipt-handle: ")[1].split()[0].decode()).status == 204
    assert inside.ask("POST", by_id).status == 410
    assert inside.ask("POST", "orders/consumer/one/id/999").status == 404


def test_a_key_of_idempotency_makes_one_message_of_many(inside):
    first = inside.send("orders", b"a", Vqs_Idempotency_Key="k")
    assert inside.send("orders", b"b", Vqs_Idempotency_Key="k") == first
    assert inside.send("other", b"c", Vqs_Idempotency_Key="k") != first
    (message,) = inside.take("orders", most=10)
    inside.acknowledge("orders", "one", message.receipt)
    assert inside.send("orders", b"d", Vqs_Idempotency_Key="k") == first and inside.take("orders") == []


def test_a_delay_is_kept(inside):
    before = time.time()
    inside.send("orders", Vqs_Delay_Seconds=1)
    assert inside.take("orders") == []
    wait_for(lambda: inside.take("orders"), 10)
    assert time.time() - before >= 1


def test_messages_of_a_lane_are_in_order_and_others_do_not_wait(inside):
    for n in range(3):
        inside.send("orders", f"a{n}".encode(), X_Ebb_Order_Key="a")
    inside.send("orders", b"b0", X_Ebb_Order_Key="b")
    got = inside.take("orders", most=10)
    assert [m.body for m in got] == [b"a0", b"b0"]
    assert inside.take("orders", most=10) == []
    inside.acknowledge("orders", "one", got[0].receipt)
    (second,) = inside.take("orders", most=10)
    assert second.body == b"a1"
    inside.extend("orders", "one", second.receipt, 0)
    assert [m.body for m in inside.take("orders", most=10)] == [b"a1"]  # nobody passes it by


def test_a_batch(inside):
    body = (b"--x\r\ncontent-type: text/plain\r\nvqs-idempotency-key: k\r\n\r\none\r\n"
            b"--x\r\ncontent-type: text/plain\r\nvqs-delay-seconds: never\r\n\r\ntwo\r\n"
            b"--x\r\n\r\n\r\n--x--\r\n")
    reply = inside.ask("POST", "orders/batch", body, {"Content-Type": "multipart/mixed; boundary=x"})
    assert reply.status == 200, reply
    sent, failed, empty = reply.json["results"]
    assert (sent["status"], empty["status"]) == ("sent", "sent")
    assert (failed["status"], failed["statusCode"], failed["retryable"]) == ("failed", 400, False)
    assert [m.body for m in inside.take("orders", most=10)] == [b"one", b""]


def test_a_namespace_is_seen_by_its_services_alone(ebb, inside):
    put(ebb, "same", {"minInstances": 1, "ebb": {"queues": "shop"}})
    put(ebb, "other", {"minInstances": 1, "ebb": {"queues": "bank"}})
    inside.send("orders", b"secret")
    for service, seen in (("other", []), ("same", [b"secret"])):
        assert ebb.get(service, "/").status == 200
        one = Inside(ebb, service)
        assert [m.body for m in one.take("orders")] == seen, service
        one.close()


# --- bad input ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method, path, headers, status, says", [
    ("POST", "or.ders", {}, 400, "letters"),
    ("POST", "orders", {"Vqs-Retention-Seconds": "5"}, 400, "60 to 604800"),
    ("POST", "orders", {"Vqs-Retention-Seconds": "60", "Vqs-Delay-Seconds": "61"}, 400, "gone before"),
    ("POST", "orders", {"Vqs-Idempotency-Key": "k" * 257}, 400, "256 bytes"),
    ("POST", "orders/batch", {"Content-Type": "multipart/mixed; boundary=x"}, 400, "1 to 100"),
    ("POST", "orders/consumer/one", {"Vqs-Max-Messages": "11"}, 400, "1 to 10"),
    ("DELETE", "orders/consumer/one/lease/1-2", {}, 400, "receipt"),
    ("DELETE", "orders/consumer/one/lease/1-2-3", {}, 404, "acknowledged before"),
    ("GET", "orders", {}, 405, "POST"),
    ("POST", "orders/elsewhere", {}, 404, "POST /api/v3/topic/TOPIC"),
])
def test_a_bad_request_is_answered_with_the_sentence_that_mends_it(inside, method, path, headers, status, says):
    reply = inside.ask(method, path, b"x" if method == "POST" else None, headers)
    assert reply.status == status and says in reply.json["error"], reply
    inside.send("orders")  # the connection goes on


def test_a_body_beyond_the_limit_is_refused(inside):
    reply = inside.ask("POST", "orders", b"x" * ((4 << 20) + 1))
    assert reply.status == 413 and "4194304" in reply.json["error"]
    inside.close()
    inside.send("orders", b"x" * (4 << 20))
    assert len(inside.take("orders")[0].body) == 4 << 20


def test_a_topic_that_nobody_hears_is_an_event_and_its_messages_wait(ebb, inside):
    for n in range(2):
        inside.send("lonely", str(n).encode())
    (event,) = wait_for(lambda: happened(ebb, "topic_unheard"))
    assert "lonely of shop" in event["text"]
    assert len(inside.take("lonely", most=10)) == 2


# --- push ---------------------------------------------------------------------------------------------------
def test_a_message_is_pushed_as_a_cloud_event(ebb):
    put(ebb, "web", {"experimentalTriggers": [trigger("orders", consumer="billing")]})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")  # its namespace has its own name
    number = inside.send("orders", b'{"n": 1}')
    (head,) = wait_for(lambda: noted(ebb, "web"))
    assert head[""].startswith("POST /note HTTP/1.1") and head["content-type"] == "application/json"
    assert head["ce-type"] == "com.vercel.queue.v2beta" and head["ce-vqsqueuename"] == "orders"
    assert (head["ce-vqsconsumergroup"], head["ce-vqsmessageid"], head["ce-vqsdeliverycount"]) == ("billing", number, "1")
    assert head["content-length"] == "8" and head["x-ebb-attempt"] == "1"
    wait_for(lambda: inside.acknowledge("orders", "billing", head["ce-vqsreceipthandle"]).status == 404)
    inside.close()


def test_no_public_request_comes_to_the_path_of_a_trigger(ebb):
    put(ebb, "web", {"experimentalTriggers": [trigger("orders", "/api/note")]})
    for path in ("/api/note", "/api/NOTE", "/api//note/", "/%61pi/note", "/x/../api/note", "/api/note?a=1"):
        assert ebb.get("web", path).status in (400, 404), path
    assert noted(ebb, "web") == []
    assert ebb.get("web", "/api/noted").status == 200


def test_a_poison_message_costs_its_attempts_and_nothing_waits_for_it(ebb):
    put(ebb, "web", {"experimentalTriggers": [trigger("bad", "/nothing", maxDeliveries=3), trigger("good", "/note")]})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    number = inside.send("bad", b"poison", X_Ebb_Order_Key="k")
    inside.send("good")
    assert wait_for(lambda: noted(ebb, "web"))
    (event,) = wait_for(lambda: happened(ebb, "message_dead"))
    assert "after 3 deliveries" in event["text"] and "404" in event["text"]
    inside.close()
    (row,) = [q for q in ebb.cli("queue", "ls", "--json").json if q["topic"] == "bad"]
    assert (row["dead"], row["waiting"], row["mode"], row["consumer"]) == (1, 0, "push", "nothing")
    (letter,) = ebb.cli("queue", "peek", "web/bad", "--dead", "--json").json
    assert (letter["id"], letter["body"], letter["attempts"], letter["state"]) == (number, "poison", 3, "dead")
    # The service is mended, and the letter delivered again.
    put(ebb, "web", {"experimentalTriggers": [trigger("bad", "/note?".rstrip("?"), consumer="nothing")]})
    assert ebb.cli("queue", "retry", "web/bad").out == "1 messages\n"
    wait_for(lambda: [h for h in noted(ebb, "web") if h["ce-vqsmessageid"] == number])
    wait_for(lambda: [q["messages"] for q in ebb.cli("queue", "ls", "--json").json if q["topic"] == "bad"] == [0])


def test_dead_letters_are_shown_and_purged_without_those_that_wait(ebb):
    put(ebb, "web", {"experimentalTriggers": [trigger("bad", "/nothing", maxDeliveries=1)]})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    dead, waits = inside.send("bad"), inside.send("bad", Vqs_Delay_Seconds=600)
    wait_for(lambda: happened(ebb, "message_dead"))
    inside.close()
    assert ebb.cli("queue", "peek", "web/bad", "-q").out.split() == [dead, waits]
    assert ebb.cli("queue", "peek", "web/bad", "--dead", "-q").out.split() == [dead]
    assert ebb.cli("queue", "purge", "web/bad", "--dead").out == "1 messages\n"
    assert ebb.cli("queue", "peek", "web/bad", "-q").out.split() == [waits]


def test_an_operator_purges_messages_and_is_told_of_names_that_are_none(ebb, inside):
    for n in range(120):
        inside.send("orders", str(n).encode())
    assert ebb.cli("queue", "purge", "shop/orders").out == "120 messages\n"
    inside.take("orders", "one")
    for n in range(120):
        inside.send("orders", str(n).encode())
    assert len(ebb.cli("queue", "peek", "shop/orders", "-q").out.split()) == 100
    assert ebb.cli("queue", "purge", "shop/orders", "--consumer", "one").out == "120 messages\n"
    assert inside.take("orders") == []
    assert "ebb queue ls" in ebb.cli("queue", "peek", "shop/nothing", ok=False).err
    assert ebb.cli("queue", "peek", "orders", ok=False).code == 2


# --- deaths -------------------------------------------------------------------------------------------------
def test_messages_outlive_ebb_flow(ebb, inside):
    for n in range(5):
        inside.send("orders", str(n).encode())
    os.kill(flow(ebb), signal.SIGKILL)
    inside.close()

    def taken():
        try:
            return inside.take("orders", most=10)
        except (OSError, AssertionError):
            inside.close()
            return None
    assert [m.body for m in wait_for(taken, 20)] == [str(n).encode() for n in range(5)]


def test_what_many_send_at_once_is_all_there(ebb, inside):
    def send(number):
        one = Inside(ebb, "web")
        for n in range(50):
            one.send("orders", f"{number}-{n}".encode())
        one.close()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    got = set()
    while batch := inside.take("orders", most=10):
        got |= {m.body for m in batch}
    assert len(got) == 400


# --- schedules with a topic ---------------------------------------------------------------------------------
def scheduled(**more):
    hour = (time.gmtime().tm_hour + 12) % 24  # half a day from now: it is run by hand
    return {"schedule": f"0 {hour} * * *", "topic": "orders", **more}


def test_a_run_of_a_schedule_with_a_topic_is_a_message_of_the_namespace(ebb, inside):
    put(ebb, "clock", {"schedules": {"tidy": scheduled()}, "ebb": {"queues": "shop"}})
    run = ebb.cli("crons", "run", "tidy").out.strip()
    (message,) = wait_for(lambda: inside.take("orders"))
    body = json.loads(message.body)
    assert (body["schedule"], body["run"], message.head["content-type"]) == ("tidy", run, "application/json")
    (row,) = ebb.cli("crons", "runs", "--json").json
    assert (row["id"], row["state"], row["attempts"], row["scheduled_at"]) == (run, "done", 1, body["scheduled"])
    (schedule,) = ebb.cli("crons", "ls", "--json").json
    assert (schedule["path"], schedule["topic"]) == (None, "orders")
    assert ebb.rest("GET", "/v1/services/clock").json["schedules"]["tidy"]["topic"] == "orders"


def test_a_message_of_a_schedule_is_pushed_to_the_triggers_of_its_service(ebb):
    put(ebb, "web", {"schedules": {"tidy": scheduled()}, "experimentalTriggers": [trigger("orders")]})
    ebb.cli("crons", "run", "tidy")
    (head,) = wait_for(lambda: noted(ebb, "web"))
    assert head["ce-vqsqueuename"] == "orders" and head[""].startswith("POST /note ")


def test_a_run_is_one_message_whatever_dies(ebb, inside):
    put(ebb, "clock", {"schedules": {"tidy": scheduled()}, "ebb": {"queues": "shop"}})
    sent = set()
    for _ in range(5):
        sent.add(ebb.cli("crons", "run", "tidy").out.strip())
        os.kill(flow(ebb), signal.SIGKILL)
        wait_for(lambda: ebb.rest("GET", "/v1/runs").status == 200)
    inside.close()

    def bodies():
        try:
            return [json.loads(m.body)["run"] for m in inside.take("orders", most=10)]
        except (OSError, AssertionError):
            inside.close()
            return []
    got = []
    wait_for(lambda: got.extend(bodies()) or len(got) >= 5)
    assert sorted(got) == sorted(sent) and bodies() == []
    assert {r["state"] for r in ebb.cli("crons", "runs", "--json").json} == {"done"}


@pytest.mark.parametrize("more, says", [
    ({"topic": "or.ders"}, "is not a topic"), ({"topic": ""}, "is not a topic"), ({"topic": 1}, "is not a topic"),
    ({"path": "/a"}, "possible with a topic"), ({"requestMethod": "GET"}, "possible with a topic"),
])
def test_a_schedule_has_a_path_or_a_topic(ebb, more, says):
    reply = put(ebb, "web", {"schedules": {"tidy": scheduled(**more)}}, status=(422, 400))
    assert says in reply.text, reply
