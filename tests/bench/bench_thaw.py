# SPDX-License-Identifier: Apache-2.0
"""From the request to its first byte: frozen beside warm, and runc pause/resume beside ours."""
import time

import leaks
import pictures
import web
from figures import Row, both
from peers import Bundle, first_byte_s
from test_50_fluid import cgroup_of
from waiting import wait_for


class Client:
    """One kept connection to the gateway, as a proxy in front of it would have."""

    def __init__(self, address, host):
        self.raw = web.Raw(address)
        self.request = f"GET / HTTP/1.1\r\nHost: {host}.localhost\r\n\r\n".encode()

    def ask_us(self):
        """Microseconds to the first byte, and how the instance was found."""
        begun = time.perf_counter_ns()
        self.raw.send(self.request)
        self.raw.got += self.raw.sock.recv(65536)
        took = (time.perf_counter_ns() - begun) / 1000
        head = self.raw.read_until(b"\r\n\r\n").decode().lower()
        length = int(head.split("content-length:")[1].split()[0])
        while len(self.raw.got) < length:
            self.raw.got += self.raw.sock.recv(65536)
        self.raw.got = self.raw.got[length:]
        return took, head.split("x-ebb-start:")[1].split()[0]


def sample(ebb, service, count):
    """Alternating: a request to a frozen instance, then two to the awake one."""
    client, thaw, warm = Client(ebb.address, service), [], []
    client.ask_us()
    events = cgroup_of(ebb.instance(service)["pid"]) + "/cgroup.events"
    for _ in range(count):
        wait_for(lambda: "frozen 1" in leaks.read(events))
        took, how = client.ask_us()
        if how == "thaw":
            thaw.append(took)
        for _ in range(2):
            took, how = client.ask_us()
            if how == "warm":
                warm.append(took)
    return thaw, warm


def runc_resume_us(threads, count):
    taken = []
    with Bundle() as bundle:
        bundle.runc_spec([f"PROBE_THREADS={threads}"])
        bundle.runc_run()
        try:
            first_byte_s(bundle.address, "peer")
            for _ in range(count):
                bundle.runc("pause", bundle.name)
                begun = time.monotonic()
                bundle.runc("resume", bundle.name)
                taken.append(first_byte_s(bundle.address, "peer", begun=begun) * 1e6)
        finally:
            bundle.runc_end()
    return taken


def rows(ebb, quick):
    count = 40 if quick else 200
    found = []
    for threads in (1, 10, 50):
        name = f"threads-{threads}"
        ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                          "memory": 2048, "env": {"PROBE_THREADS": str(threads - 1)}}})
        thaw, warm = sample(ebb, name, count)
        peer = runc_resume_us(threads - 1, 15 if quick else 40)
        print(f"  thaw, C, {threads} threads: {both(thaw)}; warm {both(warm)}", flush=True)
        aim = {1: "p50 < warm + 100 us"}.get(threads, "")
        found += [Row(f"thaw, C, {threads} threads, p50", "us", thaw, warm, "warm", aim),
                  Row(f"thaw, C, {threads} threads, p99", "us", thaw, warm, "warm", q=.99),
                  Row(f"thaw, C, {threads} threads, p50", "us", thaw, peer, "runc resume")]
        ebb.cli("rm", name)
    ebb.import_image("oci-archive:" + pictures.example_archive("node-express"), "node")
    ebb.deploy("node", "node", "--max", 1, "--memory", 2048)
    thaw, warm = sample(ebb, "node", count)
    ebb.cli("rm", "node")
    return found + [Row("thaw, Node, p50", "us", thaw, warm, "warm"),
                    Row("thaw, Node, p99", "us", thaw, warm, "warm", q=.99)]
