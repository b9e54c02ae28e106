# SPDX-License-Identifier: Apache-2.0
"""
Connections to outside: per second, the time of connect(2), throughput. The same client (net_client.c) runs in an
instance, on the host, and in a network namespace behind a bridge with masquerade, as container engines make it. The
server is behind the host's cable. With and without a network: cold starts, the time to make many instances, their memory.
"""
import contextlib
import os
import subprocess
import time

import bench_idle
import figures
import networks
import oci
import pictures
import worlds
from figures import Row
from plain_container import bridged
from waiting import wait_for

SERVER4, PORT = "198.51.100.60", 9000
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "net_client.c")
# The client is made to connect as fast as it can.
SETTINGS = {"egress_connections_all": str(1 << 24), "egress_connections": "65536"}


def client():
    def make(path):
        pictures.run("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-static", CLIENT, "-o", path)
    return pictures.make_once("net_client", [CLIENT], make)


def archive(program):
    def make(path):
        with open(program, "rb") as f:
            layer = oci.layer(oci.entry("srv"), oci.entry("srv/net_client", f.read(), 0o755))
        pictures.probe_image(layers=[*pictures.probe_layers(), layer]).write_archive(path)
    return pictures.make_once("net_client.oci.tar", [CLIENT, __file__], make)


@contextlib.contextmanager
def served(world, program):
    world.ip(world.world, "addr", "add", f"{SERVER4}/32", "dev", "lo")
    server = subprocess.Popen(world.inside(world.world, program, "serve", SERVER4, str(PORT)), stdout=subprocess.PIPE,
                              text=True)
    world.servers.append(server)
    assert server.stdout.readline() == "ready\n"
    yield


def measured(run, kind, seconds):
    return [float(word) for word in run(kind, SERVER4, str(PORT), str(seconds)).split()]


def in_instance(ebb):
    ebb.get("net")
    number = ebb.instance("net")["id"]
    return lambda *words: ebb.cli("exec", number, "--", "/srv/net_client", *words).out


def in_namespace(world, name, program):
    return lambda *words: worlds.run(*world.inside(name, program, *words))


def cold(ebb, name):
    """ms of a request that starts an instance; the sandbox is armed before."""
    for instance in ebb.instances(name):
        ebb.cli("stop", instance["id"])
    wait_for(lambda: not ebb.instances(name))
    ebb.wait_armed()
    reply = ebb.get(name)
    assert reply.start == "cold", reply
    return reply.seconds * 1000


def crowd(ebb, egress, count):
    """(ms for each instance, its arming included; KiB of the kernel's slab for each frozen one), of so many at once."""
    name, before, begun = "crowd", bench_idle.meminfo_kb("Slab"), time.monotonic()
    ebb.apply({name: {"runtime": "container", "entrypoint": "net", "minInstances": count, "maxInstances": count,
                      "memory": 64, "ebb": {"egress": egress, "initTimeout": "60s"}}})
    wait_for(lambda: len(ebb.instances(name)) == count, 120)
    ebb.wait_frozen(name, 120)
    took, slab = (time.monotonic() - begun) * 1000 / count, (bench_idle.meminfo_kb("Slab") - before) / count
    ebb.cli("rm", name)
    wait_for(lambda: not ebb.instances(name), 60)
    ebb.wait_armed()
    return took, slab


def crowds(ebb, quick):
    """Without and with a network, in turns."""
    kinds, count = {"closed": "none", "net": {"subnets": {"allow": [f"{SERVER4}/32"]}}}, 20 if quick else 50
    found = {kind: [] for kind in kinds}
    for _ in range(2 if quick else 6):
        for kind, egress in kinds.items():
            found[kind].append(crowd(ebb, egress, count))
    (net_ms, net_kib), (closed_ms, closed_kib) = (list(map(list, zip(*found[kind]))) for kind in ("net", "closed"))
    return [Row("network, making an instance", "ms", net_ms, closed_ms, "without a network"),
            Row("network, kernel slab per frozen instance", "KiB", net_kib, closed_kib, "without a network")]


def rows(_, quick):
    program, rounds, seconds = client(), 2 if quick else 5, 0.5 if quick else 2
    found = {}
    with worlds.World(ports=[7]) as world, served(world, program), bridged(world) as container:
        with networks.running(settings={**SETTINGS, "egress_resolver": "none"}) as ebb:
            ebb.import_image("oci-archive:" + archive(program), "net")
            for name, egress in (("net", {"subnets": {"allow": [f"{SERVER4}/32"]}}), ("closed", "none")):
                ebb.apply({name: {"runtime": "container", "entrypoint": "net", "maxInstances": 1, "ebb": {"egress": egress}}})
            places = {"ebb": in_instance(ebb), "host": in_namespace(world, world.host, program),
                      "bridge": in_namespace(world, container, program)}
            for _ in range(rounds):
                for place, run in places.items():
                    rate, latency = measured(run, "connect", seconds)
                    found.setdefault((place, "rate"), []).append(rate)
                    found.setdefault((place, "latency"), []).append(latency)
                    found.setdefault((place, "throughput"), []).append(measured(run, "send", seconds)[0])
            starts = {name: [] for name in ("net", "closed")}
            for _ in range(5 if quick else 20):
                for name, samples in starts.items():
                    samples.append(cold(ebb, name))
            made = crowds(ebb, quick)
    shown = []
    for figure, unit, what in (("connections per second", "1/s", "rate"), ("connect", "us", "latency"),
                               ("throughput", "MB/s", "throughput")):
        for peer, words in (("host", "a process on the host"), ("bridge", "behind a bridge")):
            shown.append(Row(f"network, {figure}", unit, found["ebb", what], found[peer, what], words))
    print("  cold start with a network: " + figures.both(starts["net"]) + "; without: " + figures.both(starts["closed"]))
    return [*shown, *made, Row("network, cold start", "ms", starts["net"], starts["closed"], "without a network")]
