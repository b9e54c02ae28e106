# SPDX-License-Identifier: Apache-2.0
"""The gateway beside nginx and HAProxy, one process or thread each: CPU per request at 1, 32 and 256
connections with small and 100 KB bodies, system calls per request, and what idle connections cost."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

import gateway_cpu
from bench_idle import meminfo_kb, pss_kb
from figures import Row

CONNECTIONS = (1, 32, 256)
BODIES = {"34 B": 34, "100 KB": 100_000}
IDLE = 10_000
HAPROXY_IDLE = 9_500  # HAProxy needs two descriptors for each, and some hosts allow 20,000
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
NGINX = ["nginx", "-e", "/dev/null", "-c"]


def cpu_table(body_bytes, rounds, seconds):
    """{connections: {name: [CPU us per request]}}; the proxies take turns."""
    table = {}
    for connections in CONNECTIONS:
        words = ["--rounds", str(rounds), "--seconds", str(seconds), "--bytes", str(body_bytes),
                 "--connections", str(connections), "--json"]
        out = subprocess.run(["/usr/bin/python3", os.path.join(gateway_cpu.HERE, "gateway_cpu.py"), *words],
                             check=True, stdout=subprocess.PIPE).stdout
        table[connections] = gateway_cpu.json.loads(out)
    return table


def cpu_rows(quick):
    found = []
    for body, size in BODIES.items():
        for connections, rows in cpu_table(size, 2 if quick else 5, 1 if quick else 3).items():
            ours, *peers = rows
            peer = min(peers, key=lambda row: row["cpu_us"])
            print(f"  {body}, {connections} connections: " + ", ".join(
                f"{r['name']} {r['cpu_us']} us [{r['cpu_us_min']}..{r['cpu_us_max']}]" for r in rows), flush=True)
            found.append(Row(f"gateway, CPU per request, {body}, {connections} connections", "us",
                             ours["cpu_us"], peer["cpu_us"], peer["name"]))
    return found


def ask(sock):
    sock.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"x"):
        answer += sock.recv(65536)


@contextlib.contextmanager
def upstream():
    work = tempfile.mkdtemp(prefix="ebb-bench-")
    os.chmod(work, 0o755)
    try:
        with open(os.path.join(work, "index.html"), "w") as f:
            f.write("x" * 34)
        daemon = gateway_cpu.Daemon("upstream", NGINX, "upstream.nginx.conf", work, port=gateway_cpu.free_port())
        try:
            yield work, daemon
        finally:
            daemon.stop()
    finally:
        shutil.rmtree(work)


def call_rows(quick):
    """io_uring_enter(2) per request, by the gateway's own counter: for small bodies there is no other."""
    found = []
    with upstream() as (_, daemon):
        for connections in CONNECTIONS:
            ebb = gateway_cpu.Ebb(daemon.port)
            try:
                before = ebb.gateway.counters()
                subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{1 if quick else 3}s",
                                f"http://127.0.0.1:{ebb.port}/"], stdout=subprocess.DEVNULL, check=True)
                after = ebb.gateway.counters()
            finally:
                ebb.stop()
            calls = (after["enters"] - before["enters"]) / (after["responses"] - before["responses"])
            found.append(Row(f"gateway, system calls per request, {connections} connections", "", calls))
    return found


def kept_connections(port, count):
    socks = []
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port))
        ask(sock)
        socks.append(sock)
    return socks


def idle_bytes(target, count):
    """(bytes of the proxy's own memory, bytes of the kernel's slab) for each idle connection. Both ends of a
    connection are on this host, so the slab has both."""
    kept_connections(target.port, 32)  # first-time work is done
    own, slab = sum(map(pss_kb, target.pids())), meminfo_kb("Slab")
    socks = kept_connections(target.port, count)
    own, slab = sum(map(pss_kb, target.pids())) - own, meminfo_kb("Slab") - slab
    for sock in socks:
        sock.close()
    return own * 1024 / count, slab * 1024 / count


def idle_rows(quick):
    count = 1000 if quick else IDLE
    counts = {"haproxy": min(count, HAPROXY_IDLE)}
    found = {}
    with upstream() as (work, daemon):
        starts = {
            "ebb": lambda: gateway_cpu.Ebb(daemon.port, connections=count + 100),
            "nginx": lambda: gateway_cpu.Daemon("nginx", NGINX, "proxy.nginx.conf", work,
                                                port=gateway_cpu.free_port(), upstream=daemon.port),
            "haproxy": lambda: gateway_cpu.Daemon("haproxy", ["haproxy", "-q", "-f"], "proxy.haproxy.cfg", work,
                                                  port=gateway_cpu.free_port(), upstream=daemon.port)}
        for name, start in starts.items():
            target = start()
            try:
                found[name] = idle_bytes(target, counts.get(name, count))
                print(f"  {counts.get(name, count)} idle connections, {name}: {found[name][0]:.0f} B of its own, "
                      f"{found[name][1]:.0f} B of slab each", flush=True)
            finally:
                target.stop()
    peer = min(("nginx", "haproxy"), key=lambda name: found[name][0])
    return [Row(f"gateway, memory per idle connection, of {count}", "B", found["ebb"][0], found[peer][0], peer),
            Row("kernel slab per idle connection, both ends", "B", found["ebb"][1], found[peer][1], peer)]


def rows(_, quick):
    return cpu_rows(quick) + call_rows(quick) + idle_rows(quick)
