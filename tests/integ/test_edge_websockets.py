# SPDX-License-Identifier: Apache-2.0
"""WebSockets and streams through the whole of ebb: npm `ws` and Python's `websockets`, unmodified, in instances that
freeze while connections are open."""
import asyncio
import os
import signal
import socket
import struct
import threading

import pytest
import websockets

import frames
import pictures
import web
from frames import BINARY, CLOSE, PING, PONG, TEXT, frame
from gateway_harness import Reader
from waiting import throughout, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="interpreters are too slow under emulation")

KINDS = ["ws-node", "ws-python"]
IDLE = 1000


class Socket:
    """One WebSocket of a client that says exactly what it is told to."""

    def __init__(self, ebb, service, path="/"):
        self.sock = socket.create_connection(ebb.address, timeout=30)
        self.sock.sendall(frames.handshake(path, host=f"{service}.localhost"))
        self.reader = Reader(self.sock)
        got = self.reader.head()
        assert got and got[0].split()[1] == "101", got
        self.instance = got[1]["x-ebb-instance"]

    def say(self, *texts):
        self.sock.sendall(b"".join(frame(TEXT, t.encode(), masked=True) for t in texts))

    def ping(self, payload):
        self.sock.sendall(frame(PING, payload, masked=True))

    def hear(self):
        opcode, payload = frames.read_frame(self.reader)
        return payload.decode() if opcode == TEXT else (opcode, payload)

    def hear_message(self):
        """As any client does: answers pings on the way."""
        while isinstance(heard := self.hear(), tuple) and heard[0] == PING:
            self.sock.sendall(frame(PONG, heard[1], masked=True))
        return heard

    def close(self):
        self.sock.close()


def service(kind, heartbeat_ms=None, concurrency=IDLE + 100, **ebb):
    env = {"HEARTBEAT_MS": str(heartbeat_ms)} if heartbeat_ms else {}
    return {"runtime": "container", "entrypoint": kind, "maxInstances": 1, "memory": 2048, "env": env,
            "maxConcurrency": concurrency, "ebb": {"hibernate": "200ms", **ebb}}


@pytest.fixture(scope="module")
def host(module_ebb):
    for kind in KINDS:
        module_ebb.import_image("oci-archive:" + pictures.apps_archive(kind), kind)
    return module_ebb


@pytest.fixture(scope="module", params=KINDS)
def app(request, host):
    host.apply({request.param: service(request.param)})
    yield host, request.param
    host.cli("rm", request.param)
    wait_for(lambda: not host.instances(request.param))


def test_a_library_client_talks_to_a_library_server_over_a_freeze(app):
    ebb, name = app

    async def sleeps_on_when_pinged(ws):
        """A timer of its run-time may thaw it just then, so one of five pings is enough."""
        for _ in range(5):
            await asyncio.to_thread(ebb.wait_frozen, name)
            await asyncio.wait_for(await ws.ping(), 10)
            if ebb.instance(name)["state"] == "frozen":
                return True
        return False

    async def talk():
        uri = f"ws://{name}.localhost:{ebb.port}/"
        async with websockets.connect(uri, host="127.0.0.1", ping_interval=None) as ws:
            big = os.urandom(300_000)
            for number in range(3):
                await ws.send(f"round {number}")
                assert await ws.recv() == f"{number}:round {number}"
                await ws.send([big[:100_000], big[100_000:100_001], big[100_001:]])
                assert await ws.recv() == big
                assert await sleeps_on_when_pinged(ws)
    asyncio.run(talk())


def test_thousand_idle_connections_to_a_frozen_instance(app):
    """The gateway answers their pings; messages wake it and none is lost or out of order."""
    ebb, name = app
    batches = web.many(20, lambda i: [Socket(ebb, name) for _ in range(IDLE // 20)])
    sockets = [one for batch in batches for one in batch]
    try:
        assert len({s.instance for s in sockets}) == 1
        for _ in range(20):
            (before,) = ebb.wait_frozen(name, 30)
            assert before["tickets"] == 0
            for number, one in enumerate(sockets):
                one.ping(b"%d" % number)
            for number, one in enumerate(sockets):
                assert one.hear() == (PONG, b"%d" % number)
            after = ebb.instance(name)
            assert after["thaws"] == before["thaws"]
            if after["state"] == "frozen" and after["cpu_us"] == before["cpu_us"]:
                break  # else a timer of Node's own came between
        else:
            raise AssertionError(ebb.cli("events", before["id"]).out)

        sockets[7].say("a", "b", "c")
        assert [sockets[7].hear() for _ in range(3)] == ["0:a", "1:b", "2:c"]
        ebb.wait_frozen(name, 30)
        for one in sockets:
            one.say(*"vwxyz")
        for one in sockets:
            first = 3 if one is sockets[7] else 0
            assert [one.hear() for _ in range(5)] == [f"{first + n}:{t}" for n, t in enumerate("vwxyz")]
        assert ebb.instance(name)["id"] == before["id"]
        ebb.wait_frozen(name, 30)
    finally:
        for one in sockets:
            one.close()
    wait_for(lambda: ebb.get(name).json["closed"] >= IDLE, 30, "the program saw them end")


@pytest.mark.parametrize("kind", KINDS)
def test_more_connections_than_tickets_all_speak_at_once(host, kind):
    """Two tickets, 40 connections, and a silence that is longer than anybody waits."""
    name = f"crowd-{kind}"
    host.apply({name: service(kind, concurrency=2, hibernate="1h")})
    sockets = [Socket(host, name) for _ in range(40)]
    for number in range(3):
        for one in sockets:
            one.say("a", "b")
        for one in sockets:
            assert [one.hear_message() for _ in "ab"] == [f"{2 * number}:a", f"{2 * number + 1}:b"]
    for one in sockets:
        one.close()
    host.cli("rm", name)
    wait_for(lambda: not host.instances(name))


def test_who_gave_its_ticket_to_another_is_not_frozen_before_its_time(host):
    """The second connection is gone, so nobody has a ticket; but the program may still work for the first."""
    settings = service("ws-node", concurrency=1, hibernate="3s")
    host.apply({"gave": settings})
    first = Socket(host, "gave")
    first.say("x")
    assert first.hear() == "0:x"
    other = Socket(host, "gave")
    other.close()
    wait_for(lambda: (i := host.instance("gave"))["tickets"] == 0)
    instance = host.instance("gave")
    assert instance["state"] == "running" and instance["freezes"] == 0
    assert "gave their tickets to others" in host.cli("why", instance["id"]).out
    (instance,) = host.wait_frozen("gave")
    assert "1 sleeping WebSocket" in host.cli("why", instance["id"]).out
    first.say("y")
    assert first.hear() == "1:y"
    first.close()
    host.cli("rm", "gave")
    wait_for(lambda: not host.instances("gave"))


def test_why_counts_those_that_sleep(app):
    ebb, name = app
    one = Socket(ebb, name)
    (instance,) = ebb.wait_frozen(name)
    assert "1 sleeping WebSocket" in ebb.cli("why", instance["id"]).out
    one.close()
    wait_for(lambda: "sleeping" not in ebb.cli("why", instance["id"]).out)


@pytest.mark.parametrize("timers", ["fire", "late"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_servers_own_heartbeat_does_not_end_a_sleeping_connection(host, kind, timers):
    """The server ends a connection that misses one of its pings (every 700 ms), and is frozen for several of them."""
    name = f"beat-{timers}"
    host.apply({name: service(kind, heartbeat_ms=700, timers=timers)})
    one = Socket(host, name)
    for number in range(2):
        one.say("x")
        assert one.hear_message() == f"{number}:x"
        alive, others = threading.Event(), []

        def answer():
            """Plays the library of the client while nothing is said."""
            while not alive.is_set():
                one.sock.settimeout(0.1)
                try:
                    heard = one.hear()
                except TimeoutError:
                    continue
                if not heard or heard[0] != PING:
                    others.append(heard)
                    return
                one.sock.sendall(frame(PONG, heard[1], masked=True))
        thread = threading.Thread(target=answer)
        thread.start()
        states = throughout(1.8, lambda: host.instance(name)["state"], 0.05)
        alive.set()
        thread.join()
        one.sock.settimeout(30)
        assert "frozen" in states and others == []
    one.close()
    host.cli("rm", name)
    wait_for(lambda: not host.instances(name))


@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_that_is_killed_in_its_sleep_ends_its_connections(host, kind):
    host.apply({"killed": service(kind)})
    sockets = [Socket(host, "killed") for _ in range(5)]
    (instance,) = host.wait_frozen("killed")
    os.kill(instance["pid"], signal.SIGKILL)
    for one in sockets:
        opcode, payload = one.hear()
        assert opcode == CLOSE and struct.unpack(">H", payload)[0] in (1001, 1011)
        assert one.reader.rest() == b""
    host.cli("rm", "killed")
    wait_for(lambda: not host.instances("killed"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_revision_leaves_the_old_connections_until_a_deadline(host, kind):
    """Awake ones go on on the old instance until maxDuration; one that sleeps is told to come again."""
    settings = {**service(kind), "maxDuration": 3, "maxInstances": 2}
    awake = {**settings, "ebb": {"hibernate": "off", "stopGrace": 1}}
    host.apply({"old": awake, "slept": settings})
    talks, sleeps = Socket(host, "old"), Socket(host, "slept")
    host.wait_frozen("slept")
    host.apply({"old": {**awake, "env": {"NEW": "1"}}, "slept": {**settings, "env": {"NEW": "1"}}})
    opcode, payload = sleeps.hear()
    assert opcode == CLOSE and struct.unpack(">H", payload)[0] == 1001
    talks.say("still there")
    assert talks.hear() == "0:still there"
    wait_for(lambda: host.get("old").instance != talks.instance, 20, "the new revision serves")
    newer = Socket(host, "old")
    while frames.read_frame(talks.reader):
        pass
    newer.say("x")
    assert newer.hear() == "0:x"
    wait_for(lambda: host.get("slept").instance != sleeps.instance, 20)
    for name in ("old", "slept"):
        host.cli("rm", name)
        wait_for(lambda: not host.instances(name))


def test_who_talks_beyond_the_time_to_drain_is_told_to_go_and_nobody_is_killed(host):
    """The runtime ends when its connections have, which a WebSocket that nobody ends would prevent."""
    host.apply({"talks": {**service("ws-node", hibernate="off"), "maxDuration": 1}})
    one = Socket(host, "talks")
    host.cli("stop", one.instance)
    wait_for(lambda: host.instance("talks")["state"] == "draining")
    one.say("still there")
    assert one.hear() == "0:still there"
    assert one.hear() == (CLOSE, struct.pack(">H", 1001))
    one.sock.sendall(frames.close(1001, masked=True))
    assert one.reader.rest() == b""
    wait_for(lambda: one.instance not in [i["id"] for i in host.instances("talks")], 20)
    assert "killed" not in host.cli("events", "talks", "--kind", "instance_stopped").out
    host.cli("rm", "talks")
    wait_for(lambda: not host.instances("talks"))


def test_a_stop_of_the_host_tells_every_client(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    ebb.apply({"ws-node": service("ws-node")})
    sockets = [Socket(ebb, "ws-node") for _ in range(20)]
    ebb.wait_frozen("ws-node")

    def leave(one):
        heard = one.hear()
        one.sock.sendall(frames.close(1001, masked=True))
        rest = one.reader.rest()
        one.close()
        return heard, rest
    heard = []
    threads = [threading.Thread(target=lambda o=one: heard.append(leave(o))) for one in sockets]
    for thread in threads:
        thread.start()
    ebb.stop()
    for thread in threads:
        thread.join()
    assert heard == [((CLOSE, struct.pack(">H", 1001)), b"")] * 20


def evicted(ebb):
    return [e["service"] for e in ebb.cli("events", "--json").json if e["kind"] == "instance_evicted"]


def test_who_sleeps_with_an_open_connection_keeps_its_place(new_ebb):
    """Used before all others, it stays: its clients would lose what they think they have."""
    ebb = new_ebb(settings={"armed": 1, "memory_reserve_mb": 0, "instances_max": 2})
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    probe = {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}
    ebb.apply({"sleeps": service("ws-node"), "b": probe, "c": probe})
    one = Socket(ebb, "sleeps")
    (before,) = ebb.wait_frozen("sleeps")
    for name in ("b", "c"):
        assert ebb.get(name).status == 200
        ebb.wait_frozen(name)
    assert evicted(ebb) == ["b"]
    with web.Raw(ebb.address) as raw:
        raw.send(b"GET /sleep?ms=2000 HTTP/1.1\r\nHost: c.localhost\r\n\r\n")
        wait_for(lambda: ebb.instance("c")["tickets"] == 1)
        refused = ebb.get("b")
        assert (refused.status, refused.headers["x-ebb-error"]) == (503, "OVERLOADED"), refused
        assert b" 200 " in raw.read_until(b"\r\n")
    one.say("x")
    assert one.hear() == "0:x" and ebb.instance("sleeps")["id"] == before["id"]
    one.close()
    wait_for(lambda: ebb.get("sleeps").json["closed"] == 1)
    for name in ("sleeps", "c"):
        assert ebb.get(name).status == 200
        ebb.wait_frozen(name)
    assert ebb.get("b").status == 200
    assert evicted(ebb) == ["b", "sleeps"]


# --- streams ----------------------------------------------------------------------------------------
def events(ebb, name):
    sock = socket.create_connection(ebb.address, timeout=30)
    sock.sendall(f"GET /events HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
    reader = Reader(sock)
    _, fields, _ = reader.head()
    return sock, fields, reader.chunks()


@pytest.fixture(scope="module")
def streams(host):
    host.import_image("oci-archive:" + pictures.example_archive("c-hello"), "c-hello")
    host.import_image("oci-archive:" + pictures.apps_archive("sse-python"), "sse-python")
    host.apply({"sse-node": service("ws-node"), "sse-python": service("sse-python"),
                "sse-c": service("c-hello")})
    return host


@pytest.mark.parametrize("name", ["sse-node", "sse-python"])
def test_server_sent_events_flow_at_once_through_a_thaw_too(streams, name):
    """Each event is there before the next one is even made."""
    for start in ("cold", "thaw"):
        sock, fields, chunks = events(streams, name)
        assert fields["x-ebb-start"] == start
        assert next(chunks) == b"data: hello\n\n"
        for number in range(20):
            assert streams.get(name, f"/events?{number}", method="POST").status == 200
            assert next(chunks) == b"data: %d\n\n" % number
        sock.close()
        streams.wait_frozen(name)


def test_a_stream_of_a_c_function_flows_at_once_through_a_thaw_too(streams):
    """It sends back each piece of the body, which is only made when the one before has come back."""
    for _ in range(2):
        sock = socket.create_connection(streams.address, timeout=30)
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: sse-c.localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        reader, chunks = Reader(sock), None
        for number in range(20):
            sock.sendall(b"5\r\nno %02d\r\n" % number)
            if chunks is None:
                assert reader.head()[0].split()[1] == "200"
                chunks = reader.chunks()
            assert next(chunks) == b"no %02d" % number
        sock.close()
        streams.wait_frozen("sse-c")
