# SPDX-License-Identifier: Apache-2.0
"""
Answers of functions (RFC 9110, 9112): each test is named after its rule. An accepted answer is compared byte for byte;
a refused one becomes 502, and no other client ever sees a byte of it.
"""
import os
import signal
import socket
import threading

import pytest

from gateway_harness import BLOCK, Reader, until
from peer import OK, answered, same_each_time

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
KEEP = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def seen(gw, up, answer, request=LAST):
    """All bytes that a client gets for this answer."""
    up.answer = answer
    with gw.connect() as sock:
        sock.sendall(request)
        return same_each_time(Reader(sock).rest())


def stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "T"


def refused(gw, up, answer, request=KEEP, status=502):
    up.answer = answer
    got, fields, body = gw.ask(request)
    assert (got, fields["x-ebb-error"]) == (status, "BAD_RESPONSE"), (got, fields, body)
    up.answer = OK
    assert gw.ask(KEEP)[2] == b"ok"  # and the next client is served


def head(fields=b"", status=b"200 OK", version=b"HTTP/1.1"):
    return version + b" " + status + b"\r\n" + fields + b"\r\n"


# --- RFC 9112 section 4: the status line

@pytest.mark.parametrize("line", [b"garbage", b"HTTP/1.1 200", b"HTTP/1.1  200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK",
                                  b"HTTP/1.1 2x0 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 099 OK", b"HTTP/1.1 -20 OK",
                                  b"HTTP/2.0 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b" HTTP/1.1 200 OK",
                                  b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\rK", b"HTTP/1.1\t200 OK", b"ICY 200 OK"])
def test_the_status_line_is_version_status_reason(gw, up, line):
    """RFC 9112, 4"""
    if line == b"HTTP/1.1 200":  # some servers leave the space away with the reason: nothing is ambiguous
        assert seen(gw, up, line + b"\r\nContent-Length: 0\r\n\r\n") == answered(b"200 ", b"Content-Length: 0", close=True)
    else:
        refused(gw, up, line + b"\r\nContent-Length: 0\r\n\r\n")


def test_an_answer_is_written_anew(gw, up):
    """RFC 9110, 7.6.1 and 6.6.1: fields of the hop end here, a date is added"""
    assert seen(gw, up, head(b"X:  y \r\nConnection: x-drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n"
                             b"Content-Length: 2\r\nX-Ebb-Instance: fake\r\nTransfer_Encoding: chunked\r\n"
                             b"Proxy-Authenticate: Basic\r\n") + b"ok") == \
        answered(b"200 OK", b"X: y", b"Content-Length: 2", close=True, body=b"ok")


def test_the_date_of_the_function_stays(gw, up):
    """RFC 9110, 6.6.1"""
    date = b"Date: Tue, 15 Nov 1994 08:12:31 GMT"
    assert seen(gw, up, head(date + b"\r\nContent-Length: 0\r\n")) == \
        answered(b"200 OK", date, b"Content-Length: 0", date=False, close=True)


def test_an_error_of_ebb_has_a_date(gw):
    """RFC 9110, 6.6.1: an origin server with a clock sends one"""
    _, fields, _ = gw.ask(b"BAD\r\n\r\n")
    assert fields["date"].endswith(" GMT")


# --- RFC 9112 section 5: lines and fields

@pytest.mark.parametrize("fields", [b"X: a\rb\r\n", b" : a\r\n", b": a\r\n", b"X\r\n", b"X\n", b"X: a\n : b\n\0\n",
                                    b"X: \x00\r\n", b"X Y : a\n", b"X: a\n\rY: b\r\n", b"X: \x0b\r\n", b"X Y: z\r\n", b" X: y\r\n", b"X: a\r\r\n",
                                    b"Set-Cookie: a\rContent-Length: 5\r\n"])
def test_answers_cannot_be_split(gw, up, fields):
    """RFC 9112, 2.2: bare CR, control characters, what is no field"""
    refused(gw, up, head(fields + b"Content-Length: 2\r\n") + b"ok")


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\nX: y\nContent-Length: 2\n\nok", b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\n\r\nok",
                                 b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\n\nok", b"HTTP/1.1 200 OK\nX: y\r\nContent-Length: 2\r\n\nok",
                                 b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length\t : 2\r\n\r\nok",
                                 b"HTTP/1.1 200 OK\nX:\n y\nContent-Length:\r\n\t2\n\nok"])
def test_ones_own_function_may_end_lines_in_lf_and_fold_them(gw, up, raw):
    """RFC 9112, 2.2, 5.1, 5.2: as busybox httpd passes on a CGI program; the head is written anew"""
    assert seen(gw, up, raw) == answered(b"200 OK", b"X: y", b"Content-Length: 2", close=True, body=b"ok")


def test_a_folded_value_becomes_one_line(gw, up):
    """RFC 9112, 5.2"""
    assert seen(gw, up, b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\t c \r\nContent-Length: 0\r\n\r\n") == \
        answered(b"200 OK", b"X: a   b  \t c", b"Content-Length: 0", close=True)


@pytest.mark.parametrize("raw", [b"HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\n2\r\nok\r\n0\r\n\r\n",
                                 b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length : 3\n\nok", b"HTTP/1.1 200 OK\n Content-Length: 2\n\nok",
                                 b"HTTP/1.1 200 OK\nContent-Length: 1\n 2\n\nok", b"\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok",
                                 b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n"])
def test_what_an_answer_means_is_never_in_doubt_however_its_lines_end(gw, up, raw):
    """RFC 9112, 6.3"""
    refused(gw, up, raw)


@pytest.mark.parametrize("frame", [b"\0\0\x06\4\0\0\0\0\0\0\4\0\0\xff\xff", b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1"])
def test_a_server_of_http_2_is_named_as_that(new_gw, up, frame):
    """RFC 9113, 3.4: gRPC servers send SETTINGS first; where HTTP/1.1 is set the answer says so"""
    up.answer = frame
    status, fields, body = new_gw(upstream="http1").ask(KEEP)
    assert (status, fields["x-ebb-error"]) == (502, "BAD_RESPONSE") and b"it speaks HTTP/2 (as gRPC servers do)" in body


@pytest.mark.parametrize("length", [b"Content-Length:\t2\t", b"Content-Length: \t2 \t", b"content-length:2\t"])
def test_a_tab_is_white_space_as_good_as_any_in_answers(gw, up, length):
    """RFC 9110, 5.6.3"""
    assert seen(gw, up, head(b"X:\ty\t\r\n" + length + b"\r\n") + b"ok") == \
        answered(b"200 OK", b"X: y", length.split(b":")[0] + b": 2", close=True, body=b"ok")


# --- RFC 9112 section 6: framing

@pytest.mark.parametrize("fields", [b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                                    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
                                    b"Content-Length: 2\r\nContent-Length: 2\r\n",
                                    b"Content-Length: 2\r\nContent-Length: 3\r\n",
                                    b"Content-Length: 2, 2\r\n", b"Content-Length: +2\r\n", b"Content-Length: \r\n",
                                    b"Content-Length: 99999999999999999999\r\n",
                                    b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked, gzip\r\n",
                                    b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n",
                                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"])
def test_the_end_of_an_answer_is_never_in_doubt(gw, up, fields):
    """RFC 9112, 6.1 and 6.3"""
    refused(gw, up, head(fields) + b"2\r\nok\r\n0\r\n\r\n")


def test_no_transfer_encoding_in_http_10(gw, up):
    """RFC 9112, 6.1"""
    refused(gw, up, head(b"Transfer-Encoding: chunked\r\n", version=b"HTTP/1.0") + b"0\r\n\r\n")


@pytest.mark.parametrize("body", [b"zz\r\n", b"1 \r\nx\r\n0\r\n\r\n", b"1\nx\r\n0\r\n\r\n", b"10000000000000001\r\n",
                                  b"1;\x00\r\nx\r\n0\r\n\r\n", b"1\r\nxx\r\n", b"0\r\nno trailer\r\n\r\n"])
def test_bad_chunks_are_refused(gw, up, body):
    """RFC 9112, 7.1"""
    refused(gw, up, head(b"Transfer-Encoding: chunked\r\n") + body)


def test_a_bad_chunk_later_cuts_the_answer(gw, up):
    """RFC 9112, 8: the client sees that it is incomplete"""
    def answer(conn, raw):
        conn.sendall(head(b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n")
        up.go.wait(20)
        conn.sendall(b"zz\r\n")

    up.go, up.answer = threading.Event(), answer
    with gw.connect() as sock:
        sock.sendall(KEEP)
        reader = Reader(sock)
        reader.head()
        assert reader.exactly(10) == b"5\r\nhello\r\n"
        up.go.set()
        assert reader.rest() == b""


def test_chunks_are_written_anew(gw, up):
    """RFC 9112, 7.1: extensions and trailers end here"""
    assert seen(gw, up, head(b"Trailer: T\r\nTransfer-Encoding: Chunked\r\n") + b"02;a=b\r\nok\r\n0;x\r\nT: v\r\n\r\n") == \
        answered(b"200 OK", chunked=True, close=True, body=b"2\r\nok\r\n0\r\n\r\n")


def test_an_answer_that_ends_with_its_connection_becomes_chunked(gw, up):
    """RFC 9112, 6.3: so that a cut can be told from an end"""
    def answer(conn, raw):
        conn.sendall(head(version=b"HTTP/1.0") + b"all")
        return False

    assert seen(gw, up, answer) == answered(b"200 OK", chunked=True, close=True, body=b"3\r\nall\r\n0\r\n\r\n")


def test_http_10_clients_get_no_chunks(gw, up):
    """RFC 9112, 6.1: Transfer-Encoding only to HTTP/1.1"""
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert seen(gw, up, head(b"Transfer-Encoding: chunked\r\n") + b"2\r\nok\r\n0\r\n\r\n", request) == \
        answered(b"200 OK", close=True, body=b"ok")


# --- RFC 9110 section 6.4.1: answers without a body

@pytest.mark.parametrize("fields, kept", [(b"Content-Length: 5\r\n", [b"Content-Length: 5"]),
                                          (b"Transfer-Encoding: chunked\r\n", []), (b"", [])])
def test_head_has_no_body(gw, up, fields, kept):
    """RFC 9110, 9.3.2: but the length it would have"""
    request = LAST.replace(b"GET", b"HEAD")
    assert seen(gw, up, head(fields), request) == answered(b"200 OK", *kept, close=True)


@pytest.mark.parametrize("fields", [b"", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_204_has_neither_body_nor_length(gw, up, fields):
    """RFC 9110, 8.6 and 15.3.5"""
    assert seen(gw, up, head(fields, b"204 No Content")) == answered(b"204 No Content", close=True)


def test_304_has_no_body_but_may_say_its_length(gw, up):
    """RFC 9110, 15.4.5"""
    assert seen(gw, up, head(b"Content-Length: 5\r\nETag: \"x\"\r\n", b"304 Not Modified")) == \
        answered(b"304 Not Modified", b"Content-Length: 5", b"ETag: \"x\"", close=True)


@pytest.mark.parametrize("method, status, fields", [
    (b"HEAD", b"200 OK", b"Content-Length: 5\r\n"), (b"GET", b"204 No Content", b"Content-Length: 5\r\n"),
    (b"GET", b"304 Not Modified", b"Content-Length: 5\r\n"), (b"GET", b"204 No Content", b""),
    (b"HEAD", b"200 OK", b"Transfer-Encoding: chunked\r\n")])
def test_a_body_where_none_may_be_reaches_nobody(gw, up, method, status, fields):
    """RFC 9112, 6.3: it would be the answer to the next request"""
    up.answer = head(fields, status) + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    before = up.connections
    with gw.connect() as sock:
        assert gw.ask(method + KEEP[3:], sock, head_only=True)[0] == int(status[:3])
        up.answer = OK
        assert gw.ask(KEEP, sock)[2] == b"ok"
    assert up.connections > before  # that connection was not used again


# --- RFC 9110 section 15.2: interim answers

def test_1xx_is_passed_on_and_100_is_not(gw, up):
    """RFC 9110, 15.2: the gateway gave its own 100"""
    interim = head(b"Link: </a.css>\r\nContent-Length: 9\r\n", b"103 Early Hints")
    got = seen(gw, up, head(status=b"100 Continue") + interim + OK)
    first = answered(b"103 Early Hints", b"Link: </a.css>", date=False)
    assert got == first + answered(b"200 OK", b"content-length: 2", close=True, body=b"ok")


def test_no_1xx_for_http_10_clients(gw, up):
    """RFC 9110, 15.2: a server must not send them to HTTP/1.0"""
    assert seen(gw, up, head(b"Link: </a>\r\n", b"103 Early Hints") + OK, b"GET / HTTP/1.0\r\n\r\n") == \
        answered(b"200 OK", b"content-length: 2", close=True, body=b"ok")


def test_floods_of_1xx_are_bounded(gw, up):
    """RFC 9110, 15.2 sets no bound; 32 are more than any use has"""
    flood = head(status=b"102 Processing")
    up.answer = flood * 33 + OK
    with gw.connect() as sock:
        sock.sendall(LAST)
        assert b"BAD_RESPONSE" in Reader(sock).rest()
    up.answer = flood * 32 + OK
    with gw.connect() as sock:
        sock.sendall(LAST)
        assert Reader(sock).rest().endswith(b"ok")


@pytest.mark.parametrize("fields", [b"", b"Upgrade: websocket\r\nConnection: upgrade\r\n"])
def test_101_unasked_is_refused(gw, up, fields):
    """RFC 9110, 15.2.2"""
    refused(gw, up, head(fields, b"101 Switching Protocols") + b"not http")


# --- RFC 9112 sections 8 and 9: the connection to the function

@pytest.mark.parametrize("answer", [
    OK + b"surplus", OK + OK, OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", OK + b"\r\n", OK + b"\0",
    head(b"Transfer-Encoding: chunked\r\n") + b"2\r\nok\r\n0\r\n\r\nevil",
    head(b"Transfer-Encoding: chunked\r\n") + b"2\r\nok\r\n0\r\n\r\n" + OK])
def test_what_comes_behind_an_answer_reaches_nobody(gw, up, answer):
    """RFC 9112, 9.2: two answers, or surplus bytes; the next client is unaffected"""
    up.answer = answer
    before = up.connections
    with gw.connect() as sock, gw.connect() as other:
        assert gw.ask(KEEP, sock)[2] == b"ok"
        up.answer = head(b"Content-Length: 5\r\n") + b"right"
        assert gw.ask(KEEP, other)[2] == b"right"
        assert gw.ask(KEEP, sock)[2] == b"right"
    assert up.connections > before


def test_what_comes_later_behind_an_answer_ends_that_connection(gw, up):
    """RFC 9112, 9.2: an idle connection that says something is not used again"""
    conns = []

    def answer(conn, raw):
        conns.append(conn)
        conn.sendall(OK)

    up.answer = answer
    assert gw.ask(KEEP)[2] == b"ok"
    conns[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    up.ended.get(timeout=20)
    assert gw.ask(KEEP)[2] == b"ok"


def test_an_answer_that_was_there_before_its_request_is_not_its_answer(gw, up):
    """RFC 9112, 9.2: in the very moment in which the connection is used again"""
    conns = []

    def answer(conn, raw):
        conns.append(conn)
        conn.sendall(OK)

    up.answer = answer
    for first in ("function", "client"):
        with gw.connect() as sock:
            assert gw.ask(KEEP, sock)[2] == b"ok"
            os.kill(gw.pid, signal.SIGSTOP)
            until(lambda: stopped(gw.pid), "the gateway stands still")
            try:  # both are there when the gateway goes on, in either order
                steps = [lambda: conns[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
                         lambda: sock.sendall(KEEP)]
                for step in steps if first == "function" else steps[::-1]:
                    step()
            finally:
                os.kill(gw.pid, signal.SIGCONT)
            assert Reader(sock).response()[2] == b"ok"


def test_an_answer_that_came_just_before_its_request_is_not_its_answer(gw, up):
    """RFC 9112, 9.2: the surplus answer comes while the gateway is at work with the next request. Where the
    function finds nothing to read after it sent the surplus, it was sent before that request."""
    early = set()

    def answer(conn, raw):
        name = raw.split()[1]
        conn.sendall(head(b"Content-Length: %d\r\n" % len(name)) + name)
        if name.startswith(b"/talks"):
            conn.sendall(head(b"Content-Length: %d\r\n" % (len(name) + 4)) + b"more" + name)
            try:
                conn.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                early.add(name)
            conn.shutdown(socket.SHUT_WR)
            while conn.recv(65536):
                pass
            return False
        return True

    up.answer, taken = answer, set()
    with gw.connect() as sock, gw.connect() as other:
        for number in range(1000):
            assert gw.ask(b"GET /talks%d HTTP/1.1\r\nHost: a\r\n\r\n" % number, sock)[2] == b"/talks%d" % number
            taken.add(gw.ask(KEEP, other)[2])
    # The gateway looks, then sends: bytes that come between these two are not seen, 2 of 1000 under emulation.
    assert early and len(taken & {b"more" + name for name in early}) <= 3


def test_a_long_answer_with_surplus_is_cut_where_it_ends(gw, up):
    """RFC 9112, 6.3: where bodies are spliced too"""
    size = 300000
    up.answer = head(b"Content-Length: %d\r\n" % size) + BLOCK[:size] + b"surplus"
    with gw.connect() as sock:
        assert gw.ask(KEEP, sock)[2] == BLOCK[:size]
        up.answer = OK
        assert gw.ask(KEEP, sock)[2] == b"ok"


@pytest.mark.parametrize("answer", [
    head(b"Content-Length: 10\r\n") + b"half", head(b"Transfer-Encoding: chunked\r\n") + b"a\r\nhalf",
    head(b"Transfer-Encoding: chunked\r\n") + b"4\r\nhalf\r\n0\r\n",
    head(b"Content-Length: 100000\r\n") + BLOCK[:50000]])
def test_an_answer_that_ends_early_is_cut_for_the_client_too(gw, up, answer):
    """RFC 9112, 8: an incomplete answer never looks whole"""
    def cut(conn, raw):
        conn.sendall(answer)
        return False

    up.answer = cut
    with gw.connect() as sock:
        sock.sendall(KEEP)
        reader = Reader(sock)
        with pytest.raises((EOFError, ConnectionResetError)):
            reader.response()


def test_an_answer_that_ends_in_its_head_is_502(gw, up):
    """RFC 9112, 8"""
    def cut(conn, raw):
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        return False

    up.answer = cut
    status, fields, _ = gw.ask(KEEP)
    assert (status, fields["x-ebb-error"]) == (502, "INSTANCE_CRASHED")


def test_a_head_may_come_byte_by_byte(gw, up):
    """RFC 9112, 2.2"""
    def drip(conn, raw):
        for byte in head(b"X: y\r\nContent-Length: 2\r\n") + b"ok":
            conn.sendall(bytes([byte]))

    assert seen(gw, up, drip) == answered(b"200 OK", b"X: y", b"Content-Length: 2", close=True, body=b"ok")


def test_heads_of_answers_are_bounded(gw, up):
    """RFC 9110, 5.4"""
    fields = [b"X-%d: y" % n for n in range(1023)] + [b"Content-Length: 2"]
    assert seen(gw, up, head(b"\r\n".join(fields) + b"\r\n") + b"ok") == answered(b"200 OK", *fields, close=True, body=b"ok")
    refused(gw, up, head(b"X: y\r\n" * 1024 + b"Content-Length: 0\r\n"))
    refused(gw, up, head(b"X: " + b"y" * 70000 + b"\r\nContent-Length: 0\r\n"))


def test_an_early_answer_reaches_the_client_and_ends_the_connection(gw, up):
    """RFC 9112, 9.3: the rest of the request is not taken for another one"""
    up.early = lambda conn: conn.sendall(head(b"Content-Length: 2\r\n", b"413 Content Too Large") + b"no")
    with gw.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + KEEP)
        reader = Reader(sock)
        status, fields, body = reader.response()
        assert (status, body, fields["connection"]) == (413, b"no", "close")
        assert reader.rest() == b""
    assert up.requests.empty()


def test_connection_close_of_a_function_is_its_own(gw, up):
    """RFC 9112, 9.6: the connection of the client persists"""
    def answer(conn, raw):
        conn.sendall(head(b"Connection: close\r\nContent-Length: 2\r\n") + b"ok")
        return False

    up.answer = answer
    with gw.connect() as sock:
        for _ in range(3):
            status, fields, body = gw.ask(KEEP, sock)
            assert (status, body, fields.get("connection")) == (200, b"ok", None)
