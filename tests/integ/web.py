# SPDX-License-Identifier: Apache-2.0
"""HTTP clients for the tests: whole answers, raw sockets, streams, many at once."""
import contextlib
import hashlib
import http.client
import json
import socket
import struct
import threading
import time

from waiting import slow


class Reply:
    def __init__(self, status, headers, body, seconds=0.0):
        self.status, self.body, self.seconds = status, body, seconds
        self.headers = {k.lower(): v for k, v in headers}

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def start(self):
        return self.headers.get("x-ebb-start")

    @property
    def instance(self):
        return self.headers.get("x-ebb-instance")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        """Waits for a place in a full queue; a socket with Python's timeout would fail there at once."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(self.timeout or 0), 0))
        self.sock.connect(self.path)
        self.sock.settimeout(self.timeout)


def exchange(connection, method, path, body=None, headers=None):
    """One request on an open connection, which stays usable."""
    begun = time.monotonic()
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    data = answer.read()
    return Reply(answer.status, answer.getheaders(), data, time.monotonic() - begun)


def request(address, path="/", host=None, method="GET", body=None, headers=None, timeout=30):
    connection = http.client.HTTPConnection(*address, timeout=slow(timeout))
    try:
        headers = dict(headers or {})
        if host:
            headers["Host"] = host
        return exchange(connection, method, path, body, headers)
    finally:
        connection.close()


def many(count, call):
    """call(i) in count threads released together; the list of what they returned, in order."""
    results, gate = [None] * count, threading.Barrier(count)

    def run(i):
        gate.wait()
        try:
            results[i] = call(i)
        except Exception as error:  # handed to the test, which will fail on it
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for r in results:
        if isinstance(r, Exception):
            raise r
    return results


class Raw:
    """A socket and what arrived on it; for bytes that http.client would never send."""

    def __init__(self, address, timeout=15):
        self.sock = socket.create_connection(address, timeout=slow(timeout))
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read_until(self, mark):
        while mark not in self.got:
            data = self.sock.recv(65536)
            if not data:
                raise AssertionError(f"closed before {mark!r}: {self.got[-500:]!r}")
            self.got += data
        at = self.got.index(mark) + len(mark)
        head, self.got = self.got[:at], self.got[at:]
        return head

    def read_to_end(self):
        try:
            while data := self.sock.recv(65536):
                self.got += data
        except ConnectionResetError:
            pass
        return self.got


def raw_status(address, data):
    """Sends these bytes, shuts nothing down, and returns the status of the answer (0: just closed)."""
    with Raw(address) as raw:
        raw.send(data)
        try:
            line = raw.read_until(b"\r\n")
        except (AssertionError, ConnectionResetError):
            return 0
        return int(line.split()[1])


BLOCK = bytes((i * 131 + i // 251) & 255 for i in range(65536))


def pattern(total):
    """total bytes in which every block differs."""
    for number in range((total + len(BLOCK) - 1) // len(BLOCK)):
        block = number.to_bytes(8, "little") + BLOCK[8:]
        yield block[: min(len(block), total - number * len(BLOCK))]


def _send_body(sock, total, chunked, digest):
    """A failed send shows in what comes back."""
    with contextlib.suppress(ConnectionError):
        for block in pattern(total):
            digest.update(block)
            sock.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            sock.sendall(b"0\r\n\r\n")


def echo(address, host, total, chunked=False, path="/echo", meanwhile=lambda: None):
    """Sends a body of total bytes and reads it back at the same time; True if it is the same."""
    sock = socket.create_connection(address, timeout=slow(60))
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {total}"
    sock.sendall(f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n".encode())
    sent, received, seen = hashlib.blake2b(), hashlib.blake2b(), 0
    sender = threading.Thread(target=_send_body, args=(sock, total, chunked, sent))
    sender.start()
    try:
        answer = http.client.HTTPResponse(sock, method="POST")
        answer.begin()
        while block := answer.read(1 << 20):
            received.update(block)
            seen += len(block)
            meanwhile()
    finally:
        sender.join(slow(120))
        sock.close()
    return answer.status == 200 and seen == total and sent.digest() == received.digest()
