# SPDX-License-Identifier: Apache-2.0
"""
Connections to outside: per second, the time of connect(2), throughput. The same client (net_client.c) runs in an
instance, on the host, and in a network namespace behind a bridge with masquerade, as container engines make it. The
server is behind the host's cable. Cold starts with and without a network.
"""
import contextlib
import os
import subprocess

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
    shown = []
    for figure, unit, what in (("connections per second", "1/s", "rate"), ("connect", "us", "latency"),
                               ("throughput", "MB/s", "throughput")):
        for peer, words in (("host", "a process on the host"), ("bridge", "behind a bridge")):
            shown.append(Row(f"network, {figure}", unit, found["ebb", what], found[peer, what], words))
    print("  cold start with a network: " + figures.both(starts["net"]) + "; without: " + figures.both(starts["closed"]))
    return [*shown, Row("network, cold start", "ms", starts["net"], starts["closed"], "without a network")]
