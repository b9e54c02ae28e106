# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: HTTP/2 by prior knowledge, as clients speak it."""
import os, signal, struct, subprocess, sys, threading, time, zlib
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import h2raw
from gateway_harness import BLOCK, Gateway, Upstream, pattern_crc, until
from h2raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, RST_STREAM, WINDOW_UPDATE, Raw, block,
                   frame, request)


@pytest.fixture
def up():
    up = Upstream()
    yield up
    up.close()


@pytest.fixture
def make(up):
    made = []

    def make(max_ms=30000, concurrency=100, **options):
        made.append(Gateway(**options))
        made[-1].service(max_ms=max_ms, concurrency=concurrency)
        made[-1].up(0, up.port, limit=concurrency)
        return made[-1]

    yield make
    for gw in made:
        gw.stop()


@pytest.fixture
def gw(make):
    return make()


def test_a_request_and_its_answer(gw):
    with Raw(gw.port) as h2:
        status, fields, body, trailers = h2.ask("/hello")
        assert (status, body, trailers) == (200, b"hello", None)
        assert fields["x-ebb-instance"] == "inst-0" and fields["x-ebb-start"] == "warm"
        assert "connection" not in fields and "transfer-encoding" not in fields
        assert h2.ask("/echo", "POST", body=b"abc")[2] == b"abc"
    assert gw.counters()["h2_streams"] == 2


def test_what_the_function_sees_is_http_11_written_anew(gw):
    extra = [("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2"), ("x-ebb-id", "forged"), ("Accept".lower(), "*/*")]
    with Raw(gw.port) as h2:
        head = h2.ask("/head?x=1", "GET", extra, authority="any:80")[2].decode()
    lines = head.split("\r\n")
    assert lines[0] == "GET /head?x=1 HTTP/1.1" and lines[1] == "host: any:80"
    assert "cookie: a=1; b=2" in lines and head.count("cookie:") == 1
    assert "te: trailers" in lines and "accept: */*" in lines and "forged" not in head


def test_host_may_stand_for_authority(gw):
    fields = [(":method", "GET"), (":path", "/head"), (":scheme", "http"), ("host", "any")]
    with Raw(gw.port) as h2:
        assert b"\r\nhost: any\r\n" in h2.answer(h2.open(fields))[2]


def test_head_and_204_and_304_have_no_body(gw):
    with Raw(gw.port) as h2:
        assert h2.ask("/hello", "HEAD")[:3:2] == (200, b"")
        assert h2.ask("/no-content")[:3:2] == (204, b"")


def test_interim_answers_come_first(gw):
    with Raw(gw.port) as h2:
        assert h2.ask("/hints")[:3:2] == (200, b"after hints")
        assert [(i[":status"], i["link"]) for i in h2.interims] == [("103", "</a.css>")]


def test_expect_is_answered_with_100(gw):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/echo", "POST", [("expect", "100-continue")]), end=False)
        until(lambda: any(g[0] == HEADERS for g in h2.kept) or h2.one()[0] == HEADERS, "100")
        assert dict(next(g for g in h2.kept if g[0] == HEADERS)[3]) == {":status": "100"}
        h2.send(frame(DATA, END_STREAM, stream, b"body"))
        assert h2.answer(stream)[:3:2] == (200, b"body")


def test_trailers_of_the_function_arrive(gw):
    with Raw(gw.port) as h2:
        assert h2.ask("/echo-chunked", "POST", body=b"x" * 5000)[2:] == (b"x" * 5000, {"x-trailer": "1"})


@pytest.fixture
def with_tail(up):
    """with_tail(tail, body): a path whose answer ends so."""
    def path(tail, body=b"5\r\nhello\r\n"):
        up.on_tail = lambda conn, *_: conn.sendall(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body + tail)
        return "/tail"

    return path


@pytest.mark.parametrize("tail, trailers", [
    (b"0\r\ngrpc-status: 0\r\nGrpc-Message: ok\r\n\r\n", {"grpc-status": "0", "grpc-message": "ok"}),
    (b"0\r\n\r\n", None),
    (b"0\r\ncontent-length: 7\r\nset-cookie: a=1\r\nx-ebb-id: 1\r\nconnection: close\r\n\r\n", None),
    (b"0\r\nx: " + b"a" * 9000 + b"\r\n\r\n", {"x": "a" * 9000}),
], ids=["grpc", "none", "not behind a body", "long"])
def test_trailers_are_checked_and_written_anew(gw, with_tail, tail, trailers):
    with Raw(gw.port) as h2:
        assert h2.ask(with_tail(tail))[2:] == (b"hello", trailers)
        assert h2.ask(with_tail(tail, b""))[2:] == (b"", trailers)


def test_trailers_byte_by_byte(gw, up):
    def slowly(conn, *_):
        for byte in b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 5\r\n\r\n":
            conn.sendall(bytes([byte]))

    up.on_slowly = slowly
    with Raw(gw.port) as h2:
        assert h2.ask("/slowly")[2:] == (b"abc", {"grpc-status": "5"})


@pytest.mark.parametrize("tail", [b"0\r\nno colon\r\n\r\n", b"0\r\nx: \x01\r\n\r\n", b"0\r\n: x\r\n\r\n",
                                  b"0\r\nx: " + b"a" * 20000 + b"\r\n\r\n"],
                         ids=["colon", "control", "name", "size"])
def test_malformed_trailers_end_the_stream_not_the_connection(gw, with_tail, tail):
    with Raw(gw.port) as h2:
        answer = h2.ask(with_tail(tail))
        assert answer[0] in ("reset", 502), answer
        assert h2.ping()


def test_errors_of_ebb_carry_the_same_fields(make):
    gw = make(max_ms=100)
    gw.do("unservice", 0)
    with Raw(gw.port) as h2:
        status, fields, body, _ = h2.ask("/hello")
        assert (status, fields["x-ebb-error"]) == (404, "NO_SERVICE")
        assert fields["x-ebb-id"].encode() in body and fields["content-type"] == "application/json"
        assert int(fields["content-length"]) == len(body) and "connection" not in fields


def test_max_duration_is_504(make):
    gw = make(max_ms=100)
    with Raw(gw.port) as h2:
        assert h2.ask("/never")[1]["x-ebb-error"] == "MAX_DURATION"
        assert h2.ask("/hello")[0] == 200


def test_a_cut_answer_is_a_reset(gw):
    with Raw(gw.port) as h2:
        assert h2.ask("/cut") == ("reset", h2raw.INTERNAL_ERROR)
        assert h2.ask("/close-once")[0] == 200  # retried, as ever
        assert h2.ask("/until-close")[2] == b"all of it"


def test_an_early_answer_ends_the_upload(gw):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/early", "POST"), end=False)
        h2.send(frame(DATA, 0, stream, b"x" * 1000))
        assert h2.answer(stream)[:3:2] == (413, b"too much")
        until(lambda: any(g[0] == RST_STREAM for g in h2.kept) or h2.one()[0] == RST_STREAM, "a reset")
        assert h2.take(stream)[3] == struct.pack(">I", h2raw.NO_ERROR)
        assert h2.ask("/hello")[0] == 200


BAD_REQUESTS = {
    "no method": request()[1:],
    "no path": [f for f in request() if f[0] != ":path"],
    "empty path": request(""),
    "path is no path": request("hello"),
    "path is a URL": request("http://other/"),
    "path with a space": request("/a b"),
    "path with a newline": request("/a\r\nx: y"),
    "path with a fragment": request("/a#b"),
    "method with a space": request("/", "GET /x"),
    "method with a newline": request("/", "GET\r\n"),
    "unknown method": request("/", "FROB"),
    "scheme is not http": request("/", scheme="ftp"),
    "no scheme": [f for f in request() if f[0] != ":scheme"],
    "no host at all": [f for f in request() if f[0] != ":authority"],
    "authority with user": request("/", authority="me@any"),
    "authority with a newline": request("/", authority="any\r\nx: y"),
    "authority and Host differ": request("/", extra=[("host", "other")]),
    "two hosts": [f for f in request() if f[0] != ":authority"] + [("host", "a"), ("host", "b")],
    "repeated path": request() + [(":path", "/b")],
    "unknown pseudo-field": [(":x", "y"), *request()],
    "pseudo-field behind a field": [("a", "b"), *request()],
    "pseudo-field of an answer": [(":status", "200"), *request()],
    "upper case name": request(extra=[("Accept", "x")]),
    "name with a space": request(extra=[("a b", "x")]),
    "name with a colon": request(extra=[("a:b", "x")]),
    "name with a newline": request(extra=[("a\r\nb", "x")]),
    "empty name": request(extra=[("", "x")]),
    "value with a newline": request(extra=[("a", "x\r\nb: c")]),
    "value with a NUL": request(extra=[("a", "x\0y")]),
    "value with a bare CR": request(extra=[("a", "x\ry")]),
    "connection": request(extra=[("connection", "close")]),
    "keep-alive": request(extra=[("keep-alive", "1")]),
    "proxy-connection": request(extra=[("proxy-connection", "close")]),
    "transfer-encoding": request(extra=[("transfer-encoding", "chunked")]),
    "upgrade": request(extra=[("upgrade", "h2c")]),
    "te is more than trailers": request(extra=[("te", "gzip")]),
    "length is no number": request(extra=[("content-length", "1x")]),
    "two lengths": request(extra=[("content-length", "1"), ("content-length", "1")]),
    "CONNECT": [(":method", "CONNECT"), (":authority", "any:80")],
    "extended CONNECT": request("/", "CONNECT", [(":protocol", "websocket")]),
    "too many fields": request(extra=[("a", "b")] * 200),
    "too large": request(extra=[(f"a{i}", "b" * 8000) for i in range(9)]),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_refused(gw, up, name):
    """Each is answered or reset, none reaches the function, and the next stream is served."""
    with Raw(gw.port) as h2:
        data = block(BAD_REQUESTS[name])
        stream, h2.next_id = h2.next_id, h2.next_id + 2
        parts = [data[i:i + 16000] for i in range(0, len(data), 16000)]
        for i, part in enumerate(parts):
            last = END_HEADERS if i == len(parts) - 1 else 0
            h2.send(frame(h2raw.CONTINUATION if i else HEADERS, last | (0 if i else END_STREAM), stream, part))
        answer = h2.answer(stream)
        status = {"unknown method": 501, "CONNECT": 501, "too large": 431, "too many fields": 431}.get(name, 400)
        assert answer == ("reset", h2raw.PROTOCOL_ERROR) or answer[0] == status, answer
        assert h2.ask("/hello")[0] == 200
    assert sum(up.counts.values()) == 1


def test_large_heads_fit(gw):
    with Raw(gw.port) as h2:
        data = block(request("/head", extra=[(f"a{i}", "b" * 8000) for i in range(6)]))
        h2.send(frame(HEADERS, END_STREAM, 1, data[:16000]))
        for i in range(16000, len(data), 16000):
            h2.send(frame(h2raw.CONTINUATION, END_HEADERS if i + 16000 >= len(data) else 0, 1, data[i:i + 16000]))
        assert h2.answer(1)[2].count(b"b" * 8000) == 6


def test_a_length_must_be_true(gw):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sink", "POST", [("content-length", "5")]), b"123")
        assert h2.answer(stream)[0] in ("reset", 400)
        stream = h2.open(request("/echo", "POST", [("content-length", "5")]), b"12345")
        assert h2.answer(stream)[2] == b"12345"


TAIL = block([("x-sum", "1"), ("cookie", "a=b"), ("host", "b"), ("x-ebb-id", "x"), ("x-more", "2")])


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("extra, body, tail, answer", [
    ([("trailer", "x-sum")], b"abc", TAIL, b"abc|x-sum: 1|x-more: 2|x-sum"),
    ([], b"", TAIL, b"|x-sum: 1|x-more: 2|"),
    ([], b"abc", block([]), b"abc|"),
    ([], b"abc", block([("host", "evil")]), b"abc|"),
    ([("content-length", "3"), ("trailer", "x-sum")], b"abc", TAIL, b"abc|"),
    ([], b"abc", block([("x-%d" % n, "v" * 100) for n in range(100)]),
     b"abc|" + b"|".join(b"x-%d: " % n + b"v" * 100 for n in range(100)) + b"|"),
], ids=["announced", "no body", "none", "forbidden", "with a length", "long"])
def test_trailers_of_the_client_go_on_where_chunks_do(gw, extra, body, tail, answer, together):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/tail", "POST", extra), end=False)
        h2.send(frame(DATA, 0, stream, body))
        if not together:
            until(lambda: gw.board()["invocations"] == 1, "the function has the head")
        h2.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, tail))
        assert h2.answer(stream)[:3:2] == (200, answer)


@pytest.mark.parametrize("tail", [("x", "v" * 60000), (":path", "/x"), ("X", "1"), ("connection", "x"), ("content-length", "9")],
                         ids=lambda field: field[0])
def test_trailers_that_are_none_end_with_their_stream(gw, tail):
    """Too long, or malformed: the request goes on without them, or its stream ends; the connection goes on."""
    with Raw(gw.port) as h2:
        stream = h2.open(request("/tail", "POST"), end=False)
        h2.send(frame(DATA, 0, stream, b"abc"))
        tail = block([tail])
        blocks = [tail[i:i + 16384] for i in range(0, len(tail), 16384)]
        for n, piece in enumerate(blocks):
            last = END_HEADERS if n == len(blocks) - 1 else 0
            h2.send(frame(CONTINUATION if n else HEADERS, last if n else last | END_STREAM, stream, piece))
        assert h2.answer(stream)[0] in (200, 400, "reset")
        assert h2.ask("/hello")[2] == b"hello"
    until(lambda: gw.board()["tickets"] == 0, "the tickets")


def window_behind(h2, stream, body):
    """The window of a stream once the function has taken this body of a whole window."""
    def window():
        return h2.peer[INITIAL_WINDOW] - len(body) + sum(
            struct.unpack(">I", payload)[0] for kind, _, which, payload in h2.kept if (kind, which) == (WINDOW_UPDATE, stream))

    h2.kept.clear()
    h2.send(frame(DATA, 0, stream, body))
    while window() < h2.peer[INITIAL_WINDOW]:
        h2.one()
    assert h2.ping()  # everything that was to be said before is said
    return window()


def test_a_stream_whose_body_is_taken_gets_a_wide_window_and_32_have_one(gw):
    body = BLOCK[:12288]
    with Raw(gw.port) as h2:
        for _ in range(2):  # a stream that has ended leaves its place
            streams = [h2.open(request("/sink", "POST"), end=False) for _ in range(40)]
            assert [window_behind(h2, stream, body) for stream in streams] == [65535] * 32 + [12288] * 8
            for stream in streams:
                h2.send(frame(DATA, END_STREAM, stream))
                assert h2.answer(stream)[2] == b"%d %d" % (len(body), zlib.crc32(body))


def test_a_hundred_streams_at_once(gw):
    """100 requests of a second on one connection and one instance."""
    with Raw(gw.port) as h2:
        begin = time.monotonic()
        streams = [h2.open(request("/sleep?1")) for _ in range(100)]
        assert {h2.answer(s)[:3:2] for s in streams} == {(200, b"slept")}
        assert time.monotonic() - begin < 2


def test_streams_queue_for_tickets(make):
    gw = make(concurrency=2)
    with Raw(gw.port) as h2:
        streams = [h2.open(request("/sleep?0.05")) for _ in range(8)]
        assert {h2.answer(s)[0] for s in streams} == {200}
    assert gw.counters()["queued"] >= 6 and gw.board()["tickets"] == 0


def upload(h2, stream, data, size):
    """As fast as the windows allow."""
    window, sent = h2.peer.get(h2raw.INITIAL_WINDOW, 65535), 0
    while sent < size:
        while window <= 0:
            kind, _, of, payload = h2.one()
            if kind == WINDOW_UPDATE and of == stream:
                window += struct.unpack(">I", payload)[0]
        piece = min(window, 16384, size - sent)
        at = sent % (1 << 20)
        piece = min(piece, (1 << 20) - at)
        h2.send(frame(DATA, END_STREAM if sent + piece == size else 0, stream, data[at:at + piece]))
        sent, window = sent + piece, window - piece
        h2.kept.clear()


@pytest.mark.parametrize("fields", [[], [("content-length", str(100 << 20))]])
def test_a_hundred_megabytes_up(gw, fields):
    size = 100 << 20
    with Raw(gw.port) as h2:
        assert h2.ask("/hello")[0] == 200
        before = gw.rss_kb()
        stream = h2.open(request("/sink", "POST", fields), end=False)
        upload(h2, stream, BLOCK, size)
        assert h2.answer(stream)[2].decode() == f"{size} {pattern_crc(size)}"
        assert gw.rss_kb() - before < 2048


@pytest.mark.parametrize("path", ["/big", "/big-chunked"])
def test_a_hundred_megabytes_down(gw, path):
    size, got = 100 << 20, 0
    with Raw(gw.port, window=1 << 20) as h2:
        assert h2.ask("/hello")[0] == 200
        h2.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
        before = gw.rss_kb()
        stream = h2.open(request(f"{path}?{size}"))
        h2.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1 << 30)))
        crc, ended = 0, False
        while not ended:
            kind, flags, _, payload = h2.one()
            h2.kept.clear()
            if kind == DATA:
                crc, got, ended = zlib.crc32(payload, crc), got + len(payload), flags & END_STREAM
        assert (got, crc) == (size, pattern_crc(size))
        assert gw.rss_kb() - before < 2048


def test_a_slow_reader_holds_up_only_its_stream(gw):
    """Its window stays shut: the instance is not read any further, others go on."""
    with Raw(gw.port, window=0) as h2:
        slow = h2.open(request(f"/big?{50 << 20}"))
        fast = h2.open(request("/hello"))
        h2.send(frame(WINDOW_UPDATE, 0, fast, struct.pack(">I", 1000)))
        assert h2.answer(fast)[2] == b"hello"
        before = gw.rss_kb()
        for _ in range(200):
            stream = h2.open(request("/hello"))
            h2.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1000)))
            assert h2.answer(stream)[2] == b"hello"
        assert gw.rss_kb() - before < 1024
        h2.send(frame(RST_STREAM, 0, slow, struct.pack(">I", h2raw.CANCEL)))
        until(lambda: gw.board()["tickets"] == 0, "the cancelled one to end")


def test_a_slow_function_holds_up_only_its_stream(gw, up):
    """It does not read its body: its window is not opened, others go on."""
    go = threading.Event()
    up.on_lazy = lambda conn, reader, fields, arg, raw: (go.wait(20), up.on_sink(conn, reader, fields, arg, raw))
    size = 8 << 20
    with Raw(gw.port) as h2:
        lazy = h2.open(request("/lazy", "POST"), end=False)
        sent, window = 0, h2.peer[h2raw.INITIAL_WINDOW]
        h2.sock.settimeout(0.3)
        try:
            while sent < size:
                while window <= 0:
                    kind, _, of, payload = h2.one()
                    window += struct.unpack(">I", payload)[0] if (kind, of) == (WINDOW_UPDATE, lazy) else 0
                piece = min(window, 12288)
                h2.send(frame(DATA, 0, lazy, BLOCK[:piece]))
                sent, window = sent + piece, window - piece
        except TimeoutError:
            pass
        h2.sock.settimeout(20)
        assert 0 < sent < size
        for _ in range(20):
            assert h2.ask("/echo", "POST", body=b"abc")[2] == b"abc"
        go.set()
        h2.send(frame(DATA, END_STREAM, lazy))
        assert h2.answer(lazy)[2].split()[0] == str(sent).encode()


def test_a_reset_cancels_the_function(gw, up):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/never"))
        assert up.seen.get(timeout=10)[0] == "never"
        h2.send(frame(RST_STREAM, 0, stream, struct.pack(">I", h2raw.CANCEL)))
        assert up.seen.get(timeout=10)[0] == "closed"
        until(lambda: gw.board()["tickets"] == 0, "the ticket")
        assert h2.ask("/hello")[0] == 200
    assert gw.counters()["aborted_by_client"] == 1


def test_the_end_of_a_connection_cancels_all_it_carried(gw, up):
    with Raw(gw.port) as h2:
        for _ in range(5):
            h2.open(request("/never"))
        for _ in range(5):
            assert up.seen.get(timeout=10)[0] == "never"
    until(lambda: gw.board()["tickets"] == 0, "the tickets")
    assert {up.seen.get(timeout=10)[0] for _ in range(5)} == {"closed"}
    until(lambda: gw.counters()["clients"] == 0, "the slots")


def test_drain_says_goaway_and_lets_streams_finish(make):
    gw = make()
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sleep?0.3"))
        assert h2.ping()
        os.kill(gw.pid, signal.SIGTERM)
        until(lambda: h2.goaway is not None or h2.one(), "GOAWAY")
        assert h2.answer(stream)[:3:2] == (200, b"slept")
        assert h2.ended() == h2raw.NO_ERROR
    assert gw.event("exit") == ["0"]


def test_idle_connections_are_told_to_go(make):
    gw = make(idle_ms=200)
    with Raw(gw.port) as h2:
        assert h2.ask("/hello")[0] == 200
        assert h2.ended() == h2raw.NO_ERROR
    until(lambda: gw.counters()["clients"] == 0, "the slot")


def test_requests_per_connection(make):
    gw = make(connection_requests_max=3)
    with Raw(gw.port) as h2:
        assert [h2.ask("/hello")[0] for _ in range(3)] == [200] * 3
        assert h2.ended() == h2raw.NO_ERROR
    assert gw.counters()["request_limits"] == 1


def test_a_slow_sender_loses_its_stream_only(make):
    gw = make(body_rate_min=1000, body_window_ms=200)
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sink", "POST"), end=False)
        assert h2.answer(stream)[1]["x-ebb-error"] == "BODY_TOO_SLOW"
        assert h2.ask("/hello")[0] == 200


def test_a_slow_reader_loses_its_stream_only(make):
    gw = make(body_rate_min=1000, body_window_ms=200)
    with Raw(gw.port, window=100) as h2:
        h2.open(request("/big?10000000"))
        until(lambda: any(g[0] == RST_STREAM for g in h2.kept) or h2.one()[0] == RST_STREAM, "a reset")
        h2.kept.clear()
        assert h2.ask("/hello")[0] == 200
    assert gw.counters()["slow_readers"] == 1


def test_a_body_of_unknown_length_is_limited(make):
    gw = make(body_bytes_max=10000)
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sink", "POST"), end=False)
        h2.send(frame(DATA, 0, stream, b"x" * 12000))
        assert h2.answer(stream)[1]["x-ebb-error"] == "BODY_TOO_LARGE"
        assert h2.ask("/hello")[0] == 200


def test_it_can_be_turned_off(make):
    gw = make(h2c_streams=0)
    assert gw.ask(h2raw.PREFACE)[0] == 505 and gw.get("/hello")[0] == 200


def test_http_11_beside_it(gw):
    assert gw.get("/hello")[0] == 200
    sock = gw.connect()
    assert gw.ask(b"GET /hello HTTP/1.1\r\nHost: any\r\n\r\n", sock)[0] == 200
    assert gw.ask(h2raw.PREFACE, sock)[0] == 505  # too late for it on this connection
    sock.close()


def test_upgrade_to_h2c_is_not_offered(gw):
    status, _, body = gw.get("/head", fields="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                             "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n")
    assert status == 200 and b"h2c" not in body and b"ttp2-" not in body.lower()


def test_h2load(gw):
    out = subprocess.run(["h2load", "-n", "3000", "-c", "5", "-m", "20", f"http://127.0.0.1:{gw.port}/hello"],
                         capture_output=True, text=True, timeout=60).stdout
    assert "3000 succeeded, 0 failed, 0 errored" in out, out
    until(lambda: gw.board()["tickets"] == 0, "the tickets")


def test_python_h2(gw):
    """A whole other implementation, with its flow control and its checks of what it gets."""
    import h2.config, h2.connection, h2.events
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    sock = gw.connect()
    conn.initiate_connection()
    conn.send_headers(1, [(":method", "POST"), (":path", "/echo-chunked"), (":scheme", "http"), (":authority", "any")])
    left, got, trailers, ended = BLOCK[:300000], b"", None, False
    while not ended:
        while left and (room := min(conn.local_flow_control_window(1), 16384)) > 0:
            conn.send_data(1, left[:room], end_stream=len(left) <= room)
            left = left[room:]
        sock.sendall(conn.data_to_send())
        for event in conn.receive_data(sock.recv(65536)):
            if isinstance(event, h2.events.DataReceived):
                got += event.data
                conn.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = dict(event.headers)
            ended |= isinstance(event, h2.events.StreamEnded)
    assert got == BLOCK[:300000] and {k: v for k, v in trailers.items()} in ({b"x-trailer": b"1"}, {"x-trailer": "1"})
    sock.close()
