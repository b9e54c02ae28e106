# SPDX-License-Identifier: Apache-2.0
"""A program behind ebb and the same one plainly beside it answer the same random requests the same."""
import os
import re
import select
import socket
import struct
import subprocess
import sys

import pytest

import ebb as harness
import pictures
from waiting import wait_for

sys.path.insert(0, os.path.join(harness.PROJECT, "tests", "programs"))
from pair import Pair, at  # noqa: E402


@pytest.fixture
def plain():
    port = harness.free_port()
    process = subprocess.Popen([pictures.probe_program()], env={"PORT": str(port)},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield ("127.0.0.1", port)
    process.kill()
    process.wait()


def reachable(address):
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("workers", [0, 3])
def test_the_same_requests_have_the_same_answers(module_probe, plain, workers):
    """workers 3: the ebb side accepts three connections at a time, as small servers do."""
    wait_for(lambda: reachable(plain), 10)
    env = {"PROBE_WORKERS": str(workers)} if workers else {}
    module_probe.apply({"pair": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "env": env}})
    differing = Pair(at(plain), at(module_probe.address), "pair.localhost",
                     ["/echo", "/echo?x=1", "/sleep?ms=3", "/nosuch"],
                     reads=["/echo"],
                     same=lambda body: re.sub(rb'"(instance|served|slept_us|cpu_us)": ?[^,}]*', b"", body)).run(800)
    assert not differing, differing[:3]
    wait_for(lambda: module_probe.instance("pair")["tickets"] == 0)


def leave(sock):
    """Ends the connection with a reset, as closing a socket with unread bytes does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def begun(box, path, body):
    """A request of which a part of the body is still to come."""
    sock = socket.create_connection(box.address, 10)
    sock.sendall(f"POST {path} HTTP/1.1\r\nHost: probe.localhost\r\nContent-Length: 8000000\r\n\r\n".encode() + body)
    return sock


def tickets(box):
    return sum(i["tickets"] for i in box.instances("probe"))


def test_who_leaves_in_its_body_keeps_no_ticket(module_probe):
    """The instance has answered in part, and waits for the rest of the body, which does not come."""
    for _ in range(10):
        sock = begun(module_probe, "/echo", b"x" * 60000)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        leave(sock)
        wait_for(lambda: tickets(module_probe) == 0)


def test_who_leaves_a_server_that_does_not_read_keeps_no_ticket(module_probe):
    """Nothing can be sent on, so nothing is read of the client either: only the kernel knows of the reset."""
    sock = begun(module_probe, "/sleep?ms=60000", b"")
    sock.setblocking(False)
    wait_for(lambda: tickets(module_probe) == 1)
    stuck = 0
    while stuck < 20:
        _, ready, _ = select.select([], [sock], [], 0.01)
        stuck = 0 if ready else stuck + 1
        if ready:
            sock.send(b"x" * 65536)
    leave(sock)
    wait_for(lambda: tickets(module_probe) == 0)
