# SPDX-License-Identifier: Apache-2.0
"""
Fronts: the PROXY protocol where a listener asks for it, and the fields in which a trusted front names its own
client. The test plays the front byte by byte; the last tests have real fronts: HAProxy (send-proxy,
send-proxy-v2) and nginx.
"""
import os
import shutil
import socket
import struct
import subprocess
import tempfile

import pytest

from gateway_harness import OUT, Reader, until
from peer import OK, forwarded, same_each_time

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 80\r\n"
V2_START = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command=0x21, family=0x11, body=None):
    if body is None:
        body = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 56324, 80)
    return V2_START + bytes([command, family]) + struct.pack(">H", len(body)) + body


@pytest.fixture
def behind(new_gw):
    return new_gw(proxy=1, trusted="127.0.0.1/32")


def closed_without_a_word(gw, raw, source=None):
    before = gw.counters()["proxy_refused"]
    with socket.socket() as sock:
        sock.settimeout(20)
        if source:
            sock.bind((source, 0))
        sock.connect(("127.0.0.1", gw.port))
        sock.sendall(raw)
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
    until(lambda: gw.counters()["proxy_refused"] == before + 1, "counted")


# --- the PROXY protocol

@pytest.mark.parametrize("header", [V1, v2(), v2(body=v2()[16:] + b"\x04\x00\x03abc\x20\x00\x00")])
def test_the_client_is_whom_the_proxy_header_names(behind, up, header):
    """The function sees this client, on later requests too; the client is not trusted because its front is."""
    with behind.connect() as sock:
        sock.sendall(header + b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
        assert Reader(sock).response()[0] == 200
        assert behind.ask(GET, sock)[0] == 200
    for _ in range(2):
        assert same_each_time(up.got()) == forwarded(b"GET /", peer=b"192.0.2.7")


@pytest.mark.parametrize("header, peer", [
    (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", b"2001:db8::7"),
    (v2(family=0x21, body=socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + bytes(4)), b"2001:db8::7")])
def test_ipv6_is_written_as_rfc_7239_has_it(behind, up, header, peer):
    """RFC 7239, 6"""
    assert behind.ask(header + GET)[0] == 200
    want = forwarded(b"GET /", peer=peer).replace(b"for=" + peer, b"for=\"[" + peer + b"]\"")
    assert same_each_time(up.got()) == want


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b c\r\n", v2(0x20, 0, b""), v2(0x21, 0, b""),
                                    v2(0x20)])
def test_local_and_unknown_leave_the_front_itself(behind, up, header):
    """PROXY protocol, 2.1 and 2.2: health checks; the trusted front itself is the client then"""
    assert behind.ask(header + GET)[0] == 200
    assert same_each_time(up.got()) == forwarded(b"GET /")


@pytest.mark.parametrize("raw", [
    GET, b"\r\n" + GET, b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n" + GET, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n" + GET,
    b"PROXY " + b"x" * 200, v2(0x22) + GET, v2(0x31) + GET, v2(family=0x12) + GET, v2(family=0x31, body=bytes(216)) + GET,
    v2(body=b"short") + GET, v2(body=v2()[16:] + b"\x04\xff\xff"), V2_START + b"\x21\x11\xff\xff" + bytes(3000), b"\x16\x03\x01"])
def test_a_malformed_proxy_header_ends_the_connection(behind, up, raw):
    """PROXY protocol, 2: no header, another version, UDP, unix, lengths that do not fit: never guessed"""
    closed_without_a_word(behind, raw)
    assert up.requests.empty()


def test_a_proxy_header_may_come_byte_by_byte(behind, up):
    for header in (V1, v2()):
        with behind.connect() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in header + GET:
                sock.sendall(bytes([byte]))
            assert Reader(sock).response()[0] == 200
        assert same_each_time(up.got()) == forwarded(b"GET /", peer=b"192.0.2.7")


def test_a_proxy_header_that_does_not_come_ends_the_connection(new_gw):
    gw = new_gw(proxy=1, trusted="127.0.0.1/32", head_ms=200)
    closed_without_a_word(gw, b"")
    closed_without_a_word(gw, V1[:10])


def test_only_trusted_peers_may_introduce_others(behind, up):
    closed_without_a_word(behind, V1 + GET, source="127.0.0.2")
    assert up.requests.empty()


def test_a_proxy_header_is_not_looked_for_elsewhere(gw, up):
    """Never auto-detected: on any other listener it is a bad request"""
    for header in (V1, v2()):
        assert gw.ask(header + GET)[0] == 400
    assert up.requests.empty()


def test_a_second_proxy_header_is_a_bad_request(behind, up):
    assert behind.ask(V1 + V1 + GET)[0] == 400
    assert up.requests.empty()


def test_limits_per_address_count_whom_the_header_names(new_gw):
    gw = new_gw(proxy=1, trusted="127.0.0.1/32", address_connections_max=2)
    held = [gw.connect() for _ in range(3)]
    for sock in held[:2]:
        assert gw.ask(V1 + GET, sock)[0] == 200
    status, fields, _ = gw.ask(V1 + GET, held[2])
    assert (status, fields["x-ebb-error"]) == (503, "TOO_MANY_CONNECTIONS")
    assert gw.ask(V1.replace(b"192.0.2.7", b"192.0.2.8") + GET)[0] == 200
    for sock in held:
        sock.close()


# --- trusted fronts

def test_a_trusted_front_is_believed_and_extended(new_gw, up):
    gw = new_gw(trusted="127.0.0.0/8")
    raw = (b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
           b"X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 443\r\n"
           b"Forwarded: for=192.0.2.7;proto=https\r\nX-Request-Id: abc\r\n"
           b"X-Ebb-Id: 0123456789abcdef0123456789abcdef\r\nX-Real-IP: 192.0.2.7\r\n\r\n")
    status, fields, _ = gw.ask(raw)
    assert (status, fields["x-ebb-id"]) == (200, "0123456789abcdef0123456789abcdef")
    tail = up.got().split(b"via: 1.1 ebb\r\n")[1]
    assert tail.split(b"x-ebb-deadline")[0] == (
        b"x-forwarded-for: 192.0.2.7, 10.0.0.1, 127.0.0.1\r\nx-forwarded-proto: https\r\n"
        b"x-forwarded-host: shop.example\r\nx-real-ip: 192.0.2.7\r\nX-Forwarded-Port: 443\r\n"
        b"forwarded: for=192.0.2.7;proto=https, for=127.0.0.1;host=\"a\";proto=http\r\n"
        b"x-request-id: abc\r\nx-ebb-id: 0123456789abcdef0123456789abcdef\r\n")


@pytest.mark.parametrize("said,real", [
    (b"X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\n", b"192.0.2.9"), (b"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For:\t2001:db8::1 \r\n", b"2001:db8::1"),
    (b"X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 192.0.2.9\r\n", b"192.0.2.9"), (b"X-Real-IP:\r\n", b"127.0.0.1"), (b"", b"127.0.0.1")])
def test_x_real_ip_is_whom_a_front_speaks_for(new_gw, up, said, real):
    """The address that npm @vercel/functions ipAddress() reads: exactly one, and never one a client made up."""
    gw = new_gw(trusted="127.0.0.1/32")
    assert gw.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + said + b"\r\n")[0] == 200
    got = up.got()
    assert got.lower().count(b"x-real-ip:") == 1 and b"\r\nx-real-ip: " + real + b"\r\n" in got


def test_anybody_else_is_overwritten(gw, up):
    raw = (b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
           b"Forwarded: for=192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Whatever: x\r\n"
           b"X-Ebb-Id: 0123456789abcdef0123456789abcdef\r\n\r\n")
    status, fields, _ = gw.ask(raw)
    assert status == 200 and fields["x-ebb-id"] != "0123456789abcdef0123456789abcdef"
    assert same_each_time(up.got()) == forwarded(b"GET /")


@pytest.mark.parametrize("value", [b"0123456789ABCDEF0123456789ABCDEF", b"0123", b"0" * 32, b"x" * 32, b"0" * 16 + b"1" * 15,
                                   b"1" * 16 + b"0" * 16])
def test_an_id_that_is_none_is_not_taken_from_a_front(new_gw, up, value):
    gw = new_gw(trusted="127.0.0.1/32")
    _, fields, _ = gw.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX-Ebb-Id: " + value + b"\r\n\r\n")
    assert len(fields["x-ebb-id"]) == 32 and fields["x-ebb-id"].encode() != value


def test_a_front_that_says_nothing_is_the_client(new_gw, up):
    gw = new_gw(trusted="127.0.0.1/32")
    assert gw.ask(GET)[0] == 200
    assert same_each_time(up.got()) == forwarded(b"GET /")


# --- real fronts

HAPROXY = """
defaults
	mode %(mode)s
	timeout connect 5s
	timeout client 30s
	timeout server 30s
listen front
	bind 127.0.0.1:%(port)d
	%(extra)s
	server ebb 127.0.0.1:%(gateway)d %(send)s
"""

NGINX = """
daemon off; master_process off; pid %(work)s/pid; error_log %(work)s/log;
events {}
http {
	access_log off;
	client_body_temp_path %(work)s/a; proxy_temp_path %(work)s/b; fastcgi_temp_path %(work)s/c;
	uwsgi_temp_path %(work)s/d; scgi_temp_path %(work)s/e;
	server {
		listen 127.0.0.1:%(port)d;
		location / {
			proxy_pass http://127.0.0.1:%(gateway)d;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto https;
		}
	}
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Front:
    """HAProxy or nginx with this configuration, in front of a gateway."""

    def __init__(self, program, option, text, gateway, **values):
        found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
        if not found:
            pytest.skip(f"{program} is not installed")
        self.work = tempfile.mkdtemp(prefix="ebb-front-")
        self.port = free_port()
        config = os.path.join(self.work, "config")
        with open(config, "w") as f:
            f.write(text % {"port": self.port, "gateway": gateway.port, "work": self.work, **values})
        self.process = subprocess.Popen([found, option, config], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until(self.listens, f"{program} listens")

    def listens(self):
        assert self.process.poll() is None, "the front ended"
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), 20, ("127.0.0.3", 0))
        return sock

    def get(self, raw=LAST):
        with self.connect() as sock:
            sock.sendall(raw)
            return Reader(sock).response()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.work)


@pytest.fixture
def front():
    made = []

    def make(*args, **values):
        made.append(Front(*args, **values))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"])
@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_haproxy_introduces_its_clients(behind, up, front, mode, send):
    haproxy = front("haproxy", "-f", HAPROXY, behind, mode=mode, send=send,
                    extra="unique-id-format %[uuid()]" if "unique" in send else "")
    up.reset()
    for _ in range(3):
        assert haproxy.get()[0] == 200
        assert b"\r\nx-forwarded-for: 127.0.0.3\r\n" in up.got()


def test_haproxy_may_check_health_with_local(behind, up, front):
    haproxy = front("haproxy", "-f", HAPROXY, behind, mode="tcp", send="send-proxy-v2 check inter 50ms check-send-proxy",
                    extra="option httpchk GET /health")
    assert b"GET /health HTTP/1.1\r\n" in up.got()
    assert haproxy.get()[0] == 200


@pytest.mark.parametrize("trusted", [True, False])
def test_nginx_is_believed_if_it_is_trusted(new_gw, up, front, trusted):
    gw = new_gw(**({"trusted": "127.0.0.1/32"} if trusted else {}))
    nginx = front("nginx", "-c", NGINX, gw)
    up.reset()
    up.answer = OK
    assert nginx.get()[0] == 200
    raw = up.got()
    if trusted:
        assert b"x-forwarded-for: 127.0.0.3, 127.0.0.1\r\nx-forwarded-proto: https\r\n" in raw
    else:
        assert b"x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n" in raw


# --- ebbd's settings

def ebbd(*args):
    return subprocess.run([os.path.join(OUT, "ebbd"), "-T", *args], capture_output=True, text=True, timeout=20)


def test_the_settings_in_force_are_shown():
    out = ebbd("--listen", "127.0.0.1:80", "--listen", "[::1]:81,proxy", "--set", "trusted=10.0.0.0/8, 2001:db8::/32",
               "--set", "trusted=192.0.2.1", "--set", "body_bytes_max=5").stdout
    for line in ("listen = 127.0.0.1:80", "listen = [::1]:81,proxy", "trusted = 10.0.0.0/8", "trusted = 2001:db8::/32",
                 "trusted = 192.0.2.1/32", "body_bytes_max = 5", "head_fields_max = 128", "target_bytes_max = 16384",
                 "body_rate_min = 100", "body_window_ms = 30000", "address_connections_max = 0",
                 "connection_requests_max = 0", "head_timeout_ms = 20000", "idle_timeout_ms = 75000"):
        assert line + "\n" in out, line


@pytest.mark.parametrize("args, says", [
    (["--listen", "127.0.0.1:80,proxy"], "trusted"), (["--listen", "127.0.0.1:80,prox"], ",proxy"),
    (["--set", "trusted=10.0.0.1/8"], "10.0.0.1/8 is not a network"), (["--set", "trusted=a"], "is not a network"),
    (["--set", "trusted=10.0.0.0/33"], "is not a network"), (["--set", "trusted=" + ",".join(["10.0.0.0/8"] * 17)], "16"),
    (["--set", "head_fields_max=129"], "1..128"), (["--set", "body_window_ms=1"], "100..600000")])
def test_wrong_settings_are_refused_with_what_is_allowed(args, says):
    out = ebbd(*args)
    assert out.returncode != 0 and says in out.stderr, out.stderr
