# SPDX-License-Identifier: Apache-2.0
"""
Wakes by the network: from send(2) of a server behind the host's cable to the program's read, for a program in C and one
in Node. The same program runs in a frozen instance, on the host, and in a network namespace behind a bridge, where it
waits in epoll or recv(2). And wake-ups of ebb's programs while instances with open connections are frozen.
"""
import contextlib
import os
import resource
import socket
import subprocess
import threading
import time

import bench_idle
import bench_network
import chats
import figures
import networks
import pictures
import plain_container
import web
import worlds
from figures import Row
from waiting import pass_time, wait_for

SERVER4, PORT, HTTP_PORT = "198.51.100.61", 9001, 9080
CONNECTIONS = 10
NODE = os.path.join(pictures.FUNCTIONS, "talks-node", "index.mjs")
SETTINGS = {"egress_resolver": "none", "queue_age_ms": "100000"}


class Server:
    """Answers the first line of each connection; say() sends one to the last that came."""

    def __init__(self, listener):
        self.listener, self.open, self.last = listener, [], None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self.listener.accept()
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.recv(100)
                one.sendall(b"ok\n")
                self.open.append(one)
                self.last = one

    def say(self, line):
        begun = time.time() * 1000
        self.last.sendall(line)
        return begun


def measured(server, ask, rest, count):
    """ms from send to read. ask(path) is a request to the program; rest() waits until it rests."""
    ask(f"/keep?to={SERVER4}&port={PORT}&count=1&words=sub")
    rest()
    ask("/heard")
    sent = []
    for n in range(count):
        rest()
        sent.append(server.say(b"%d\n" % n))
        pass_time(0.02)
    wait_for(lambda: rest() or True)
    heard = ask("/heard").json
    assert [one["line"] for one in heard] == [str(n) for n in range(count)], heard
    return [one["at"] - begun for one, begun in zip(heard, sent)]


@contextlib.contextmanager
def plainly(world, where, address, command):
    process = subprocess.Popen(world.inside(where, *command), env={**os.environ, "PORT": str(HTTP_PORT)},
                               stdout=subprocess.DEVNULL)
    try:
        def ask(path):
            return web.request((address, HTTP_PORT), path)

        def answers():
            with contextlib.suppress(OSError):
                return ask("/").status == 200
        wait_for(answers)
        yield ask
    finally:
        process.kill()
        process.wait()


def in_instance(server, ebb, image, count):
    ebb.apply({"hears": {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 512,
                         "ebb": {"egress": {"subnets": {"allow": [f"{SERVER4}/32"]}}, "freezeAfter": 10}}})
    found = measured(server, lambda path: ebb.get("hears", path), lambda: ebb.wait_frozen("hears"), count)
    ebb.cli("rm", "hears")
    wait_for(lambda: not ebb.instances("hears"))
    return found


def idle(ebb, count, seconds):
    """Switches of all of ebb's programs in that time, with so many frozen instances that have connections."""
    reply = ebb.rest("PUT", "/v1/services/many", {
        "image": "probe", "minInstances": count, "maxInstances": count, "memory": 64,
        "env": {"PROBE_HEARS": f"{SERVER4} {PORT} {CONNECTIONS} sub"},
        "ebb": {"egress": {"subnets": {"allow": [f"{SERVER4}/32"]}}, "initTimeout": "60s"}})
    assert reply.status in (200, 201), reply
    wait_for(lambda: [one["state"] for one in ebb.instances("many")] == ["frozen"] * count, 300)
    pass_time(2)  # the last commits of the ledger
    own = bench_idle.own_pids(ebb) + [pid for name in ("ebb-net", "ebb-dns", "ebb-tick") for pid in ebb.programs(name)]
    before = bench_idle.switches(own)
    pass_time(seconds)
    return bench_idle.switches(own) - before


def rows(_, quick):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count, many, seconds = (30, 50, 10) if quick else (300, 1000, 60)
    programs = {"C": ("probe", [pictures.probe_program()]), "Node": ("talks-node", ["/usr/bin/node", NODE])}
    pictures.apps_archive("talks-node")
    found = {}
    with worlds.World(addresses=[SERVER4], ports=[7]) as world, bench_network.bridged(world) as container:
        server = Server(chats.listener_in(world, SERVER4, PORT))
        with networks.running(settings=SETTINGS) as ebb:
            ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            ebb.import_image("oci-archive:" + pictures.apps_archive("talks-node"), "talks-node")
            for name, (image, command) in programs.items():
                found[name, "ebb"] = in_instance(server, ebb, image, count)
                for where, place, address in (("host", world.host, "127.0.0.1"),
                                              ("bridge", container, plain_container.CONTAINER4)):
                    with plainly(world, place, address, command) as ask:
                        found[name, where] = measured(server, ask, lambda: pass_time(0.02), count)
                for where in ("ebb", "host", "bridge"):
                    print(f"  {name}, {where}: {figures.both(found[name, where])} ms", flush=True)
            switches = idle(ebb, many, seconds)
        server.listener.close()
    shown = [Row(f"network, packet to read, {name}", "ms", found[name, "ebb"], found[name, where], words)
             for name in programs for where, words in (("host", "a process on the host"), ("bridge", "behind a bridge"))]
    return [*shown, Row(f"network, wake-ups of ebb in {seconds} s, {many} frozen with {CONNECTIONS} connections", "", switches)]
