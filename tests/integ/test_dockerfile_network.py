# SPDX-License-Identifier: Apache-2.0
"""A step of a Dockerfile reaches public addresses by a proxy, what the caller allows, and nothing of the host."""
import importlib.util
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import pictures
from ebb import BIN, PROJECT

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="the guest has no buildah")

FILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "%s"]
"""
ASK = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc"
CLOSED = """169.254.169.254 100.100.100.200 127.0.0.1 0.0.0.0 10.1.2.3 172.31.0.1 192.168.1.1 100.64.0.1 198.18.0.1
    224.0.0.1 255.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 fd00:ec2::254 fe80::1 2002:7f00:1::1""".split()
OPEN = "1.1.1.1 203.0.113.80 2606:4700::1111".split()


@pytest.fixture(name="relay")
def module():
    spec = importlib.util.spec_from_file_location("relay", os.path.join(PROJECT, "images/build/relay.py"))
    relay = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(relay)
    return relay


class Listener:
    """Answers each connection by "of the host", and counts them. As a proxy it opens each tunnel."""

    def __init__(self):
        self.socket = socket.create_server(("", 0))
        self.port, self.heads = self.socket.getsockname()[1], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                self.heads.append(client.recv(4096))
                if self.heads[-1].startswith(b"CONNECT"):
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    self.heads.append(client.recv(4096))
                client.sendall(b"HTTP/1.0 200 OK\r\ncontent-length: 12\r\n\r\nof the host\n")

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture(name="listener")
def host_listener():
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(name="build")
def builder(ebb, tmp_path):
    """Builds with one step, and returns what was printed."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy("/bin/busybox", folder)

    def run(step, ok=True, **env):
        (folder / "Dockerfile").write_text(FILE % step.replace("\\", "\\\\").replace('"', '\\"'))
        return ebb.cli("build", folder, "-t", "site", env={"EBB_CACHE": str(tmp_path / "cache"), **env}, ok=ok, timeout=120)
    return run


def own_address():
    """The host's address on its network. A datagram socket is connected without a packet."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return probe.getsockname()[0]


def test_a_step_reaches_no_listener_of_the_host(build, listener):
    places = ["127.0.0.1", own_address(), "localhost"]
    step = "".join(f"{ASK} {place} {listener.port}; /bin/busybox wget -q -O - http://{place}:{listener.port}/; "
                   for place in places)
    done = build(step + "echo it went on")
    assert "it went on" in done.err and "of the host\n" not in done.err and listener.heads == [], done
    assert f"refused: 127.0.0.1:{listener.port} is no public address (EBB_BUILD_HOSTS allows more)" in done.err, done


def test_what_the_caller_allows_is_reached(build, listener):
    step = f"/bin/busybox wget -q -O - http://127.0.0.1:{listener.port}/"
    failed = build(step, ok=False)
    assert failed.code == 1 and "EBB_BUILD_HOSTS=HOST:PORT adds others" in failed.err and listener.heads == [], failed
    assert "of the host\n" in build(step, EBB_BUILD_HOSTS=f"127.0.0.1:{listener.port}").err
    assert len(listener.heads) == 1
    other = f"{ASK} 127.0.0.1 {listener.port}"
    assert "of the host\n" in build(other, EBB_BUILD_NETWORK="host").err
    assert len(listener.heads) == 2


def test_a_public_name_goes_through_the_proxy_of_the_caller(build, listener):
    upstream = {"https_proxy": f"http://127.0.0.1:{listener.port}"}
    for name, reached in (("packages.invalid", True), ("169.254.169.254", False), ("127.0.0.1", False)):
        listener.heads.clear()
        done = build(f"/bin/busybox wget -q -O - http://{name}/ || echo no", **upstream)
        assert ("of the host\n" in done.err) == reached, done
        assert [h.split(b"\r\n")[0] for h in listener.heads[:1]] == ([f"CONNECT {name}:80 HTTP/1.1".encode()] if reached else [])


def test_a_step_sees_no_process_and_no_interface_of_the_host(build):
    done = build("/bin/busybox ps; /bin/busybox cat /proc/net/dev; echo end of both")
    assert not re.search(r"\bebbd\b", done.err) and "buildah" in done.err and "end of both" in done.err, done
    assert re.findall(r"^ *(\S+): +\d", done.err, re.M) == ["lo"], done


@pytest.mark.parametrize("network", ["", "host"])
def test_a_step_cannot_leave_its_root_by_a_second_one(build, network):
    done = build("/bin/busybox chroot / /bin/busybox echo en''tered; echo it went on", EBB_BUILD_NETWORK=network)
    assert re.search("^chroot: .*Operation not permitted$", done.err, re.M), done
    assert not re.search("^entered$", done.err, re.M) and re.search("^it went on$", done.err, re.M), done


def test_a_step_has_no_device_of_the_host(build):
    done = build("cd /dev; for d in *; do echo has $d; done; echo text > null; /bin/busybox head -c 8 urandom | /bin/busybox wc -c;"
                 " : > shm/file; echo made")
    names = set(re.findall(r"^has (\S+)$", done.err, re.M))
    assert names - {"fuse", "tty"} == set("null zero full random urandom fd stdin stdout stderr ptmx pts shm".split()), done
    assert re.search("^8$", done.err, re.M) and re.search("^made$", done.err, re.M), done


@pytest.mark.parametrize("number, by_parent", [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGKILL, False),
                                               (signal.SIGKILL, True)])
def test_a_build_that_is_ended_leaves_no_process_and_no_file(tmp_path, number, by_parent):
    steps = ["/usr/bin/python3", "-IB", os.path.join(PROJECT, "images/build/steps.py"), "--step", os.path.join(BIN, "ebb-step"),
             "--work", str(tmp_path), "--", "sh", "-c", "echo text > ${TMPDIR:?}/file; sleep 600 & echo up; sleep 600"]
    words = ["sh", "-c", '"$@" & wait', "sh", *steps] if by_parent else steps
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout.readline() == "up\n"
        build.send_signal(number)
        rest, _ = build.communicate(timeout=60)  # ends when nobody has the pipe
    assert rest == ""
    if by_parent or number != signal.SIGKILL:
        assert os.listdir(tmp_path) == []


def test_addresses_are_public_as_the_rules_of_instances_say(relay):
    assert [a for a in CLOSED if relay.is_public(a)] == [] and [a for a in OPEN if not relay.is_public(a)] == []
    with open(os.path.join(PROJECT, "netns/ranges.c"), encoding="utf-8") as file:
        rows = re.findall(r"^\t(METADATA|V)([46])\((.*)\),$", file.read(), re.M)
    assert {network(*row) for row in rows} == set(relay.NOT_PUBLIC) and len(rows) > 30


def network(kind, version, words):
    """A row of the table of C: METADATA4(byte, ...) or V4("name", bits, byte, [index] = byte, ...)."""
    words = words.split(",")
    size = 4 if version == "4" else 16
    bits, octets = (size * 8, words) if kind == "METADATA" else (int(words[1]), words[2:])
    address, at = bytearray(size), 0
    for octet in octets:
        index, value = re.match(r"\s*(?:\[(\d+)\] = )?(\w+)", octet).groups()
        at = int(index) if index else at
        address[at] = int(value, 0)
        at += 1
    return ipaddress.ip_network((bytes(address), bits))


@pytest.mark.parametrize("upstream", ["", "proxy.invalid:3128"])
def test_no_spelling_of_a_closed_address_is_left_to_the_proxy_of_the_caller(relay, upstream):
    hosts = """127.0.0.1 127.0.0.1. 127.0.0.1.. 169.254.169.254. 2130706433 0x7f000001 0x7f.1 0177.0.0.1 127.1 0 localhost
        localhost. a.localhost. ip6-localhost ip6-loopback. [::1] [::1%lo] [::1%lo]. [::ffff:127.0.0.1] 10.0.0.1.""".split()
    assert [h for h in hosts if relay.ways(f"{h}:80", upstream, {"public"})] == []
    assert relay.ways("packages.invalid.:80", "proxy.invalid:3128", {"public"}) == [("proxy.invalid", 3128)]


def test_an_address_of_the_host_is_refused_though_it_is_public(relay, monkeypatch):
    monkeypatch.setattr(relay, "is_public", lambda address: True)
    assert relay.public_addresses("127.0.0.1:80", "") == []
    assert relay.ways("127.0.0.1:80", "", {"public"}) == [] and relay.ways("127.0.0.1:80", "", {"127.0.0.1:80"}) != []
