# SPDX-License-Identifier: Apache-2.0
"""The gateway alone: many clients that leave at any moment, instances that freeze and die, reloads meanwhile."""
import os, random, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import h2raw
from gateway_harness import BLOCK, Gateway, Reader, Upstream, until


def streams(*requests, tail=b"", **settings):
    """A connection of HTTP/2 with these requests (path, body) at once, window or not."""
    out = h2raw.PREFACE + h2raw.settings(**settings) + h2raw.frame(h2raw.SETTINGS, h2raw.ACK)
    for number, (path, body) in enumerate(requests):
        head = h2raw.block(h2raw.request(path, "POST" if body else "GET"))
        out += h2raw.frame(h2raw.HEADERS, h2raw.END_HEADERS | (0 if body else h2raw.END_STREAM), 2 * number + 1, head)
        if body:
            out += h2raw.frame(h2raw.DATA, h2raw.END_STREAM, 2 * number + 1, body)
    return out + tail


PATHS = ["/hello", "/big?500000", "/big-chunked?500000", "/close", "/cut", "/sleep?0.02", "/hints", "/never", "/none"]

REQUESTS = [
    b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 3,
    b"GET /big?5000000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /big-chunked?500000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /close HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /sleep?0.02 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /sink HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 300000\r\n\r\n" + BLOCK[:300000],
    b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + BLOCK[:300000],
    b"POST /echo-chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n"
    + BLOCK[:0x20000] + b"\r\n0\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /echo-chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz",
    b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + BLOCK[:100000],
    b"GET /until-close HTTP/1.0\r\n\r\n",
    b"nonsense\r\n\r\n",
    streams(*[(path, None) for path in PATHS]),
    streams(*[(path, None) for path in PATHS], window=10),
    streams(*[("/echo-chunked", BLOCK[:12000]), ("/early", BLOCK[:12000]), ("/sink", BLOCK[:16000])] * 5),
    streams(*[("/big?500000", None)] * 5, tail=b"".join(
        h2raw.frame(h2raw.RST_STREAM, 0, 2 * n + 1, b"\0\0\0\x08") for n in range(5)) + b"nonsense" * 10),
]


def behave_badly(gw, seed, end):
    """Sends some request, or a part of it, in pieces; reads some of what comes; leaves."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        text = rng.choice(REQUESTS)
        if rng.random() < 0.3:
            text = text[: rng.randrange(len(text))]
        try:
            with gw.connect(rcvbuf=rng.choice([None, 4096])) as sock:
                sock.settimeout(rng.choice([0.001, 0.05, 0.5]))
                while text:
                    size = rng.choice([1, 100, 10000, 1000000])
                    sock.sendall(text[:size])
                    text = text[size:] if size > 1 or rng.random() < 0.1 else b""
                for _ in range(rng.randrange(6)):
                    if not sock.recv(rng.choice([1, 1000, 1000000])):
                        break
        except OSError:
            pass


def test_whatever_clients_and_instances_do_everything_comes_back():
    up = Upstream()
    gw = Gateway(connections=64, queue_max=8, queue_age_ms=300, head_ms=300)
    gw.service(concurrency=8, max_ms=1000)
    gw.up(0, up.port, limit=8)
    gw.up(1, up.port, limit=8)
    end = time.monotonic() + 4
    clients = [threading.Thread(target=behave_badly, args=(gw, seed, end)) for seed in range(24)]
    for one in clients:
        one.start()
    slot = 2
    while time.monotonic() < end:
        gw.do("freeze", slot - 1)
        gw.do("freeze", slot - 2)
        gw.do("change", random.randrange(2), f"queue_max={random.randint(1, 8)}")
        if slot < 10 and random.random() < 0.05:
            gw.do("down", slot - 2, 2, 9)
            gw.up(slot, up.port, limit=8)
            slot += 1
        time.sleep(0.005)
    for one in clients:
        one.join()
    until(lambda: gw.counters()["clients"] == 0, "all clients gone")
    counters = gw.counters()
    assert all(gw.board(n)["tickets"] == 0 for n in range(slot))
    assert counters["waiting"] == 0
    assert counters["requests"] > 100
    until(lambda: gw.counters()["upstreams"] == 0, "the pool to run dry")
    counters = gw.counters()
    assert counters["buffers_free"] + counters["buffers_in_ring"] == counters["buffers"]
    with gw.connect() as sock:
        sock.sendall(REQUESTS[0])
        reader = Reader(sock)
        assert [reader.response()[2] for _ in range(3)] == [b"hello"] * 3
    assert gw.stop() == 0, "".join(gw.log)
    up.close()
