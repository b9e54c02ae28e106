# SPDX-License-Identifier: Apache-2.0
"""
A function that keeps the bytes of every request as they came and answers with bytes that the test gave; and
the bytes that the gateway must write for a request or an answer, for a comparison byte for byte.
"""
import queue
import re
import socket
import threading

from gateway_harness import DEADLINE_S, Reader, end_listener, until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Function:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.connections, self.conns = 0, set()
        self.reset()
        self.accepts = threading.Thread(target=self.accept, daemon=True)
        self.accepts.start()

    def reset(self):
        """The answer: bytes, or a callable (conn, head) that sends, and says whether to go on."""
        self.answer, self.early = OK, None  # early: called with the connection before the body is read
        self.requests = queue.Queue()  # raw bytes, one entry per request
        self.ended = queue.Queue()     # one entry per connection that ended

    def close(self):
        end_listener(self.listener, self.accepts)

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        reader = Kept(conn)
        try:
            while reader.request(lambda: self.early):
                raw = reader.take()
                self.requests.put(raw)
                if callable(self.answer):
                    if self.answer(conn, raw) is False:
                        return
                else:
                    conn.sendall(self.answer)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            conn.close()
            self.ended.put(None)

    def got(self):
        """The next request it got, whole."""
        return self.requests.get(timeout=DEADLINE_S)


class Kept(Reader):
    """Reads whole requests and keeps every byte of them."""

    def __init__(self, sock):
        super().__init__(sock)
        self.kept = b""

    def more(self):
        data = self.sock.recv(1 << 18)
        self.buf += data
        self.kept += data
        return bool(data)

    def take(self):
        raw = self.kept[: len(self.kept) - len(self.buf)]
        self.kept = self.buf
        return raw

    def request(self, early):
        got = self.head()
        if got:
            if early():
                early()(self.sock)
            for _ in self.body_pieces(got[1]):
                pass
        return bool(got)


def forwarded(line, *fields, host=b"a", body=b"", traced=False, version=b"1.1", peer=b"127.0.0.1",
              chunked=False, upgrade=False):
    """The bytes that the function gets for a request: ID, D stand for what differs each time."""
    text = line + b" HTTP/1.1\r\nhost: " + host + b"\r\n"
    text += b"".join(field + b"\r\n" for field in fields)
    text += b"" if traced else b"traceparent: 00-ID-HALF-01\r\n"
    text += b"via: " + version + b" ebb\r\n"
    text += b"connection: upgrade\r\n" if upgrade else b""
    text += b"transfer-encoding: chunked\r\n" if chunked else b""
    text += (b"x-forwarded-for: " + peer + b"\r\nx-forwarded-proto: http\r\nx-forwarded-host: " + host
             + b"\r\nx-real-ip: " + peer + b"\r\nforwarded: for=" + peer + b";host=\"" + host + b"\";proto=http\r\n"
             b"x-request-id: ID\r\nx-ebb-id: ID\r\nx-ebb-deadline: D\r\n\r\n")
    return text + body


def same_each_time(raw):
    """Puts ID, HALF and D where a request or an answer differs each time."""
    found = re.search(rb"x-ebb-id: ([0-9a-f]{32})\r\n", raw)
    assert found, raw
    raw = raw.replace(found[1], b"ID").replace(b"-" + found[1][16:] + b"-", b"-HALF-")
    raw = re.sub(rb"x-ebb-deadline: \d{13}", b"x-ebb-deadline: D", raw)
    return re.sub(rb"\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", b"\r\ndate: D\r\n", raw)


def answered(line, *fields, date=True, chunked=False, body=b"", close=False, alive=False):
    """The bytes that the client gets for an answer."""
    text = b"HTTP/1.1 " + line + b"\r\n" + b"".join(field + b"\r\n" for field in fields)
    text += b"date: D\r\n" if date else b""
    text += b"connection: close\r\n" if close else b""
    text += b"connection: keep-alive\r\n" if alive else b""
    text += b"transfer-encoding: chunked\r\n" if chunked else b""
    return text + b"x-ebb-id: ID\r\nx-ebb-instance: inst-0\r\nx-ebb-start: warm\r\n\r\n" + body


def passes(gw, up, raw, *want):
    """The request reaches the function as exactly these bytes and is answered."""
    status, _, body = gw.ask(raw)
    assert (status, body) == (200, b"ok")
    assert same_each_time(up.got()) == forwarded(*want[:-1], **want[-1]) if isinstance(want[-1], dict) \
        else same_each_time(up.got()) == forwarded(*want)


def refused(gw, up, raw, status, code=None):
    """It is answered by ebb, the connection ends, and the function never heard of it."""
    before = gw.board()["invocations"]
    with gw.connect() as sock:
        sock.sendall(raw)
        reader = Reader(sock)
        got, fields, _ = reader.response()
        assert got == status, (got, fields)
        assert fields["x-ebb-error"] == (code or {400: "BAD_REQUEST", 501: "NOT_IMPLEMENTED"}[status])
        assert fields["connection"] == "close"
        try:
            assert reader.rest() == b""
        except ConnectionResetError:
            pass
    assert gw.board()["invocations"] == before
    assert up.requests.empty()


def everything(gw, raw, sock=None):
    """All bytes until the gateway closes."""
    with gw.connect() as sock:
        sock.sendall(raw)
        try:
            return Reader(sock).rest()
        except ConnectionResetError:
            return b""


__all__ = ["Function", "OK", "answered", "everything", "forwarded", "passes", "refused",
           "same_each_time", "until"]
