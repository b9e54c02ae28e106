# SPDX-License-Identifier: Apache-2.0
"""From the request to its first byte: frozen beside warm, and runc pause/resume beside ours."""
import time

import leaks
import pictures
import web
from figures import Row, both
from peers import Bundle, first_byte_s
from leaks import cgroup_of
from waiting import pass_time, wait_for

FROZEN_S = 0.03


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


def deploy_pair(ebb, name, service):
    """The same service twice: one freezes, the other stays awake."""
    ebb.apply({name: service, name + "-awake": {**service, "ebb": {"freezeAfter": "1h"}}})


def sample(ebb, name, count):
    """(microseconds of requests to the frozen instance, of requests to the awake one). They alternate, each after
    the same pause: without it the awake instance would answer from warm caches and on an awake CPU."""
    client, awake_client = Client(ebb.address, name), Client(ebb.address, name + "-awake")
    thaw, awake = [], []
    client.ask_us(), awake_client.ask_us()
    events = cgroup_of(ebb.instance(name)["pid"]) + "/cgroup.events"
    for turn in range(2 * count):
        wait_for(lambda: "frozen 1" in leaks.read(events))
        # A freeze that is undone at once teaches ebb to wait longer with the next.
        pass_time(FROZEN_S)
        took, how = (awake_client if turn % 2 else client).ask_us()
        if how == ("warm" if turn % 2 else "thaw"):
            (awake if turn % 2 else thaw).append(took)
        if turn % 2:
            client.ask_us()  # so that the next turn, too, waits for a freeze
    return thaw, awake


def runc_resume_us(threads, count):
    taken = []
    with Bundle() as bundle:
        bundle.runc_spec([f"THREADS={threads}"])
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


def language_rows(ebb, title, name, service, count):
    deploy_pair(ebb, name, service)
    thaw, awake = sample(ebb, name, count)
    print(f"  thaw, {title}: {both(thaw)}; awake {both(awake)} us", flush=True)
    ebb.cli("rm", name, name + "-awake")
    return thaw, [Row(f"thaw, {title}, p50", "us", thaw, awake, "awake"),
                  Row(f"thaw, {title}, p99", "us", thaw, awake, "awake", q=.99)]


def rows(ebb, quick):
    count, found = 40 if quick else 200, []
    container = {"runtime": "container", "maxInstances": 1, "memory": 2048}
    for threads in (1, 10, 50):
        title = f"C, {threads} thread{'s' if threads > 1 else ''}"
        thaw, two = language_rows(
            ebb, title, f"threads-{threads}",
            {**container, "entrypoint": "server", "env": {"THREADS": str(threads)}}, count)
        peer = runc_resume_us(threads, 15 if quick else 40)
        found += two + [Row(f"thaw, {title}, p50", "us", thaw, peer, "runc resume")]
    ebb.import_image("oci-archive:" + pictures.example_archive("node-express"), "node")
    return found + language_rows(ebb, "Node", "node", {**container, "entrypoint": "node"}, count)[1]
