# SPDX-License-Identifier: Apache-2.0
"""A function that is an enemy of queues: bytes that it sends to ebb-flow cost that instance alone. ebb-flow lives, its
memory and its CPU time are bounded, and the other instances send and poll meanwhile."""
import contextlib
import json
import os
import signal
import socket
import time

import pictures
import pytest
from queues import PORT, Inside, connect
from test_queues import flow, happened, noted, put, trigger
from waiting import wait_for

MIB = 1 << 20
POLL = b"POST /api/v3/topic/big/consumer/c HTTP/1.1\r\nHost: q\r\nVqs-Visibility-Timeout-Seconds: 0\r\nVqs-Max-Messages: 10\r\n\r\n"


def rivals(ebb, make):
    """ebb, and what make(ebb, name) makes of the services `evil` and `good`, of a namespace each."""
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    made = []
    for name in ("evil", "good"):
        put(ebb, name, {"minInstances": 1, "ebb": {"queues": name}})
        assert ebb.get(name, "/").status == 200
        made.append(make(ebb, name))
    ebb.idle_sockets = socket_count(ebb)
    return ebb, *made


@contextlib.contextmanager
def nobody_else_hurt(pair, works):
    """Behind the block ebb-flow is the one that it was, works(good) goes well, and nothing of evil is held."""
    ebb, evil, good = pair
    before = flow(ebb)
    yield
    assert flow(ebb) == before and not ebb.log_lines("event=violation|SIGSYS")
    good.close()
    works(good)
    evil.close()
    wait_for(lambda: connections(ebb) == 1)


@pytest.fixture(scope="module", name="pair")
def two_instances(module_ebb):
    return rivals(module_ebb, Inside)


def has_its_messages(good):
    number = good.send("orders", b"well")
    (message,) = good.take("orders")
    assert message.id == number and good.acknowledge("orders", "one", message.receipt).status == 204


@pytest.fixture(autouse=True)
def nobody_else_is_hurt(pair):
    with nobody_else_hurt(pair, has_its_messages):
        yield


def connections(ebb):
    """Of instances to ebb-flow; TCP is spoken there by no other descriptor than these and the listening ones."""
    return socket_count(ebb) - ebb.idle_sockets


def socket_count(ebb):
    place, count = f"/proc/{flow(ebb)}/fd", 0
    for fd in os.listdir(place):
        with contextlib.suppress(OSError):
            count += os.readlink(f"{place}/{fd}").startswith("socket:")
    return count


@contextlib.contextmanager
def many(inside, count):
    made = [connect(inside.pid, PORT) for _ in range(count)]
    try:
        yield made
    finally:
        for s in made:
            s.close()


def resident(ebb):
    with open(f"/proc/{flow(ebb)}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) * 1024


def cpu_s(ebb):
    with open(f"/proc/{flow(ebb)}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer(s):
    """Status and body of one answer. The bytes behind it stay in the socket: they are of the next one."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        if not more:
            return (0, got)
        got += more
    size = int(got.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(got.split()[1]), s.recv(size, socket.MSG_WAITALL) if size else b""


SEND = b"POST /api/v3/topic/orders HTTP/1.1\r\nHost: q\r\n"
CHUNKED = SEND + b"Transfer-Encoding: chunked\r\n\r\n"


def batch(kind, body):
    return (b"POST /api/v3/topic/orders/batch HTTP/1.1\r\nHost: q\r\nContent-Type: " + kind +
            b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


# --- bytes --------------------------------------------------------------------------------------------------
BYTES = [
    (b"\0" * 64 + b"\r\n\r\n", 400),
    (b"POST\r\n\r\n", 400),
    (b"POST /api/v3/topic/or\0ders HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/%2e%2e HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/a%2fb HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/" + b"a" * 256 + b" HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/a/consumer/c/id/0 HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/a/consumer/c/id/-1 HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST /api/v3/topic/a/consumer/c/id/18446744073709551616 HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"DELETE /api/v3/topic/a/consumer/c/lease/1-1-99999999999999999999 HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (b"POST http://q/api/v3/topic/../../x HTTP/1.1\r\nHost: q\r\n\r\n", 400),
    (SEND + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (SEND + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (SEND + b"Content-Length: -1\r\n\r\n", 400),
    (SEND + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    (SEND + b"Content-Length: 18446744073709551615\r\n\r\n", 400),
    (SEND + b"Content-Length: 4194305\r\n\r\n", 413),
    (SEND + b"Content-Length : 1\r\n\r\na", 400),
    (SEND + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    (SEND + b"X: " + b"x" * 20000, 431),
    (b"x" * 20000, 431),
    (SEND + b"Vqs-Idempotency-Key: a\xff\r\nContent-Length: 0\r\n\r\n", 400),
    (SEND + b"Content-Type: a\tb\r\nContent-Length: 0\r\n\r\n", 400),
    (CHUNKED + b"ffffffffffffffff\r\n", 400),
    (CHUNKED + b"fffffff\r\n" + b"x" * (4 * MIB + 1), 413),
    (CHUNKED + b"-1\r\n", 400),
    (CHUNKED + b"1\r\nab\r\n", 400),
    (CHUNKED + b"1;" + b"x" * 70000, 400),
    (CHUNKED + b"0\r\nx: " + b"y" * 70000, 400),
    (batch(b"multipart/mixed", b"--\r\n\r\n\r\n----"), 400),
    (batch(b"multipart/mixed; boundary=", b"--\r\n\r\n\r\n----"), 400),
    (batch(b"multipart/mixed; boundary=" + b"x" * 71, b""), 400),
    (batch(b"multipart/mixed; boundary=x", b"--x"), 400),
    (batch(b"multipart/mixed; boundary=x", b"--x\r\n\r\n\r\n--x"), 400),
    (batch(b"multipart/mixed; boundary=x", b"--x\r\n\r\n\r\n--x\r\nabc\r\n--x--"), 400),
    (batch(b"multipart/mixed; boundary=x", b"--x\r\n\r\n\r\n" * 101 + b"--x--"), 400),
    (batch(b"multipart/mixed; boundary=x", b"\0" * 4096), 400),
]


@pytest.mark.parametrize("number", range(len(BYTES)))
def test_bytes_that_are_no_request_are_refused(pair, number):
    _, evil, _ = pair
    request_, status = BYTES[number]
    with many(evil, 1) as (s,):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(request_)
        got, body = answer(s)
        assert got == status and json.loads(body)["error"], (request_[:100], body)


def test_a_request_that_came_with_another_is_the_second_one(pair):
    """Bytes behind a body belong to the next request, and no byte of a body does."""
    _, evil, _ = pair
    turns = SEND.replace(b"orders", b"pipeline")
    inner = b"DELETE /api/v3/topic/orders HTTP/1.1\r\nHost: q\r\n\r\n"
    with many(evil, 1) as (s,):
        s.sendall(turns + b"Content-Length: %d\r\n\r\n" % len(inner) + inner + turns +
                  b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + inner)
        assert [answer(s)[0] for _ in range(3)] == [201, 201, 405]
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
    assert [m.body for m in evil.take("pipeline", most=10)] == [inner, b"abc"]


def test_a_client_that_says_no_more_gets_its_answer(pair):
    _, evil, _ = pair
    with many(evil, 1) as (s,):
        s.sendall(SEND + b"Content-Length: 0\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert answer(s)[0] == 201 and s.recv(1) == b""


def test_many_requests_at_once_take_turns_with_those_of_others(pair):
    _, evil, good = pair
    count = 600
    with many(evil, 1) as (s,):
        s.sendall((SEND + b"Content-Length: 0\r\n\r\n") * count)
        assert answer(s)[0] == 201
        other = int(good.send("turns"))
        got = b""
        while got.count(b"HTTP/1.1 201") < count - 2:  # two may have come with the first one's bytes
            got += s.recv(65536)
    assert other < int(evil.send("turns")) - count // 2


def test_a_receipt_of_another_namespace_or_consumer_is_none(pair):
    _, evil, good = pair
    good.send("secret", b"theirs")
    good.take("secret", "two", lease=0)
    evil.send("secret")
    evil.take("secret")
    (message,) = good.take("secret")
    assert evil.acknowledge("secret", "one", message.receipt).status == 404
    assert evil.extend("secret", "one", message.receipt, 0).status == 404
    assert evil.ask("POST", f"secret/consumer/one/id/{message.id}").status == 410
    assert evil.take("secret") == []
    assert good.acknowledge("secret", "two", message.receipt).status == 404
    assert good.acknowledge("secret", "one", message.receipt).status == 204


# --- memory and connections ---------------------------------------------------------------------------------
def test_an_instance_has_so_many_connections_and_no_more(pair):
    ebb, evil, good = pair
    before = resident(ebb)
    with many(evil, 64) as slow:
        for s in slow:
            s.sendall(SEND + b"X-Slow: ")  # and no more
        for _ in range(936):
            with many(evil, 1) as (s,):
                status, body = answer(s)
                assert status == 503 and "too many connections" in json.loads(body)["error"]
        for n in range(8):
            good.send("slow", str(n).encode())
        assert len(good.take("slow", most=10)) == 8
        assert resident(ebb) - before < 32 * MIB


def test_bodies_that_never_end_are_bounded_for_an_instance(pair):
    ebb, evil, good = pair
    before = resident(ebb)
    with many(evil, 64) as slow:
        for s in slow:
            s.settimeout(5)
            with contextlib.suppress(OSError):
                s.sendall(SEND + b"Content-Length: %d\r\n\r\n" % (4 * MIB) + b"x" * (3 * MIB))
        assert resident(ebb) - before < 64 * MIB
        number = good.send("large", b"y" * (4 * MIB))
        (message,) = good.take("large")
        assert (message.id, len(message.body)) == (number, 4 * MIB)
        good.acknowledge("large", "one", message.receipt)
        for s in slow[-8:]:
            s.settimeout(120)  # the instance is heard in turns
        refused = [answer(s) for s in slow[-8:]]
        assert {status for status, _ in refused} == {503} and b"32 MiB" in refused[0][1]


def test_answers_that_nobody_reads_are_bounded_for_an_instance(pair):
    ebb, evil, good = pair
    for _ in range(3):
        evil.send("big", b"z" * (4 * MIB))
    before = resident(ebb)
    with many(evil, 63) as deaf:  # evil has one itself
        for s in deaf:
            s.sendall(POLL)
        good.send("orders2")
        assert len(good.take("orders2")) == 1
        assert resident(ebb) - before < 80 * MIB
    evil.close()
    wait_for(lambda: connections(ebb) == 1)  # those of the deaf ones are gone, and their answers
    for message in evil.take("big", "c", 10) + evil.take("big", "c", 10):
        assert evil.acknowledge("big", "c", message.receipt).status == 204


# --- CPU time -----------------------------------------------------------------------------------------------
def test_an_instance_has_a_share_of_ebb_flow(pair):
    """It asks as fast as it is answered, on many connections; ebb-flow works a fifth of the time for it."""
    ebb, evil, good = pair
    nothing = b"GET /x HTTP/1.1\r\nHost: q\r\n\r\n" * 1000
    with many(evil, 16) as fast:
        for s in fast:
            s.setblocking(False)
        begun, used, sent = time.monotonic(), cpu_s(ebb), 0
        while time.monotonic() - begun < 6:
            for s in fast:
                with contextlib.suppress(BlockingIOError):
                    s.send(nothing)
                with contextlib.suppress(BlockingIOError):
                    sent += len(s.recv(1 << 20))
        share = (cpu_s(ebb) - used) / (time.monotonic() - begun)
        good.send("orders2")
        assert good.take("orders2")
    assert sent > 100000 and share < 0.5, (sent, share)


# --- names, messages, pushes --------------------------------------------------------------------------------
def test_an_instance_makes_so_many_topics_and_consumers_and_no_more(pair):
    """Names cost a namespace its own room: those without messages give way to new ones."""
    ebb, evil, good = pair
    for n in range(300):
        evil.take(f"empty-{n}")
    assert len(topics(ebb, "evil")) == 256
    replies = [evil.ask("POST", f"full-{n}", b"x") for n in range(257)]
    assert {reply.status for reply in replies} == {201, 507}
    refused = [reply.json["error"] for reply in replies if reply.status == 507]
    assert len(refused) < 16 and "256 topics" in refused[0]
    statuses = [evil.ask("POST", f"full-0/consumer/c{n}").status for n in range(65)]
    assert statuses == [200] * 64 + [507]
    good.send("a-topic-of-its-own")
    assert len(good.take("a-topic-of-its-own")) == 1


def topics(ebb, space):
    return {row["topic"] for row in ebb.cli("queue", "ls", "--json").json if row["namespace"] == space}


def test_pushes_that_are_never_answered_leave_those_of_others(pair):
    """A service has as many as it asks for, and others have theirs."""
    ebb, _, _ = pair
    put(ebb, "stuck", {"maxConcurrency": 300, "experimentalTriggers": [trigger("work", "/hang", maxConcurrency=256)]})
    put(ebb, "quick", {"experimentalTriggers": [trigger("work")]})
    inside = {}
    for name in ("stuck", "quick"):
        assert ebb.get(name, "/").status == 200
        inside[name] = Inside(ebb, name)
    for _ in range(260):
        inside["stuck"].send("work")
    wait_for(lambda: [q["delivering"] for q in ebb.cli("queue", "ls", "--json").json if q["namespace"] == "stuck"] == [256], 30)
    inside["quick"].send("work")
    wait_for(lambda: noted(ebb, "quick"))
    for name in ("quick", "stuck"):
        inside[name].close()
        ebb.cli("rm", name)
    os.kill(inside["stuck"].pid, signal.SIGKILL)  # it is waited for, because requests are under way
