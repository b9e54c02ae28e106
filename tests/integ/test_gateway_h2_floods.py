# SPDX-License-Identifier: Apache-2.0
"""
The gateway alone: known attacks on servers of HTTP/2, by name. The gateway bounds each, serves other clients
meanwhile, and its memory stays where it was.
"""
import os, socket, struct, sys, threading
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import h2raw
from gateway_harness import BLOCK, Gateway, Upstream, until
from h2raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PADDED, PING, PRIORITY,
                   RST_STREAM, SETTINGS, WINDOW_UPDATE, Raw, block, field, frame, request)


def buffers(gw):
    counters = gw.counters()
    return counters["buffers_free"] + counters["buffers_in_ring"], counters["large_free"]


@pytest.fixture
def up():
    up = Upstream()
    yield up
    up.close()


@pytest.fixture
def make(up):
    """A gateway; at the end it serves as ever, with memory and slots as they were."""
    made = []

    def make(max_ms=30000, kb=4096, limit=100, **options):
        gw = Gateway(**options)
        gw.service(max_ms=max_ms, concurrency=limit)
        gw.up(0, up.port, limit=limit)
        assert gw.get("/hello")[0] == 200
        with Raw(gw.port) as h2:
            assert h2.ask("/hello")[0] == 200
        made.append((gw, gw.rss_kb(), buffers(gw), kb))
        return gw

    yield make
    for gw, before, free, kb in made:
        with Raw(gw.port) as h2:
            assert h2.ask("/hello")[0] == 200
        until(lambda: gw.counters()["clients"] == 0, "every slot to be free")
        assert buffers(gw) == free and gw.board()["tickets"] == 0
        assert gw.rss_kb() - before < kb, f"memory grew by {gw.rss_kb() - before} KiB"
        gw.stop()


@pytest.fixture
def gw(make):
    return make()


def throw(h2, piece, count=200000, at_once=500):
    """The same over and over, until the gateway has enough: the code of its GOAWAY."""
    try:
        for i in range(0, count, at_once):
            h2.send(b"".join(piece(n) for n in range(i, i + at_once)) if callable(piece) else piece * at_once)
    except OSError:
        pass
    return h2.ended()


def calms(gw, h2, piece, allowed=None, **options):
    with Raw(gw.port) as other:
        assert other.ask("/hello")[0] == 200
        assert throw(h2, piece, **options) in (ENHANCE_YOUR_CALM, allowed)
        assert other.ask("/hello")[0] == 200


def test_rapid_reset_cve_2023_44487(gw, up):
    head, cancel = block(request("/never")), struct.pack(">I", h2raw.CANCEL)
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head) +
              frame(RST_STREAM, 0, 2 * n + 1, cancel), at_once=50)
    assert gw.counters()["connects"] < 1000


def test_made_you_reset_cve_2025_8671(gw, up):
    """The server is made to reset: by a window update of nothing, on a stream that works."""
    head = block(request("/never"))
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head) +
              frame(WINDOW_UPDATE, 0, 2 * n + 1, struct.pack(">I", 0)), at_once=50,
              allowed=h2raw.PROTOCOL_ERROR)  # too many streams at once
    assert gw.counters()["connects"] < 1000


def test_made_you_reset_by_window_overflow(gw):
    head, most = block(request("/never")), struct.pack(">I", 0x7fffffff)
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head) +
              frame(WINDOW_UPDATE, 0, 2 * n + 1, most), at_once=50, allowed=h2raw.PROTOCOL_ERROR)


def test_made_you_reset_by_malformed_heads(gw):
    head = block(request() + [("connection", "close")])
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head), at_once=50,
              allowed=h2raw.PROTOCOL_ERROR)


def test_continuation_flood_cve_2024_27316(gw):
    with Raw(gw.port) as h2:
        h2.send(frame(HEADERS, 0, 1, block(request())))
        assert throw(h2, frame(CONTINUATION, 0, 1, field("a", "b" * 100)), 1000, 10) is not None
    with Raw(gw.port) as h2:
        h2.send(frame(HEADERS, 0, 1, block(request())))
        assert throw(h2, frame(CONTINUATION, 0, 1), 1000, 10) is not None


def test_settings_flood_cve_2019_9515(gw):
    with Raw(gw.port) as h2:
        calms(gw, h2, h2raw.settings(window=70000))


def test_settings_with_many_entries(gw):
    with Raw(gw.port) as h2:
        assert throw(h2, frame(SETTINGS, payload=struct.pack(">HI", 4, 70000) * 2000), 10, 1) == ENHANCE_YOUR_CALM


def test_ping_flood_cve_2019_9512(gw):
    with Raw(gw.port) as h2:
        calms(gw, h2, frame(PING, 0, 0, b"12345678"))


def test_ping_flood_of_one_who_does_not_read(gw):
    """He is told to calm down as anybody is, and no answers pile up before."""
    with Raw(gw.port, rcvbuf=4096, timeout=20) as h2:
        calms(gw, h2, frame(PING, 0, 0, b"12345678"))
        assert len([kind for kind, _, _, _ in h2.kept if kind == PING]) < 1000


def test_empty_frames_flood_cve_2019_9518(gw):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sink", "POST"), end=False)
        calms(gw, h2, frame(DATA, 0, stream))
    with Raw(gw.port) as h2:
        stream = h2.open(request("/sink", "POST"), end=False)
        calms(gw, h2, frame(DATA, PADDED, stream, b"\x04\0\0\0\0"))


def test_unknown_frames_flood(gw):
    with Raw(gw.port) as h2:
        calms(gw, h2, frame(0xee, 0, 0, b"x"))


def test_zero_length_headers_leak_cve_2019_9516(gw):
    head = block(request("/never")) + field("", "")
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, head), at_once=50,
              allowed=h2raw.PROTOCOL_ERROR)  # too many streams at once


def test_priority_churn_cve_2019_9513(gw):
    with Raw(gw.port) as h2:
        calms(gw, h2, lambda n: frame(PRIORITY, 0, 2 * n + 1, struct.pack(">IB", 2 * (n * 7 % 1000) + 3, n & 255)))


def test_window_update_flood(gw):
    with Raw(gw.port) as h2:
        calms(gw, h2, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))


def test_hpack_bomb_cve_2016_6581(gw):
    """A large field in the table, then thousands of references of one byte."""
    with Raw(gw.port) as h2:
        h2.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block(request()) + field("a", "b" * 4000, indexed=True)))
        assert h2.answer(1)[0] == 200
        calms(gw, h2, frame(HEADERS, END_HEADERS | END_STREAM, 3, block(request()) + b"\xbe" * 16000), count=1, at_once=1)


def test_hpack_table_is_not_grown_beyond_what_is_offered(gw):
    with Raw(gw.port) as h2:
        h2.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, h2raw.integer(1 << 20, 5, 0x20) + block(request())))
        assert h2.ended() == h2raw.COMPRESSION_ERROR


def test_header_list_size(gw):
    """431 as in HTTP/1.1, and the connection lives."""
    with Raw(gw.port) as h2:
        data = block(request(extra=[("a", "b" * 100)] * 700))
        h2.send(frame(HEADERS, END_STREAM, 1, data[:16000]))
        for i in range(16000, len(data), 16000):
            h2.send(frame(CONTINUATION, END_HEADERS if i + 16000 >= len(data) else 0, 1, data[i:i + 16000]))
        assert h2.answer(1)[0] == 431
        h2.next_id = 3
        assert h2.ask("/hello")[0] == 200


def test_too_many_concurrent_streams(gw, up):
    with Raw(gw.port) as h2:
        assert h2.peer[3] == 100
        for _ in range(100):
            h2.open(request("/never"))
        until(lambda: up.counts.get("never") == 100, "a hundred requests")
        h2.open(request("/never"))
        assert h2.ended() == h2raw.PROTOCOL_ERROR  # it was told, and knows better
    assert up.counts["never"] == 100


def test_no_more_connections_than_there_is_memory_for(make):
    gw = make(connections=64, kb=8192)
    held = [Raw(gw.port) for _ in range(16)]
    with Raw(gw.port, hello=False) as h2:
        h2.send(h2raw.PREFACE + h2raw.settings())
        assert h2.ended() == ENHANCE_YOUR_CALM
    assert gw.counters()["h2_full"] == 1
    assert all(h2.ask("/hello")[0] == 200 for h2 in held) and gw.get("/hello")[0] == 200
    for h2 in held:
        h2.sock.close()


def test_streams_are_refused_when_no_slot_is_left(make):
    gw = make(connections=32, kb=8192)
    with Raw(gw.port) as h2:
        opened = [h2.open(request("/sleep?0.2")) for _ in range(50)]
        answers = [h2.answer(s) for s in opened]
        assert {a[:2] if a[0] == "reset" else a[0] for a in answers} == {200, ("reset", h2raw.REFUSED_STREAM)}
        assert h2.ask("/hello")[0] == 200
    assert gw.counters()["h2_refused"] >= 18


def test_slow_preface(make):
    gw = make(head_ms=300)
    with Raw(gw.port, hello=False) as h2:
        for byte in h2raw.PREFACE[:20]:
            h2.send(bytes([byte]))
        assert h2.sock.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_preface_byte_by_byte(gw):
    with Raw(gw.port, hello=False) as h2:
        for byte in h2raw.PREFACE + h2raw.settings():
            h2.send(bytes([byte]))
        until(lambda: h2.peer or h2.one(), "settings")
        assert h2.ask("/hello")[0] == 200


@pytest.mark.parametrize("sent", [h2raw.PREFACE, h2raw.PREFACE + h2raw.settings()], ids=["nothing", "no ack"])
def test_settings_are_waited_for_only_so_long(make, sent):
    gw = make(head_ms=300)
    with Raw(gw.port, hello=False) as h2:
        h2.send(sent)
        kind = None
        while kind != h2raw.GOAWAY:
            kind, _, _, payload = h2.read()
        assert struct.unpack(">I", payload[4:8])[0] == h2raw.SETTINGS_TIMEOUT


@pytest.mark.parametrize("text", [b"GET / HTTP/2.0\r\n\r\n", h2raw.PREFACE[:-3] + b"X\r\n", b"PRI * HTTP/2.0\r\n\r\nXX",
                                  h2raw.PREFACE + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
                         ids=["version", "end", "middle", "then HTTP/1.1"])
def test_what_only_looks_like_it(gw, text):
    with Raw(gw.port, hello=False) as h2:
        h2.send(text)
        h2.sock.shutdown(socket.SHUT_WR)
        data = b""
        while more := h2.sock.recv(65536):
            data += more
        assert data.startswith(b"HTTP/1.1 ") and data[9:12] in (b"400", b"505") or data[3:4] in (b"\4", b"\7")


def test_slow_head(make):
    gw = make(head_ms=300)
    with Raw(gw.port) as h2:
        h2.send(frame(HEADERS, 0, 1, block(request())))
        assert h2.ended() == ENHANCE_YOUR_CALM


def test_zero_window_forever(make):
    """Answers that nobody takes end with their time; so does the connection."""
    gw = make(idle_ms=400, kb=8192)
    with Raw(gw.port, window=0) as h2:
        opened = [h2.open(request("/hello")) for _ in range(100)]
        resets = 0
        while resets < len(opened):
            resets += h2.one()[0] == RST_STREAM
        assert h2.ended() == h2raw.NO_ERROR


def test_zero_window_forever_of_a_long_answer(make):
    gw = make(max_ms=400)
    with Raw(gw.port, window=0) as h2:
        assert h2.answer(h2.open(request("/big?10000000")))[0] == "reset"
    until(lambda: gw.board()["tickets"] == 0, "the ticket")


def test_tiny_windows(gw):
    """A byte at a time costs frames, not memory."""
    with Raw(gw.port, window=1) as h2:
        assert h2.ask("/hello")[2] == b"hello"


def test_window_lowered_below_zero(gw):
    with Raw(gw.port, window=60000) as h2:
        stream = h2.open(request("/big?1000000"))
        h2.send(h2raw.settings(window=1))
        assert h2.ping()
        h2.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24)) +
                frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1 << 24)))
        assert len(h2.answer(stream)[2]) == 1000000


def test_more_than_the_window_is_an_error(gw):
    with Raw(gw.port) as h2:
        stream = h2.open(request("/never", "POST"), end=False)
        try:
            for _ in range(8):
                h2.send(frame(DATA, 0, stream, BLOCK[:16384]))
        except OSError:
            pass
        assert h2.answer(stream) == ("reset", h2raw.FLOW_CONTROL_ERROR)


def test_uploads_before_settings_are_known(make, up):
    """A client may send 65535 bytes on each stream until it knows the gateway's windows (RFC 9113, 6.9.2). Most of
    these uploads wait for an instance: the gateway has room for them or stops reading, and loses no byte."""
    gw = make(limit=1, queue_max=256, queue_age_ms=20000, kb=16384)
    go, got = threading.Event(), {2 * n + 3: b"" for n in range(90)}
    up.on_lazy = lambda *request: (go.wait(20), up.on_hello(*request))
    with Raw(gw.port, hello=False) as h2:
        out = h2raw.PREFACE + h2raw.settings(window=1 << 20) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        out += frame(HEADERS, END_HEADERS | END_STREAM, 1, block(request("/lazy")))
        for stream in got:
            out += frame(HEADERS, END_HEADERS, stream, block(request("/echo", "POST")))
            out += b"".join(frame(DATA, 0, stream, BLOCK[i:i + 16000]) for i in range(0, 64000, 16000))
            out += frame(DATA, END_STREAM, stream)
        sender = threading.Thread(target=h2.send, args=(out + frame(SETTINGS, h2raw.ACK),))
        sender.start()
        until(lambda: gw.counters()["h2_held"], "the connection to wait")
        go.set()
        for _ in range(len(got) + 1):
            flags = 0
            while not flags & END_STREAM:
                kind, flags, stream, payload = h2.read()
                assert kind != RST_STREAM
                flags = flags if kind == DATA else 0
                if kind == DATA and stream in got:
                    got[stream] += payload
        sender.join()
    assert set(got.values()) == {BLOCK[:64000]}
