# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: instances that speak HTTP/2 and mean harm. Nobody but their own requests may suffer."""
import concurrent.futures
import contextlib
import os
import random
import struct
import time

import pytest

from gateway_harness import DEADLINE_S, Gateway, Upstream, until
from h2raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE,
                   Raw, block, field, frame, integer, request, settings)
from h2server import Server
from waiting import slow


@pytest.fixture
def make():
    """make(server, ...): a gateway in front of it."""
    made = []

    def make(server, max_ms):
        gw = Gateway()
        made.append((gw, server))
        gw.service(max_ms=max_ms)
        gw.up(0, server.port, upstream="h2c")
        return gw

    yield make
    for gw, server in made:
        server.close()
        assert gw.stop() == 0


def at_once(count, work):
    """An error in a thread is the test's, and so is a thread that does not end."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, n) for n in range(count)]:
            done.result(DEADLINE_S)


def bad_head(*fields):
    return lambda conn, stream: conn.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(fields)))


def forever(piece):
    """Until the connection ends."""
    def say(conn, stream):
        many = piece(stream) if callable(piece) else piece
        many *= max(1, 65536 // len(many))
        for _ in range(2000):
            conn.send(many)
    return say


def bomb(conn, stream):
    big = field("x", "y" * 4000, indexed=True)
    conn.send(frame(HEADERS, END_HEADERS, stream, block([(":status", "200")]) + big + integer(62, 7, 0x80) * 12000))


def flood_of_heads(conn, stream):
    for _ in range(1000):
        conn.head(stream, status="103")


OK = (":status", "200")
HOSTILE = {
    "no status": bad_head(("x", "y")),
    "two statuses": bad_head(OK, OK),
    "status late": bad_head(("x", "y"), OK),
    "status of letters": bad_head((":status", "abc")),
    "status 99": bad_head((":status", "99")),
    "status 101": bad_head((":status", "101")),
    "pseudo-field of requests": bad_head(OK, (":path", "/")),
    "upper case": bad_head(OK, ("X-Upper", "y")),
    "connection": bad_head(OK, ("connection", "close")),
    "transfer-encoding": bad_head(OK, ("transfer-encoding", "chunked")),
    "line feed": bad_head(OK, ("x", "a\r\nset-cookie: evil=1")),
    "nul": bad_head(OK, ("x", "a\0b")),
    "empty name": bad_head(OK, ("", "y")),
    "two lengths": bad_head(OK, ("content-length", "1"), ("content-length", "2")),
    "length too long": lambda conn, stream: (conn.head(stream, ("content-length", "10")), conn.data(stream, b"x", end=True)),
    "length too short": lambda conn, stream: (conn.head(stream, ("content-length", "1")), conn.data(stream, b"xyz", end=True)),
    "data without a head": lambda conn, stream: conn.send(frame(DATA, END_STREAM, stream, b"x")),
    "an interim head ends it": lambda conn, stream: conn.head(stream, end=True, status="103"),
    "trailers without an end": lambda conn, stream: (conn.head(stream), conn.send(frame(HEADERS, END_HEADERS, stream, block([("x", "y")])))),
    "a status in trailers": lambda conn, stream: (conn.head(stream), conn.head(stream, end=True)),
    "garbage": lambda conn, stream: conn.send(b"\xff" * 100),
    "a frame too large": lambda conn, stream: conn.send(frame(DATA, 0, stream, bytes(20000))),
    "a stream nobody opened": lambda conn, stream: conn.head(stream + 2),
    "an even stream": lambda conn, stream: conn.head(2),
    "data on stream 0": lambda conn, stream: conn.send(frame(DATA, 0, 0, b"x")),
    "push": lambda conn, stream: conn.send(frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack(">I", 2) + block(request()))),
    "a window too large": lambda conn, stream: conn.send(*[frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fffffff))] * 2),
    "a window of nothing": lambda conn, stream: conn.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0))),
    "data beyond the window": lambda conn, stream: (conn.head(stream), conn.send(*[frame(DATA, 0, stream, bytes(16384))] * 8)),
    "bad settings": lambda conn, stream: conn.send(settings(window=0x80000000)),
    "settings of 5 bytes": lambda conn, stream: conn.send(frame(SETTINGS, 0, 0, bytes(5))),
    "an index out of the table": lambda conn, stream: conn.send(frame(HEADERS, END_HEADERS, stream, integer(500, 7, 0x80))),
    "a cut string": lambda conn, stream: conn.send(frame(HEADERS, END_HEADERS, stream, b"\x00\x7f" + b"x")),
    "head inside a head": lambda conn, stream: conn.send(frame(HEADERS, 0, stream, block([OK])), frame(DATA, 0, stream, b"x")),
    "hpack bomb": bomb,
    "continuations": lambda conn, stream: (conn.send(frame(HEADERS, 0, stream, block([OK]))), forever(lambda s: frame(CONTINUATION, 0, s))(conn, stream)),
    "interim heads": flood_of_heads,
    "settings flood": forever(settings(streams=100)),
    "ping flood": forever(frame(PING, 0, 0, b"12345678")),
    "empty data": lambda conn, stream: (conn.head(stream), forever(lambda s: frame(DATA, 0, s))(conn, stream)),
    "window updates": forever(lambda s: frame(WINDOW_UPDATE, 0, s, struct.pack(">I", 1))),
    "unknown frames": forever(frame(0x99, 0, 0, b"x" * 100)),
    "priorities": forever(frame(2, 0, 1, bytes(5))),
    "resets": lambda conn, stream: conn.reset(stream, 99),
}


@pytest.fixture(scope="module")
def hostile():
    """One gateway: a hostile instance in front, and a neighbour that wants to be left in peace."""
    server, neighbour = Server(), Upstream()
    server.on_evil = lambda conn, stream, fields, arg: HOSTILE[arg.replace("+", " ")](conn, stream)
    gw = Gateway()
    gw.service(0, "evil", max_ms=int(slow(700)), prefix="/evil")
    gw.service(1, "good", prefix="/")
    gw.up(0, server.port, upstream="h2c")
    gw.up(1, neighbour.port, service=1)
    yield gw
    server.close()
    neighbour.close()
    assert gw.stop() == 0


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_instance_hurts_nobody(hostile, what):
    gw, path = hostile, "/evil?" + what.replace(" ", "+")
    with Raw(gw.port) as h2:
        stream = h2.open(request(path, "POST"), body=b"x")
        begun = time.monotonic()
        assert gw.get("/hello")[2] == b"hello"
        took = time.monotonic() - begun
        answered = h2.answer(stream)[:2]
    assert answered[0] in (502, 504, "reset"), answered
    assert took < slow(1)
    status, fields, _ = gw.ask(b"GET %s HTTP/1.1\r\nHost: any\r\n\r\n" % path.encode()) if what in SOON else (502, {}, b"")
    assert status in (200, 502, 503, 504) and "set-cookie" not in fields
    until(lambda: gw.board()["tickets"] == 0, "tickets back")
    until(lambda: gw.counters()["buffers_free"] + gw.counters()["buffers_in_ring"] == gw.counters()["buffers"], "buffers back")


SOON = ("no status", "upper case", "line feed", "garbage", "push")


def test_a_window_of_nothing_for_ever_ends_with_max_duration(make):
    server = Server(window=0)
    gw = make(server, max_ms=500)
    post = b"POST /never HTTP/1.1\r\nHost: any\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
    assert gw.ask(post)[0] == 504
    assert gw.get("/hello")[2] == b"hello"
    until(lambda: gw.board()["tickets"] == 0, "ticket back")


def test_random_frames_from_an_instance(make):
    seed = int(os.environ.get("EBB_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    rand = random.Random(seed)
    server = Server()

    def noise(conn, stream, fields, arg):
        r = random.Random(int(arg))
        for _ in range(r.randrange(1, 40)):
            kind, at = r.choice([0, 0, 1, 1, 1, 3, 4, 6, 7, 8, 9, r.randrange(256)]), r.choice([0, stream, stream, stream + 2])
            payload = block([(":status", r.choice(["200", "103"])), ("x", "y")]) if kind == 1 and r.random() < .7 else \
                r.randbytes(r.choice([0, 4, 5, 6, 8, r.randrange(300)]))
            conn.send(frame(kind, r.choice([0, END_STREAM, END_HEADERS, 5, r.randrange(256)]), at, payload))
        conn.reset(stream)

    server.on_noise = noise
    gw = make(server, max_ms=int(slow(1000)))
    seeds = [[rand.randrange(1 << 30) for _ in range(10)] for _ in range(8)]

    def ask(n):
        for seed in seeds[n]:
            with contextlib.suppress(EOFError):  # an answer that broke off
                gw.get(f"/noise?{seed}" if n else "/hello")

    at_once(8, ask)
    answers = []
    until(lambda: answers.append(gw.get("/hello")) or answers[-1][0] == 200, f"it serves: {answers[-1:]}")
    until(lambda: gw.board()["tickets"] == 0, "tickets back")
    until(lambda: gw.counters()["buffers_free"] + gw.counters()["buffers_in_ring"] == gw.counters()["buffers"], "buffers back")
