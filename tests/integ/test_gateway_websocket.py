# SPDX-License-Identifier: Apache-2.0
"""WebSockets through the gateway alone, where the exact bytes matter: handshakes, the tunnel behind a handshake,
and hibernation."""
import os, queue, socket, struct, sys, threading, time
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import frames
from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, handshake
from gateway_harness import BLOCK, OUT, Gateway, Reader, Upstream, until

if not os.path.exists(os.path.join(OUT, "tests", "gateway_stub")):
    pytest.skip("gateway_stub is not built", allow_module_level=True)

HIBERNATE_MS = 100


class Server(Upstream):
    """Hands each accepted WebSocket to the test."""

    def __init__(self):
        super().__init__()
        self.sockets = queue.Queue()

    def on_ws(self, conn, reader, fields, arg, raw):
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Accept: %s\r\n%s\r\n"
                     % (frames.accept_of(fields["sec-websocket-key"]).encode(), bytes.fromhex(arg)))
        done = threading.Event()
        self.sockets.put((conn, reader, done))
        done.wait()
        return False


class Pair:
    """Both ends of one WebSocket through the gateway."""

    def __init__(self, gw, up, fields="", path="/ws", extra=b""):
        self.sock = gw.connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(handshake(path + "?" + extra.hex(), fields=fields))
        self.reader = Reader(self.sock)
        got = self.reader.head()
        assert got and got[0].split()[1] == "101", got
        self.server, self.server_reader, self.done = up.sockets.get(timeout=20)
        self.server.settimeout(20)

    def up(self, data):
        """From the client, and what the server gets of it."""
        self.sock.sendall(data)
        assert self.server_reader.exactly(len(data)) == data

    def down(self, data):
        self.server.sendall(data)
        assert self.reader.exactly(len(data)) == data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.done.set()


@pytest.fixture(scope="module")
def up():
    server = Server()
    yield server
    server.close()


def gateway(up, hibernate_ms=0, limit=100, max_ms=30000, **settings):
    gw = Gateway(**settings)
    gw.do("hibernate", hibernate_ms)
    gw.service(max_ms=max_ms)
    gw.up(0, up.port, limit=limit)
    return gw


@pytest.fixture(scope="module")
def plain(up):
    gw = gateway(up)
    yield gw
    assert gw.stop() == 0


@pytest.fixture(scope="module")
def gw(up):
    """A gateway whose service hibernates."""
    gw = gateway(up, HIBERNATE_MS)
    yield gw
    assert gw.stop() == 0


@pytest.fixture(autouse=True)
def every_ticket_comes_back(request):
    yield
    for name in {"plain", "gw"} & set(request.fixturenames):
        until(lambda: request.getfixturevalue(name).board()["tickets"] == 0, "all tickets returned")
        until(lambda: request.getfixturevalue(name).board()["sleeping"] == 0, "nothing sleeps")


def asleep(gw, count=1):
    return until(lambda: (b := gw.board())["sleeping"] == count and b["tickets"] == 0 and b, f"{count} asleep")


def frozen(gw):
    asleep(gw)
    assert gw.do("freeze", 0)[2] == "1"
    assert gw.board()["freeze"] == "1"


# --- the handshake ----------------------------------------------------------------------------------
@pytest.mark.parametrize("why, text, status", [
    ("not GET", handshake().replace(b"GET", b"PUT"), 400),
    ("HTTP/1.0", handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    ("Connection without upgrade", handshake().replace(b"Connection: Upgrade", b"Connection: keep-alive"), 400),
    ("a body", handshake(fields="Content-Length: 1\r\n") + b"x", 400),
    ("no key", handshake().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    ("a short key", handshake(key="c2hvcnQ="), 400),
    ("two keys", handshake(fields=f"Sec-WebSocket-Key: {frames.KEY}\r\n"), 400),
    ("version 8", handshake().replace(b"Version: 13", b"Version: 8"), 426),
    ("no version", handshake().replace(b"Sec-WebSocket-Version: 13\r\n", b""), 426),
])
def test_a_bad_opening_handshake_is_refused(plain, why, text, status):
    before = plain.board()["invocations"]
    got, fields, body = plain.ask(text)
    assert got == status, body
    assert fields["x-ebb-error"] == ("BAD_REQUEST" if status == 400 else "UPGRADE_REQUIRED")
    if status == 426:
        assert fields["sec-websocket-version"] == "13" and fields["upgrade"] == "websocket"
    assert plain.board()["invocations"] == before, "nothing was started for it"


@pytest.mark.parametrize("offer", ["h2c", "H2C", "foo, h2c", "HTTP/2.0", "TLS/1.3"])
def test_what_the_gateway_speaks_itself_is_never_upgraded_to(plain, offer):
    status, _, head = plain.ask(f"GET /head HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                f"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nUpgrade: {offer}\r\n\r\n")
    assert status == 200
    assert b"upgrade" not in head.lower() and b"http2-settings" not in head.lower()


ACCEPTS = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {frames.accept_of(frames.KEY)}\r\n"


@pytest.mark.parametrize("why, fields", [
    ("no accept", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
    ("a wrong accept", ACCEPTS.replace(": " + frames.accept_of(frames.KEY)[:4], ": AAAA")),
    ("no Upgrade", ACCEPTS.replace("Upgrade: websocket\r\n", "")),
    ("another protocol", ACCEPTS.replace("websocket", "x")),
    ("no Connection", ACCEPTS.replace("Connection: Upgrade\r\n", "")),
    ("a subprotocol not offered", ACCEPTS + "Sec-WebSocket-Protocol: Chat\r\n"),
    ("an extension not offered", ACCEPTS + "Sec-WebSocket-Extensions: x-mine\r\n"),
])
def test_a_bad_answer_to_the_handshake_is_refused(plain, why, fields):
    answer = f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode().hex()
    status, got, body = plain.ask(handshake(f"/raw?{answer}", fields="Sec-WebSocket-Protocol: chat, soap\r\n"
                                            "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    assert status == 502 and got["x-ebb-error"] == "BAD_RESPONSE", body


def test_what_was_offered_may_be_agreed_on(plain, up):
    with Pair(plain, up, "Sec-WebSocket-Protocol: chat, soap\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
              extra=b"Sec-WebSocket-Protocol: soap\r\nSec-WebSocket-Extensions: permessage-deflate\r\n") as ws:
        ws.down(b"\xc1\x00")


def test_no_websocket_is_an_answer_too(plain):
    assert plain.ask(handshake("/hello"))[0] == 200


# --- the tunnel -------------------------------------------------------------------------------------
def test_bytes_pass_untouched_whatever_they_are(plain, up):
    """Hibernation is off: frames are none of the gateway's business."""
    with Pair(plain, up) as ws:
        ws.up(BLOCK[:5000])
        ws.down(BLOCK[5000:9000])


def pour(sock, size):
    while size > 0:
        sock.sendall(BLOCK[:min(size, len(BLOCK))])
        size -= len(BLOCK)


def test_both_ways_at_once_and_memory_stays_flat(plain, up):
    size = 30 << 20
    with Pair(plain, up) as ws:
        ws.up(b"warm")
        before = plain.rss_kb()
        writers = [threading.Thread(target=pour, args=(s, size)) for s in (ws.sock, ws.server)]
        for thread in writers:
            thread.start()
        for reader in (ws.reader, ws.server_reader):
            left = size
            for piece in reader.pieces(size):
                assert piece == (BLOCK + BLOCK)[(size - left) % len(BLOCK):][:len(piece)]
                left -= len(piece)
        for thread in writers:
            thread.join()
        assert plain.rss_kb() - before < 4096


def test_a_sink_that_does_not_read_stops_its_source(plain, up):
    """Back-pressure: only the kernel's buffers and two of ours are in flight."""
    with Pair(plain, up) as ws:
        ws.server.settimeout(0.5)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += ws.server.send(BLOCK)
        except TimeoutError:
            pass
        assert sent < 32 << 20
        ws.up(b"the other way is not disturbed")
        left = sent
        for piece in ws.reader.pieces(sent):
            left -= len(piece)
        assert left == 0


@pytest.mark.parametrize("first", ["sock", "server"])
def test_each_side_ends_its_own_way(plain, up, first):
    with Pair(plain, up) as ws:
        near, far = (ws.sock, ws.server_reader) if first == "sock" else (ws.server, ws.reader)
        near.sendall(b"last words")
        near.shutdown(socket.SHUT_WR)
        assert far.rest() == b"last words"
        far.sock.sendall(b"more from this side")
        reader = ws.reader if first == "sock" else ws.server_reader
        assert reader.exactly(19) == b"more from this side"
        far.sock.shutdown(socket.SHUT_WR)
        assert reader.rest() == b""


def test_max_duration_and_idle_timeout_are_not_for_websockets(up):
    gw = gateway(up, max_ms=400, idle_ms=300)
    with Pair(gw, up) as ws:
        with gw.connect() as idle:
            assert gw.get("/hello", idle)[0] == 200
            assert idle.recv(1) == b"", "an idle connection ends"
        assert gw.get("/never")[0] == 504, "a request that began later was cut"
        ws.up(b"still")
        ws.down(b"here")
    assert gw.stop() == 0


# --- frames, followed -------------------------------------------------------------------------------
TALK = [frame(TEXT, b"one", fin=False, masked=True), frame(PING, b"between", masked=True),
        frame(CONTINUATION, b"", fin=False, masked=True), frame(PONG, masked=True),
        frame(CONTINUATION, b"two", masked=True), frame(BINARY, bytes(126), masked=True),
        frame(BINARY, bytes(65535), masked=True), frame(BINARY, bytes(65536), masked=True),
        frame(TEXT, masked=True)]


def test_frames_split_byte_by_byte_pass_untouched_and_leave_it_between_messages(gw, up):
    with Pair(gw, up) as ws:
        for part in TALK:
            for at in range(0, min(len(part), 20)):
                ws.sock.sendall(part[at:at + 1])
            ws.sock.sendall(part[20:])
            assert ws.server_reader.exactly(len(part)) == part
        ws.down(frame(PONG, b"between"))
        asleep(gw)


@pytest.mark.parametrize("why, bad", [
    ("not masked", frame(TEXT, b"x")), ("unknown opcode", frame(3, masked=True)),
    ("long ping", frame(PING, bytes(126), masked=True)), ("ping in pieces", frame(PING, fin=False, masked=True)),
    ("nothing to continue", frame(CONTINUATION, masked=True)),
    ("length not minimal", frame(TEXT, b"x", masked=True, length_bytes=8)),
    ("reserved bit", bytes([0xc1]) + frame(TEXT, masked=True)[1:])])
def test_a_violation_by_the_client_ends_both_sides_with_1002(gw, up, why, bad):
    with Pair(gw, up) as ws:
        good = frame(TEXT, b"good", masked=True)
        ws.sock.sendall(good + bad)
        assert ws.server_reader.exactly(len(good)) == good
        assert frames.read_frame(ws.server_reader) == (CLOSE, struct.pack(">H", 1002))
        assert ws.server_reader.rest() == b""
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1002))
        assert ws.reader.rest() == b""


def test_a_violation_by_the_server_ends_both_sides_with_1002(gw, up):
    with Pair(gw, up) as ws:
        ws.server.sendall(frame(TEXT, b"good") + frame(TEXT, b"masked", masked=True))
        assert frames.read_frame(ws.reader) == (TEXT, b"good")
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1002))
        assert frames.read_frame(ws.server_reader) == (CLOSE, struct.pack(">H", 1002))


def test_a_violation_while_asleep_is_one_too(gw, up):
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.sock.sendall(frame(TEXT, b"x"))
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1002))
        assert frames.read_frame(ws.server_reader) == (CLOSE, struct.pack(">H", 1002))


def test_a_close_handshake_passes(gw, up):
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.up(frames.close(1000, masked=True))
        ws.down(frames.close(1000))
        ws.server.shutdown(socket.SHUT_RDWR)
        assert ws.reader.rest() == b""


# --- hibernation ------------------------------------------------------------------------------------
def test_silence_gives_the_ticket_back_and_a_message_thaws(gw, up):
    with Pair(gw, up) as ws:
        for number in range(3):
            frozen(gw)
            ws.up(frame(TEXT, b"wake %d" % number, masked=True) + frame(BINARY, bytes(3000), masked=True))
            board = gw.board()
            assert board["freeze"] == "0" and board["tickets"] == 1 and board["sleeping"] == 0
            ws.down(frame(TEXT, b"good morning"))
    assert gw.board()["invocations"] >= 1


def test_pings_are_answered_without_the_instance(gw, up):
    with Pair(gw, up) as ws:
        frozen(gw)
        for payload in (b"", b"x", bytes(range(125))):
            ws.sock.sendall(frame(PING, payload, masked=True))
            assert frames.read_frame(ws.reader) == (PONG, payload)
        for byte in frame(PING, b"byte by byte", masked=True):
            ws.sock.sendall(bytes([byte]))
        assert frames.read_frame(ws.reader) == (PONG, b"byte by byte")
        ws.sock.sendall(b"".join(frame(PING, b"%d" % n, masked=True) + frame(PONG, b"unasked", masked=True)
                                 for n in range(50)))
        assert [frames.read_frame(ws.reader) for _ in range(50)] == [(PONG, b"%d" % n) for n in range(50)]
        assert gw.board()["freeze"] == "1" and gw.board()["tickets"] == 0
        ws.up(frame(TEXT, b"nothing of all that came here", masked=True))


def test_a_ping_ahead_of_a_message_is_answered_and_the_message_passes(gw, up):
    with Pair(gw, up) as ws:
        frozen(gw)
        message = frame(TEXT, b"message", masked=True)
        ws.sock.sendall(frame(PING, b"first", masked=True) + message + frame(PING, b"second", masked=True))
        assert frames.read_frame(ws.reader) == (PONG, b"first")
        assert ws.server_reader.exactly(len(message)) == message
        assert frames.read_frame(ws.server_reader) == (PING, b"second")


def test_a_client_that_reads_no_pongs_gets_no_more(gw, up):
    """A flood of pings costs two buffers, and its sender is made to wait."""
    with Pair(gw, up) as ws:
        frozen(gw)
        ws.sock.settimeout(0.5)
        flood, sent = frame(PING, bytes(125), masked=True) * 500, 0
        try:
            while sent < 64 << 20:
                sent += ws.sock.send(flood)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        assert gw.board()["freeze"] == "1"


def test_a_message_in_pieces_does_not_sleep(gw, up):
    with Pair(gw, up) as open_one, Pair(gw, up) as other:
        open_one.up(frame(TEXT, b"begun", fin=False, masked=True))
        other.up(frame(TEXT, b"whole", masked=True))
        until(lambda: gw.board()["sleeping"] == 1, "the other one sleeps")
        assert gw.board()["tickets"] == 1
        open_one.up(frame(CONTINUATION, b"ended", masked=True))
        asleep(gw, 2)


def test_what_the_server_says_by_itself_passes_at_once(gw, up):
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.down(frame(TEXT, b"news"))
        assert gw.board()["tickets"] == 0
        ws.sock.sendall(frame(PING, b"p", masked=True))
        assert frames.read_frame(ws.reader) == (PONG, b"p")


def test_the_pong_a_server_waits_for_is_brought_to_it(gw, up):
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.down(frame(PING, b"are you there"))
        assert gw.do("freeze", 0)[2] == "1"
        ws.up(frame(PONG, b"are you there", masked=True))
        assert gw.board()["freeze"] == "0"


def test_a_ping_within_a_frame_of_the_server_goes_to_the_server(gw, up):
    """A pong may not be put into the middle of a frame."""
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.down(frame(TEXT, b"a frame")[:4])
        ws.up(frame(PING, b"p", masked=True))
        ws.down(frame(TEXT, b"a frame")[4:])


def test_pings_do_not_keep_it_awake(gw, up):
    with Pair(gw, up) as ws:
        def ping():
            ws.sock.sendall(frame(PING, b"k", masked=True))
            assert frames.read_frame(ws.reader) == (PONG, b"k")
            return gw.board()["sleeping"] == 1

        def answer():
            while frames.read_frame(ws.server_reader) == (PING, b"k"):
                ws.server.sendall(frame(PONG, b"k"))
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        until(ping, "asleep in spite of pings")
        ws.sock.sendall(frame(TEXT, b"end", masked=True))
        thread.join()


def test_the_end_of_a_sleeping_connection_is_told(gw, up):
    with Pair(gw, up) as ws:
        frozen(gw)
        ws.sock.shutdown(socket.SHUT_WR)
        assert ws.server_reader.rest() == b""
        assert gw.board()["freeze"] == "0"
    with Pair(gw, up) as ws:
        frozen(gw)
        ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.sock.close()
        assert ws.server_reader.rest() == b""
        assert gw.board()["freeze"] == "0"


def test_a_server_that_ends_says_going_away(gw, up):
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.server.shutdown(socket.SHUT_RDWR)
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1001))
        assert ws.reader.rest() == b""
    with Pair(gw, up) as ws:
        asleep(gw)
        ws.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ws.done.set()
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1011))
        assert ws.reader.rest() == b""


def test_at_the_limit_messages_wait_in_line_and_none_is_lost(up):
    gw = gateway(up, HIBERNATE_MS, limit=1)
    pairs = []
    try:
        for number in range(8):
            pairs.append(Pair(gw, up))
            asleep(gw, number + 1)
        busy = gw.connect()
        busy.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: gw.board()["tickets"] == 1, "the ticket is taken")
        message = frame(TEXT, b"m", masked=True)
        for ws in pairs:
            ws.sock.sendall(message * 3)
        assert gw.board()["sleeping"] == 8
        busy.close()
        order = []
        for ws in pairs:
            assert ws.server_reader.exactly(len(message) * 3) == message * 3
            order.append(time.monotonic())
        assert order == sorted(order)
        assert gw.counters()["wakes"] == 8
    finally:
        for ws in pairs:
            ws.__exit__()
    until(lambda: gw.board()["tickets"] == 0 and gw.board()["sleeping"] == 0, "all given back")
    assert gw.stop() == 0


def test_at_the_limit_a_silent_one_gives_its_ticket_to_who_waits(up):
    """A silent connection may keep its ticket for an hour, but not while others wait: they would get 1013."""
    gw = gateway(up, 3_600_000, limit=2, queue_age_ms=10_000)
    message, pairs = frame(TEXT, b"m", masked=True), []
    try:
        for _ in range(6):  # a new WebSocket waits in the queue
            pairs.append(Pair(gw, up))
        assert gw.board()["tickets"] == 2 and gw.board()["sleeping"] == 4
        for ws in pairs:
            ws.sock.sendall(message)
        for ws in pairs:
            assert ws.server_reader.exactly(len(message)) == message
        with gw.connect() as request:
            request.sendall(b"GET /head HTTP/1.1\r\nHost: a\r\n\r\n")
            assert Reader(request).head()[0].split()[1] == "200"
        assert gw.board()["sleeping"] >= 4
        assert gw.counters()["yields"] >= 8  # 4 for those that came, then each in turn
    finally:
        for ws in pairs:
            ws.__exit__()
    until(lambda: gw.board()["tickets"] == 0 and gw.board()["sleeping"] == 0, "all given back")
    assert gw.stop() == 0


def test_one_in_the_middle_of_a_message_keeps_its_ticket(up):
    gw = gateway(up, 3_600_000, limit=1, queue_age_ms=1000)
    with Pair(gw, up) as ws, gw.connect() as request:
        ws.up(frame(TEXT, b"to be", fin=False, masked=True))
        request.sendall(b"GET /head HTTP/1.1\r\nHost: a\r\n\r\n")
        assert Reader(request).head()[0].split()[1] == "503"
        ws.up(frame(CONTINUATION, b"continued", masked=True))
    assert gw.stop() == 0


def test_waiting_in_line_ends(up):
    gw = gateway(up, HIBERNATE_MS, limit=1, queue_age_ms=300)
    with Pair(gw, up) as ws, gw.connect() as busy:
        asleep(gw)
        busy.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: gw.board()["tickets"] == 1, "the ticket is taken")
        ws.sock.sendall(frame(TEXT, b"m", masked=True))
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1013))
    assert gw.stop() == 0


def test_an_instance_that_drains_sends_sleepers_away_and_lets_others_end(up):
    gw = gateway(up, HIBERNATE_MS)
    going_away = (CLOSE, struct.pack(">H", 1001))
    with Pair(gw, up) as sleeps, Pair(gw, up) as talks, Pair(gw, up) as speaks:
        asleep(gw, 3)
        part, rest = frame(TEXT, b"begun", fin=False, masked=True), frame(CONTINUATION, b"ended", masked=True)
        talks.up(part)
        gw.do("retire", 0)
        assert frames.read_frame(sleeps.reader) == going_away
        sleeps.up(frame(TEXT, b"on its way already", masked=True) + frames.close(1001, masked=True))
        talks.up(rest)
        talks.down(frame(TEXT, b"yes"))
        assert frames.read_frame(talks.reader) == going_away, "silent at last"
        assert frames.read_frame(speaks.reader) == going_away
    assert gw.stop() == 0


def test_an_instance_that_died_while_it_waited_in_line(up):
    gw = gateway(up, HIBERNATE_MS, limit=1)
    with Pair(gw, up) as ws, gw.connect() as busy:
        asleep(gw)
        busy.sendall(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: gw.board()["tickets"] == 1, "the ticket is taken")
        ws.sock.sendall(frame(TEXT, b"m", masked=True))
        gw.do("down", 0, 3, 0)
        assert frames.read_frame(ws.reader) == (CLOSE, struct.pack(">H", 1011))
        assert ws.reader.rest() == b""
    assert gw.stop() == 0


# --- drain ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hibernate_ms", [0, HIBERNATE_MS])
def test_a_drain_tells_websockets_to_go(up, hibernate_ms):
    gw = gateway(up, hibernate_ms)
    with Pair(gw, up) as quiet, Pair(gw, up) as busy, Pair(gw, up) as endless:
        if hibernate_ms:
            asleep(gw, 3)
        part = frame(TEXT, b"first part", fin=False)
        busy.down(part)
        endless.down(part)
        gw.do("drain")
        assert frames.read_frame(quiet.reader) == (CLOSE, struct.pack(">H", 1001))
        quiet.up(frames.close(1001, masked=True))
        quiet.server.shutdown(socket.SHUT_RDWR)
        assert quiet.reader.rest() == b""
        busy.down(frame(CONTINUATION, b"the rest"))
        assert frames.read_frame(busy.reader) == (CLOSE, struct.pack(">H", 1001))
        assert frames.read_frame(endless.reader) == (CLOSE, struct.pack(">H", 1001)), "between two frames"
        gw.event("exit")
        assert gw.exit_status == 0
