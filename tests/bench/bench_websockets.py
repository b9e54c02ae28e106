# SPDX-License-Identifier: Apache-2.0
"""The cost of WebSockets whose instance is frozen: memory of gateways, kernel and instance, CPU while all
connections are silent, and the time of the first answer when one client speaks."""
import resource
import socket
import time

import frames
import leaks
import pictures
from bench_idle import meminfo_kb, pss_kb, switches
from ebb import Ebb
from figures import Row
from gateway_harness import Reader
from waiting import pass_time, wait_for

KINDS = {"ws-node": "npm ws", "ws-python": "Python websockets"}
IDLE_S = 10


def open_one(ebb, service):
    sock = socket.create_connection(ebb.address, timeout=60)
    sock.sendall(frames.handshake("/", host=f"{service}.localhost"))
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    assert head.split()[1] == b"101", head
    return sock


def cpu_ticks(pid):
    fields = leaks.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def state(ebb, name, gateways):
    instance = ebb.instance(name)
    return {"gateway": sum(map(pss_kb, gateways)), "slab": meminfo_kb("Slab"),
            "instance": instance["memory_bytes"] / 1024, "cpu_us": instance["cpu_us"],
            "ticks": sum(map(cpu_ticks, gateways)), "switches": sum(switches([g]) for g in gateways)}


def first_answer_us(sock):
    begun = time.perf_counter()
    sock.sendall(frames.frame(frames.TEXT, b"x", masked=True))
    assert frames.read_frame(Reader(sock))[0] == frames.TEXT
    return (time.perf_counter() - begun) * 1e6


def measure(ebb, kind, count):
    ebb.import_image("oci-archive:" + pictures.apps_archive(kind), kind)
    ebb.apply({kind: {"runtime": "container", "entrypoint": kind, "maxInstances": 1, "memory": 2048,
                      "maxConcurrency": 10000, "env": {"HEARTBEAT_MS": "3600000"}, "ebb": {"hibernate": "500ms"}}})
    gateways = ebb.programs("ebb-gateway")
    sockets = [open_one(ebb, kind)]
    ebb.wait_frozen(kind, 30)
    before = state(ebb, kind, gateways)
    sockets += [open_one(ebb, kind) for _ in range(count)]
    ebb.wait_frozen(kind, 60)
    pass_time(2)
    after = state(ebb, kind, gateways)
    pass_time(IDLE_S)
    later = state(ebb, kind, gateways)
    each = {k: abs(after[k] - before[k]) / count for k in ("gateway", "slab", "instance")}
    answers = []
    for n in range(11):
        ebb.wait_frozen(kind, 30)
        answers.append(first_answer_us(sockets[n * 7 % count]))
    for sock in sockets:
        sock.close()
    ebb.cli("rm", kind)
    wait_for(lambda: not ebb.instances(kind), 60)
    print(f"  {count} of {kind}: KiB each {each}; idle {IDLE_S} s: gateways {later['ticks'] - after['ticks']} ticks of 10 ms, "
          f"{later['switches'] - after['switches']} switches, instance {later['cpu_us'] - after['cpu_us']} us", flush=True)
    return each, after, later, answers


def one_kind(kind, label, count):
    """Each kind has an ebb of its own: a gateway keeps all memory that it once touched."""
    ebb = Ebb(gateways=2, settings={"log_level": "info", "connections_max": 8000, "nofile_max": 16000}).start()
    try:
        each, after, later, answers = measure(ebb, kind, count)
        ebb.stop(deadline_s=120)
    finally:
        ebb.kill()
        ebb.remove()
    what = f"{count} sleeping WebSockets, {label}"
    return [Row(f"{what}: gateway, each", "KiB", each["gateway"]),
            Row(f"{what}: instance, each", "KiB", each["instance"]),
            Row(f"{what}: kernel slab, each", "KiB", each["slab"]),
            Row(f"{what}: gateways' CPU in {IDLE_S} s", "ms", (later["ticks"] - after["ticks"]) * 10.0),
            Row(f"{what}: instance's CPU in {IDLE_S} s", "us", float(later["cpu_us"] - after["cpu_us"])),
            Row(f"{what}: message to answer, frozen", "us", answers)]


def rows(_, quick):
    count, found = 1000 if quick else 10000, []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for kind, label in KINDS.items():
        found += one_kind(kind, label, count)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return found
