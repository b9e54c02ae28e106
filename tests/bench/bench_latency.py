# SPDX-License-Identifier: Apache-2.0
"""Latency a proxy adds to one request on a kept connection: ebb-gateway, nginx and HAProxy over the same
upstream, asked in turn."""
import contextlib
import os
import shutil
import socket
import tempfile
import time

import gateway_cpu
from figures import Row, quantile

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Kept:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask_us(self):
        begun = time.perf_counter_ns()
        self.sock.sendall(REQUEST)
        answer = self.sock.recv(65536)
        took = (time.perf_counter_ns() - begun) / 1000
        while not answer.endswith(b"x"):
            answer += self.sock.recv(65536)
        return took


def targets(work, stack):
    """The servers to measure: the upstream without a proxy, then the proxies in front of it."""
    nginx = ["nginx", "-e", "/dev/null", "-c"]
    port = gateway_cpu.free_port

    def start(name, argv, template, **values):
        one = gateway_cpu.Daemon(name, argv, template, work, port=port(), **values)
        stack.callback(one.stop)
        return one

    upstream = start("upstream", nginx, "upstream.nginx.conf")
    ebb = gateway_cpu.Ebb(upstream.port)
    stack.callback(ebb.stop)
    return [upstream, ebb, start("nginx", nginx, "proxy.nginx.conf", upstream=upstream.port),
            start("haproxy", ["haproxy", "-q", "-f"], "proxy.haproxy.cfg", upstream=upstream.port)]


def rows(_, quick):
    work = tempfile.mkdtemp(prefix="ebb-bench-")
    os.chmod(work, 0o755)
    with open(os.path.join(work, "index.html"), "w") as f:
        f.write("x" * 34)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work)
        all_targets = targets(work, stack)
        kept = [Kept(t.port) for t in all_targets]
        taken = [[] for _ in kept]
        for _ in range(300 if quick else 3000):
            for connection, times in zip(kept, taken):
                times.append(connection.ask_us())
        for connection in kept:
            connection.sock.close()
    found = []
    for q, name in ((.5, "p50"), (.99, "p99")):
        direct, ebb, *peers = [quantile(times, q) for times in taken]
        found += [Row(f"gateway, added latency, {name}", "us", ebb - direct, peer - direct, target.name)
                  for peer, target in zip(peers, all_targets[2:])]
    return found
