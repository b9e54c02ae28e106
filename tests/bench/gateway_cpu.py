#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
CPU per proxied request: ebb-gateway beside nginx and HAProxy, one process or thread each, the same
static upstream behind all of them, keep-alive on both sides, in one run with alternating order.
Prints medians and spread; asserts nothing. Needs wrk, h2load, nginx, haproxy; a missing peer is left out.
--h2 N: HTTP/2 without TLS on the client side (h2load), N streams on each connection.

  EBB_BIN=build/release tests/bench/gateway_cpu.py [--rounds 5] [--seconds 3] [--connections 32]
                                                   [--bytes 34] [--h2 N] [--json]
"""
import argparse, json, os, re, shutil, socket, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integ"))
from gateway_harness import Gateway, until


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port, http2):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            if http2:
                s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                return s.recv(100)[3:4] == b"\4"  # its SETTINGS
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return b" 200 " in s.recv(100)
    except OSError:
        return False


class Daemon:
    """A program with a configuration template of this folder."""

    def __init__(self, name, argv, template, work, **values):
        self.port = values["port"]
        path = os.path.join(work, os.path.basename(template) + f".{self.port}")
        with open(os.path.join(HERE, template)) as f:
            text = f.read()
        for key, value in {"http2": "", "proto": "", **values, "work": work}.items():
            text = text.replace("@" + key + "@", str(value))
        with open(path, "w") as f:
            f.write(text)
        self.process = subprocess.Popen([*argv, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.name = name
        try:
            until(lambda: answers(self.port, values.get("http2")), f"{name} answers")
        except AssertionError:
            self.stop()
            raise

    def pids(self):
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(p) for p in children] or [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Ebb:
    name = "ebb-gateway"

    def __init__(self, upstream_port, connections=1024):
        self.gateway = Gateway(connections=connections)
        self.gateway.service(concurrency=256)
        self.gateway.up(0, upstream_port, limit=256)
        self.port = self.gateway.port

    def pids(self):
        return [self.gateway.pid]

    def stop(self):
        assert self.gateway.stop() == 0


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    return total


def measure(target, args):
    pids = target.pids()
    before = cpu_ns(pids)
    if args.h2:
        command = ["h2load", "-t1", f"-c{args.connections}", f"-m{args.h2}", "-D", str(args.seconds)]
    else:
        command = ["wrk", "-t1", f"-c{args.connections}", f"-d{args.seconds}s"]
    out = subprocess.run([*command, f"http://127.0.0.1:{target.port}/"], capture_output=True, text=True).stdout
    used = cpu_ns(pids) - before
    if args.h2:
        done, good = map(int, re.search(r"(\d+) done, (\d+) succeeded", out).groups())
        assert done == good > 0 and " 0 4xx, 0 5xx" in out, out
        return used / good / 1000, float(re.search(r"([\d.]+) req/s", out).group(1))
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    assert "Non-2xx" not in out, out
    return used / requests / 1000, float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--bytes", type=int, default=34)
    parser.add_argument("--h2", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="ebb-bench-")
    os.chmod(work, 0o755)  # for the worker of the upstream
    targets, daemons = [], []
    try:
        with open(os.path.join(work, "index.html"), "w") as f:
            f.write("x" * args.bytes)
        nginx = ["nginx", "-e", "/dev/null", "-c"]
        upstream = Daemon("upstream", nginx, "upstream.nginx.conf", work, port=free_port())
        daemons.append(upstream)
        targets.append(Ebb(upstream.port))
        more = {"upstream": upstream.port, "http2": " http2" if args.h2 else "", "proto": " proto h2" if args.h2 else ""}
        targets.append(Daemon("nginx", nginx, "proxy.nginx.conf", work, port=free_port(), **more))
        if shutil.which("haproxy"):
            targets.append(Daemon("haproxy", ["haproxy", "-q", "-f"], "proxy.haproxy.cfg", work,
                                  port=free_port(), **more))
        results = {t.name: [] for t in targets}
        for round_number in range(args.rounds):
            order = targets[round_number % len(targets):] + targets[: round_number % len(targets)]
            for target in order:
                results[target.name].append(measure(target, args))
        rows = []
        for name, values in results.items():
            cpu, rate = [v[0] for v in values], [v[1] for v in values]
            rows.append({"name": name, "cpu_us": round(statistics.median(cpu), 2), "cpu_us_min": round(min(cpu), 2),
                         "cpu_us_max": round(max(cpu), 2), "requests_per_s": round(statistics.median(rate))})
        if args.json:
            print(json.dumps(rows))
            return
        h2 = f" of HTTP/2 with {args.h2} streams" if args.h2 else ""
        print(f"{args.bytes}-byte answers, {args.connections} connections{h2}, {args.rounds} rounds of {args.seconds} s, medians")
        print(f"{'proxy':12} {'CPU us/request':>15} {'min..max':>15} {'requests/s':>11} {'ratio':>6}")
        for row in rows:
            spread = f"{row['cpu_us_min']}..{row['cpu_us_max']}"
            print(f"{row['name']:12} {row['cpu_us']:15.2f} {spread:>15} {row['requests_per_s']:11} "
                  f"{row['cpu_us'] / rows[0]['cpu_us']:6.2f}")
    finally:
        for one in [*targets, *daemons]:
            one.stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
