# SPDX-License-Identifier: Apache-2.0
"""
The same random requests to a program behind ebb and to the same program run plainly beside it: the
answers must be the same, and none may be lost. A request is made from a seed alone, so one that
differs is repeated by its number.

    Pair(plain=("127.0.0.1", 8081), through=("127.0.0.1", 8080), host="one.localhost", paths=[...],
         reads=[...]).run(2000)
"""
import random
import select
import socket
import threading

METHODS = ("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS")
# Of the hop or the moment: ebb writes them anew, or they differ each time anyway.
NOT_COMPARED = {"date", "connection", "keep-alive", "transfer-encoding", "content-length", "via", "server-timing",
                "x-ebb-id", "x-ebb-instance", "x-ebb-start"}


class Request:
    """Pieces with pauses between them: a head, and a body by length or in chunks."""

    def __init__(self, rng, host, paths, reads, last):
        self.method = rng.choice(METHODS)
        # Who answers before having read the body has its connection ended by ebb, as may be.
        self.path = rng.choice(reads if self.method in ("POST", "PUT") else paths)
        body = rng.randbytes(rng.choice((0, 1, 10, 1000, 20000, 100000))) if self.method in ("POST", "PUT") else b""
        chunked = bool(body) and rng.random() < 0.4
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\n"
        head += "".join(f"X-Pair-{n}: {rng.randrange(10 ** 6)}\r\n" for n in range(rng.randrange(4)))
        if chunked:
            head += "Transfer-Encoding: chunked\r\n"
        elif self.method in ("POST", "PUT"):
            head += f"Content-Length: {len(body)}\r\n"
        head += "Connection: close\r\n\r\n" if last else "\r\n"
        raw = head.encode()
        if chunked:
            while body:
                size = rng.randrange(1, 30000)
                raw += b"%x\r\n%s\r\n" % (len(body[:size]), body[:size])
                body = body[size:]
            raw += b"0\r\n\r\n"
        else:
            raw += body
        cuts = sorted({rng.randrange(len(raw)) for _ in range(rng.choice((0, 0, 0, 1, 3)))})
        self.pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)])]


class Exchange:
    """One connection: up to four requests, one by one or pipelined; now and then the client leaves early."""

    def __init__(self, seed, host, paths, reads):
        rng = random.Random(seed)
        count = rng.choice((1, 1, 2, 4))
        self.requests = [Request(rng, host, paths, reads, n == count - 1) for n in range(count)]
        self.pipelined = rng.random() < 0.3
        self.leaves = rng.random() < 0.1

    def on(self, address, timeout):
        """The answers as (status, fields, body); None if the client left."""
        with socket.create_connection(address, timeout=timeout) as sock:
            stream = sock.makefile("rb")
            answers = []
            if self.leaves:
                sock.sendall(self.requests[0].pieces[0])
                return None
            for request in self.requests:
                for n, piece in enumerate(request.pieces):
                    if n:
                        select.select([], [], [], 0.002)  # the pause is what is tested
                    sock.sendall(piece)
                if not self.pipelined:
                    answers.append(read_answer(stream, request.method))
            return answers or [read_answer(stream, r.method) for r in self.requests]


def read_answer(stream, method):
    line = stream.readline()
    if not line:
        return ("lost", {}, b"")
    status = int(line.split()[1])
    fields = {}
    for field in iter(stream.readline, b"\r\n"):
        name, _, value = field.decode("latin-1").partition(":")
        fields.setdefault(name.lower(), []).append(value.strip())
    if method == "HEAD" or status in (204, 304) or status < 200:
        body = b""
    elif "chunked" in fields.get("transfer-encoding", [""])[0]:
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
    elif "content-length" in fields:
        body = stream.read(int(fields["content-length"][0]))
    else:
        body = stream.read()
    return (status, {n: v for n, v in fields.items() if n not in NOT_COMPARED}, body)


class Pair:
    def __init__(self, plain, through, host, paths, reads, same=lambda body: body, seed=1, timeout=30):
        """same(body): what of a body does not differ each time."""
        self.plain, self.through, self.host, self.paths = plain, through, host, paths
        self.reads = reads  # of the paths, those that read a body to its end
        self.same, self.seed, self.timeout = same, seed, timeout

    def one(self, number):
        """What differs in the exchange of this number, or None."""
        exchange = Exchange(self.seed * 1000003 + number, self.host, self.paths, self.reads)
        both = [exchange.on(address, self.timeout) for address in (self.plain, self.through)]
        if both[0] is None:
            return None
        plain, through = [[(s, f, self.same(b)) for s, f, b in answers] for answers in both]
        if plain == through:
            return None
        return f"exchange {number} of seed {self.seed}: plainly {plain!r:.600}, through ebb {through!r:.600}"

    def run(self, count, clients=4):
        """All that differ."""
        numbers, found, lock = iter(range(count)), [], threading.Lock()

        def client():
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    fault = self.one(number)
                except (OSError, ValueError) as error:
                    fault = f"exchange {number} of seed {self.seed}: {error!r}"
                if fault:
                    found.append(fault)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return found
