# SPDX-License-Identifier: Apache-2.0
"""
packaging/fronts: Caddy, HAProxy and nginx, configured as they stand there, in front of ebb with the settings that stand
beside them. curl, h2load and a WebSocket client of a library come through each.
"""
import asyncio
import os
import re
import socket
import subprocess

import pytest
import websockets

import pictures
import web
from fronts import HOST, Behind, Certificates, Front
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has no fronts")
CHAT = "chat.example"
FRONTS = ["nginx", "haproxy", "haproxy-passed", "caddy"]
FORGED = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "forged.example",
          "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6;proto=gopher", "X-Ebb-Id": "6" * 32}


@pytest.fixture(scope="module")
def behind():
    ebb = Behind()
    try:
        ebb.start()
        for name, archive in (("probe", pictures.probe_archive()), ("ws-node", pictures.apps_archive("ws-node"))):
            ebb.import_image("oci-archive:" + archive, name)
        ebb.apply({"shop": {"runtime": "container", "entrypoint": "probe", "hosts": [HOST, "*.wild.example"]},
                   "chat": {"runtime": "container", "entrypoint": "ws-node", "hosts": [CHAT], "maxInstances": 1,
                            "ebb": {"hibernate": "200ms"}}})
        yield ebb
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=FRONTS)
def front(request, behind, certificates, tmp_path_factory):
    one = Front(request.param, behind, certificates, tmp_path_factory.mktemp("front"))
    try:
        yield one
    finally:
        one.stop()


def fields(text):
    """Of the head of a request, as the function got it."""
    return dict(re.findall(r"^([a-z-]+): (.*?)\r?$", text.lower(), re.M))


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_function_hears_who_its_client_is(front, version):
    said = front.curl(version, "-w", "\nspoken: %{http_version}\n", path="/head")
    got = fields(said)
    assert got["spoken"] == version.removeprefix("--http"), said
    assert got["x-forwarded-for"].split(",")[0] == got["x-real-ip"] == "127.0.0.3", said
    assert got["x-forwarded-proto"] == ("http" if front.kind == "haproxy-passed" else "https"), said
    assert got["host"].split(":")[0] == HOST, said


def test_no_client_speaks_for_another_or_chooses_an_id(front):
    words = [w for name, value in FORGED.items() for w in ("-H", f"{name}: {value}")]
    said = front.curl(*words, path="/head").lower()
    assert not [value for value in FORGED.values() if value in said], said
    assert fields(said)["x-forwarded-for"].split(",")[0] == "127.0.0.3", said


def test_wildcard_of_a_service_and_of_a_certificate(front):
    """Caddy gets a certificate for each such name, the others have one for all; neither is for a label more."""
    for host in ("one.wild.example", "two.wild.example"):
        assert fields(front.curl(host=host, path="/head"))["host"].split(":")[0] == host
    assert front.status("a.b.wild.example") == "000"


def test_bodies_pass_both_ways(front):
    """Caddy takes a request of HTTP/1.1 whole before its answer (docs/guide/fronts.md), so there the body is only counted."""
    body = os.urandom(1 << 20)
    for more in (["--http2"], ["-H", "Transfer-Encoding: chunked", "--http1.1"]):
        counted = front.kind == "caddy" and "--http1.1" in more
        done = front.curl("-X", "POST", "--data-binary", "@-", *more, path="/sink" if counted else "/echo", ok=False, stdin=body)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (b'{"bytes": %d}\n' % len(body) if counted else body), (len(done.stdout), more)


def test_answer_streams_while_the_function_writes_it(front, behind):
    """The first part is here while the request is open in its instance."""
    with front.connect() as sock:
        sock.sendall(f"GET /stream?count=2&ms={slow(1500):.0f} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        got = b""
        while b"part 0" not in got:
            more = sock.recv(65536)
            assert more, got
            got += more
        assert any(i["tickets"] for i in behind.instances("shop")) and b"part 1" not in got
        while more := sock.recv(65536):
            got += more
    assert b"part 1" in got


def test_websocket_sleeps_and_wakes_behind_it(front, behind):
    front.certified(CHAT)

    async def talk():
        async with websockets.connect(f"wss://{CHAT}:{front.port}/", host="127.0.0.1", port=front.port,
                                      ssl=front.certificates.context(), server_hostname=CHAT, ping_interval=None) as ws:
            for number in range(2):
                await ws.send("hello")
                assert await ws.recv() == f"{number}:hello"
                await asyncio.to_thread(behind.wait_frozen, "chat")
    asyncio.run(talk())


def test_load_over_http2_loses_nothing(front):
    done = subprocess.run(["h2load", "-n", "400", "-c", "4", "-m", "10", f"--connect-to=127.0.0.1:{front.port}",
                           f"https://{HOST}:{front.port}/"], capture_output=True, text=True, timeout=slow(60), check=False)
    assert "400 succeeded, 0 failed" in done.stdout and "status codes: 400 2xx" in done.stdout, done
    assert "Application protocol: h2" in done.stdout, done.stdout


def test_drained_host_gets_nothing_until_it_is_undrained(front, behind):
    wait_for(lambda: front.status() == "200")
    behind.cli("drain", "--wait")
    try:
        # nginx passes ebb's own answer; the others know by themselves, from /readyz.
        wait_for(lambda: front.status() == ("000" if front.kind == "haproxy-passed" else "503"))
        if front.kind in ("haproxy", "caddy"):
            wait_for(lambda: "x-ebb-error" not in front.curl("-i").lower(), 20, "health, seen by the front")
    finally:
        behind.cli("undrain")
    wait_for(lambda: front.status() == "200", 30, "the host, back behind its front")


def test_plain_http_is_sent_to_tls(front):
    reply = web.request(("127.0.0.1", front.plain), "/a?b=c", host=HOST)
    assert reply.status == 308 and reply.headers["location"].startswith(f"https://{HOST}") and (
        reply.headers["location"].endswith("/a?b=c")), reply


def test_caddy_gets_certificates_for_names_of_services_only(behind, certificates, tmp_path):
    """Another name gets no certificate; once a service has it, it gets one."""
    one = Front("caddy", behind, certificates, tmp_path)
    try:
        assert one.status() == "200" and one.status("late.example") == "000"
        behind.apply({"late": {"runtime": "container", "entrypoint": "probe", "hosts": ["late.example"]}})
        wait_for(lambda: one.status("late.example") == "200", 20, one.said)
        behind.cli("rm", "late")
    finally:
        one.stop()


# --- status_listen, which fronts ask ---------------------------------------------------------------
def ask(ebb, target, method="GET"):
    return web.request(("127.0.0.1", ebb.status), target, method=method)


def test_status_listener_has_health_and_names_and_no_more(behind):
    assert ask(behind, "/healthz").status == ask(behind, "/readyz").status == 200
    for target in ("/v1", "/v1/node", "/v1/services", "/v1/services/shop", "/metrics", "/openapi.json", "/"):
        reply = ask(behind, target)
        assert reply.status == 404 and "/readyz" in reply.json["mend"], (target, reply)
    assert ask(behind, "/v1/node/drain", "POST").status == 404 and ask(behind, "/readyz", "POST").status == 405


@pytest.mark.parametrize("name,status", [
    ("one.wild.example", 200), ("a.b.wild.example", 404), ("wild.example", 404), (HOST, 200), (HOST.upper(), 200), (HOST + ".", 200), (CHAT, 200), ("shop.localhost", 200), ("Shop.LocalHost", 200),
    ("none.example", 404), ("example", 404), ("x." + HOST, 404), (HOST + ".x", 404), ("shop", 404), ("shop.", 404), (".localhost", 404),
    ("none.localhost", 404), ("127.0.0.1", 404), ("a" * 300, 400), ("%00", 400), ("", 400)])
def test_names_of_services_want_a_certificate(behind, name, status):
    reply = ask(behind, f"/v1/tls/ask?domain={name}")
    assert reply.status == status and behind.rest("GET", f"/v1/tls/ask?domain={name}").status == status, reply


def test_crowd_at_the_status_listener_keeps_no_operator_out(behind):
    crowd = []
    try:
        for _ in range(300):
            crowd.append(socket.create_connection(("127.0.0.1", behind.status), slow(20)))
        assert behind.rest("GET", "/readyz").status == 200
    finally:
        for one in crowd:
            one.close()
    assert wait_for(lambda: answers(behind)) == 200


def test_status_listener_outlives_ebb_api(behind):
    behind.end_program("ebb-api")
    assert wait_for(lambda: answers(behind)) == 200


def answers(ebb):
    try:
        return ask(ebb, "/readyz").status == 200 and 200
    except OSError:
        return None
