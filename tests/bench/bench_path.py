# SPDX-License-Identifier: Apache-2.0
"""The whole path, from a client to a program of Node and back: CPU of the program per request, which is what people are
billed, and requests per second, in ebb beside the same program under `node` alone behind nginx, in alternating rounds."""
import contextlib
import glob
import os
import re
import signal
import subprocess

import gateway_cpu
import node_apps
import pictures
from bench_edge import NGINX
from ebb import CACHE, free_port
from figures import Row
from waiting import wait_for

PROGRAMS = {"http": "http.mjs", "Express": "express.mjs", "Fastify": "fastify.mjs"}
CONNECTIONS = 32


def wrk(port, host, seconds):
    """Requests per second."""
    out = subprocess.run(["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "-H", f"Host: {host}",
                          f"http://127.0.0.1:{port}/"], check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec: +([\d.]+)", out)[1]), int(re.search(r"(\d+) requests in", out)[1])


class InEbb:
    def __init__(self, ebb, name, program):
        self.ebb, self.name = ebb, name
        ebb.apply({name: node_apps.service(program, maxConcurrency=1000)})
        ebb.get(name)

    def round(self, seconds):
        """(us of CPU per request, requests per second)."""
        before = self.ebb.instance(self.name)["cpu_us"]
        rate, count = wrk(self.ebb.port, self.name + ".localhost", seconds)
        self.ebb.wait_frozen(self.name)
        return (self.ebb.instance(self.name)["cpu_us"] - before) / count, rate


class BehindNginx:
    """The program and nginx have a port each."""

    def __init__(self, work, program):
        (node,) = glob.glob(os.path.join(newest_base(), "root/usr/bin/node"))
        folder = pictures.npm_installed(os.path.join(pictures.FUNCTIONS, "node-apps"))
        port = free_port()
        self.process = subprocess.Popen([node, program], cwd=folder, stdout=subprocess.DEVNULL,
                                        env={**os.environ, "PORT": str(port), "NODE_ENV": "production"})
        wait_for(lambda: gateway_cpu.answers(port, False), 30)
        self.proxy = gateway_cpu.Daemon("nginx", NGINX, "proxy.nginx.conf", work, port=free_port(), upstream=port)

    def cpu_us(self):
        """Ticks are 10 ms; a round has hundreds of them."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")

    def round(self, seconds):
        before = self.cpu_us()
        rate, count = wrk(self.proxy.port, "a", seconds)
        return (self.cpu_us() - before) / count, rate

    def stop(self):
        self.proxy.stop()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def newest_base():
    """The root directory with the Node.js that `ebb build` puts into images."""
    return max(glob.glob(os.path.join(CACHE, "base-node-*/")), key=os.path.getmtime)


@contextlib.contextmanager
def behind_nginx(work, program):
    peer = BehindNginx(work, program)
    try:
        yield peer
    finally:
        peer.stop()


def rows(ebb, quick):
    found = []
    ebb.import_image("oci-archive:" + pictures.apps_archive("node-apps"), "node-apps")
    for title, program in PROGRAMS.items():
        ours, taken = InEbb(ebb, title.lower(), program), {"ebb": [], "nginx": []}
        with behind_nginx(ebb.root, program) as peer:
            for number in range(4 if quick else 8):
                for name, one in (("ebb", ours), ("nginx", peer)):
                    figures = one.round(1 if quick else 3)
                    if number:  # the first one compiles
                        taken[name].append(figures)
        ebb.cli("rm", title.lower())
        for n, what, unit in ((0, "CPU per request", "us"), (1, "requests per second", "/s")):
            found.append(Row(f"whole path, Node, {title}, {what}", unit, [f[n] for f in taken["ebb"]],
                             [f[n] for f in taken["nginx"]], "node behind nginx"))
    return found
