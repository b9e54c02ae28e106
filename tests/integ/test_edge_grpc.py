# SPDX-License-Identifier: Apache-2.0
"""gRPC as it is: servers and clients of npm's grpc-js and Python's grpcio, unmodified, through the gateway."""
import os
import socket
import subprocess

import pytest

import node_apps
import pictures
from gateway_harness import Gateway, until
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")
if not pictures.IN_VM:
    import grpc

FOLDER = os.path.join(pictures.FUNCTIONS, "grpc-node")
SERVERS = {"grpc-js": ["node", "server.mjs"], "grpcio": ["/usr/bin/python3", os.path.join(pictures.FUNCTIONS, "grpc_server.py")]}
BIG = bytes(range(256)) * (8 << 12)
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture(scope="module")
def node_folder():
    return pictures.npm_installed(FOLDER)


@pytest.fixture(scope="module", params=SERVERS)
def server(request, node_folder):
    """A server of its own, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = subprocess.Popen(SERVERS[request.param], cwd=node_folder, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PORT": str(port)})
    assert program.stdout.readline() == "listens\n"
    yield port
    program.terminate()
    assert program.wait(slow(20)) == 0


@pytest.fixture(params=["h2c", "auto"])
def gw(request, server):
    gw = Gateway()
    gw.service()
    gw.up(0, server, upstream=request.param)
    yield gw
    until(lambda: gw.board()["tickets"] == 0, "tickets back")
    assert gw.stop() == 0


def node_client(folder, port, authority="any"):
    done = subprocess.run(["node", "client.mjs", str(port), authority], cwd=folder, capture_output=True, text=True,
                          timeout=slow(60))
    assert done.stdout == "right\n", done.stderr


class Client:
    """grpcio's."""

    def __init__(self, port, authority="any"):
        options = [*UNLIMITED, ("grpc.default_authority", authority)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, kind, name, data, timeout=30, **more):
        return getattr(self.channel, kind)("/test.Echo/" + name)(data, timeout=slow(timeout), **more)

    def unary(self, name, data=b"", timeout=30):
        return self.call("unary_unary", name, data, timeout)


def code_of(work):
    with pytest.raises(grpc.RpcError) as error:
        work()
    return error.value.code(), error.value.details()


def test_node_client(gw, node_folder):
    node_client(node_folder, gw.port)


def test_python_client(gw):
    with Client(gw.port) as client:
        answer, call = client.channel.unary_unary("/test.Echo/Metadata").with_call(
            b"", timeout=slow(30), metadata=(("x-asked", "yes"), ("x-raw-bin", b"\0\1\xff")))
        assert answer == b"deadline" and dict(call.initial_metadata())["x-head"] == "yes"
        assert dict(call.trailing_metadata())["x-tail-bin"] == b"\0\1\xff"
        assert client.unary("Say", BIG) == BIG
        assert list(client.call("unary_stream", "Count", b"2000")) == [b"%d" % n for n in range(2000)]
        assert client.call("stream_unary", "Collect", iter([bytes(10000)] * 100)) == b"1000000"
        assert list(client.call("stream_stream", "Chat", iter([b"a", b"b"]))) == [b"you said a", b"you said b"]
        assert code_of(lambda: client.unary("Fail")) == (grpc.StatusCode.FAILED_PRECONDITION, "as you wish")
        assert code_of(lambda: client.unary("Nothing"))[0] == grpc.StatusCode.UNIMPLEMENTED
        assert code_of(lambda: client.channel.unary_unary("/test.Echo/Sleep")(b"5000", timeout=0.3))[0] == \
            grpc.StatusCode.DEADLINE_EXCEEDED
        before = client.unary("Cancelled")
        wait = client.call("unary_stream", "Wait", b"")
        assert next(wait) == b"begun"
        wait.cancel()
        until(lambda: client.unary("Cancelled") != before, "the server hears of it")
        many = [client.channel.unary_unary("/test.Echo/Sleep").future(b"500", timeout=slow(30)) for _ in range(100)]
        assert {one.result() for one in many} == {b"slept"}
    assert gw.counters()["error_502"] == 0


def test_deployed_frozen_and_thawed(runtimes_ebb, node_folder):
    """The whole of ebb: built, found out, served, frozen under an open channel, thawed, stopped."""
    ebb = runtimes_ebb
    ebb.import_image("oci-archive:" + pictures.apps_archive("grpc-node"), "grpc-node")
    ebb.apply({"grpc": node_apps.service("server.mjs", entrypoint="grpc-node")})
    try:
        node_client(node_folder, ebb.port, "grpc.localhost")
        with Client(ebb.port, "grpc.localhost") as client:
            chat = client.channel.stream_stream("/test.Echo/Chat")
            for n in range(3):
                assert client.unary("Say", b"%d" % n) == b"%d" % n
                ebb.wait_frozen("grpc")
            words = iter([b"x"])
            assert list(chat(words, timeout=slow(30))) == [b"you said x"]
            wait = client.call("unary_stream", "Wait", b"")
            assert next(wait) == b"begun"
            assert ebb.instances("grpc")[0]["tickets"] == 1  # a stream is work, however silent
            wait.cancel()
            wait_for(lambda: ebb.instances("grpc")[0]["tickets"] == 0, slow(10), "ticket back")
            ebb.wait_frozen("grpc")
    finally:
        ebb.cli("rm", "grpc")
