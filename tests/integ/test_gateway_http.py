# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: HTTP between clients and one instance. Simple things first."""
import json, os, socket, sys, threading, time
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gateway_harness import BLOCK, Gateway, Reader, Upstream, pattern_crc, until
from waiting import slow

if not os.path.exists(os.path.join(__import__("gateway_harness").OUT, "tests", "gateway_stub")):
    pytest.skip("gateway_stub is not built", allow_module_level=True)

GB = 1 << 30


@pytest.fixture(scope="module")
def up():
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gw(up):
    gateway = Gateway()
    gateway.service()
    gateway.up(0, up.port)
    yield gateway
    assert gateway.stop() == 0


@pytest.fixture(autouse=True)
def every_ticket_comes_back(gw):
    yield
    until(lambda: gw.board()["tickets"] == 0, "all tickets returned")


def test_answers_a_request(gw):
    status, fields, body = gw.get("/hello")
    assert (status, body) == (200, b"hello")
    assert fields["x-ebb-instance"] == "inst-0"
    assert fields["x-ebb-start"] == "warm"
    assert len(fields["x-ebb-id"]) == 32


def test_keeps_the_connection_and_reuses_the_upstream(gw, up):
    before = up.connections
    with gw.connect() as sock:
        for _ in range(20):
            assert gw.get("/hello", sock)[2] == b"hello"
    assert up.connections <= before + 1


def test_counts_an_invocation_per_request(gw):
    before = gw.board()["invocations"]
    for _ in range(5):
        gw.get("/hello")
    assert gw.board()["invocations"] == before + 5


def test_pipelined_requests_are_answered_in_order(gw):
    with gw.connect() as sock:
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                     b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                     b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
                     b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)
        assert [reader.response()[2] for _ in range(4)] == [b"hello", b"abc", b"xyz", b"hello"]


def test_a_head_may_arrive_byte_by_byte(gw):
    with gw.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok":
            sock.sendall(bytes([byte]))
        assert Reader(sock).response()[2] == b"ok"


def test_the_function_sees_a_request_written_anew(gw):
    _, _, head = gw.ask("GET http://other.example:81/head?q=1 HTTP/1.1\r\nHost: a\r\nX-Mine: kept\r\n"
                        "X-Drop: 1\r\nConnection: keep-alive, x-drop\r\nKeep-Alive: 5\r\n"
                        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n"
                        "X-Ebb-Instance: fake\r\nX-Vercel-Internal-A: fake\r\nTraceparent: 00-1-2-01\r\n"
                        "X-Request-Id: mine-1\r\n\r\n")
    text = head.decode().lower()
    assert text.startswith("get /head?q=1 http/1.1\r\nhost: other.example:81\r\n")
    for kept in ("x-mine: kept", "x-request-id: mine-1",
                 "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http", "x-ebb-deadline: "):
        assert kept in text, kept
    for gone in ("00-1-2-01", "x-drop", "keep-alive", "6.6.6.6", "fake", "x-forwarded-port", "connection"):
        assert gone not in text, gone
    deadline_ms = int(text.split("x-ebb-deadline: ")[1].split("\r\n")[0])
    assert abs(deadline_ms - (time.time() + slow(30)) * 1000) < 2000


def test_server_timing_on_request(gw):
    assert "server-timing" not in gw.get("/hello")[1]
    timing = gw.get("/hello", fields="X-Ebb-Timing: 1\r\n")[1]["server-timing"]
    assert all(name in timing for name in ("queue;dur=", "thaw;dur=", "fn;dur="))


def test_head_has_no_body(gw):
    with gw.connect() as sock:
        for _ in range(2):
            status, fields, _ = gw.get("/hello", sock, method="HEAD")
            assert (status, fields["content-length"]) == (200, "5")


def test_204_has_no_body(gw):
    with gw.connect() as sock:
        for _ in range(2):
            assert gw.get("/no-content", sock)[0] == 204


def test_http_10_clients(gw):
    with gw.connect() as sock:
        status, fields, body = gw.ask("GET /hello HTTP/1.0\r\n\r\n", sock)
        assert (status, body, fields["connection"]) == (200, b"hello", "close")
        assert sock.recv(1) == b""
    with gw.connect() as sock:
        for _ in range(2):
            _, fields, body = gw.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", sock)
            assert (body, fields["connection"]) == (b"hello", "keep-alive")
    status, fields, body = gw.ask("GET /big-chunked?100000 HTTP/1.0\r\n\r\n")
    assert "transfer-encoding" not in fields
    assert body == BLOCK[:100000]


def test_connection_close_is_honoured(gw):
    with gw.connect() as sock:
        assert gw.get("/hello", sock, "Connection: close\r\n")[1]["connection"] == "close"
        assert sock.recv(1) == b""


def test_expect_100_continue(gw):
    with gw.connect() as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        reader = Reader(sock)
        assert reader.head()[0] == "HTTP/1.1 100 Continue"
        sock.sendall(b"body")
        assert reader.response()[2] == b"body"


def test_early_hints_are_passed_on(gw):
    with gw.connect() as sock:
        sock.sendall(b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\n")
        reader = Reader(sock)
        line, fields, _ = reader.head()
        assert line.startswith("HTTP/1.1 103") and fields["link"] == "</a.css>"
        assert reader.response()[2] == b"after hints"


@pytest.mark.parametrize("text, want", [
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 128 + "\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 70000 + "\r\n\r\n", 431),
    ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
])
def test_bad_requests_are_refused_and_never_dispatched(gw, text, want):
    before = gw.board()["invocations"]
    with gw.connect() as sock:
        status, fields, body = gw.ask(text, sock)
        assert status == want
        error = json.loads(body)["error"]
        assert error["code"] == fields["x-ebb-error"]
        assert error["request_id"] == fields["x-ebb-id"]
        assert sock.recv(1) == b""
    assert gw.board()["invocations"] == before


def test_a_large_head_passes_up_to_the_limit(gw):
    fields = "".join(f"X-{i}: {'v' * 1000}\r\n" for i in range(60))
    status, _, body = gw.get("/head", fields=fields)
    assert status == 200 and body.count(b"v" * 1000) == 60


def test_a_malformed_chunk_later_in_the_body_is_refused(gw):
    with gw.connect() as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        sock.sendall(b"zz\r\n")
        assert Reader(sock).response()[0] == 400


@pytest.mark.parametrize("size", [0, 1, 14000, 14336, 16384, 100000, 3000000])
def test_echo_of_every_size(gw, size):
    body = (BLOCK * 3)[:size]
    with gw.connect() as sock:
        for _ in range(2):
            text = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body
            assert gw.ask(text, sock)[2] == body


@pytest.mark.parametrize("size", [1, 7, 1000, 14300, 65536, 1000000])
def test_chunked_both_ways_full_duplex(gw, size):
    pieces = [(BLOCK * 2)[i * 10: i * 10 + size] for i in range(8)]
    with gw.connect() as sock:
        def send():
            sock.sendall(b"POST /echo-chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                sock.sendall(b"%x;x=y\r\n" % len(piece) + piece + b"\r\n")
            sock.sendall(b"0\r\nt: v\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        sender = threading.Thread(target=send)
        sender.start()
        reader = Reader(sock)
        assert reader.response()[2] == b"".join(pieces)
        sender.join()
        assert reader.response()[2] == b"hello"


def test_until_close_becomes_chunked(gw):
    with gw.connect() as sock:
        status, fields, body = gw.get("/until-close", sock)
        assert (status, body, fields["transfer-encoding"]) == (200, b"all of it", "chunked")
        assert gw.get("/hello", sock)[2] == b"hello"


def test_an_early_answer_reaches_the_client(gw):
    with gw.connect() as sock:
        sock.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + BLOCK[:100000])
        status, _, body = Reader(sock).response()
        assert (status, body) == (413, b"too much")


@pytest.mark.parametrize("size", [1000, 100_000])  # the rest is read, or spliced
@pytest.mark.parametrize("chunked", [False, True])
def test_behind_an_early_answer_the_connection_goes_on_as_its_head_said(gw, up, size, chunked):
    body = BLOCK * (size // len(BLOCK)) + BLOCK[: size % len(BLOCK)]
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    raw = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body) if chunked else body
    up.go_on.clear()
    with gw.connect() as sock:
        sock.sendall(f"POST /early-kept HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode() + raw[:500])
        reader = Reader(sock)
        line, fields, _ = reader.head()
        assert " 404 " in line and "close" not in fields.get("connection", "")
        up.go_on.set()
        assert b"".join(reader.body_pieces(fields, True)) == b"nothing"
        sock.sendall(raw[500:])
        assert gw.get("/hello", sock)[2] == b"hello"


@pytest.mark.parametrize("size", [1000, 100_000])
def test_an_answer_before_a_reset_is_whole(gw, up, size):
    for _ in range(50):
        up.go_on.clear()
        with gw.connect() as sock:
            sock.sendall(f"PATCH /early-reset HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
            reader = Reader(sock)
            fields = reader.head()[1]
            up.go_on.set()
            assert b"".join(reader.body_pieces(fields, True)) == b"refused"


@pytest.mark.parametrize("first", [b"HEAD /late HTTP/1.1\r\nHost: a\r\n\r\n",
                                   b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"])
def test_what_may_come_behind_an_answer_is_given_to_nobody(gw, first):
    """HEAD without a length (gunicorn, Starman), and a body that was refused."""
    for _ in range(5):
        with gw.connect() as sock:
            sock.sendall(first)
            assert Reader(sock).response(head_only=True)[0] in (200, 405)
            assert gw.get("/hello", sock)[2] == b"hello"


def test_a_body_that_nobody_wants_is_not_waited_for_forever(gw, up):
    up.go_on.set()
    with gw.connect() as sock:
        sock.sendall(b"POST /early-kept HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin")
        assert Reader(sock).response()[0] == 404
        assert sock.recv(1) == b""


def download(gw, path):
    size = crc = 0
    import zlib
    with gw.connect() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        reader = Reader(sock)
        _, fields, _ = reader.head()
        for data in reader.body_pieces(fields, True):
            size += len(data)
            crc = zlib.crc32(data, crc)
    return size, crc


@pytest.mark.parametrize("path, size", [("/big", GB), ("/big-chunked", GB // 4)])
def test_a_large_download_is_identical_and_memory_stays_flat(gw, path, size):
    gw.get("/hello")
    before = gw.rss_kb()
    assert download(gw, f"{path}?{size}") == (size, pattern_crc(size))
    assert gw.rss_kb() < before + 4096


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_is_identical_and_memory_stays_flat(gw, chunked):
    size = GB // 4 if chunked else GB
    gw.get("/hello")
    before = gw.rss_kb()
    with gw.connect() as sock:
        if chunked:
            sock.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            sock.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(BLOCK)):
            if chunked:
                sock.sendall(b"%x\r\n" % len(BLOCK))
            sock.sendall(BLOCK)
            if chunked:
                sock.sendall(b"\r\n")
        if chunked:
            sock.sendall(b"0\r\n\r\n")
        assert Reader(sock).response()[2] == b"%d %d" % (size, pattern_crc(size))
    assert gw.rss_kb() < before + 4096


def test_long_bodies_are_spliced(gw):
    before = gw.counters()["spliced_bytes"]
    assert download(gw, "/big?10000000") == (10000000, pattern_crc(10000000))
    assert gw.counters()["spliced_bytes"] > before + 9000000


def test_a_hundred_sleeping_requests_at_once(gw):
    socks = [gw.connect() for _ in range(100)]
    begin = time.monotonic()
    for sock in socks:
        sock.sendall(b"GET /sleep?0.5 HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: gw.board()["tickets"] == 100, "100 tickets at once")
    for sock in socks:
        assert Reader(sock).response()[2] == b"slept"
        sock.close()
    assert time.monotonic() - begin < 10


def test_a_client_that_never_reads_costs_no_memory_and_delays_nobody(gw):
    gw.get("/hello")
    before = gw.rss_kb()
    slow = []
    for path in ("/big?1000000000", "/big-chunked?1000000000"):
        sock = gw.connect(rcvbuf=4096)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        slow.append(sock)
    for _ in range(50):
        assert gw.get("/hello")[2] == b"hello"
    until(lambda: gw.board()["tickets"] == 2, "both downloads under way")
    assert gw.rss_kb() < before + 4096
    for sock in slow:
        sock.close()


def test_a_slow_reader_gets_everything(gw):
    sock = gw.connect(rcvbuf=8192)
    sock.sendall(b"GET /big?3000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    reader, got = Reader(sock), b""
    reader.head()
    got = b"".join(reader.pieces(3000000))
    assert got == (BLOCK * 3)[:3000000]
    sock.close()


def test_the_upstream_is_closed_when_the_client_goes_away(gw, up):
    while not up.seen.empty():
        up.seen.get()
    sock = gw.connect()
    sock.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
    assert up.seen.get(timeout=10)[0] == "never"
    assert gw.board()["tickets"] == 1
    sock.close()
    until(lambda: gw.board()["tickets"] == 0, "the ticket returned")
    assert up.seen.get(timeout=10)[0] in ("closed", "error")


@pytest.mark.parametrize("path", ["/big?1000000000", "/big-chunked?1000000000"])
def test_a_client_that_leaves_in_the_middle_of_a_download(gw, path):
    sock = gw.connect()
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert len(sock.recv(100000)) > 0
    sock.close()
    until(lambda: gw.board()["tickets"] == 0, "the ticket returned")


def test_a_client_that_leaves_in_the_middle_of_an_upload(gw):
    sock = gw.connect()
    sock.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + BLOCK)
    until(lambda: gw.board()["tickets"] == 1, "the request is under way")
    sock.close()
    until(lambda: gw.board()["tickets"] == 0, "the ticket returned")


def test_a_cut_answer_is_cut_for_the_client_too(gw):
    with gw.connect() as sock:
        sock.sendall(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(EOFError):
            Reader(sock).response()


@pytest.mark.parametrize("raw", [
    b"garbage\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
])
def test_bad_answers_become_502(gw, raw):
    status, fields, _ = gw.get("/raw?" + raw.hex())
    assert (status, fields["x-ebb-error"]) == (502, "BAD_RESPONSE")


def test_an_upgrade_is_a_tunnel_and_holds_a_ticket(gw):
    with gw.connect() as sock:
        sock.sendall(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x/1\r\n\r\nfirst")
        reader = Reader(sock)
        line, fields, _ = reader.head()
        assert line.startswith("HTTP/1.1 101") and fields["upgrade"] == "x/1"
        assert reader.exactly(5) == b"first"
        assert gw.board()["tickets"] == 1
        sender = threading.Thread(target=lambda: sock.sendall(BLOCK * 8))
        sender.start()
        assert reader.exactly(len(BLOCK) * 8) == BLOCK * 8
        sender.join()
        sock.sendall(b"bye")
        assert reader.rest() == b"good bye"


def test_an_empty_line_before_a_request_is_tolerated(gw):
    assert gw.ask("\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n")[2] == b"hello"


def test_nothing_is_left_in_use(gw):
    until(lambda: gw.counters()["clients"] == 0, "all clients gone")
    counters = gw.counters()
    assert counters["waiting"] == 0
    assert counters["buffers_free"] + counters["buffers_in_ring"] == counters["buffers"]
