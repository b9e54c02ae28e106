# SPDX-License-Identifier: Apache-2.0
"""
A neighbour at its work, and the attacks of a hostile instance or client beside it.

As a program this file is the neighbour's client: one kept connection, and a request every EVERY_MS. Each request is
timed from the moment at which it was due, so a request that waits makes the next ones late, too. The client runs before
all other processes (SCHED_FIFO), because a real client is on another machine, where an attacker takes no CPU from it.
"""
import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

from ebb import hold_port
from waiting import POLL_S, slow, wait_for

IN_VM = os.environ.get("EBB_VM") == "1"
STEPS = 15000 if IN_VM else 250000  # of a request's work: about half a millisecond
EVERY_MS = 60 if IN_VM else 10
MEMORY_MB = 512
SHARED_PROCESSES, SHARED_FDS = 250, 4000


# --- the client, a process of its own --------------------------------------------------------------
def ask(sock, host, number):
    """Whether the answer is the right one."""
    sock.sendall(f"GET /steps?n={STEPS + number} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    got = b""
    while b"\r\n\r\n" not in got:
        data = sock.recv(65536)
        if not data:
            return False
        got += data
    head, body = got.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
    while len(body) < length:
        body += sock.recv(65536)
    n = STEPS + number
    return int(head.split()[1]) == 200 and json.loads(body)["sum"] == n * (n - 1) // 2


def client(port, host):
    """Asks until standard input ends; prints [moment due, microseconds, whether right] of each request."""
    with contextlib.suppress(OSError):  # a host without time for real-time processes
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    sock = socket.create_connection(("127.0.0.1", port), timeout=slow(60))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found, due = [], time.monotonic()
    while True:
        due += EVERY_MS / 1000
        if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
            break
        right = ask(sock, host, len(found))
        found.append([due, (time.monotonic() - due) * 1e6, right])
    print(json.dumps(found))


class Work:
    """The neighbour's requests go on while the block runs. Then each was answered rightly."""

    def __init__(self, ebb, service):
        self.command = [sys.executable, "-B", os.path.abspath(__file__), str(ebb.port), f"{service}.localhost"]
        self.found = []

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind, *_):
        out, err = self.process.communicate(timeout=slow(120))
        if kind is None:
            assert self.process.returncode == 0, err
            self.found = json.loads(out)
            assert self.found and all(right for _, _, right in self.found), [f for f in self.found if not f[2]]

    def between(self, windows):
        """Microseconds of the requests that were due in one of these windows (from, until)."""
        return [us for due, us, _ in self.found if any(a <= due < b for a, b in windows)]


def in_turn(ebb, service, name, rounds, seconds):
    """Windows without and with this attack, in turn: microseconds of the requests of each window."""
    without, beside = [], []
    with Work(ebb, service) as work:
        for _ in range(rounds):
            begun = time.monotonic()
            time.sleep(seconds)
            without.append((begun, time.monotonic()))
            with under(name, ebb):
                begun = time.monotonic()
                time.sleep(seconds)
                beside.append((begun, time.monotonic()))
    return [[work.between([w]) for w in windows] for windows in (without, beside)]


# --- the attacks: each goes on until stop is set --------------------------------------------------
INSIDE = ["cpu", "fork", "bomb", "exec", "crash", "memory", "tlb", "tmpfs", "page-cache", "fd", "inode", "dentry",
          "rename", "timers", "logs", "ipc", "ipc-connect", "sockets", "datagrams", "switches", "signals", "proc",
          "barriers", "sync"]


def inside(kind):
    def go(ebb, stop):
        while not stop.is_set():
            ebb.get("hostile", f"/attack?what={kind}&ms=100", timeout=120)
    return go


def dies(path, method="GET"):
    """The instance ends again and again, and each time there is a next one."""
    def go(ebb, stop):
        while not stop.is_set():
            ebb.get("hostile", path, method=method, timeout=120)
    return go


def dies_in_a_freeze(ebb, stop):
    """The instance is frozen when its end is due, and thawed for it; every second time a request comes then, too."""
    turn = 0
    while not stop.is_set():
        turn += 1
        ebb.get("hostile", "/dying?ms=250", timeout=120)
        stop.wait(0.35 if turn % 2 else 0.25)


def shares_descriptors(ebb, stop):
    """Every look before a freeze meets them all in each process."""
    ebb.get("hostile", f"/sharing?n={SHARED_PROCESSES}&fds={SHARED_FDS}", timeout=120)
    while not stop.wait(0.1):
        ebb.get("hostile", timeout=120)


def _sockets(address, count):
    made = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            made.append(socket.create_connection(address, timeout=5))
    return made


def open_and_close(address, stop):
    while not stop.is_set():
        for sock in _sockets(address, 50):
            sock.close()


def connections(ebb, stop):
    """Opened and closed at once."""
    open_and_close(ebb.address, stop)


def half_heads(ebb, stop):
    """Open, with a head that never ends."""
    held = []
    while not stop.wait(POLL_S):
        for sock in _sockets(ebb.address, 20):
            with contextlib.suppress(OSError):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: hostile.localhost\r\nX-A: ")
            held.append(sock)
        while len(held) > 500:
            held.pop(0).close()
    for sock in held:
        sock.close()


def bad_requests(ebb, stop):
    while not stop.is_set():
        for sock in _sockets(ebb.address, 20):
            with contextlib.suppress(OSError), sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\nG\0T / HTTP/1.1\r\n\r\n")
                sock.recv(4096)


def requests(ebb, stop):
    """More than it can answer, to the one instance there may be."""
    def one():
        while not stop.is_set():
            with contextlib.suppress(OSError, AssertionError):
                ebb.get("hostile", "/work?us=2000&ms=0", timeout=120)
    threads = [threading.Thread(target=one) for _ in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


ATTACKS = {**{kind: inside(kind) for kind in INSIDE},
           "out of memory": dies("/alloc?mb=4000"), "exits": dies("/exit?code=3", "POST"),
           "dies in a freeze": dies_in_a_freeze, "shared descriptors": shares_descriptors,
           "connections": connections, "half heads": half_heads, "bad requests": bad_requests, "requests": requests}


def host_loop(ebb, stop):
    with subprocess.Popen(["nice", "-n", str(NICE), sys.executable, "-c", "while True: pass"]) as loop:
        stop.wait()
        loop.kill()


NGINX = """daemon off; worker_processes 2; pid %(work)s/nginx.pid; error_log /dev/null;
events { worker_connections 2048; }
http { access_log off; server { listen 127.0.0.1:%(port)d backlog=4096; return 444; } }
"""


def connections_to_nginx(_, stop):
    """As many workers as this ebb has gateways."""
    with tempfile.TemporaryDirectory() as work, contextlib.closing(hold_port()) as port:
        at = port.getsockname()
        with open(work + "/conf", "w", encoding="ascii") as file:
            file.write(NGINX % {"work": work, "port": at[1]})
        with subprocess.Popen(["nginx", "-e", "/dev/null", "-c", work + "/conf"]) as server:
            wait_for(lambda: _sockets(at, 1))
            open_and_close(at, stop)
            server.terminate()


# No attacks on ebb, and nothing that it could bound: a neighbour's time on this machine when one CPU is busy, and when
# another server has the flood of connections.
CONTROLS = {"a loop on the host": host_loop, "connections to nginx": connections_to_nginx}


# Python's flood would take from the neighbour what a client on another machine cannot: the CPU.
NICE = 19


def _attack(name, ebb, stop, faults):
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    try:
        {**ATTACKS, **CONTROLS}[name](ebb, stop)
    except Exception as error:  # for our caller, who waits
        faults.append(error)


@contextlib.contextmanager
def under(name, ebb):
    """The attack goes on while the block runs."""
    stop, faults = threading.Event(), []
    thread = threading.Thread(target=_attack, args=(name, ebb, stop, faults))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


def settings(**more):
    return {"runtime": "container", "entrypoint": "probe", "memory": MEMORY_MB, "maxInstances": 1, "maxDuration": 60,
            **more}


def health(ebb):
    """ebbd's watchdog, from /metrics."""
    text = ebb.rest("GET", "/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(ebb_loop_\w+) ([\d.e+-]+)$", text, re.M)}


if __name__ == "__main__":
    client(int(sys.argv[1]), sys.argv[2])
