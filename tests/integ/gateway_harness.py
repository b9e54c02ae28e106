# SPDX-License-Identifier: Apache-2.0
"""One ebb-gateway under gateway_stub, and a plain upstream that behaves as its paths say."""
import os, queue, re, select, socket, subprocess, threading, time, zlib

from waiting import slow

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.environ.get("EBB_BIN", os.path.join(ROOT, "build", "release"))
DEADLINE_S = slow(20)
BLOCK = bytes((i * 7 + i // 251) & 255 for i in range(1 << 20))


def until(fact, what, deadline_s=DEADLINE_S):
    """Waits for a fact, never for a time."""
    end = time.monotonic() + deadline_s
    while True:
        value = fact()
        if value:
            return value
        assert time.monotonic() < end, f"did not happen in {deadline_s} s: {what}"
        select.select([], [], [], 0.005)


def pattern_crc(size):
    crc = 0
    while size > 0:
        crc = zlib.crc32(BLOCK[: min(size, len(BLOCK))], crc)
        size -= len(BLOCK)
    return crc


class Reader:
    """Reads HTTP off a socket."""

    def __init__(self, sock):
        self.sock, self.buf = sock, b""
        self.tail = []  # the lines behind the last chunked body

    def more(self):
        data = self.sock.recv(1 << 18)
        self.buf += data
        return bool(data)

    def head(self):
        while b"\r\n\r\n" not in self.buf:
            if not self.more():
                return None
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            fields.setdefault(name.lower(), value.strip())
        return lines[0], fields, head

    def exactly(self, size):
        while len(self.buf) < size:
            if not self.more():
                raise EOFError(f"{len(self.buf)} of {size} bytes")
        data, self.buf = self.buf[:size], self.buf[size:]
        return data

    def pieces(self, size):
        while size > 0:
            if not self.buf and not self.more():
                raise EOFError("cut")
            data, self.buf = self.buf[:size], self.buf[size:]
            size -= len(data)
            yield data

    def line(self):
        while b"\r\n" not in self.buf:
            if not self.more():
                raise EOFError("cut")
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def chunks(self):
        while True:
            size = int(self.line().split(b";")[0], 16)
            if size == 0:
                self.tail = list(iter(self.line, b""))
                return
            yield from self.pieces(size)
            assert self.exactly(2) == b"\r\n"

    def rest(self):
        while self.more():
            pass
        data, self.buf = self.buf, b""
        return data

    def body_pieces(self, fields, is_response=False):
        if "chunked" in fields.get("transfer-encoding", ""):
            return self.chunks()
        if "content-length" in fields:
            return self.pieces(int(fields["content-length"]))
        return iter([self.rest()]) if is_response else iter([])

    def response(self, head_only=False):
        got = self.head()
        assert got, "connection closed without a response"
        status = int(got[0].split()[1])
        if head_only or status in (204, 304) or status < 200:
            return status, got[1], b""
        return status, got[1], b"".join(self.body_pieces(got[1], True))


def end_listener(listener, accepts):
    """Ends a listener whose thread waits in accept(2). The shutdown wakes the thread. If the listener were only
    closed, the thread would wait on; when the process is stopped and continued, accept(2) is called again with
    the same number, which may be another test's listener by then."""
    listener.shutdown(socket.SHUT_RDWR)
    accepts.join(DEADLINE_S)
    assert not accepts.is_alive()
    listener.close()


class Upstream:
    """A server with a thread for each connection. Each of its behaviours is a method that is named after a path."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.counts, self.connections, self.open, self.seen = {}, 0, set(), queue.Queue()
        self.go_on = threading.Event()
        self.accepts = threading.Thread(target=self.accept, daemon=True)
        self.accepts.start()

    def close(self):
        end_listener(self.listener, self.accepts)
        self.drop_connections()

    def drop_connections(self):
        with self.lock:
            for conn in list(self.open):
                try:
                    conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def count(self, name):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1
            return self.counts[name]

    def accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                self.open.add(conn)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        reader = Reader(conn)
        try:
            while True:
                got = reader.head()
                if not got:
                    break
                line, fields, raw = got
                if len(line.split()) < 2:  # the bytes behind the preface of HTTP/2
                    break
                path = line.split()[1].split("?")[0].strip("/").replace("-", "_") or "hello"
                arg = line.split()[1].partition("?")[2]
                self.count(path)
                if getattr(self, "on_" + path, self.on_hello)(conn, reader, fields, arg, raw) is False:
                    break
        except (OSError, EOFError, AssertionError) as err:
            self.seen.put(("error", str(err)))
        finally:
            with self.lock:
                self.open.discard(conn)
            conn.close()
            self.seen.put(("closed", None))

    def reply(self, conn, body=b"", status="200 OK", extra=b""):
        conn.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n%s\r\n%s" % (status.encode(), len(body), extra, body))

    def on_hello(self, conn, reader, fields, arg, raw):
        b"".join(reader.body_pieces(fields))
        self.reply(conn, b"hello")

    def on_head(self, conn, reader, fields, arg, raw):
        self.reply(conn, raw)

    def on_echo(self, conn, reader, fields, arg, raw):
        self.reply(conn, b"".join(reader.body_pieces(fields)))

    def on_tail(self, conn, reader, fields, arg, raw):
        """Answers with the body, the trailers and the field that announces them."""
        body = b"".join(reader.body_pieces(fields))
        self.reply(conn, b"|".join([body, *reader.tail, fields.get("trailer", "").encode()]))

    def on_echo_chunked(self, conn, reader, fields, arg, raw):
        """Full duplex: each piece goes back as it comes."""
        conn.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for data in reader.body_pieces(fields):
            conn.sendall(b"%x\r\n%s\r\n" % (len(data), data))
        conn.sendall(b"0\r\nx-trailer: 1\r\n\r\n")

    def on_sleep(self, conn, reader, fields, arg, raw):
        time.sleep(float(arg))
        self.reply(conn, b"slept")

    def on_never(self, conn, reader, fields, arg, raw):
        self.seen.put(("never", None))
        return bool(conn.recv(1))

    def on_big(self, conn, reader, fields, arg, raw):
        size = int(arg)
        conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while size > 0:
            conn.sendall(BLOCK[: min(size, len(BLOCK))])
            size -= len(BLOCK)

    def on_big_chunked(self, conn, reader, fields, arg, raw):
        size = int(arg)
        conn.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while size > 0:
            data = BLOCK[: min(size, len(BLOCK))]
            conn.sendall(b"%x;ext=1\r\n" % len(data) + data + b"\r\n")
            size -= len(data)
        conn.sendall(b"0\r\n\r\n")

    def on_until_close(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        return False

    def on_sink(self, conn, reader, fields, arg, raw):
        size = crc = 0
        for data in reader.body_pieces(fields):
            size += len(data)
            crc = zlib.crc32(data, crc)
        self.reply(conn, b"%d %d" % (size, crc))

    def on_early(self, conn, reader, fields, arg, raw):
        self.reply(conn, b"too much", "413 Content Too Large", b"connection: close\r\n")
        conn.shutdown(socket.SHUT_WR)
        while conn.recv(1 << 16):
            pass
        return False

    def on_early_kept(self, conn, reader, fields, arg, raw):
        """In two pieces, the second when the test says so."""
        conn.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\n")
        self.go_on.wait(DEADLINE_S)
        conn.sendall(b"nothing")
        return False

    def on_early_reset(self, conn, reader, fields, arg, raw):
        """Ends without having read the body, which sends a RST behind the answer (WEBrick)."""
        conn.sendall(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 7\r\nconnection: close\r\n\r\n")
        self.go_on.wait(DEADLINE_S)
        conn.sendall(b"refused")
        return False

    def on_late(self, conn, reader, fields, arg, raw):
        """Says more when it is asked again: the body of a HEAD, or what it thinks of a body it had refused."""
        b"".join(reader.body_pieces(fields))
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" if raw.startswith(b"HEAD")
                     else b"HTTP/1.1 405 Not That\r\ncontent-length: 0\r\n\r\n")
        if reader.more():
            conn.sendall(b"a late body" if raw.startswith(b"HEAD")
                         else b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        return False

    def on_nack(self, conn, reader, fields, arg, raw):
        b"".join(reader.body_pieces(fields))
        self.reply(conn, b"", "503 Full", b"x-ebb-nack: 1\r\n")

    def on_close(self, conn, reader, fields, arg, raw):
        return False

    def on_close_once(self, conn, reader, fields, arg, raw):
        if self.count("close_once_done") == 1:
            return False
        self.reply(conn, b"second time")

    def on_cut(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes!")
        return False

    def on_raw(self, conn, reader, fields, arg, raw):
        conn.sendall(bytes.fromhex(arg))
        return False

    def on_no_content(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def on_hints(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n")
        time.sleep(0.05)
        self.reply(conn, b"after hints")

    def on_upgrade(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: %s\r\n\r\n"
                     % fields["upgrade"].encode())
        while True:
            data, reader.buf = reader.buf or conn.recv(1 << 16), b""
            if not data:
                return False
            if data == b"bye":
                conn.sendall(b"good bye")
                return False
            conn.sendall(data)


class Gateway:
    def __init__(self, connections=256, queue_max=64, queue_age_ms=3000, idle_ms=60000, head_ms=10000, **limits):
        args = [os.path.join(OUT, "tests", "gateway_stub"), os.path.join(OUT, "ebb-gateway"), "0"]
        args += [str(n) for n in (connections, queue_max, queue_age_ms, idle_ms, head_ms)]
        args += [f"{key}={value}" for key, value in limits.items()]
        self.stub = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, text=True)
        self.answers, self.events, self.log = queue.Queue(), queue.Queue(), []
        threading.Thread(target=self.pump, daemon=True).start()
        threading.Thread(target=self.pump_log, daemon=True).start()
        self.exit_status = None
        self.pid, self.port = map(int, self.event("ready"))

    def pump(self):
        for line in self.stub.stdout:
            words = line.split(None, 1)
            told = words[0] in ("ready", "need_instance", "suspect", "blame", "cleared", "choice", "exit")
            (self.events if told else self.answers).put(line.split())

    def pump_log(self):
        for line in self.stub.stderr:
            self.log.append(line)

    def do(self, *words):
        self.stub.stdin.write(" ".join(map(str, words)) + "\n")
        self.stub.stdin.flush()
        answer = self.answers.get(timeout=DEADLINE_S)
        assert answer[0] != "error", answer
        return answer

    def event(self, name):
        while True:
            got = self.events.get(timeout=DEADLINE_S)
            if got[0] == "exit":
                self.exit_status = int(got[1])
            if got[0] == name:
                return got[1:]

    def service(self, index=0, name="hello", concurrency=100, max_ms=int(slow(30000)), init_ms=5000, prefix="/", hosts=()):
        self.do("service", index, name, concurrency, max_ms, init_ms, prefix, *hosts)

    def up(self, slot, port, service=0, limit=100, backlog=512, upstream="auto"):
        self.do("up", slot, service, port, limit, backlog, ("auto", "http1", "h2c").index(upstream))

    def board(self, slot=0):
        _, _, state, tickets, invocations, thaws, freeze, sleeping = self.do("board", slot)
        return {"state": state, "tickets": int(tickets), "invocations": int(invocations),
                "thaws": int(thaws), "freeze": freeze, "sleeping": int(sleeping)}

    def counters(self):
        marker = len(self.log)
        os.kill(self.pid, 10)
        until(lambda: any("event=gauges" in l for l in self.log[marker:]), "counters in the log")
        text = "".join(self.log[marker:])
        found = dict(re.findall(r"name=(\w+) value=(\d+)", text))
        found.update(re.findall(r"(\w+)=(\d+)", text[text.index("event=gauges"):]))
        return {k: int(v) for k, v in found.items()}

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def connect(self, rcvbuf=None):
        sock = socket.socket()
        if rcvbuf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        sock.settimeout(DEADLINE_S)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def ask(self, text, sock=None, head_only=False):
        own = sock is None
        sock = sock or self.connect()
        sock.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        try:
            return Reader(sock).response(head_only)
        finally:
            if own:
                sock.close()

    def get(self, path, sock=None, fields="", method="GET"):
        return self.ask(f"{method} {path} HTTP/1.1\r\nHost: any\r\n{fields}\r\n", sock, method == "HEAD")

    def stop(self):
        self.stub.stdin.close()
        self.stub.wait(DEADLINE_S)
        if self.exit_status is None:
            self.event("exit")
        return self.exit_status
