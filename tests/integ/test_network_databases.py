# SPDX-License-Identifier: Apache-2.0
"""
Functions that wait on databases, APIs and models, by the drivers that people use, in a host and a world of the test's
own: PostgreSQL by a subnet, Redis beside ebb by host.internal, HTTPS and gRPC by name; an AI backend; connection pools
over many freezes. All are here, because their images take longest. `make check-network` takes the long versions.
"""
import contextlib
import os
import sqlite3
import time

import pytest

import chats
import counts
import databases
import net_apps
import pictures
import pool_runs
import web
import worlds
from conftest import running
from networks import Names
from node_apps import python_service, service
from waiting import wait_for

API, GRPC = "api.example.com", "rpc.example.com"
MODEL4, MODEL_PORT = "198.51.100.90", 8000
ZONE = {API: {"A": [databases.API4]}, GRPC: {"A": [databases.GRPC4]}}
EGRESS = {"allow": [f"{API}:443", f"{GRPC}:50051", f"host.internal:{databases.CACHE_PORT}"],
          "subnets": {"allow": [f"{databases.POSTGRES4}/32:5432"]}}
ENV = {"DATABASE_URL": databases.url(), "CACHE_URL": f"redis://:{databases.PASSWORD}@host.internal:{databases.CACHE_PORT}",
       "API_URL": f"https://{API}", "GRPC_TARGET": f"dns:///{GRPC}:50051", "NODE_EXTRA_CA_CERTS": "/app/ca.pem",
       "REQUESTS_CA_BUNDLE": "/app/ca.pem", "SSL_CERT_FILE": "/app/ca.pem", "LD_LIBRARY_PATH": net_apps.LIBRARIES}
KINDS = {**dict.fromkeys(("pg", "postgres", "ioredis", "redis", "fetch", "undici", "grpc"), "node"),
         **dict.fromkeys(("asyncpg", "psycopg2", "psycopg", "httpx", "requests"), "python")}
CHATS, PAUSE_S, SECONDS = 100, 0.2, float(os.environ.get("CHAT_SECONDS", "2"))
AT_FREEZE = 1  # docs/ledger.md
SETTINGS = {"egress_resolver": worlds.ROUTER4, "queue_age_ms": "100000"}
# Many files of many packages, and the machine may be busy. Frozen at once, and not after a time that it learned.
SHAPE = {"initTimeout": "90s", "freezeAfter": 10}
pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute to start under emulation")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """With everything that its servers and its functions need, as it has no registry."""
    archives = {"net-node": net_apps.node_archive(), "net-python": net_apps.python_archive(),
                "curl": net_apps.curl_archive()}
    commands = pool_runs.commands()
    addresses = [databases.POSTGRES4, pool_runs.DATABASE4, MODEL4]
    with worlds.World(addresses=addresses, ports=[7]) as one, contextlib.ExitStack() as servers:
        Names(one, str(tmp_path_factory.mktemp("names")), ZONE)
        servers.enter_context(databases.postgres(one))
        servers.enter_context(databases.redis(one, one.host, "127.0.0.1"))
        servers.enter_context(databases.https(one, API, net_apps.authority()))
        servers.enter_context(databases.grpc(one))
        one.pooled = servers.enter_context(databases.postgres(one, pool_runs.DATABASE4, **pool_runs.SETTINGS))
        one.archives, one.commands = archives, commands
        yield one


def deploy(ebb, suffix, egress):
    more = {"env": ENV, "ebb": {"egress": egress, **SHAPE}}
    ebb.apply({"node" + suffix: service("clients.mjs", entrypoint="net-node", **more),
               "python" + suffix: python_service("clients.py", entrypoint="net-python", **more),
               "curl" + suffix: {"runtime": "container", "entrypoint": "curl", "maxInstances": 1, "ebb": more["ebb"]}})


@pytest.fixture(scope="module")
def ebb(world):
    with running(settings=SETTINGS) as one:
        for image, path in world.archives.items():
            one.import_image("oci-archive:" + path, image)
        deploy(one, "", EGRESS)
        deploy(one, "-closed", {"subnets": {"allow": ["192.0.2.1:7"]}})
        yield one
    world.assert_nothing_left()


# --- drivers ------------------------------------------------------------------------------------------
def ask(ebb, kind, suffix=""):
    reply = ebb.get(KINDS[kind] + suffix, "/" + kind, timeout=120)
    return reply.status, reply.json


def right(kind, said):
    if "connection" in said:  # of a database
        return said["connection"] > 0 and said["count"] > 0
    return said.get("status", 200) == 200 and said["text"].startswith("hello ")


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_works_through_freezes_on_the_connection_it_has(ebb, kind):
    connections = []
    for _ in range(4):
        status, said = ask(ebb, kind)
        assert status == 200 and right(kind, said), (said, ebb.log())
        connections.append(said.get("connection") or said["text"])
        ebb.wait_frozen(KINDS[kind], 30)
    # A client may prefer a new connection to one that rested; databases and gRPC do not.
    assert len(set(connections)) == 1 or kind in ("fetch", "undici", "httpx", "requests"), connections


@pytest.mark.parametrize("kind", KINDS)
def test_a_driver_works_for_many_at_once(ebb, kind):
    for status, said in web.many(40, lambda _: ask(ebb, kind)):
        assert status == 200 and right(kind, said), said


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("ioredis", "redis")])
def test_a_driver_whose_server_is_in_no_policy_is_refused(ebb, kind):
    """With an error and not a time-out. Redis clients go on trying for ever, by their own choice."""
    status, said = ask(ebb, kind, "-closed")
    assert status == 502 and "error" in said, said
    # Those that want a name first have no resolver.
    if kind in pool_runs.KINDS:
        wait_for(lambda: ebb.told(KINDS[kind] + "-closed", "egress_refused"))


def curl(ebb, name, *words):
    ebb.get(name, timeout=120)
    return ebb.cli("exec", ebb.instance(name)["id"], "--", "/usr/bin/curl", "-sS", "--max-time", "20", *words, ok=False)


def test_curl_in_a_container_reaches_a_name_and_checks_its_certificate(ebb):
    done = curl(ebb, "curl", "--cacert", "/srv/ca.pem", f"https://{API}/hello")
    assert done.code == 0 and done.out.startswith(f"hello from {API}"), done
    assert curl(ebb, "curl", f"https://{API}/hello").code == 60  # a CA that it does not know
    assert curl(ebb, "curl", "--cacert", "/srv/ca.pem", f"https://{databases.API4}/hello").code == 60


def test_curl_in_a_container_reaches_nothing_else(ebb):
    for url in (f"http://{databases.GRPC4}:50051/", f"telnet://{databases.POSTGRES4}:7"):
        assert curl(ebb, "curl", url).code == 7, url  # refused, and not 28: a time-out
    assert curl(ebb, "curl", "https://other.example.com/").code == 6
    assert curl(ebb, "curl-closed", f"https://{API}/hello").code == 6


# --- an AI backend ------------------------------------------------------------------------------------
@pytest.fixture
def chat(world, ebb):
    ebb.apply({"chat": service("chat.mjs", entrypoint="net-node", env={"MODEL_URL": f"http://{MODEL4}:{MODEL_PORT}"},
                               ebb={"egress": {"subnets": {"allow": [f"{MODEL4}/32:{MODEL_PORT}"]}}, **SHAPE})})
    chats.hold(world, MODEL4, MODEL_PORT, ebb, "chat", count=1, tokens=2, pause_s=0)  # its start is not what is billed
    ebb.wait_frozen("chat")
    return ebb


def freezes(ebb):
    """(awake_us, invocations) at each freeze, in order, as the ledger has them; both are cumulative."""
    with contextlib.closing(sqlite3.connect(f"file:{ebb.root}/ledger/ledger.db?mode=ro", uri=True)) as db:
        return list(db.execute("select awake_us, invocations from meter where service = 'chat' and reason = ? order by id",
                               (AT_FREEZE,)))


def test_a_hundred_chats_at_once_are_one_instance_with_next_to_no_cpu(world, chat):
    before, seen = chat.usage("chat"), wait_for(lambda: freezes(chat))
    begun = time.monotonic()
    held = chats.hold(world, MODEL4, MODEL_PORT, chat, "chat", count=CHATS, tokens=int(SECONDS / PAUSE_S), pause_s=PAUSE_S)
    seconds = time.monotonic() - begun
    interval = wait_for(lambda: [row for row in freezes(chat)[len(seen):] if row[1] > seen[-1][1]])[0]
    cpu_s = (chat.usage("chat")["active_cpu_us"] - before["active_cpu_us"]) / 1e6
    awake_s = (interval[0] - seen[-1][0]) / 1e6
    counts.note(f"chats: {CHATS} at once, {seconds:.1f} s in all; Active CPU {cpu_s:.2f} s, awake {awake_s:.1f} s")
    assert len(held.instances) == 1 and len(chat.instances("chat")) == 1
    # One provisioned interval holds all of them; CPU is a small part of what the chats take.
    assert interval[1] - seen[-1][1] == CHATS, (seen, interval)
    assert SECONDS * 0.9 <= awake_s <= seconds + 1, (interval, seconds)
    assert cpu_s < CHATS * SECONDS / 20, cpu_s


# --- connection pools over freezes ----------------------------------------------------------------------
@pytest.fixture
def pools(world, ebb):
    more = {"env": {**pool_runs.ENV, "LD_LIBRARY_PATH": net_apps.LIBRARIES},
            "ebb": {"egress": {"subnets": {"allow": [f"{pool_runs.DATABASE4}/32:5432"]}}, **SHAPE}}
    ebb.apply({"pool-node": service("pools.mjs", entrypoint="net-node", **more),
               "pool-python": python_service("clients.py", entrypoint="net-python", **more)})
    with pool_runs.plainly(world.commands) as plain:
        yield pool_runs.Run(ebb, plain, world.pooled)


def test_a_pool_that_freezes_has_errors_only_where_one_that_never_froze_has_them(pools):
    pools.ask()
    pools.freeze()
    before = pool_runs.freezes(pools.ebb)
    pools.whole(pool_runs.CYCLES)
    frozen, plain = (len(pools.errors[side]) for side in ("frozen", "plain"))
    counts.note(f"pools: {pools.asked} transactions of {len(pool_runs.KINDS)} drivers, "
                f"{pool_runs.freezes(pools.ebb) - before} freezes; errors: {frozen} frozen, {plain} plainly")
    pools.assert_freezing_costs_no_error()
    assert pool_runs.freezes(pools.ebb) - before >= pool_runs.CYCLES
    # The database was away at one moment, and nobody had an answer then.
    assert {kind for _, kind in pools.moments("plain") & pools.moments("frozen")} == set(pool_runs.KINDS)
