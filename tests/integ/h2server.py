# SPDX-License-Identifier: Apache-2.0
"""A server of HTTP/2 frame by frame, for what no library would answer. A method named after the path serves a request; a hostile one says what it likes."""
import queue
import socket
import struct
import threading

import hpack
from gateway_harness import DEADLINE_S, end_listener
from h2raw import (ACK, CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE, block, frame, settings)

REFUSED_STREAM = 7


class Gone(Exception):
    pass


class Connection:
    """One connection, served in a thread of its own."""

    def __init__(self, server, sock):
        self.server, self.sock, self.buf = server, sock, b""
        self.decoder, self.streams, self.pongs, self.lock = hpack.Decoder(), {}, 0, threading.Lock()
        self.window, self.windows, self.initial = 65535, {}, 65535
        self.room = threading.Condition()

    def send(self, *frames):
        with self.lock:
            try:
                self.sock.sendall(b"".join(frames))
            except (OSError, AttributeError) as error:  # it has ended
                raise Gone from error

    def exactly(self, size):
        while len(self.buf) < size:
            try:
                more = self.sock.recv(1 << 18)
            except OSError as error:
                raise Gone from error
            if not more:
                raise Gone
            self.buf += more
        data, self.buf = self.buf[:size], self.buf[size:]
        return data

    def run(self):
        try:
            self.send(self.server.hello)
            if self.exactly(len(PREFACE)) != PREFACE:
                return
            while True:
                self.one()
        except (Gone, OSError):
            pass
        finally:
            self.sock.close()
            with self.room:
                self.sock = None
                self.room.notify_all()
            self.server.seen.put(("closed", None))

    def one(self):
        size = int.from_bytes(self.exactly(3), "big")
        kind, flags, stream = struct.unpack(">BBI", self.exactly(6))
        payload = self.exactly(size)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, size, 6):
                key, value = struct.unpack(">HI", payload[at:at + 6])
                if key == 4:
                    self.initial = value
            self.send(frame(SETTINGS, ACK))
        elif kind == PING and flags & ACK:
            self.pongs += 1
            self.server.seen.put(("pong", payload))
        elif kind == PING and self.server.pongs:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            self.on_headers(stream, flags, payload)
        elif kind == DATA:
            self.streams[stream].put(payload)
            self.server.seen.put(("data", size))
            if flags & END_STREAM:
                self.streams[stream].put(None)
            if size and self.server.reads:
                self.send(*(frame(WINDOW_UPDATE, 0, s, struct.pack(">I", size)) for s in (0, stream)))
        elif kind == WINDOW_UPDATE:
            with self.room:
                by = struct.unpack(">I", payload)[0]
                if stream:
                    self.windows[stream] = self.windows.get(stream, self.initial) + by
                else:
                    self.window += by
                self.room.notify_all()
        elif kind == RST_STREAM:
            self.server.seen.put(("reset", struct.unpack(">I", payload)[0]))
        elif kind == GOAWAY:
            self.server.seen.put(("goaway", struct.unpack(">I", payload[4:8])[0]))

    def on_headers(self, stream, flags, payload):
        fields = dict(self.decoder.decode(payload))
        if ":path" not in fields:
            self.server.seen.put(("trailers", fields))
            self.streams[stream].put(None)
            return
        path, _, arg = fields[":path"].partition("?")
        self.streams[stream] = queue.Queue()
        if flags & END_STREAM:
            self.streams[stream].put(None)
        name = path.strip("/").replace("-", "_").replace("/", "_") or "hello"
        self.server.note(name, fields)
        work = getattr(self.server, "on_" + name)
        if getattr(work, "at_once", False):
            work(self, stream, fields, arg)
        else:
            threading.Thread(target=self.in_peace, args=(work, self, stream, fields, arg), daemon=True).start()

    @staticmethod
    def in_peace(work, *args):
        try:
            work(*args)
        except (Gone, queue.Empty):
            pass

    def body(self, stream):
        while True:
            piece = self.streams[stream].get(timeout=DEADLINE_S)
            if piece is None:
                return
            yield piece

    def head(self, stream, *fields, end=False, status="200"):
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block([(":status", status), *fields])))

    def data(self, stream, data=b"", end=False):
        """Sends data as far as the client's windows allow, and waits until they allow the rest."""
        while True:
            with self.room:
                may = lambda: min(self.window, self.windows.get(stream, self.initial))
                self.room.wait_for(lambda: not data or may() > 0 or not self.sock, DEADLINE_S)
                if not self.sock:
                    raise Gone
                piece = data[:min(may(), 16384)] if data else b""
                self.window -= len(piece)
                self.windows[stream] = self.windows.get(stream, self.initial) - len(piece)
            data = data[len(piece):]
            self.server.sent += len(piece)
            self.send(frame(DATA, END_STREAM if end and not data else 0, stream, piece))
            if not data:
                return

    def reply(self, stream, data=b"", *fields, status="200", trailers=None):
        self.head(stream, *fields, status=status)
        self.data(stream, data, end=trailers is None)
        if trailers is not None:
            self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers)))

    def reset(self, stream, code=CANCEL):
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def goaway(self, last, code=0):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", last, code)))


class Server:
    """Options: the values of its SETTINGS; reads: whether it opens windows; pongs: whether it answers PING."""

    def __init__(self, reads=True, pongs=True, hello=None, **says):
        self.hello = settings(**says) if hello is None else hello
        self.reads, self.pongs = reads, pongs
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.lock, self.seen, self.counts, self.fields = threading.Lock(), queue.Queue(), {}, {}
        self.connections, self.sent = [], 0
        self.go = threading.Event()
        self.accepts = threading.Thread(target=self.accept, daemon=True)
        self.accepts.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.append(Connection(self, sock))
            threading.Thread(target=self.connections[-1].run, daemon=True).start()

    def close(self):
        self.go.set()
        if self.accepts.is_alive():
            end_listener(self.listener, self.accepts)
        self.drop()

    def drop(self):
        for conn in self.connections:
            sock = conn.sock
            if sock:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def note(self, name, fields):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + 1
            self.fields[name] = fields

    def wait(self, what):
        """The value of the next (what, value) in `seen`; others are dropped."""
        while True:
            kind, value = self.seen.get(timeout=DEADLINE_S)
            if kind == what:
                return value

    # ---- the paths it serves

    def on_hello(self, conn, stream, fields, arg):
        for _ in conn.body(stream):
            pass
        conn.reply(stream, b"hello")

    def on_echo(self, conn, stream, fields, arg):
        """Answers with each piece of the body as it comes, and with trailers."""
        conn.head(stream, ("content-type", "x/y"))
        for piece in conn.body(stream):
            conn.data(stream, piece)
        conn.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, block([("grpc-status", "0"), ("x-tail", arg)])))

    def on_sink(self, conn, stream, fields, arg):
        conn.reply(stream, b"%d" % sum(len(piece) for piece in conn.body(stream)))

    def on_big(self, conn, stream, fields, arg):
        conn.head(stream)
        for _ in range(int(arg)):
            conn.data(stream, bytes(1 << 16))
        conn.data(stream, end=True)

    def on_never(self, conn, stream, fields, arg):
        self.seen.put(("never", stream))

    def on_wait(self, conn, stream, fields, arg):
        """Answers when the test sets `go`."""
        self.seen.put(("wait", stream))
        self.go.wait(DEADLINE_S)
        conn.reply(stream, b"waited")
