# SPDX-License-Identifier: Apache-2.0
"""No message is lost and none is stored twice: while ebb-flow, gateways, instances and ebbd are killed, and on a disk that
becomes full. EBB_KILLS: how many of each."""
import concurrent.futures
import contextlib
import http.client
import os
import signal
import sqlite3
import threading
import time

import counts
import pictures
from disks import on_disk
from ebbd_deaths import kill_ebbd, kill_instance, kill_program
from queues import PORT, Inside, connect
from test_power_cuts import each_cut, recorded, whole_flow
from test_queues import flow, happened, noted, put, trigger
from waiting import slow, wait_for

KILLS, MESSAGES, SENDERS = int(os.environ.get("EBB_KILLS", "3")), 1200, 4
MIB = 1 << 20
LOST = (OSError, http.client.HTTPException, AssertionError, LookupError)


def anew(ebb, inside):
    """A client of the instance that is there now."""
    if inside:
        inside.close()
    with contextlib.suppress(*LOST):
        ebb.get("web", "/")
        return Inside(ebb, "web")
    return None


def surely(ebb, inside, do):
    """do(inside), again and again until it is done; with the client that did it."""
    while True:
        if inside is not None:
            with contextlib.suppress(*LOST):
                return inside, do(inside)
        inside = anew(ebb, inside)


def send_all(ebb, number, ids):
    inside = None
    for n in range(number, MESSAGES, SENDERS):
        inside, ids[n] = surely(ebb, inside, lambda i, n=n: i.send("orders", str(n).encode(), Vqs_Idempotency_Key=f"k{n}"))
    inside.close()


def handle_all(ebb, found, over):
    inside, end = None, time.monotonic() + slow(240)
    while (not over.is_set() or len(found) < MESSAGES) and time.monotonic() < end:
        inside, batch = surely(ebb, inside, lambda i: i.take("orders", "polled", 10, lease=5))
        for message in batch:
            found.setdefault(message.body, set()).add(message.id)
            inside, _ = surely(ebb, inside, lambda i, m=message: i.acknowledge("orders", "polled", m.receipt))
    inside.close()


def test_each_message_is_handled_and_stored_once_whatever_dies(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"minInstances": 1, "experimentalTriggers": [trigger("orders", "/count", maxDeliveries=1000)]})
    with contextlib.closing(anew(ebb, None)) as first:  # a message is kept for the consumers that there are
        first.take("orders", "polled", 1, lease=5)
    ids, found, over = {}, {}, threading.Event()
    with concurrent.futures.ThreadPoolExecutor(SENDERS + 1) as pool:
        senders = [pool.submit(send_all, ebb, n, ids) for n in range(SENDERS)]
        handler = pool.submit(handle_all, ebb, found, over)
        for n in range(KILLS):
            for kill in (lambda: kill_program(ebb, "ebb-flow"), lambda n=n: kill_program(ebb, "ebb-gateway", n),
                         lambda: kill_instance(ebb, "web"), lambda: kill_ebbd(ebb)):
                sent = len(ids)
                kill()
                wait_for(lambda s=sent: len(ids) > s + 20 or len(ids) == MESSAGES, 60)
        for sender in senders:
            sender.result(timeout=300)
        over.set()
        handler.result(timeout=300)
    assert len(set(ids.values())) == MESSAGES  # each got a number of its own
    assert set(found) == {str(n).encode() for n in range(MESSAGES)}
    assert {body: ids[int(body)] for body in found} == {body: one for body, (one,) in found.items()}  # and was stored once
    rows = wait_for(lambda: (r := ebb.cli("queue", "ls", "--json").json) and not any(q["messages"] for q in r) and r, 60)
    assert {q["consumer"] for q in rows} == {"polled", "count"} and not any(q["dead"] for q in rows)
    assert happened(ebb, "message_dead") == []
    counts.note(f"queues: {MESSAGES} messages to two consumers, {4 * KILLS} kills")


def test_a_disk_that_is_full_refuses_messages_and_has_room_again_when_they_are_handled():
    """507, those that are there are delivered, and the room of those that are gone is used again."""
    with on_disk("flow_dir", mib=48) as (ebb, _):
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        inside, before = Inside(ebb, "web"), flow(ebb)
        for round_ in range(3):
            sent = set()
            while (reply := inside.ask("POST", "orders", os.urandom(MIB // 4))).status == 201:
                sent.add(reply.json["messageId"])
            assert reply.status == 507 and "disk of queues is full" in reply.json["error"]
            assert len(sent) > 40, (round_, len(sent))
            others = [Inside(ebb, "web") for _ in range(8)]
            with concurrent.futures.ThreadPoolExecutor(8) as pool:  # many large ones at once fill no room either
                large = list(pool.map(lambda i: i.ask("POST", "orders", bytes(4 * MIB)).status, others))
            assert set(large) == {507}
            for other in others:
                other.close()
            got = set()
            while batch := inside.take("orders", most=10):
                got |= {m.id for m in batch}
                assert all(inside.acknowledge("orders", "one", m.receipt).status == 204 for m in batch)
            assert got == sent
        assert flow(ebb) == before and not ebb.log_lines("event=store_broken")
        inside.close()


def unread(pid):
    """Bytes that wait in the sockets of that network namespace."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
        return sum(int(line.split()[4].split(":")[1], 16) for line in list(f)[1:] if line.split()[3] == "01")


def test_large_messages_at_once_fill_no_disk():
    """Those that come in one round of the loop know of each other."""
    with on_disk("flow_dir", mib=48) as (ebb, _), contextlib.ExitStack() as closing:
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        put(ebb, "web", {"minInstances": 7, "maxInstances": 7, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        pids = wait_for(lambda: (p := [one["pid"] for one in ebb.instances("web") if one["pid"]]) and len(p) == 7 and p, 30)
        before = flow(ebb)
        many = [closing.enter_context(connect(pid, PORT)) for pid in pids]  # one instance has its turns
        for s in many:
            s.sendall(b"POST /api/v3/topic/orders HTTP/1.1\r\nHost: q\r\nContent-Length: %d\r\n\r\n" % (4 * MIB) +
                      bytes(4 * MIB - 1))
        wait_for(lambda: not any(map(unread, pids)), 30)
        os.kill(before, signal.SIGSTOP)  # so that the last bytes of all come at once
        for s in many:
            s.sendall(b"x")
        os.kill(before, signal.SIGCONT)
        said = [int(s.recv(4096).split()[1]) for s in many]
        assert set(said) == {201, 507} and said.count(201) < 5, said
        assert flow(ebb) == before and not ebb.log_lines("event=store_broken")


def numbers(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("select number from message")}


def test_a_message_that_was_answered_is_there_after_a_power_cut(tmp_path):
    with recorded("ebb-flow", "flow_dir", tmp_path) as (ebb, recorder):
        put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        inside, path = Inside(ebb, "web"), str(tmp_path / "top/flow.db")
        inside.send("orders")
        recorder.at_call["sendto"] = lambda self: self.mark(numbers(path))  # each may be an answer to a sender
        recorder.start()
        for n in range(5):
            inside.send("orders", str(n).encode() * 100, Vqs_Idempotency_Key=f"k{n}", X_Ebb_Order_Key="lane")
        assert len(inside.take("orders", most=10)) == 2  # the first one, and the oldest of the lane
        inside.close()

    def check(place, before, _behind, what):
        cut = whole_flow(place, what)
        assert not before or before <= numbers(cut), f"{what}: {before - numbers(cut)}"
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"queues: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 50
