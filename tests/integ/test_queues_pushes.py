# SPDX-License-Identifier: Apache-2.0
"""When a push that failed comes again, and at which revision a push is directed: through the gateways, and to a listener of
ours in their place that hears each byte."""
import contextlib
import glob
import time

import pictures
import pytest
from queues import Inside
from test_queues import put, trigger
from test_schedules import noted, seconds
from test_schedules_answers import in_place_of_the_gateways
from waiting import wait_for

PAUSES_EQUAL = 32  # runtime/flow/push.c: from the next failure on they grow


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


def started(ebb, **more):
    put(ebb, "web", {"minInstances": 1, "experimentalTriggers": [trigger("orders", **more)]})
    assert ebb.get("web", "/").status == 200
    return contextlib.closing(Inside(ebb, "web"))


def gateways_of(ebb):
    (path,) = glob.glob(ebb.root + "/**/gateways.sock", recursive=True)
    return path


def pushed(listener):
    """The connection of the next push, and the fields of its head."""
    peer, head = listener.accept()[0], b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(65536)
    lines = head.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return peer, dict(line.split(": ", 1) for line in lines)


def answer(peer, status):
    """Answers a push, and says the time before that."""
    begun = time.time()
    with peer:
        peer.sendall(f"HTTP/1.1 {status} Word\r\ncontent-length: 0\r\n\r\n".encode())
    return begun


def due(ebb):
    """When the message is due again, once its failure is written down."""
    (letter,) = wait_for(lambda: [one for one in ebb.cli("queue", "peek", "web/orders", "--json").json if one["state"] == "waiting"])
    return seconds(letter["due_at"])


@pytest.mark.parametrize("status", [429, 503])
def test_a_push_that_is_refused_comes_again_when_the_answer_says(ebb, status):
    """Not behind retryAfterSeconds of its trigger: that would be in an hour."""
    with started(ebb, path="/later", retryAfterSeconds=3600) as inside:
        inside.send("orders", str(status).encode())
        first, second = wait_for(lambda: (heads := noted(ebb, "web")) and len(heads) == 2 and heads, 60)
    assert (first["ce-vqsdeliverycount"], second["ce-vqsdeliverycount"]) == ("1", "2")
    assert first["ce-vqsmessageid"] == second["ce-vqsmessageid"]
    assert second["at"] - first["at"] >= 1  # it said 1 s


def test_pauses_between_deliveries_that_fail_grow_from_the_33rd_on(ebb):
    with started(ebb, maxDeliveries=100) as inside, in_place_of_the_gateways(gateways_of(ebb)) as listener:
        inside.send("orders")
        for n in range(PAUSES_EQUAL):
            peer, head = pushed(listener)
            assert head["ce-vqsdeliverycount"] == str(n + 1)
            answer(peer, 500)
        peer, _ = pushed(listener)
        put(ebb, "web", {"experimentalTriggers": [trigger("orders", maxDeliveries=100, retryAfterSeconds=1)]})
        ebb.cli("queue", "ls")  # ebb-flow has heard that before it answers this
        begun = answer(peer, 500)
        assert due(ebb) - begun >= 2
        peer, _ = pushed(listener)
        begun = answer(peer, 500)
        assert due(ebb) - begun >= 4


def test_a_push_names_the_revision_that_its_message_names(ebb):
    with started(ebb) as inside, in_place_of_the_gateways(gateways_of(ebb)) as listener:
        for sent in ({"Vqs_Deployment_Id": 7}, {}):
            number = inside.send("orders", **sent)
            peer, head = pushed(listener)
            assert head["ce-vqsmessageid"] == number
            assert head.get("x-ebb-revision") == (str(sent["Vqs_Deployment_Id"]) if sent else None)
            answer(peer, 200)


def test_a_message_for_an_earlier_revision_comes_to_that_one(ebb):
    service = {"image": "probe", "maxInstances": 1, "ebb": {"queues": "shop"}, "experimentalTriggers": [trigger("orders")]}
    for version in ("1", "2"):
        reply = ebb.rest("POST", "/v1/deployments/shop", {"services": {"web": {**service, "env": {"VERSION": version}}},
                                                          "rules": {"otherwise": "web", "services": {"web": {}}}})
        assert reply.status == 201, reply
    put(ebb, "sender", {"minInstances": 1, "ebb": {"queues": "shop"}})
    assert ebb.get("sender", "/").status == 200
    hosts, sent = {"1": "shop-1.localhost", None: "shop.localhost"}, {}
    with contextlib.closing(Inside(ebb, "sender")) as inside:
        for revision in hosts:
            sent[revision] = inside.send("orders", **({"Vqs_Deployment_Id": revision} if revision else {}))
    wait_for(lambda: [q["messages"] for q in ebb.cli("queue", "ls", "--json").json] == [0], 30)
    for revision, host in hosts.items():
        found = [note["head"] for note in ebb.http("/noted", host=host).json]
        assert len(found) == 1 and f"ce-vqsmessageid: {sent[revision]}\n" in found[0], (revision, found)
        assert "x-ebb-revision" not in found[0]  # it is a word to the gateways
