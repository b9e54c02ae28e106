# SPDX-License-Identifier: Apache-2.0
"""
The same random requests to a program behind ebb and to the same program run plainly beside it: the answers must be the
same, and none may be lost. An exchange follows from the seed and its number alone, so that one whose answers differ can
be repeated.

    Pair(plain=at(("127.0.0.1", 8081)), through=at(("127.0.0.1", 8080)), host="one.localhost",
         paths=["/hello/1"], reads=["/echo"]).run(2000)
"""
import contextlib
import copy
import dataclasses
import itertools
import random
import select
import socket
import threading
import time

METHODS = ("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITH_BODY = ("POST", "PUT", "PATCH")
# Fields that are not compared: ebb writes them anew, or they differ each time anyway. The length is still compared in
# answers to HEAD, where no body shows it.
NOT_COMPARED = {"date", "connection", "keep-alive", "transfer-encoding", "content-length", "via", "server-timing",
                "x-ebb-id", "x-ebb-instance", "x-ebb-start"}
PLAIN_S = 5  # a server that is silent for so long has lost it (hypercorn, some pipelines)
SHOWN = 4  # differing answers in full; a fault tends to repeat itself


def at(address):
    """How to get a connection there."""
    return lambda timeout: socket.create_connection(address, timeout=timeout)


class Request:
    """Pieces with pauses between them: a head, and a body by length or in chunks."""

    def __init__(self, rng, host, paths, reads, gentle, last):
        self.method = rng.choice([m for m in METHODS if m not in WITH_BODY] if gentle else METHODS)
        self.path = rng.choice(reads if self.method in WITH_BODY and rng.random() < 0.8 else paths)
        body = rng.randbytes(rng.choice((0, 1, 10, 1000, 20000, 100000))) if self.method in WITH_BODY else b""
        chunked = bool(body) and rng.random() < 0.4
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\n"
        head += "".join(f"X-Pair-{n}: {rng.randrange(10 ** 6)}\r\n" for n in range(rng.randrange(4)))
        if body:
            head += "Content-Type: application/octet-stream\r\n"
        if chunked:
            head += "Transfer-Encoding: chunked\r\n"
        elif self.method in WITH_BODY:
            head += f"Content-Length: {len(body)}\r\n"
        head += "Connection: close\r\n\r\n" if last else "\r\n"
        self.chunked, self.body = chunked, body
        raw = head.encode() + (b"".join(chunks(rng, body)) if chunked else body)
        cuts = sorted({rng.randrange(len(raw)) for _ in range(rng.choice((0, 0, 0, 1, 3)))})
        self.pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)])]

    def whole(self):
        other = copy.copy(self)
        other.pieces = [b"".join(self.pieces)]
        return other

    def __repr__(self):
        return f"{self.method} {self.path} ({len(self.body)} bytes{', chunked' * self.chunked})"


def chunks(rng, body):
    while body:
        size = rng.randrange(1, 30000)
        yield b"%x\r\n%s\r\n" % (len(body[:size]), body[:size])
        body = body[size:]
    yield b"0\r\n\r\n"


@dataclasses.dataclass
class Answer:
    status: object  # a number; "lost": none came; "cut": not all of it; "silent": nor did the connection end
    fields: dict = dataclasses.field(default_factory=dict)
    body: bytes = b""
    ends: bool = True  # the connection ends behind it, and said so

    def shown(self):
        """The compared parts; the order within Allow says nothing, and Flask's is that of a set."""
        shown = {n: v for n, v in self.fields.items() if n not in NOT_COMPARED}
        if "allow" in shown:
            shown["allow"] = sorted(word.strip() for line in shown["allow"] for word in line.split(","))
        return shown


LOST = Answer("lost")


class Exchange:
    """Up to four requests on one connection, one by one or pipelined. Sometimes the client leaves early: within the
    first request, or before the answer to it."""

    def __init__(self, seed, host, paths, reads, gentle=False):
        rng = random.Random(seed)
        count = rng.choice((1, 1, 2, 4))
        self.requests = [Request(rng, host, paths, reads, gentle, n == count - 1) for n in range(count)]
        self.pipelined = rng.random() < 0.3
        # The client leaves after so many pieces of the first request; None: after all of them; 0: it does not.
        self.leaves = rng.choice((1, None)) if rng.random() < 0.1 and not gentle else 0

    def answers(self, connect, timeout, lenient=False, one_by_one=False):
        """The answers, one for each request, in order; None if the client left early. Behind an answer that ends its
        connection the client goes on with a new connection, as every client does. A lenient client, for programs that
        do not behave well, does so also behind an unannounced end and behind bytes that are no answer."""
        if self.leaves != 0:
            with connect(timeout) as sock:
                send(sock, self.requests[:1], self.leaves)
            return None
        requests, pipelined = self.requests, self.pipelined
        if one_by_one:
            requests, pipelined = [r.whole() for r in requests], False
        got = []
        while len(got) < len(requests):
            new = self._converse(connect, timeout, requests[len(got):], lenient, pipelined)
            got += new or [LOST]
            if new and not new[-1].ends and len(got) < len(requests) and not lenient:
                got.append(LOST)
        return got

    def _converse(self, connect, timeout, requests, lenient, pipelined):
        """The answers that came on one connection."""
        with connect(timeout) as sock:
            if not pipelined:
                return list(self._read(sock, requests, lenient, before=lambda request: send(sock, [request])))
            sender = threading.Thread(target=send, args=(sock, requests))
            sender.start()
            try:
                return list(self._read(sock, requests, lenient))
            finally:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # nobody reads the rest
                sender.join()

    @staticmethod
    def _read(sock, requests, lenient, before=lambda request: None):
        stream = sock.makefile("rb")
        for request in requests:
            before(request)
            try:
                answer = read_answer(stream, request.method)
            except (OSError, ValueError) as error:
                if not lenient:
                    yield Answer("silent" if isinstance(error, TimeoutError) else "cut", {"error": [repr(error)]})
                return
            if answer:
                yield answer
            if not answer or answer.ends:
                return


def send(sock, requests, pieces_max=None):
    """A server that answers without reading may end the connection meanwhile: the answer says what that means."""
    try:
        for request in requests:
            for n, piece in enumerate(request.pieces[:pieces_max]):
                if n:
                    select.select([], [], [], 0.002)  # the pause is what is tested
                sock.sendall(piece)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise


def read_answer(stream, method):
    """None if the connection ended before it began."""
    try:
        line = stream.readline()
    except ConnectionResetError:
        return None
    if not line:
        return None
    if not line.startswith(b"HTTP/1."):
        raise ValueError(f"no head of an answer: {line[:100]}")
    status = int(line.split()[1])
    fields = {}
    while field := stream.readline().strip(b"\r\n"):
        name, _, value = field.decode("latin-1").partition(":")
        fields.setdefault(name.lower(), []).append(value.strip())
    if status < 200:
        return read_answer(stream, method)
    body, framed = read_body(stream, fields, method == "HEAD" or status in (204, 304))
    said = ",".join(fields.get("connection", [])).lower()
    ends = not framed or "close" in said or (line.startswith(b"HTTP/1.0") and "keep-alive" not in said)
    return Answer(status, fields, body, ends)


def read_body(stream, fields, none):
    """The body, and whether it ends before its connection does."""
    if none:
        return b"", True
    if "chunked" in fields.get("transfer-encoding", [""])[0].lower():
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
        return body, True
    if "content-length" in fields:
        length = int(fields["content-length"][0])
        body = stream.read(length)
        if len(body) != length:
            raise ValueError(f"{len(body)} of {length} bytes came")
        return body, True
    return stream.read(), False


class Pair:
    def __init__(self, plain, through, host, paths, reads=(), same=lambda body: body, allowed=None,
                 one_by_one=False, gentle=False, seed=1, timeout=30):
        """plain and through give connections, as the results of at() do. reads: those of the paths that read a body.
        same(body): the part of a body that does not differ each time. allowed(exchange, request, plain, through): the
        name of an allowed difference, or None. one_by_one: the plain program gets each request whole and none
        pipelined, because it cannot take pipelines and pauses. gentle: no bodies, and no client leaves early."""
        self.plain, self.through, self.host, self.paths = plain, through, host, paths
        self.reads = reads or paths
        self.same, self.one_by_one, self.gentle, self.seed, self.timeout = same, one_by_one, gentle, seed, timeout
        self.allowed = allowed or (lambda exchange, request, plain, through: None)
        self.count, self.good, self.kinds = 0, 0, {}  # requests, answered 200, {allowed difference: how often}
        self.slowest = [0, 0]  # exchanges in s, plainly and through ebb
        self.lock = threading.Lock()

    def exchange(self, number):
        return Exchange(self.seed * 1000003 + number, self.host, self.paths, self.reads, self.gentle)

    def differ(self, request, plain, through):
        sides = [(a.status, a.shown(), self.same(a.body)) for a in (plain, through)]
        lengths = [a.fields.get("content-length") for a in (plain, through)]
        return sides[0] != sides[1] or (request.method == "HEAD" and lengths[0] != lengths[1])

    def one(self, number):
        """The difference in the exchange of this number, or None."""
        exchange, both, seconds = self.exchange(number), [], []
        for name, ask in (("plainly", lambda: exchange.answers(self.plain, PLAIN_S, True, self.one_by_one)),
                          ("through ebb", lambda: exchange.answers(self.through, self.timeout))):
            begun = time.monotonic()
            both.append(ask())
            seconds.append(time.monotonic() - begun)
        with self.lock:
            self.count += 1 if both[0] is None else len(exchange.requests)
            self.slowest = [max(pair) for pair in zip(self.slowest, seconds)]
        for request, plain, through in zip(exchange.requests, *both) if both[0] is not None else ():
            kind = self.differ(request, plain, through) and (self.allowed(exchange, request, plain, through) or "")
            with self.lock:
                self.good += plain.status == 200
                if kind:
                    self.kinds[kind] = self.kinds.get(kind, 0) + 1
            if kind == "":
                return (f"exchange {number} of seed {self.seed}, {exchange.requests}, pipelined: {exchange.pipelined}: "
                        f"{request}: plainly {plain!r:.700}, through ebb {through!r:.700}")
        return None

    def run(self, count, clients=4):
        """All that differ in so many requests or a few more."""
        numbers, found = itertools.count(), []

        def client():
            while self.count < count and len(found) < SHOWN:
                number = next(numbers)
                try:
                    fault = self.one(number)
                except Exception as error:  # a fault of the test too must not look like none
                    fault = f"exchange {number} of seed {self.seed}, {self.exchange(number).requests}: {error!r}"
                if fault:
                    found.append(fault)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return found
