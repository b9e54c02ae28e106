# SPDX-License-Identifier: Apache-2.0
"""Each limit of what clients may ask for: its error, its counter, and that others are served meanwhile."""
import socket
import threading

import pytest

from gateway_harness import BLOCK, Reader, until
from peer import OK

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def limited(gw, raw, status, code, counter, times=1):
    """The error, the end of the connection, one more on the counter, and the next client is served."""
    with gw.connect() as sock:
        sock.sendall(raw)
        reader = Reader(sock)
        got, fields, _ = reader.response()
        assert (got, fields["x-ebb-error"], fields["connection"]) == (status, code, "close")
        try:
            assert reader.rest() == b""
        except ConnectionResetError:
            pass
    assert gw.counters()[counter] == times
    assert gw.ask(GET)[0] == 200


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_head_bytes_max_is_431(new_gw):
    gw = new_gw(head_bytes_max=2000, target_bytes_max=1000)
    limited(gw, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 2000 + b"\r\n\r\n", 431, "HEAD_TOO_LARGE", "heads_too_large")
    limited(gw, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000, 431, "HEAD_TOO_LARGE", "heads_too_large", 2)
    assert gw.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1900 + b"\r\n\r\n")[0] == 200


def test_head_fields_max_is_431(new_gw):
    gw = new_gw(head_fields_max=10)
    limited(gw, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10 + b"\r\n", 431, "HEAD_TOO_LARGE", "heads_too_large")
    assert gw.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 9 + b"\r\n")[0] == 200


@pytest.mark.parametrize("rest", [b" HTTP/1.1\r\nHost: a\r\n\r\n", b"y" * 70000])
def test_target_bytes_max_is_414(new_gw, rest):
    gw = new_gw(target_bytes_max=1000)
    limited(gw, b"GET /" + b"y" * 1000 + rest, 414, "TARGET_TOO_LONG", "targets_too_long")
    assert gw.ask(b"GET /" + b"y" * 999 + b" HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 200


def test_head_timeout_ms_is_408(new_gw):
    gw = new_gw(head_ms=200)
    limited(gw, b"GET / HTTP/1.1\r\nHost: a\r\n", 408, "REQUEST_TIMEOUT", "head_timeouts")


def test_idle_timeout_ms_closes(new_gw):
    gw = new_gw(idle_ms=200)
    with gw.connect() as fresh, gw.connect() as used:
        assert gw.ask(GET, used)[0] == 200
        assert closed(fresh) and closed(used)
    assert gw.counters()["idle_closed"] == 2


@pytest.mark.parametrize("raw", [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + BLOCK[:1001] + b"\r\n0\r\n\r\n"])
def test_body_bytes_max_is_413(new_gw, up, raw):
    gw = new_gw(body_bytes_max=1000)
    limited(gw, raw, 413, "BODY_TOO_LARGE", "bodies_too_large")
    up.reset()
    for body in (b"Content-Length: 1000\r\n\r\n" + BLOCK[:1000],
                 b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + BLOCK[:1000] + b"\r\n0\r\n\r\n"):
        assert gw.ask(b"POST / HTTP/1.1\r\nHost: a\r\n" + body)[0] == 200


def test_body_bytes_max_is_413_in_the_middle_of_a_chunked_body(new_gw, up):
    gw = new_gw(body_bytes_max=1000)
    with gw.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + BLOCK[:500] + b"\r\n")
        until(lambda: gw.board()["tickets"] == 1, "under way")
        sock.sendall(b"1f5\r\n" + BLOCK[:501] + b"\r\n")
        status, fields, _ = Reader(sock).response()
        assert (status, fields["x-ebb-error"]) == (413, "BODY_TOO_LARGE")
    assert up.ended.get(timeout=20) is None  # the function sees that it is incomplete
    assert up.requests.empty()


def test_address_connections_max_is_503(new_gw):
    gw = new_gw(address_connections_max=3)
    held = [gw.connect() for _ in range(3)]
    for sock in held:
        assert gw.ask(GET, sock)[0] == 200
    with gw.connect() as sock:
        status, fields, _ = Reader(sock).response()
        assert (status, fields["x-ebb-error"]) == (503, "TOO_MANY_CONNECTIONS")
        assert closed(sock)
    with socket.socket() as other:  # from another address there is room
        other.bind(("127.0.0.2", 0))
        other.connect(("127.0.0.1", gw.port))
        assert gw.ask(GET, other)[0] == 200
    assert gw.counters()["refused_address"] == 1
    held.pop().close()
    until(lambda: gw.counters()["clients"] == 2, "one less")
    assert gw.ask(GET)[0] == 200
    for sock in held:
        sock.close()


def test_connection_requests_max_closes_after_the_last(new_gw):
    gw = new_gw(connection_requests_max=3)
    with gw.connect() as sock:
        sock.sendall(GET * 5)
        reader = Reader(sock)
        assert [reader.response()[1].get("connection") for _ in range(3)] == [None, None, "close"]
        assert closed(sock)
    assert gw.counters()["request_limits"] == 1


# --- the least rate of a body

@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n\r\n", b"Content-Length: 1000\r\n\r\n",
                                     b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"])
def test_body_rate_min_is_408_for_a_slow_sender(new_gw, up, framing):
    gw = new_gw(body_rate_min=1000, body_window_ms=200)
    limited(gw, b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"slow", 408, "BODY_TOO_SLOW", "slow_senders")
    assert up.ended.get(timeout=20) is None
    until(lambda: gw.board()["tickets"] == 0, "its ticket is back")


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_body_rate_min_cuts_a_client_that_never_reads(new_gw, up, framing):
    def endless(conn, raw):
        conn.sendall(b"HTTP/1.1 200 OK\r\n" + framing)
        while True:
            conn.sendall((b"" if b"Length" in framing else b"100000\r\n") + BLOCK
                         + (b"" if b"Length" in framing else b"\r\n"))

    gw = new_gw(body_rate_min=1000, body_window_ms=200)
    up.answer = endless
    with gw.connect(rcvbuf=4096) as sock:
        sock.sendall(GET)
        until(lambda: gw.counters()["slow_readers"] == 1, "it was cut")
        until(lambda: gw.board()["tickets"] == 0, "its ticket is back")
        assert up.ended.get(timeout=20) is None
        with pytest.raises((EOFError, ConnectionResetError)):
            Reader(sock).response()


def test_a_function_that_is_silent_makes_nobody_slow(new_gw, up):
    """Only a client that is waited for can be too slow: not an event stream, nor a function that thinks"""
    go = threading.Event()

    def silent(conn, raw):
        if b"GET /silent " in raw:
            conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            go.wait(20)
            conn.sendall(b"1\r\nb\r\n0\r\n\r\n")
        else:
            conn.sendall(OK)

    up.answer = silent
    gw = new_gw(body_rate_min=1000, body_window_ms=200)
    with gw.connect() as stream:
        stream.sendall(GET.replace(b"/", b"/silent", 1))
        reader = Reader(stream)
        reader.head()
        assert reader.exactly(6) == b"1\r\na\r\n"
        for _ in range(3):  # three whole windows, as others that were too slow show
            with gw.connect() as slow:
                slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
                assert Reader(slow).response()[0] == 408
        go.set()
        assert reader.exactly(11) == b"1\r\nb\r\n0\r\n\r\n"


# --- many at once

def unsent_bytes(port):
    """Kernel memory of each client of this port (proc(5), /proc/net/tcp)."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01"]


SLOW_HEADS, SLOW_POSTS, NEVER_READING, UNFINISHED = 300, 300, 150, 100


def test_hundreds_of_slow_peers_cost_their_slab_entry_and_delay_nobody(new_gw, up):
    """Slowloris, slow POST, clients that never read: memory stays flat while good clients are served"""
    def answer(conn, raw):
        if b"GET /endless " not in raw:
            conn.sendall(OK)
            return
        conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            conn.sendall(b"100000\r\n" + BLOCK + b"\r\n")

    up.answer = answer
    gw = new_gw(connections=1024)
    gw.up(1, up.port, limit=1000)
    for _ in range(100):
        assert gw.ask(GET)[2] == b"ok"
    before, held = gw.rss_kb(), []

    def hold(count, raw, rcvbuf=None):
        for _ in range(count):
            sock = gw.connect(rcvbuf)
            sock.sendall(raw)
            held.append(sock)

    hold(SLOW_HEADS, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 500)
    hold(SLOW_POSTS, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
    hold(UNFINISHED, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3e8;" + b"x" * 500)
    until(lambda: gw.board(0)["tickets"] + gw.board(1)["tickets"] >= SLOW_POSTS + UNFINISHED, "all are under way")
    quiet = gw.rss_kb()
    assert quiet - before < (SLOW_HEADS + SLOW_POSTS + UNFINISHED) * 17 + 1024, (before, quiet)
    hold(NEVER_READING, GET.replace(b"/", b"/endless", 1), rcvbuf=4096)
    until(lambda: gw.board(0)["tickets"] + gw.board(1)["tickets"] >= SLOW_POSTS + UNFINISHED + NEVER_READING, "all")
    for _ in range(100):
        assert gw.ask(GET)[2] == b"ok"
    full = gw.rss_kb()
    assert full - quiet < NEVER_READING * 34 + 1024, (quiet, full)
    assert max(unsent_bytes(gw.port)) <= 1 << 20  # nor does the kernel's buffer grow
    for sock in held[:SLOW_HEADS]:  # a little more of each head: nothing grows
        sock.sendall(b"z")
    for _ in range(300):
        assert gw.ask(GET)[2] == b"ok"
    assert gw.rss_kb() - full < 1024
    assert gw.counters()["error_503"] == 0
    for sock in held:
        sock.close()
    until(lambda: gw.counters()["clients"] == 0, "all are gone")
    counters = gw.counters()
    assert counters["buffers_free"] + counters["buffers_in_ring"] == counters["buffers"]
