# SPDX-License-Identifier: Apache-2.0
"""The native runtime (ebb.h) through ebbd, on both of its backends: epoll, and the restricted ring."""
import glob
import os
import random
import re
import socket
import subprocess
import threading
import time

import pytest

import leaks
import pictures
import web
from ebb import PROJECT
from leaks import cgroup_of
from test_runtimes_ring import HAS_RING
from waiting import SLOW, slow, wait_for

BACKENDS = [pytest.param(False, id="epoll"),
            pytest.param(True, id="ring", marks=pytest.mark.skipif(not HAS_RING, reason="needs Linux 6.4"))]


@pytest.fixture(scope="module", params=BACKENDS)
def app(request, module_ebb):
    """Two services, `hello` (examples/c-ring) and `more` (functions/native), one instance each."""
    for name, archive in (("hello", pictures.example_archive("c-ring")), ("more", pictures.apps_archive("native"))):
        module_ebb.import_image("oci-archive:" + archive, name)
        module_ebb.apply({name: {"runtime": "container", "entrypoint": name, "maxInstances": 1,
                                 "maxConcurrency": 1000, "memory": 2048,
                                 "ebb": {"ioUring": request.param}}})
    yield module_ebb
    for name in ("hello", "more"):
        module_ebb.cli("rm", name)
        wait_for(lambda: not module_ebb.instances(name))


def test_a_client_of_http_10_gets_no_chunks(tmp_path):
    """It can come where no gateway stands before the program; the connection ends the body."""
    program, folder = str(tmp_path / "server"), os.path.join(PROJECT, "images/runtimes/native")
    subprocess.run(["cc", "-D_GNU_SOURCE", "-I", folder, "-o", program, *glob.glob(folder + "/*.c"),
                    os.path.join(PROJECT, "tests/integ/functions/native/server.c"), "-luring"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        given = f"LISTEN_FDS=1 LISTEN_PID=$$ exec {program} 3<&0"
        with subprocess.Popen(["/bin/sh", "-c", given], stdin=listener) as server:
            try:
                for version, between, end in ((b"1.0", b"", b""), (b"1.1", b"\r\n8\r\n", b"\r\n0\r\n\r\n")):
                    with web.Raw(listener.getsockname()) as raw:
                        raw.send(b"GET /chunks HTTP/%s\r\nHost: a\r\nConnection: close\r\n\r\n" % version)
                        answer = raw.read_to_end()
                    assert answer.endswith(between.join([b"piece 1\n", b"piece 2\n", b"piece 3\n"]) + end), answer
                    assert (b"chunked" in answer) == (version == b"1.1"), answer
            finally:
                server.kill()


def lines_of(ebb, name, request_id):
    return ebb.cli("logs", "--request", request_id, name).out


def request_id(reply):
    return reply.headers["x-ebb-id"]


def test_hundreds_of_requests_wait_at_once_in_one_instance(app):
    app.get("hello")
    begun = time.monotonic()
    replies = web.many(400, lambda i: app.get("hello", "/sleep?ms=1500"))
    assert [r.status for r in replies] == [200] * 400
    assert len({r.instance for r in replies}) == 1
    assert time.monotonic() - begun < 10 * SLOW, "400 waits of 1.5 s were not at once"


def test_bodies_stream_both_ways_under_back_pressure(app):
    for chunked in (False, True):
        assert web.echo(app.address, "hello.localhost", 20_000_003, chunked)
    assert len(app.get("hello", "/size?bytes=5000001").body) == 5000001
    assert len(app.get("more", "/big?bytes=300007").body) == 300007


def test_a_streamed_answer_flows_at_once(app):
    with web.Raw(app.address) as raw:
        raw.send(b"GET /chunks?n=20 HTTP/1.1\r\nHost: more.localhost\r\n\r\n")  # takes 0.95 s
        raw.read_until(b"piece 1\n")
        first = time.monotonic()
        raw.read_until(b"piece 20\n")
        assert time.monotonic() - first >= 0.3
        raw.read_until(b"0\r\n\r\n")


def test_header_fields_go_in_and_out_and_no_line_can_be_added(app):
    long = "x" * 20000
    reply = app.get("more", "/fields", headers={"X-Long": long})
    assert reply.status == 201 and reply.text == long and reply.headers["x-fine"] == "yes"
    assert "x-bad" not in reply.headers and "x" not in reply.headers


def test_a_failing_request_gets_500_and_all_others_finish(app):
    def call(i):
        return app.get("more", ["/log?a", "/fail", "/fail-later?b"][i % 3])
    replies = web.many(60, call)
    assert [r.status for r in replies] == [200, 500, 500] * 20
    assert len({r.instance for r in replies}) == 1
    assert "request failed: the handler failed with -1 (Operation not permitted)" in wait_for_log(app, request_id(replies[1]))
    assert "request failed: on purpose, b" in wait_for_log(app, request_id(replies[2]))


def wait_for_log(app, request, text="", name="more"):
    return wait_for(lambda: (out := lines_of(app, name, request)) and text in out and out)


def test_a_failure_within_an_answer_cuts_it(app):
    with web.Raw(app.address) as raw:
        raw.send(b"GET /fail-within HTTP/1.1\r\nHost: more.localhost\r\n\r\n")
        assert not raw.read_to_end().endswith(b"0\r\n\r\n")


def test_a_crash_is_the_instances_end_and_the_next_one_serves(app):
    assert app.get("more", "/crash").status == 502
    assert app.get("more").status == 200


def test_log_lines_belong_to_their_request_though_many_run(app):
    replies = web.many(50, lambda i: app.get("more", f"/log?{i}"))
    for i in (0, 17, 49):
        out = wait_for_log(app, request_id(replies[i]), f"line 3 of {i}\n")
        assert [n for n in re.findall(r"of (\d+)", out)] == [str(i)] * 3
        assert out.count("and its second half") == 3 and "\x1e" not in out


def test_of_a_long_log_line_nothing_is_lost(app):
    reply = app.get("more", "/log-long")
    wait_for(lambda: lines_of(app, "more", request_id(reply)).count("0" * 10) and sum(
        len(line.split()[-1]) for line in lines_of(app, "more", request_id(reply)).splitlines()) == 20000)


def test_a_client_that_goes_away_cancels_its_request_only(app):
    name = b"more.localhost"
    sock = socket.create_connection(app.address, timeout=slow(10))
    sock.sendall(b"POST /never HTTP/1.1\r\nHost: %b\r\nContent-Length: 100000\r\n\r\n%b" % (name, b"x" * 50000))
    wait_for(lambda: "waiting" in app.cli("logs", "more").out)
    before = app.cli("logs", "more").out.count("cancelled")
    sock.close()
    wait_for(lambda: app.cli("logs", "more").out.count("cancelled") == before + 1)
    app.wait_frozen("more")


def test_a_nack_reaches_the_gateway_and_the_deadline_the_function(app):
    assert app.get("more", "/nack").text == "the second time\n"
    deadline = app.get("more", "/deadline").json
    assert 0 < deadline / 1000 - time.time() <= 300


def test_work_behind_the_answer_keeps_the_instance_awake(app):
    reply = app.get("hello", "/later?ms=1500")
    assert reply.status == 200
    assert "done, long after the answer" not in lines_of(app, "hello", request_id(reply))
    seen = set()

    def done():
        state = app.instance("hello")["state"]
        if "done, long after the answer" in lines_of(app, "hello", request_id(reply)):
            return True  # and so it may have been frozen since
        seen.add(state)
        return False
    wait_for(done)
    assert seen == {"running"}
    app.wait_frozen("hello")


def test_work_behind_the_answer_is_cut_at_the_deadline(app):
    app.apply({"short": {"runtime": "container", "entrypoint": "more", "maxInstances": 1, "maxDuration": 1}})
    reply = app.get("short", "/forever")
    assert reply.status == 200
    out = wait_for_log(app, request_id(reply), "told so", "short")
    assert "cut at its deadline" in out
    app.wait_frozen("short")
    app.cli("rm", "short")


def test_sigterm_lets_open_requests_and_work_finish(app):
    app.apply({"drain": {"runtime": "container", "entrypoint": "hello", "maxInstances": 1}})
    app.get("drain")
    with web.Raw(app.address) as raw:
        raw.send(b"GET /sleep?ms=1000 HTTP/1.1\r\nHost: drain.localhost\r\n\r\n")
        wait_for(lambda: app.instance("drain")["tickets"] == 1)
        app.cli("stop", app.instance("drain")["id"])
        assert raw.read_until(b"slept\n").startswith(b"HTTP/1.1 200")
    wait_for(lambda: "exited with code 0" in app.cli("events", "--json").out or not app.instances("drain"))
    app.cli("rm", "drain")


# --- freezing ---------------------------------------------------------------------------------------
def toggle(group, rounds):
    """Freezes and thaws behind ebb's back, at random moments, rounds times. A thaw of ebb's own may come just
    then, so each freeze is asked for until it is there."""
    for _ in range(rounds):
        leaks_write(group + "/cgroup.freeze", "1")
        while "frozen 1" not in leaks.read(group + "/cgroup.events"):
            if leaks.read(group + "/cgroup.freeze").strip() == "0":
                leaks_write(group + "/cgroup.freeze", "1")
            time.sleep(0.0005)
        leaks_write(group + "/cgroup.freeze", "0")
        time.sleep(random.random() / 500)


def leaks_write(path, text):
    with open(path, "w") as f:
        f.write(text)


def add(app, worker, stop, sums):
    """One client on one connection: numbers of its own, until told to stop."""
    connection = web.http.client.HTTPConnection(*app.address, timeout=slow(30))
    number = 0
    while not stop.is_set():
        number += 1
        reply = web.exchange(connection, "GET", f"/?add={number}", None, {"Host": "more.localhost"})
        if reply.status != 200:
            return  # the test misses its sum
    connection.close()
    sums[worker] = (number, number * (number + 1) // 2)


def test_no_request_is_lost_or_doubled_by_2000_freezes(app):
    before = app.get("more").json
    group = cgroup_of(app.instance("more")["pid"])
    stop, sums = threading.Event(), {}
    clients = [threading.Thread(target=add, args=(app, i, stop, sums)) for i in range(6)]
    for c in clients:
        c.start()
    try:
        toggle(group, 80 if pictures.IN_VM else 2000)
    finally:
        leaks_write(group + "/cgroup.freeze", "0")
        stop.set()
        for c in clients:
            c.join()
    assert len(sums) == len(clients), "a client met an error"
    after = app.get("more").json
    assert after["seen"] - before["seen"] == sum(n for n, _ in sums.values())
    assert after["sum"] - before["sum"] == sum(s for _, s in sums.values())
