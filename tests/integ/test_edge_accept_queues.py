# SPDX-License-Identifier: Apache-2.0
"""Servers as they are: small accept queues, few workers, one connection at a time, unannounced ends."""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest

import pictures
import web
from waiting import slow, wait_for


@pytest.fixture(scope="module")
def host(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return module_ebb


@pytest.fixture
def server(host, request):
    """server(workers=1, backlog=5, maxConcurrency=10) puts a service named after the test."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower())[5:50].strip("-")

    def deploy(workers=0, backlog=1024, closes="", **settings):
        env = {"PROBE_WORKERS": str(workers), "PROBE_BACKLOG": str(backlog), "PROBE_CLOSES_BEHIND": closes}
        host.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                           "env": {k: v for k, v in env.items() if v}, **settings}})
        assert host.get(name).status == 200
        return name

    yield deploy
    host.cli("rm", name, ok=False)  # some tests have done it
    wait_for(lambda: not host.instances(name), 20)


def of_netns(host, name, file, group, field):
    """A counter of the kernel for the instance's own namespace."""
    with open(f"/proc/{host.instance(name)['pid']}/net/{file}") as table:
        lines = [line.split() for line in table if line.startswith(f"{group}:")]
    return int(dict(zip(*lines))[field])


def overflows(host, name):
    """How often a SYN found the accept queue full."""
    return of_netns(host, name, "netstat", "TcpExt", "ListenOverflows")


def test_500_clients_at_once_are_served_at_once(host, server):
    name = server(maxConcurrency=1000, memory=512)
    begin = time.monotonic()
    replies = web.many(500, lambda i: host.get(name, "/sleep?ms=2000", timeout=60))
    took = time.monotonic() - begin
    assert [r.status for r in replies] == [200] * 500 and len({r.instance for r in replies}) == 1
    assert took < slow(4), took  # two rounds, were it not one
    assert overflows(host, name) == 0


def test_slow_uploads_stand_in_nobodys_way(host, server):
    name = server(maxConcurrency=1000, memory=512)
    uploads = []
    for _ in range(300):
        sock = socket.create_connection(host.address, timeout=slow(15))
        sock.sendall(f"POST /echo HTTP/1.1\r\nHost: {name}.localhost\r\nContent-Length: 100\r\n\r\nx".encode())
        uploads.append(sock)
    for _ in range(20):
        assert host.get(name, timeout=slow(5)).status == 200
    for sock in uploads:
        sock.sendall(b"x" * 99)
    for sock in uploads:
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 200")
        sock.close()


@pytest.mark.parametrize("backlog", [1, 5, 64])
def test_a_small_accept_queue_never_overflows(host, server, backlog):
    name = server(workers=2, backlog=backlog, closes="GET", maxConcurrency=200)
    replies = web.many(100, lambda i: host.get(name, "/sleep?ms=5", timeout=60))
    assert [r.status for r in replies] == [200] * 100
    assert overflows(host, name) == 0


@pytest.mark.parametrize("settings", [{}, {"maxConcurrency": 1}])
def test_a_server_of_one_connection_at_a_time_serves_all_gateways(host, server, settings):
    """Each client is a new connection, so both gateways have a turn; one stall was 4 s."""
    name = server(workers=1, **settings)
    begin = time.monotonic()
    for _ in range(40):
        assert host.get(name).status == 200
    took = time.monotonic() - begin
    assert took < slow(3), took


@contextlib.contextmanager
def busy_host():
    """Two tasks for each CPU that use all of it, as neighbours of the instances do."""
    loops = [subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count())]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_connections_are_kept_where_a_busy_host_is_what_slows(host, server):
    """Requests wait in the accept queue because the program gets no CPU, not because it waits for its connections."""
    name = server(maxConcurrency=1000, memory=512)
    opened, asked = of_netns(host, name, "snmp", "Tcp", "PassiveOpens"), host.instance(name)["invocations"]
    with busy_host():
        subprocess.run(["wrk", "-t", "1", "-c", "64", "-d", "4s", "-H", f"Host: {name}.localhost",
                        f"http://127.0.0.1:{host.port}/"], check=True, stdout=subprocess.DEVNULL)
    host.wait_frozen(name)
    opened = of_netns(host, name, "snmp", "Tcp", "PassiveOpens") - opened
    asked = host.instance(name)["invocations"] - asked
    assert asked > 500 and opened < asked / 4, (opened, asked)


def test_few_workers_serve_many_who_keep_their_connections(host, server):
    name = server(workers=3, maxConcurrency=100)
    begin = time.monotonic()
    assert {r.status for n in range(5) for r in web.many(12, lambda i: host.get(name, "/sleep?ms=10"))} == {200}
    took = time.monotonic() - begin
    assert took < slow(3), took


@pytest.mark.parametrize("closes", ["HEAD", "GET", "GET HEAD POST"])
def test_a_post_survives_an_unannounced_end(host, server, closes):
    name = server(closes=closes)
    before = "HEAD" if "HEAD" in closes else "GET"
    for _ in range(50):
        with web.Raw(host.address) as raw:
            raw.send(f"{before} / HTTP/1.1\r\nHost: {name}.localhost\r\n\r\n".encode())
            head = raw.read_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            raw.send(f"POST /echo HTTP/1.1\r\nHost: {name}.localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc".encode())
            rest = raw.read_to_end()
            assert b"HTTP/1.1 200" in rest and rest.endswith(b"abc"), rest


def test_a_second_instance_helps_a_server_with_few_workers(host, server):
    """Nothing is set; its CPU idles, and its accept queue says that all workers are busy."""
    name = server(workers=4, closes="GET", maxInstances=2)
    seen, over = {}, threading.Event()

    def client():
        while not over.is_set():
            instance = host.get(name, "/sleep?ms=200", timeout=60).instance
            seen[instance] = seen.get(instance, 0) + 1

    threads = [threading.Thread(target=client) for _ in range(12)]
    for t in threads:
        t.start()
    try:
        wait_for(lambda: len(seen) == 2 and min(seen.values()) >= 8, 30, "both instances answer")
    finally:
        over.set()
        for t in threads:
            t.join()
    assert "wait for it to accept them" in host.told(name, "instance_saturated")[0]


def test_a_server_that_waits_for_its_connections_stops_at_once(host, server):
    """Gateways close their idle connections before SIGTERM: /proc of the instance shows none of them any more."""
    name = server(workers=0)
    web.many(20, lambda i: host.get(name, "/sleep?ms=20"))
    pid = host.instance(name)["pid"]

    def established():
        with open(f"/proc/{pid}/net/tcp") as table:
            return [line for line in table if line.split()[3] == "01"]

    held = threading.Thread(target=lambda: host.get(name, "/sleep?ms=1500", timeout=60))
    assert established()
    held.start()
    wait_for(lambda: host.instance(name)["tickets"] == 1, 10)
    host.cli("rm", name)
    wait_for(lambda: len(established()) <= 2, 10, "only the one that works is left")  # both its ends
    held.join()


def test_before_the_services_are_known_is_not_without_service(new_ebb):
    """A start answers 503 STARTING with Retry-After, or serves, and never says that there is no such service."""
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.apply({f"s{n}": {"runtime": "container", "entrypoint": "probe", "minInstances": 0} for n in range(5)})
    assert ebb.get("nosuch").status == 404
    ebb.stop()
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                reply = ebb.get("s4", timeout=slow(20))
            except OSError:
                continue
            answers.append((reply.status, reply.headers.get("x-ebb-error"), reply.headers.get("retry-after")))
            if reply.status == 200:
                return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        ebb.start()
        thread.join(slow(30))
    finally:
        over.set()
        thread.join()
    assert answers[-1][0] == 200 and set(answers[:-1]) <= {(503, "STARTING", "1")}, answers
    assert ebb.get("nosuch").status == 404


def test_who_comes_while_it_drains_is_refused_at_once(new_ebb):
    ebb = new_ebb(gateways=2, settings={"drain_ms": 20000})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.apply({"one": {"runtime": "container", "entrypoint": "probe"}})
    got = []
    thread = threading.Thread(target=lambda: got.append(ebb.get("one", "/sleep?ms=3000", timeout=60)))
    thread.start()
    wait_for(lambda: ebb.instances("one") and ebb.instance("one")["tickets"] == 1, 20)
    ebb.witness.note(ebb.process.pid)
    ebb.process.terminate()

    def refused():
        try:
            with socket.create_connection(ebb.address, timeout=slow(5)) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: one.localhost\r\n\r\n")
                sock.recv(100)  # an answer, or an end: silence is a timeout, which nothing here catches
                return False
        except ConnectionError:
            return True

    wait_for(refused, 5, "a new connection is refused while a request is open")
    assert not got
    thread.join()
    assert got[0].status == 200
    ebb.process.wait(slow(20))
