# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: HTTP/2 to instances, kind ones and hostile ones."""
import os
import struct
import threading
import time

import pytest

from gateway_harness import DEADLINE_S, Gateway, Reader, Upstream, until
from h2raw import (CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, RST_STREAM, Raw,
                   block, frame, request)
from h2server import REFUSED_STREAM, Server
from waiting import slow


@pytest.fixture
def make():
    """make(server, upstream="h2c", ...): a gateway in front of it."""
    made = []

    def make(server, upstream="h2c", max_ms=int(slow(30000)), concurrency=100, **options):
        gw = Gateway(**options)
        made.append((gw, server))
        gw.service(max_ms=max_ms, concurrency=concurrency)
        gw.up(0, server.port, limit=concurrency, upstream=upstream)
        return gw

    yield make
    for gw, server in made:
        server.close()
        assert gw.stop() == 0


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def gw(make, server):
    return make(server)


def post(path, body=b"", fields=b""):
    return b"POST %s HTTP/1.1\r\nHost: any\r\nContent-Length: %d\r\n%s\r\n" % (path, len(body), fields) + body


def at_once(count, work):
    got, threads = [None] * count, []

    def run(n):
        got[n] = work(n)

    for n in range(count):
        threads.append(threading.Thread(target=run, args=(n,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(DEADLINE_S)
    return got


# ---- requests and answers

def test_a_request_and_its_answer(gw, server):
    status, fields, body = gw.get("/hello", fields="X-Mixed-Case: Yes\r\nConnection: x-hop\r\nX-Hop: 1\r\nCookie: a=1\r\n")
    assert (status, body) == (200, b"hello") and fields["x-ebb-instance"] == "inst-0"
    told = server.fields["hello"]
    assert [told[k] for k in (":method", ":scheme", ":path", ":authority")] == ["GET", "http", "/hello", "any"]
    assert told["x-mixed-case"] == "Yes" and told["cookie"] == "a=1" and told["via"] == "1.1 ebb"
    assert not {"host", "connection", "x-hop", "transfer-encoding"} & set(told)
    assert gw.board()["tickets"] == 0 and gw.counters()["h2up_sessions"] == 1


def test_requests_share_a_connection(gw, server):
    assert {r[2] for r in at_once(20, lambda n: gw.get("/hello"))} == {b"hello"}
    assert len(server.connections) == 1


@pytest.mark.parametrize("size", [0, 1, 16384, 1000000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_http_11_clients_pass_both_ways(gw, server, size, chunked):
    body = os.urandom(size)
    if chunked:
        head = b"POST /echo HTTP/1.1\r\nHost: any\r\nTransfer-Encoding: chunked\r\n\r\n"
        sent = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 5000]), body[i:i + 5000]) for i in range(0, size, 5000))
        got = gw.ask(head + sent + b"0\r\n\r\n")
        assert "content-length" not in server.fields["echo"]
    else:
        got = gw.ask(post(b"/echo", body))
        assert server.fields["echo"]["content-length"] == str(size)
    assert got[0] == 200 and got[2] == body


def test_bodies_of_http_2_clients_pass_both_ways_with_trailers(gw):
    with Raw(gw.port) as h2:
        status, _, body, trailers = h2.ask("/echo?7", "POST", body=b"x" * 5000)
        assert (status, body, trailers) == (200, b"x" * 5000, {"grpc-status": "0", "x-tail": "7"})


def test_each_direction_goes_on_by_itself(gw):
    """Nothing is kept back until a body has ended: a word each way, many times, on one stream."""
    with Raw(gw.port) as h2:
        stream = h2.open(request("/echo", "POST"), end=False)
        for n in range(50):
            word = b"%d" % n
            h2.send(frame(DATA, 0, stream, word))
            got = b""
            while got != word:
                kind, _, _, payload = h2.one()
                got += payload if kind == DATA else b""
                assert word.startswith(got)
        h2.send(frame(DATA, END_STREAM, stream))
        assert h2.answer(stream)[3]["grpc-status"] == "0"


def test_trailers_of_a_request_reach_the_function(gw, server):
    for together in (True, False):
        with gw.connect() as sock:
            sock.sendall(b"POST /hello HTTP/1.1\r\nHost: any\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            if not together:
                server.wait("data")
            sock.sendall(b"2\r\nde\r\n0\r\nX-Sum: 1\r\nCookie: a\r\n\r\n")
            assert Reader(sock).response()[2] == b"hello"
        assert server.wait("trailers") == {"x-sum": "1"}
        assert server.fields["hello"]["trailer"] == "x-sum"
    with Raw(gw.port) as h2:
        for body in (b"abc", b""):
            stream = h2.open(request("/hello", "POST"), end=False)
            h2.send(frame(DATA, 0, stream, body) + frame(HEADERS, END_HEADERS | END_STREAM, stream, block([("x-sum", "2"), ("host", "evil")])))
            assert h2.answer(stream)[2] == b"hello"
            assert server.wait("trailers") == {"x-sum": "2"}
        assert {h2.ask("/hello")[2] for _ in range(3)} == {b"hello"}
    assert len(server.connections) == 1 and gw.board()["tickets"] == 0


def test_http_11_clients_get_trailers_if_they_ask(gw):
    for fields, tail in ((b"TE: trailers\r\n", b"0\r\ngrpc-status: 0\r\nx-tail: \r\n\r\n"), (b"", b"0\r\n\r\n")):
        with gw.connect() as sock:
            sock.sendall(post(b"/echo", b"abc", fields + b"Connection: close\r\n"))
            assert Reader(sock).rest().endswith(b"\r\n\r\n3\r\nabc\r\n" + tail)


def test_trailers_pass_behind_a_body_of_known_length_too(gw, server):
    server.on_known = lambda conn, stream, *_: conn.reply(stream, b"abc", ("content-length", "3"), trailers=[("x", "1")])
    with Raw(gw.port) as h2:
        assert h2.ask("/known")[1]["content-length"] == "3" and h2.ask("/known")[2:] == (b"abc", {"x": "1"})
    assert gw.get("/known")[1]["content-length"] == "3"


def test_trailers_that_go_nowhere_hold_no_buffer(gw, server):
    """A length leaves no place for them in HTTP/1.1. Each answer on a connection that went on kept 16 KiB for ever."""
    server.on_known = lambda conn, stream, *_: conn.reply(stream, b"abc", ("content-length", "3"), ("trailer", "x"), trailers=[("x", "1")])
    with gw.connect() as sock:
        for _ in range(5):
            status, fields, body = gw.get("/known", sock, "TE: trailers\r\n")
            assert (status, body, fields.get("trailer")) == (200, b"abc", None)

    def all_are_back():
        found = gw.counters()
        return found["buffers_free"] + found["buffers_in_ring"] == found["buffers"]
    until(all_are_back, "the buffers")


def test_long_trailers_pass(gw, server):
    tail = [("x-%d" % n, "y" * 900) for n in range(10)]
    server.on_long = lambda conn, stream, *_: conn.reply(stream, b"abc", trailers=tail)
    with Raw(gw.port) as h2:
        assert h2.ask("/long")[2:] == (b"abc", dict(tail))
    with gw.connect() as sock:
        sock.sendall(b"GET /long HTTP/1.1\r\nHost: any\r\nTE: trailers\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n\r\n") or b"x-9" not in got:
            got += sock.recv(1 << 16)
        assert got.count(b"y" * 900) == 10
        assert Reader(sock) and gw.get("/hello", sock)[2] == b"hello"


def test_trailers_alone_end_with_the_head(gw, server):
    """As gRPC answers an error: clients look for it in a head that ends the stream."""
    server.on_fail = lambda conn, stream, *_: conn.head(stream, ("grpc-status", "5"), end=True)
    with Raw(gw.port) as h2:
        stream = h2.open(request("/fail", "POST"), body=b"x")
        while True:
            kind, flags, at, fields = h2.one()
            if kind == HEADERS and at == stream:
                break
        assert flags & END_STREAM and dict(fields)["grpc-status"] == "5"


def test_head_204_304_and_interim_answers(gw, server):
    server.on_empty = lambda conn, stream, fields, arg: conn.head(stream, end=True, status=arg)
    server.on_hints = lambda conn, stream, *_: (conn.head(stream, ("link", "</a>"), status="103"), conn.reply(stream, b"x"))
    assert gw.get("/empty?204")[::2] == (204, b"") and gw.get("/empty?304")[::2] == (304, b"")
    assert gw.get("/empty?200")[::2] == (200, b"") and gw.get("/hello", method="HEAD")[0] == 200
    with gw.connect() as sock:
        sock.sendall(b"GET /hints HTTP/1.1\r\nHost: any\r\n\r\n")
        reader = Reader(sock)
        assert reader.response()[1]["link"] == "</a>" and reader.response()[2] == b"x"


def test_large_heads_pass_and_larger_ones_do_not(gw, server):
    server.on_heads = lambda conn, stream, fields, arg: conn.send(*heads(stream, int(arg)), frame(DATA, END_STREAM, stream))

    def heads(stream, count):
        text = block([(":status", "200"), *(("x-%d" % n, "y" * 8000) for n in range(count))])
        pieces = [text[i:i + 16000] for i in range(0, len(text), 16000)]
        return [frame(CONTINUATION if i else HEADERS, END_HEADERS if piece is pieces[-1] else 0, stream, piece)
                for i, piece in enumerate(pieces)]

    assert gw.get("/heads?7")[1]["x-6"] == "y" * 8000
    status, fields, body = gw.get("/heads?9")
    assert (status, fields["x-ebb-error"]) == (502, "BAD_RESPONSE") and b"too large" in body
    assert gw.get("/hello")[2] == b"hello"


# ---- which HTTP

def test_what_an_instance_speaks_is_found_out(make, server):
    gw = make(server, "auto")
    assert {r[2] for r in at_once(10, lambda n: gw.ask(post(b"/sink", b"x" * 3000)))} == {b"3000"}
    assert gw.counters()["http2_upstreams"] >= 1 and server.counts["sink"] == 10
    gw.up(1, server.port)  # another of the same revision is known to speak it
    gw.do("retire", 0)
    assert gw.get("/hello")[2] == b"hello"
    assert gw.counters()["http2_upstreams"] <= 10


def test_an_upload_that_has_begun_is_refused_with_the_reason(make, server):
    gw = make(server, "auto")
    status, fields, body = gw.ask(post(b"/sink", bytes(1000000)))
    assert status == 200 or (status == 502 and b"set ebb.upstream to h2c" in body), (status, fields, body)
    assert gw.ask(post(b"/sink", bytes(1000000)))[2] == b"1000000"


def test_grpc_is_http_2_before_anything_is_known(make, server):
    gw = make(server, "auto")
    with Raw(gw.port) as h2:
        assert h2.ask("/echo", "POST", [("content-type", "application/grpc+proto")], body=b"x" * 12000)[2] == b"x" * 12000
    assert gw.counters()["http2_upstreams"] == 0


def test_grpc_to_a_server_of_http_11_falls_back(make):
    up = Upstream()
    gw = make(up, "auto")
    with Raw(gw.port) as h2:
        for _ in range(2):
            got = h2.ask("/echo-chunked", "POST", [("content-type", "application/grpc")], body=b"abc")
            assert got[2:] == (b"abc", {"x-trailer": "1"})


@pytest.mark.parametrize("upstream, words", [("http1", b"it speaks HTTP/2 (as gRPC servers do), and ebb.upstream is http1"),
                                             ("h2c", b"it speaks HTTP/1.1, and ebb.upstream is h2c")])
def test_the_wrong_http_is_named(make, upstream, words):
    gw = make(Server() if upstream == "http1" else Upstream(), upstream)
    status, fields, body = gw.get("/hello")
    assert (status, fields["x-ebb-error"]) == (502, "BAD_RESPONSE") and words in body


# ---- connections, limits, time

def test_no_more_streams_than_the_instance_allows(make):
    server = Server(streams=3)
    gw = make(server)
    most, lock = [0], threading.Lock()

    def busy(conn, stream, fields, arg):
        with lock:
            conn.busy = getattr(conn, "busy", 0) + 1
            most[0] = max(most[0], conn.busy)
        time.sleep(0.01)
        with lock:
            conn.busy -= 1
        conn.reply(stream, b"done")

    server.on_busy = busy
    assert {r[2] for r in at_once(30, lambda n: gw.ask(post(b"/busy", b"x")))} == {b"done"}
    assert most[0] <= 3 and server.counts["busy"] == 30 and 2 <= len(server.connections) <= 12


def test_what_a_goaway_did_not_take_is_sent_again(gw, server):
    def leave(conn, stream, fields, arg):
        if server.counts["leave"] == 1:
            conn.goaway(0)
        else:
            conn.reply(stream, b"again")

    server.on_leave = leave
    assert gw.ask(post(b"/leave", b"x"))[2] == b"again"
    assert len(server.connections) == 2 and server.counts["leave"] == 2


def test_streams_taken_before_a_goaway_finish(gw, server):
    server.on_last = lambda conn, stream, *_: (conn.goaway(stream), server.go.wait(DEADLINE_S), conn.reply(stream, b"last"))
    got = []
    asks = threading.Thread(target=lambda: got.append(gw.get("/last")))
    asks.start()
    until(lambda: gw.counters()["h2up_goaways"] == 1, "GOAWAY")
    assert gw.get("/hello")[2] == b"hello" and len(server.connections) == 2
    server.go.set()
    asks.join(DEADLINE_S)
    assert got[0][2] == b"last"
    server.wait("closed")


def test_a_refused_stream_is_sent_again(gw, server):
    def refuse(conn, stream, fields, arg):
        if server.counts["refuse"] == 1:
            conn.reset(stream, REFUSED_STREAM)
        else:
            conn.reply(stream, b"second time")

    server.on_refuse = refuse
    assert gw.ask(post(b"/refuse", b"x"))[2] == b"second time"
    assert gw.counters()["nacks"] == 1


def test_a_reset_is_told_with_its_reason(gw, server):
    server.on_reset = lambda conn, stream, fields, arg: conn.reset(stream, int(arg))
    server.on_cut = lambda conn, stream, fields, arg: (conn.head(stream), conn.data(stream, b"a"), server.go.wait(DEADLINE_S),
                                                       conn.reset(stream, int(arg)))
    status, fields, body = gw.ask(post(b"/reset?2", b"x"))
    assert (status, fields["x-ebb-error"]) == (502, "BAD_RESPONSE") and b"INTERNAL_ERROR" in body
    server.go.set()
    for code, told in ((CANCEL, CANCEL), (ENHANCE_YOUR_CALM, ENHANCE_YOUR_CALM), (2, 2), (REFUSED_STREAM, 2), (0, 2)):
        with Raw(gw.port) as h2:
            stream = h2.open(request(f"/cut?{code}"))
            while True:
                kind, _, at, payload = h2.one()
                if kind == RST_STREAM and at == stream:
                    break
            assert struct.unpack(">I", payload)[0] == told
    assert gw.get("/hello")[2] == b"hello"


def test_a_lost_connection_is_told_with_the_right_words(gw, server):
    def die(conn, stream, fields, arg):
        for _ in conn.body(stream):
            pass
        if server.counts["die"] == 1 or arg == "always":
            conn.sock.shutdown(2)
        else:
            conn.reply(stream, b"alive")

    server.on_die = die
    assert gw.get("/die")[2] == b"alive"  # it may be sent twice
    status, fields, body = gw.ask(post(b"/die?always", b"x"))
    assert (status, fields["x-ebb-error"]) == (502, "INSTANCE_CRASHED") and b"closed the connection without an answer" in body
    assert server.counts["die"] == 3


def test_nobody_there_is_retried_and_told(make, server):
    gw = make(server)
    server.close()
    status, fields, body = gw.ask(post(b"/hello", b"x"))
    assert status in (502, 503), (status, body)


def test_a_request_on_a_connection_that_has_just_ended_is_not_lost(gw, server):
    """POST too: it was never read. Many servers end idle connections without a GOAWAY."""
    for n in range(30):
        assert gw.ask(post(b"/sink", b"x" * n))[2] == b"%d" % n
        server.connections[-1].sock.shutdown(2)
        server.wait("closed")


def test_a_client_that_leaves_cancels_its_stream(gw, server):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/never"))
        server.wait("never")
        h2.send(frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        assert server.wait("reset") == CANCEL
    until(lambda: gw.board()["tickets"] == 0, "ticket back")
    sock = gw.connect()
    sock.sendall(b"GET /never HTTP/1.1\r\nHost: any\r\n\r\n")
    server.wait("never")
    sock.close()
    assert server.wait("reset") == CANCEL
    until(lambda: gw.board()["tickets"] == 0, "ticket back")
    assert len(server.connections) == 1


def test_max_duration_cancels_and_waits_until_that_was_heard(make):
    server = Server(pongs=False)
    gw = make(server, max_ms=300)
    assert gw.get("/never")[0] == 504
    assert server.wait("reset") == CANCEL
    assert gw.board()["tickets"] == 1  # until its PING comes back
    until(lambda: gw.board()["tickets"] == 0, "ignored: it is suspect")
    assert gw.event("suspect")[:1] == ["0"]
    server.pongs = True
    assert gw.get("/never")[0] == 504
    until(lambda: gw.board()["tickets"] == 0, "heard")
    assert gw.counters()["cancels_ignored"] == 1


def test_pings_are_answered(gw, server):
    server.on_ping = lambda conn, stream, *_: (conn.send(frame(PING, 0, 0, b"12345678")), conn.reply(stream, b"x"))
    assert gw.get("/ping")[2] == b"x" and server.wait("pong") == b"12345678"


def test_an_idle_connection_holds_no_ticket_and_ends_by_itself(gw, server):
    assert gw.get("/hello")[2] == b"hello"
    assert gw.do("freeze", 0)[2] == "1"
    assert gw.get("/hello")[1]["x-ebb-start"] == "thaw" and len(server.connections) == 1
    server.wait("goaway")
    server.wait("closed")
    assert gw.counters()["upstreams"] == 0


def test_a_connection_that_idled_through_a_freeze_is_replaced(gw, server):
    """Timers of the server's keep-alive went on meanwhile."""
    assert gw.get("/hello")[2] == b"hello"
    idle = time.monotonic()
    assert gw.do("freeze", 0)[2] == "1"
    while time.monotonic() < idle + 1.2:  # the gateway goes by the clock here
        gw.board()
        threading.Event().wait(0.05)
    assert gw.ask(post(b"/sink", b"x"))[2] == b"1" and len(server.connections) == 2


def test_a_drain_ends_connections_and_lets_streams_finish(gw, server):
    got = []
    asks = threading.Thread(target=lambda: got.append(gw.get("/wait")))
    asks.start()
    server.wait("wait")
    gw.do("drain")
    server.go.set()
    asks.join(DEADLINE_S)
    assert got[0][2] == b"waited"
    assert gw.event("exit") == ["0"]


def test_an_instance_that_drains_keeps_no_idle_connection(gw, server):
    assert gw.get("/hello")[2] == b"hello"
    gw.do("instancedrain", 0)
    server.wait("goaway")
    server.wait("closed")


def test_an_instance_that_died_gives_its_place_to_another(gw, server):
    sock = gw.connect()
    sock.sendall(post(b"/never", b"x"))
    server.wait("never")
    gw.do("down", 0, 2, 9)
    server.drop()
    status, fields, body = Reader(sock).response()
    assert (status, fields["x-ebb-error"]) == (502, "INSTANCE_CRASHED") and b"signal 9" in body
    gw.up(0, server.port, upstream="h2c")
    assert gw.get("/hello")[2] == b"hello" and gw.board()["tickets"] == 0


# ---- back-pressure

def test_a_slow_reader_holds_up_its_own_stream_only(gw, server):
    with Raw(gw.port, window=0) as h2:
        stream = h2.open(request("/big?1600"))  # 100 MB
        while not any(g[0] == HEADERS for g in h2.kept):
            h2.one()
        before, last = gw.rss_kb(), -100
        while server.sent > last + 50:  # the answers beside it are of 5 bytes
            last = server.sent
            threading.Event().wait(0.2)
            assert gw.get("/hello")[2] == b"hello"
        assert server.sent < 100_000 and gw.rss_kb() - before < 1024
        assert stream and len(server.connections) == 1


def test_an_instance_that_does_not_read_holds_up_its_own_stream_only(make):
    server = Server(reads=False)
    gw = make(server, max_ms=int(slow(2500)))
    sock = gw.connect()
    sock.setblocking(False)
    sent, body = 0, bytes(1 << 16)
    sock.send(b"POST /never HTTP/1.1\r\nHost: any\r\nContent-Length: 100000000\r\n\r\n")
    server.wait("never")
    quiet = time.monotonic()
    while time.monotonic() < quiet + 0.5:
        try:
            sent += sock.send(body)
            quiet = time.monotonic()
        except BlockingIOError:
            threading.Event().wait(0.01)
    taken = 0
    while not server.seen.empty():
        kind, value = server.seen.get()
        taken += value if kind == "data" else 0
    assert taken == 65535 and sent < 50_000_000
    assert gw.get("/hello")[2] == b"hello" and gw.counters()["buffers_free"] > 500
    sock.setblocking(True)
    assert b" 504 " in sock.recv(1000)
    until(lambda: gw.board()["tickets"] == 0, "ticket back")
    sock.close()
