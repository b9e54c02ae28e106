# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frame by frame, for what no library would send. Decoding of heads is python3-hpack's."""
import socket, struct
import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT = range(5)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11
INITIAL_WINDOW = 4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def integer(value, bits, first=0):
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + [value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode("latin-1")
    return integer(len(value), 7) + value


def field(name, value, indexed=False):
    """A literal field without Huffman coding (RFC 7541, 6.2); indexed=True puts it into the dynamic table, too."""
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def block(fields):
    return b"".join(field(name, value) for name, value in fields)


def request(path="/", method="GET", extra=(), authority="any", scheme="http"):
    return [(":method", method), (":path", path), (":scheme", scheme), (":authority", authority), *extra]


def settings(**values):
    codes = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "list": 6}
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", codes[k], v) for k, v in values.items()))


class Ended(Exception):
    pass


class Raw:
    """A connection. Unless told not to it says its preface and acknowledges SETTINGS."""

    def __init__(self, port, hello=True, timeout=20, rcvbuf=None, **first):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf, self.next_id, self.decoder, self.goaway = b"", 1, hpack.Decoder(), None
        self.kept, self.peer = [], {}
        if hello:
            self.send(PREFACE + settings(**first))
            while not self.peer:
                self.one()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read(self):
        """The next frame as (kind, flags, stream, payload)."""
        while len(self.buf) < 9 or len(self.buf) < 9 + int.from_bytes(self.buf[:3], "big"):
            try:
                more = self.sock.recv(1 << 18)
            except ConnectionError:
                more = b""
            if not more:
                raise Ended(self.goaway)
            self.buf += more
        size = int.from_bytes(self.buf[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buf[3:9])
        payload, self.buf = self.buf[9:9 + size], self.buf[9 + size:]
        return kind, flags, stream, payload

    def one(self):
        """Reads a frame, answers what must be, keeps the rest. Returns it."""
        kind, flags, stream, payload = got = self.read()
        if kind == SETTINGS and not flags & ACK:
            self.peer = {struct.unpack(">H", payload[i:i + 2])[0]: struct.unpack(">I", payload[i + 2:i + 6])[0]
                         for i in range(0, len(payload), 6)}
            self.send(frame(SETTINGS, ACK))
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">I", payload[4:8])[0]
        elif kind == HEADERS:
            got = kind, flags, stream, self.decoder.decode(payload)
        self.kept.append(got)
        return got

    def ended(self):
        """Reads until the connection is closed; the code of its GOAWAY, or None if there was none."""
        try:
            while True:
                self.one()
        except Ended:
            return self.goaway

    def open(self, fields, body=None, end=None):
        """Sends a request, with body=b"..." in one frame. Returns its stream."""
        stream, self.next_id = self.next_id, self.next_id + 2
        end = body is None if end is None else end
        out = frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(fields))
        if body is not None:
            out += frame(DATA, END_STREAM, stream, body)
        self.send(out)
        return stream

    def take(self, stream):
        for i, got in enumerate(self.kept):
            if got[2] == stream and got[0] in (HEADERS, DATA, RST_STREAM):
                return self.kept.pop(i)
        return None

    def answer(self, stream):
        """Reads a whole answer and opens the windows for what comes: (status, fields, body, trailers), or
        ("reset", code) if the stream is reset."""
        status, fields, body, trailers, interims = None, {}, b"", None, []
        while True:
            got = self.take(stream)
            if not got:
                self.one()
                continue
            kind, flags, _, payload = got
            if kind == RST_STREAM:
                return "reset", struct.unpack(">I", payload)[0]
            if kind == DATA:
                body += payload
                if payload and not flags & END_STREAM:
                    grow = struct.pack(">I", len(payload))
                    self.send(frame(WINDOW_UPDATE, 0, 0, grow) + frame(WINDOW_UPDATE, 0, stream, grow))
            elif status is None:
                got = dict(payload)
                if got[":status"].startswith("1"):
                    interims.append(got)
                else:
                    status, fields = int(got.pop(":status")), got
            else:
                trailers = dict(payload)
            if flags & END_STREAM:
                self.interims = interims
                return status, fields, body, trailers

    def ask(self, *args, body=None, **options):
        return self.answer(self.open(request(*args, **options), body))

    def ping(self):
        """True if the connection lives."""
        self.send(frame(PING, 0, 0, b"12345678"))
        while True:
            kind, flags, _, payload = self.one()
            if kind == PING and flags & ACK and payload == b"12345678":
                return True
