# SPDX-License-Identifier: Apache-2.0
"""
Messages per second, each durable before its sender goes on: 1 and 32 producers of one Node program, which send to a topic
of ebb, to PostgreSQL by graphile-worker, and to a stream of Redis with appendfsync always. All of them write to one disk.
"""
import contextlib
import functools
import hashlib
import os
import shutil
import subprocess

import databases
import worlds
from ebb import CACHE
from figures import Row
from queues import PORT, Inside
from waiting import wait_for

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "producers")
CACHE4 = "10.0.0.7"
SEVERAL = 4  # instances: one has a fifth of a CPU of ebb-flow (runtime/flow/share.c)
NAMES = {"graphile": "graphile-worker, PostgreSQL", "redis": "Redis, AOF always"}


@functools.cache
def program():
    """The producers with their packages of npm, once in the cache."""
    texts = [open(os.path.join(FOLDER, name), "rb").read() for name in sorted(os.listdir(FOLDER))]
    path = os.path.join(CACHE, f"producers-{hashlib.sha256(b''.join(texts)).hexdigest()[:20]}")
    if not os.path.isdir(path):
        new = f"{path}.{os.getpid()}"
        try:
            shutil.copytree(FOLDER, new)
            subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=new,
                           check=True, stdout=subprocess.DEVNULL, timeout=300)
            os.rename(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return path + "/producers.mjs"


def per_second(networks, kind, producers, count, address):
    """The sum of several programs at once, in a network namespace each: words before the command run it there."""
    command = ["node", program(), kind, str(producers // len(networks)), str(count // len(networks)), address]
    running = [subprocess.Popen([*network, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for network in networks]
    said = [one.communicate() for one in running]
    assert not any(one.returncode for one in running), said
    return sum(float(out) for out, _ in said)


def instances(ebb, count=1):
    """A service with queues, whose first instance is the consumer of the topic; words that run a command in the network of
    each instance."""
    name = f"sends{count}"
    reply = ebb.rest("PUT", f"/v1/services/{name}", {"image": "probe", "minInstances": count, "maxInstances": count,
                                                     "ebb": {"queues": "bench"}})
    assert reply.status in (200, 201), reply
    pids = wait_for(lambda: (p := [one["pid"] for one in ebb.instances(name) if one["pid"]]) and len(p) == count and p, 60)
    assert ebb.get(name, "/").status == 200
    if count == 1:
        with contextlib.closing(Inside(ebb, name)) as inside:
            inside.take("bench")
    return [["nsenter", f"--net=/proc/{pid}/ns/net"] for pid in pids]


def rows(ebb, quick):
    rounds, counts = (1, {1: 200, 32: 2000}) if quick else (5, {1: 500, 32: 10000})
    program()  # which npm makes by the host's network
    url, inside, found = f"http://127.0.0.1:{PORT}", {count: instances(ebb, count) for count in (1, SEVERAL)}, []
    with worlds.World(addresses=[databases.POSTGRES4, CACHE4], ports=(80,)) as world, \
            databases.postgres(world, fsync="on", shared_buffers="128MB", autovacuum="on"), \
            databases.redis(world, world.world, CACHE4, more=("--appendonly", "yes", "--appendfsync", "always")):
        outside = [world.inside(world.world)]
        peers = {"graphile": databases.url(), "redis": f"{CACHE4}:{databases.CACHE_PORT}:{databases.PASSWORD}"}
        for producers, count in counts.items():
            samples = {kind: [] for kind in ("one", "several", *peers)}
            for _ in range(rounds):
                samples["one"].append(per_second(inside[1], "ebb", producers, count, url))
                if producers > 1:
                    samples["several"].append(per_second(inside[SEVERAL], "ebb", producers, count, url))
                for kind, address in peers.items():
                    samples[kind].append(per_second(outside, kind, producers, count, address))
            print(f"  {producers}: {samples}", flush=True)
            for kind, where in (("one", "one instance"), ("several", f"{SEVERAL} instances")):
                found += [Row(f"queues: messages durable, producers: {producers} in {where}", "1/s", samples[kind], samples[peer], name)
                          for peer, name in NAMES.items() if samples[kind]]
    return found
