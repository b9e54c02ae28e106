# SPDX-License-Identifier: Apache-2.0
"""
Connections to outside: per second, the time of connect(2), throughput. The same client (net_client.c) runs in an
instance, on the host, and in a network namespace behind a bridge with masquerade, as container engines make it. The
server is behind the host's cable. The instance may use all CPUs there, as the others do. A second one has the CPU of 512
MB, a quarter of one, and so has a second client behind the bridge. With and without a network: cold starts, the time to
make many instances, their memory.
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
QUARTER, ALL_CPUS = 250, 1000 * os.cpu_count()  # thousandths of a CPU
PERIOD_US = 100000  # cgroups/limits.c


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


def in_instance(ebb, name):
    ebb.get(name)
    number = ebb.instance(name)["id"]
    return lambda *words: ebb.cli("exec", number, "--", "/srv/net_client", *words).out


def in_namespace(world, name, program, *before):
    return lambda *words: worlds.run(*before, *world.inside(name, program, *words))


@contextlib.contextmanager
def quota(milli):
    """The words in front of a command that give it so much CPU as an instance has, and the burst (cgroups/limits.c)."""
    v1, us = os.path.isdir("/sys/fs/cgroup/cpu"), str(milli * PERIOD_US // 1000)
    folder = f"/sys/fs/cgroup{'/cpu' if v1 else ''}/ebb-bench-{os.getpid()}"
    files = ({"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": us, "cpu.cfs_burst_us": us} if v1 else
             {"cpu.max": f"{us} {PERIOD_US}", "cpu.max.burst": us})
    os.mkdir(folder)
    try:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as f:
                f.write(text)
        yield ["sh", "-c", f'echo 0 > {folder}/cgroup.procs && exec "$@"', "sh"]
    finally:
        os.rmdir(folder)


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


def services():
    """net: the CPU of all; quarter: of a service that does not say; closed: without a network."""
    container, egress = {"runtime": "container", "entrypoint": "net", "maxInstances": 1}, {"subnets": {"allow": [f"{SERVER4}/32"]}}
    return {"net": {**container, "ebb": {"egress": egress, "cpu": ALL_CPUS}},
            "quarter": {**container, "ebb": {"egress": egress, "cpu": QUARTER}},
            "closed": {**container, "ebb": {"egress": "none"}}}


def clients(places, rounds, seconds):
    """{(place, figure): samples}, the places in turns."""
    found = {}
    for _ in range(rounds):
        for place, run in places.items():
            for figure, value in zip(("rate", "latency"), measured(run, "connect", seconds)):
                found.setdefault((place, figure), []).append(value)
            found.setdefault((place, "throughput"), []).append(measured(run, "send", seconds)[0])
    return found


def shown(found):
    figures_of = (("connections per second", "1/s", "rate"), ("connect", "us", "latency"), ("throughput", "MB/s", "throughput"))
    pairs = (("", "net", "host", "a process on the host"), ("", "net", "bridge", "behind a bridge"),
             (", a quarter of a CPU", "quarter", "slow bridge", "behind a bridge, as much CPU"))
    return [Row(f"network, {figure}{more}", unit, found[ebb, what], found[peer, what], words)
            for figure, unit, what in figures_of for more, ebb, peer, words in pairs]


def rows(_, quick):
    program, rounds, seconds = client(), 2 if quick else 5, 0.5 if quick else 2
    with worlds.World(ports=[7]) as world, served(world, program), bridged(world) as container:
        with networks.running(settings={**SETTINGS, "egress_resolver": "none"}) as ebb, quota(QUARTER) as slowly:
            ebb.import_image("oci-archive:" + archive(program), "net")
            ebb.apply(services())
            places = {"net": in_instance(ebb, "net"), "quarter": in_instance(ebb, "quarter"),
                      "host": in_namespace(world, world.host, program),
                      "bridge": in_namespace(world, container, program),
                      "slow bridge": in_namespace(world, container, program, *slowly)}
            found = clients(places, rounds, seconds)
            starts = {name: [] for name in ("net", "closed")}
            for _ in range(5 if quick else 20):
                for name, samples in starts.items():
                    samples.append(cold(ebb, name))
            made = crowds(ebb, quick)
    print("  cold start with a network: " + figures.both(starts["net"]) + "; without: " + figures.both(starts["closed"]))
    return [*shown(found), *made, Row("network, cold start", "ms", starts["net"], starts["closed"], "without a network")]
