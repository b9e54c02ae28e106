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

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "producers")
CACHE4 = "10.0.0.7"


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


def per_second(network, kind, producers, count, address):
    """network: words before the command, which run it in a network namespace."""
    said = subprocess.run([*network, "node", program(), kind, str(producers), str(count), address], capture_output=True,
                          text=True, check=False)
    assert said.returncode == 0, said.stderr
    return float(said.stdout)


def instance(ebb):
    """A service with queues, whose topic has a consumer; words that run a command in its network."""
    reply = ebb.rest("PUT", "/v1/services/sends", {"image": "probe", "minInstances": 1, "maxInstances": 1, "ebb": {"queues": "bench"}})
    assert reply.status in (200, 201), reply
    assert ebb.get("sends", "/").status == 200
    with contextlib.closing(Inside(ebb, "sends")) as inside:
        inside.take("bench")
    return ["nsenter", f"--net=/proc/{ebb.instance('sends')['pid']}/ns/net"]


def rows(ebb, quick):
    rounds, counts = (1, {1: 200, 32: 2000}) if quick else (5, {1: 500, 32: 10000})
    program()  # which npm makes by the host's network
    url, inside = f"http://127.0.0.1:{PORT}", instance(ebb)
    found = []
    with worlds.World(addresses=[databases.POSTGRES4, CACHE4], ports=(80,)) as world, \
            databases.postgres(world, fsync="on", shared_buffers="128MB", autovacuum="on"), \
            databases.redis(world, world.world, CACHE4, more=("--appendonly", "yes", "--appendfsync", "always")):
        outside = world.inside(world.world)
        peers = {"graphile": databases.url(), "redis": f"{CACHE4}:{databases.CACHE_PORT}:{databases.PASSWORD}"}
        for producers, count in counts.items():
            ours, theirs = [], {kind: [] for kind in peers}
            for _ in range(rounds):
                ours.append(per_second(inside, "ebb", producers, count, url))
                for kind, address in peers.items():
                    theirs[kind].append(per_second(outside, kind, producers, count, address))
            for kind, name in (("graphile", "graphile-worker, PostgreSQL"), ("redis", "Redis, AOF always")):
                found.append(Row(f"queues: messages durable, producers: {producers}, beside {kind}", "1/s", ours, theirs[kind], name))
            print(f"  {producers}: ebb {ours}, {theirs}", flush=True)
    return found
