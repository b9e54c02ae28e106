# SPDX-License-Identifier: Apache-2.0
"""Through the real gateway to a real instance: routing, keep-alive, streaming, bodies."""
import contextlib
import http.client
import os
import re
import signal
import subprocess
import time

import pytest

import pictures
import web
from leaks import read
from waiting import SLOW, slow, wait_for

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30


def rss_kb(pid):
    return int(read(f"/proc/{pid}/status").split("VmRSS:")[1].split()[0])


def tickets(ebb):
    """Of all its instances: a slow machine may have started another one."""
    return sum(i["tickets"] for i in ebb.instances("probe"))


@pytest.fixture(scope="module")
def front(module_probe):
    module_probe.get("probe")
    return module_probe


def test_one_connection_serves_many_requests(front):
    connection = http.client.HTTPConnection(*front.address)
    for _ in range(50):
        reply = web.exchange(connection, "GET", "/", headers={"Host": "probe.localhost"})
        assert reply.status == 200
        assert connection.sock is not None, "the gateway closed the connection"
    connection.close()


def test_connection_outlives_a_freeze(front):
    connection = http.client.HTTPConnection(*front.address)
    headers = {"Host": "probe.localhost"}
    web.exchange(connection, "GET", "/", headers=headers)
    for _ in range(3):
        front.wait_frozen("probe")
        reply = web.exchange(connection, "GET", "/", headers=headers)
        assert reply.status == 200 and reply.start == "thaw"
    connection.close()


def test_pipelined_requests_are_answered_in_order(front):
    with web.Raw(front.address) as raw:
        one = b"GET /status?code=%d HTTP/1.1\r\nHost: probe.localhost\r\n\r\n"
        raw.send(b"".join(one % code for code in (201, 202, 203)))
        for code in (201, 202, 203):
            assert int(raw.read_until(b"\r\n\r\n").split()[1]) == code
            raw.read_until(b"{}\n")


def test_http_1_0_client_is_served(front):
    with web.Raw(front.address) as raw:
        raw.send(b"GET / HTTP/1.0\r\nHost: probe.localhost\r\n\r\n")
        whole = raw.read_to_end()
    assert b" 200 " in whole.split(b"\r\n")[0] and b"chunked" not in whole.lower()


def test_head_has_no_body(front):
    reply = front.get("probe", method="HEAD")
    assert reply.status == 200 and reply.body == b""


@pytest.mark.parametrize("code", [200, 201, 301, 404, 418, 500, 503])
def test_status_of_the_function_is_passed_on(front, code):
    reply = front.get("probe", f"/status?code={code}")
    assert reply.status == code and "x-ebb-error" not in reply.headers


def test_expect_100_continue_is_answered(front):
    with web.Raw(front.address) as raw:
        raw.send(b"POST /sink HTTP/1.1\r\nHost: probe.localhost\r\nContent-Length: 5\r\n"
                 b"Expect: 100-continue\r\n\r\n")
        first = raw.read_until(b"\r\n\r\n")
        assert b" 100 " in first
        raw.send(b"hello")
        assert b" 200 " in raw.read_until(b"\r\n\r\n")


def test_first_byte_comes_before_the_last_is_written(front):
    with web.Raw(front.address) as raw:
        begun = time.monotonic()
        raw.send(b"GET /stream?count=4&ms=500 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        raw.read_until(b"part 0")
        first = time.monotonic() - begun
        raw.read_until(b"part 3")
        last = time.monotonic() - begun
    assert last - first > 1.2 and first < last / 2


def test_request_body_streams_before_it_is_complete(front):
    with web.Raw(front.address) as raw:
        raw.send(b"POST /echo HTTP/1.1\r\nHost: probe.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"5\r\nfirst\r\n")
        raw.read_until(b"first")
        raw.send(b"6\r\nsecond\r\n0\r\n\r\n")
        raw.read_until(b"second")


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 64 * KB - 1, 64 * KB, 64 * KB + 1, MB, 20 * MB])
def test_body_comes_back_identical(front, size, chunked):
    assert web.echo(front.address, "probe.localhost", size, chunked)


def answer_waits(ebb):
    """Whether what an instance answered is queued for its gateway: seen where their connection lives."""
    for instance in ebb.instances("probe"):
        lines = [line.split()[1:5] for line in read(f"/proc/{instance['pid']}/net/tcp").splitlines()[1:]]
        listens = {local.split(":")[1] for local, _, state, _ in lines if state == "0A"}
        if any(remote.split(":")[1] in listens and int(queues.split(":")[1], 16)
               for _, remote, _, queues in lines):
            return True
    return False


def test_an_answer_that_comes_together_with_the_end_of_the_body_is_one(front):
    """The end of the body and the answer both wait when the gateway looks. On a connection that was used before, the
    gateway never takes bytes that come while it sends a whole request for the answer; these are the answer."""
    gateways = front.programs("ebb-gateway")
    with web.Raw(front.address) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        raw.read_until(b"}\n")
        raw.send(b"POST /sleep?ms=%d HTTP/1.1\r\nHost: probe.localhost\r\nContent-Length: 1\r\n\r\n" % slow(1000))
        wait_for(lambda: tickets(front) == 1)
        for pid in gateways:
            os.kill(pid, signal.SIGSTOP)
        try:
            raw.send(b"x")
            wait_for(lambda: answer_waits(front))
        finally:
            for pid in gateways:
                os.kill(pid, signal.SIGCONT)
        assert raw.read_until(b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_gigabyte_passes_and_the_gateway_stays_small(front):
    size = GB if SLOW <= 1 else 128 * MB
    pids = front.programs("ebb-gateway")
    before, peak = sum(map(rss_kb, pids)), [0]

    def look():
        peak[0] = max(peak[0], sum(map(rss_kb, pids)))
    assert web.echo(front.address, "probe.localhost", size, meanwhile=look)
    assert peak[0] - before < 16 * KB, f"{before} kB grew to {peak[0]} kB"


def test_download_is_exact(front):
    body = front.get("probe", "/size?bytes=3000017").body
    assert len(body) == 3000017
    assert all(body[i] == (i * 31 + i // 251) & 255 for i in range(0, len(body), 4093))


def test_slow_reader_does_not_fill_the_gateway(front):
    pids = front.programs("ebb-gateway")
    before = sum(map(rss_kb, pids))
    with web.Raw(front.address) as raw:
        raw.send(b"GET /size?bytes=200000000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        raw.read_until(b"\r\n\r\n")
        assert front.get("probe").status == 200
        assert sum(map(rss_kb, pids)) - before < 8 * KB
    wait_for(lambda: tickets(front) == 0)


def test_client_that_goes_away_gives_its_ticket_back(front):
    with web.Raw(front.address) as raw:
        raw.send(b"GET /sleep?ms=3000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: tickets(front) == 1)
    wait_for(lambda: tickets(front) == 0)
    front.wait_frozen("probe")


# --- routing ------------------------------------------------------------------------------------
def test_routes_by_host_and_longest_prefix(front):
    container = {"runtime": "container", "entrypoint": "probe"}
    front.apply({
        "by-host": {**container, "hosts": ["www.example.org"]},
        "by-prefix": {**container, "routePrefix": "/api"},
        "by-longer": {**container, "routePrefix": "/api/v2"}})

    def service(path, host):
        reply = front.http(path, host=host)
        assert reply.instance, (path, host, reply)
        return reply.instance.rsplit("-", 1)[0]
    for path, host, expected in (
            ("/", "www.example.org", "by-host"), ("/", "WWW.Example.ORG:80", "by-host"),
            ("/api/", "anything.test", "by-prefix"), ("/api/v20/", "anything.test", "by-prefix"),
            ("/api/v2/", "anything.test", "by-longer"), ("/api/v2", "anything.test", "by-longer")):
        assert service(path, host) == expected, (path, host)
    assert front.http("/apis", host="anything.test").status == 404
    for name in ("by-host", "by-prefix", "by-longer"):
        front.cli("rm", name)


def test_a_wildcard_has_the_names_that_nobody_has_exactly(front):
    container = {"runtime": "container", "entrypoint": "probe"}
    front.apply({"tenants": {**container, "hosts": ["*.Shop.example", "shop.example"]},
                 "own": {**container, "hosts": ["www.shop.example"]},
                 "low": {**container, "hosts": ["*.localhost"]}})
    rules = {"rewrites": [{"source": "/(.*)", "destination": {"service": "own"}}], "services": {"own": {"files": False}}}
    assert front.rest("PUT", "/v1/sites/wide", {"hosts": ["*.site.example"], **rules}).status == 201
    assert front.rest("GET", "/v1/services/tenants").json["hosts"] == ["*.shop.example", "shop.example"]

    def service(host):
        reply = front.http("/", host=host)
        return reply.instance.rsplit("-", 1)[0] if reply.instance else reply.status

    def asked(name):
        return front.rest("GET", f"/v1/tls/ask?domain={name}").status
    for host, expected in (("ada.shop.example", "tenants"), ("BOB.Shop.Example:80", "tenants"), ("shop.example", "tenants"),
                           ("www.shop.example", "own"), ("a.b.shop.example", 404), (".shop.example", 404),
                           ("own.localhost", "own"), ("any.localhost", "low"), ("x.site.example", "own"), ("site.example", 404)):
        assert service(host) == expected, host
    for name, status in (("ada.shop.example", 200), ("ADA.shop.example.", 200), ("a.b.shop.example", 404), ("xshop.example", 404),
                         ("x.site.example", 200), ("site.example", 404), ("*.shop.example", 200)):
        assert asked(name) == status, name
    for wrong in ("*", "*.", "*x.example", "a.*.example", "**.example"):
        refused = front.rest("PUT", "/v1/services/wrong", {"image": "probe", "hosts": [wrong]})
        assert refused.status == 422 and "is not a host name" in refused.text, (wrong, refused)
    front.rest("DELETE", "/v1/sites/wide")
    for name in ("tenants", "own", "low"):
        front.cli("rm", name)


def test_a_service_has_32_hosts_and_a_site_64(front):
    own, wide = [f"n{i}.own.example" for i in range(33)], [f"n{i}.wide.example" for i in range(65)]
    rules = {"rewrites": [{"source": "/(.*)", "destination": {"service": "many"}}], "services": {"many": {"files": False}}}
    front.apply({"many": {"runtime": "container", "entrypoint": "probe", "hosts": own[:32]}})
    assert front.rest("PUT", "/v1/sites/wide", {"hosts": wide[:64], **rules}).status == 201
    for host in (*own[:32], wide[0], wide[63]):
        assert front.http("/", host=host).status == 200, host
    for path, body in (("/v1/services/many", {"image": "probe", "hosts": own}), ("/v1/sites/wide", {"hosts": wide, **rules})):
        refused = front.rest("PUT", path, body)
        assert refused.status == 422 and "hosts" in refused.text, refused
    front.rest("DELETE", "/v1/sites/wide")
    front.cli("rm", "many")


def limit_of_bodies_is(ebb, service, largest):
    """A body of exactly this size is taken; one more byte is not, whatever its framing."""
    taken = [ebb.get(service, "/sink", method="POST", body=body)
             for body in (b"x" * largest, iter([b"x" * largest]))]
    refused = [ebb.get(service, "/sink", method="POST", body=body)
               for body in (b"x" * (largest + 1), iter([b"x" * largest, b"x"]))]
    return all(t.status == 200 and str(largest) in t.text for t in taken) and all(
        r.status == 413 and r.headers["x-ebb-error"] == "BODY_TOO_LARGE" and f"more than {largest} bytes" in r.text
        for r in refused)


SHORT = {"image": "probe", "memory": 128, "ebb": {"maxBody": 1}}


@contextlib.contextmanager
def deployed_short(ebb):
    assert ebb.rest("PUT", "/v1/services/short", SHORT).status in (200, 201)
    try:
        wait_for(lambda: ebb.get("short").status == 200)
        yield
    finally:
        ebb.rest("DELETE", "/v1/services/short")


def test_a_service_has_a_limit_of_its_own_for_bodies(front):
    """That of the revision which gets the request."""
    with deployed_short(front):
        assert front.rest("GET", "/v1/services/short").json["ebb"]["maxBody"] == 1
        wait_for(lambda: limit_of_bodies_is(front, "short", KB))
        assert front.get("probe", "/echo", method="POST", body=b"x" * 5000).status == 200
        assert front.rest("PUT", "/v1/services/short", {**SHORT, "ebb": {"maxBody": 2}}).status in (200, 201)
        wait_for(lambda: limit_of_bodies_is(front, "short", 2 * KB))
        front.cli("traffic", "short", "1=100")
        wait_for(lambda: limit_of_bodies_is(front, "short", KB))


FRAMINGS = {  # of a body of 1,025 bytes, where 1,024 may come
    "length": b"Content-Length: 1025\r\n\r\n" + b"x" * 1025,
    "expect": b"Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n",
    "huge length": b"Content-Length: 18446744073709551615\r\n\r\nx",
    "longer than any": b"Content-Length: 99999999999999999999999\r\n\r\nx",
    "bytes as chunks": b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1025 + b"0\r\n\r\n",
    "one chunk": b"Transfer-Encoding: chunked\r\n\r\n401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n",
    "chunk announced": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "extensions": b"Transfer-Encoding: chunked\r\n\r\n" + b"200;a=b\r\n" + b"x" * 512 + b"\r\n201;c\r\n" +
                  b"x" * 513 + b"\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_limit_for_bodies_holds_for_each_framing(front, framing):
    with deployed_short(front), web.Raw(front.address) as raw:
        raw.send(b"POST /sink HTTP/1.1\r\nHost: short.localhost\r\n" + FRAMINGS[framing])
        answer = raw.read_until(b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (413|400) ", answer), answer
        assert answer.startswith(b"HTTP/1.1 413 ") or framing in ("huge length", "longer than any", "chunk announced"), answer


@pytest.mark.parametrize("size,status", [(1024, "200"), (1025, "413"), (200_000, "413")])
@pytest.mark.parametrize("more", [[], ["--no-content-length"]], ids=["announced", "not announced"])
def test_the_limit_for_bodies_holds_over_http2(front, tmp_path, size, status, more):
    (tmp_path / "body").write_bytes(b"x" * size)
    with deployed_short(front):
        out = subprocess.run(["nghttp", "-v", *more, "-d", tmp_path / "body", "-H", ":authority: short.localhost",
                              f"http://127.0.0.1:{front.port}/sink"], capture_output=True, text=True).stdout
    assert re.findall(r":status: (\d+)", out) == [status], out


def test_unknown_service_is_404_with_a_reason(front):
    reply = front.get("nobody")
    assert reply.status == 404 and reply.headers["x-ebb-error"] == "NO_SERVICE"
    assert reply.json["error"]["message"] and reply.json["error"]["request_id"]


def test_all_gateways_serve(front):
    """Two gateways: connections are spread by the kernel, and both use the one instance that there may be."""
    front.apply({"shared": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}})
    replies = web.many(40, lambda i: front.get("shared", "/sleep?ms=300"))
    assert {r.status for r in replies} == {200}
    assert len({r.instance for r in replies}) == 1
    assert len(front.programs("ebb-gateway")) == 2


# --- headers ------------------------------------------------------------------------------------
def head_seen(front, **headers):
    text = front.get("probe", "/head", headers={k.replace("_", "-"): v for k, v in headers.items()}).text
    seen = {}
    for line in text.splitlines()[1:]:
        if ": " in line:
            seen.setdefault(line.split(": ", 1)[0].lower(), line.split(": ", 1)[1])
    return seen


def test_client_can_not_forge_our_headers(front):
    seen = head_seen(front, x_ebb_instance="forged", x_ebb_deadline="1", x_forwarded_for="6.6.6.6",
                     forwarded="for=6.6.6.6")
    assert "forged" not in str(seen) and "6.6.6.6" not in str(seen)
    assert int(seen["x-ebb-deadline"]) > time.time() * 1000


def test_function_learns_where_the_request_came_from(front):
    seen = head_seen(front)
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http"
    assert seen["host"] == seen["x-forwarded-host"] == "probe.localhost"


def test_tracing_headers_pass(front):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    seen = head_seen(front, traceparent=trace, x_request_id="abc-1")
    assert seen["traceparent"] == trace and seen["x-request-id"] == "abc-1"


def test_hop_by_hop_headers_stop_at_the_gateway(front):
    seen = head_seen(front, connection="keep-alive, x-secret-hop", x_secret_hop="1",
                     proxy_authorization="Basic xyz", te="trailers")
    assert not {"x-secret-hop", "proxy-authorization"} & set(seen)


@pytest.mark.parametrize("example", pictures.APPLICATIONS)
def test_bodies_pass_applications_of_every_kind(front, example):
    front.import_image("oci-archive:" + pictures.example_archive(example), example)
    front.deploy(example, example, "--max", 1)
    assert front.get(example).status == 200
    for size in (0, 1, 64 * KB, 16 * MB):
        assert web.echo(front.address, example + ".localhost", size), size
    assert len(front.get(example, "/size?bytes=5000000").body) == 5000000
    front.cli("rm", example)
