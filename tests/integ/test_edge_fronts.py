# SPDX-License-Identifier: Apache-2.0
"""The settings of the edge, from ebbd's command line to the gateway: limits, PROXY listeners, trusted fronts."""
import pytest

import pictures
import web
from ebb import free_port
from waiting import wait_for

FROM_7 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 80\r\n"
HEAD = b"GET /head HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"


def ask(port, raw):
    with web.Raw(("127.0.0.1", port)) as sock:
        sock.send(raw)
        return sock.read_to_end()


@pytest.fixture
def edge(new_ebb):
    def make(**settings):
        ebb = new_ebb(settings=settings)
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe")
        return ebb
    return make


def test_a_listener_with_proxy_learns_its_clients_from_the_front(edge):
    port = free_port()
    ebb = edge(listen=f"127.0.0.1:{port},proxy", trusted="127.0.0.1/32")
    answer = ask(port, FROM_7 + HEAD)
    assert b"x-forwarded-for: 192.0.2.7\r\n" in answer, answer
    assert ask(port, HEAD) == b""  # never guessed
    # The other listener asks for no header, and the front is trusted there.
    assert b"x-forwarded-for: 192.0.2.1, 127.0.0.1\r\n" in ask(ebb.port, HEAD)
    assert b" 400 " in ask(ebb.port, FROM_7 + HEAD).split(b"\r\n")[0]


def test_limits_are_those_of_the_settings(edge):
    ebb = edge(body_bytes_max=10, target_bytes_max=100, head_fields_max=5, address_connections_max=3,
               body_rate_min=1000, body_window_ms=200, connection_requests_max=2)
    get = b"GET /%s HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\n%s\r\n"
    post = b"POST /echo HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
    for raw, says in ((post % (11, b""), b" 413 "), (get % (b"x" * 100, b""), b" 414 "),
                      (get % (b"", b"X: y\r\n" * 4), b" 431 "),
                      (post % (10, b"0123456789"), b" 200 ")):
        assert says in ask(ebb.port, raw).split(b"\r\n")[0], says
    assert b"0123456789" not in ask(ebb.port, post % (10, b"slow"))  # and it ends: it was cut
    wide = {"image": "probe", "memory": 128, "ebb": {"maxBody": 1}}  # the smaller limit counts
    assert ebb.rest("PUT", "/v1/services/wide", wide).status in (200, 201)
    wait_for(lambda: b" 413 " in ask(ebb.port, post.replace(b"probe", b"wide") % (11, b"")).split(b"\r\n")[0])
    keep = get.replace(b"Connection: close\r\n", b"") % (b"", b"")
    assert ask(ebb.port, keep * 3).count(b"HTTP/1.1 200") == 2
    held = [web.Raw(ebb.address) for _ in range(3)]
    for sock in held:
        sock.__enter__()
        sock.send(b"GET")
    assert b"TOO_MANY_CONNECTIONS" in ask(ebb.port, b"")
    for sock in held:
        sock.__exit__()
