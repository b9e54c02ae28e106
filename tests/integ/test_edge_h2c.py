# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 through everything: Node's own client, gRPC's messages and trailers, a function on HTTP/1.1."""
import json
import os
import subprocess

import pytest

import node_apps
import pictures
from h2raw import Raw
from leaks import read
from waiting import SLOW, slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def grpc(runtimes_ebb):
    with node_apps.deployed(runtimes_ebb, {"grpc": node_apps.service("grpc.mjs")}) as ebb:
        yield ebb


def test_node_client_and_grpc_with_trailers(grpc):
    grpc.get("grpc", "/closed")
    done = subprocess.run(["node", os.path.join(HERE, "h2client.mjs"), f"http://127.0.0.1:{grpc.port}", "grpc.localhost"],
                          capture_output=True, text=True, timeout=slow(60))
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["say"] == [200, "hello", "0"]
    assert out["chat"] == [20, "message 19", "0"]
    assert out["fail"] == ["5", "not found"]
    assert out["many"] == [5000 * 1029, "0"]
    assert out["slept"] == 100 and out["instances"] == 1 and out["slept_ms"] < 2000 * SLOW
    assert out["closed"] == "1"


def test_a_connection_outlives_a_freeze(grpc):
    with Raw(grpc.port) as h2:
        assert h2.ask("/closed", authority="grpc.localhost")[0] == 200
        for _ in range(3):
            grpc.wait_frozen("grpc")
            status, fields, _, _ = h2.ask("/closed", authority="grpc.localhost")
            assert (status, fields["x-ebb-start"]) == (200, "thaw")


def test_idle_connections_cost_kilobytes(grpc):
    (pid,) = grpc.programs("ebb-gateway")[:1]
    rss = lambda: int(read(f"/proc/{pid}/status").split("VmRSS:")[1].split()[0])
    before, held = rss(), []
    while len(held) < 200:
        held.append(Raw(grpc.port))
        assert held[-1].ask("/closed", authority="grpc.localhost")[0] == 200
    assert (rss() - before) < 200 * 64
    for one in held:
        one.sock.close()


def test_the_supervisor_can_turn_it_off(new_ebb):
    ebb = new_ebb(settings={"h2c_streams": 0})
    with Raw(ebb.port, hello=False) as h2:
        h2.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert wait_for(lambda: h2.sock.recv(100)).startswith(b"HTTP/1.1 505 ")
