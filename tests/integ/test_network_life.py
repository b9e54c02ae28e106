# SPDX-License-Identifier: Apache-2.0
"""The life of an instance's network: its parts are made with the instance, and are gone after its end. Each test has an
ebbd of its own; all share one world (worlds.py)."""
import os
import signal
import subprocess

import pytest

import leaks
import pictures
import records
import worlds
from conftest import running
from ebbd_deaths import kill_ebbd
from networks import REFUSED, dial, file_inside, host_internal, probes, put, reaches
from waiting import wait_for
from worlds import DATABASE4, PUBLIC4


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        yield one


def test_without_a_network_nothing_is_made(world):
    with probes(world, settings={"egress_default": "none"}) as ebb:
        put(ebb, "closed", "none")
        put(ebb, "unsaid", None)
        for name in ("closed", "unsaid"):
            assert dial(ebb, name, PUBLIC4) == "ENETUNREACH"
            assert "eth0" not in file_inside(ebb, name, "/proc/net/dev")
        world.assert_nothing_left()


def test_a_service_that_does_not_say_reaches_public_addresses_and_no_others(world):
    with probes(world) as ebb:
        assert put(ebb, "unsaid", None).json["ebb"]["egress"] == "internet"
        assert reaches(ebb, "unsaid", PUBLIC4) and not reaches(ebb, "unsaid", DATABASE4)
        put(ebb, "closed", "none")
        assert dial(ebb, "closed", PUBLIC4) == "ENETUNREACH"


def test_a_host_without_network_says_so_and_serves_the_others(world):
    with probes(world, settings={"egress": "off"}) as ebb:
        reply = put(ebb, "open", "internet", status=422)
        assert "no instance of this host has a network (egress = off)" in reply.text
        put(ebb, "closed", "none")
        assert ebb.get("closed").status == 200


def test_what_ebb_made_goes_when_it_is_killed_and_a_new_one_begins(world):
    with probes(world) as ebb:
        put(ebb, "open", "internet")
        assert reaches(ebb, "open", PUBLIC4)
        assert world.tables()
        ebb.die()
        world.assert_nothing_left()
        ebb.process = None
        ebb.start()
        assert reaches(ebb, "open", PUBLIC4)


def test_the_network_of_an_instance_outlives_ebbd(world):
    with probes(world) as ebb:
        put(ebb, "open", "internet")
        put(ebb, "other", {"subnets": {"allow": ["10.0.0.5"]}})
        assert reaches(ebb, "open", PUBLIC4)
        before = ebb.instance("open")["id"]
        for _ in range(2):
            kill_ebbd(ebb)
            assert reaches(ebb, "open", PUBLIC4) and not reaches(ebb, "open", DATABASE4)
            assert ebb.instance("open")["id"] == before
            assert not reaches(ebb, "other", PUBLIC4)
        ebb.cli("rm", "open")
    world.assert_nothing_left()


def test_a_dead_ebb_net_is_replaced_and_nobody_notices(world):
    with probes(world) as ebb:
        put(ebb, "open", "internet")
        put(ebb, "other", {"subnets": {"allow": ["10.0.0.5"]}})
        assert reaches(ebb, "open", PUBLIC4)
        ebb.end_program("ebb-net")
        assert reaches(ebb, "open", PUBLIC4) and not reaches(ebb, "open", DATABASE4)
        wait_for(lambda: ebb.programs("ebb-net"))
        wait_for(lambda: dial_or_none(ebb, "other", DATABASE4), 20)
        assert not reaches(ebb, "other", PUBLIC4)


def dial_or_none(ebb, name, to):
    reply = ebb.get(name, f"/dial?kind=tcp&to={to}&port=80")
    return reply.status == 200 and reply.json["result"].startswith("got ")


def test_two_ebbds_have_pools_of_their_own(world):
    with probes(world) as one:
        with running() as two:
            two.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            for ebb in (one, two):
                put(ebb, "open", "internet")
                assert reaches(ebb, "open", PUBLIC4)
            pools = [host_internal(ebb, "open") for ebb in (one, two)]
            assert pools[0] != pools[1]
            assert len(world.tables()) == 2
        assert reaches(one, "open", PUBLIC4)


def test_an_instance_that_ends_leaves_no_element(world):
    with probes(world) as ebb:
        put(ebb, "open", {"allow": ["host.internal:1"], "subnets": {"allow": ["0.0.0.0/0", "10.0.0.5:5432"],
                                                                     "deny": ["203.0.113.0/24"]}})
        assert reaches(ebb, "open", PUBLIC4)
        before = len(world.links())
        ebb.cli("rm", "open")
        wait_for(lambda: len(world.links()) <= before and not ebb.instances("open"))

        # A sandbox kept ready for the next one has an address, and nothing else; ebb-dns asks the resolver.
        wait_for(lambda: set(world.elements()) <= {"address4", "address6", "connections", "told", "forwards", "questions",
                                                   "shards"}, 10, world.elements())
        names = [name for name in world.links() if name not in ("lo", "eth0")]
        assert len(world.elements().get("address4", [])) == len(names)


def test_connections_of_an_instance_are_bounded(world):
    world.serve(world.world, worlds.OTHER4, ports=range(2000, 2024))
    with probes(world, settings={"egress_connections": "16"}) as ebb:
        put(ebb, "open", "internet", maxInstances=1)  # the bound is each one's
        found = [dial(ebb, "open", worlds.OTHER4, 2000 + n, "udp", ms=300) for n in range(24)]
        assert all(one.startswith("got ") for one in found[:16]) and found[16] == "EHOSTUNREACH", found
        # The kernel bounds its errors: the first ones come at once (icmp_ratelimit).
        assert set(found[16:]) <= {"EHOSTUNREACH", "timeout"}, found
        wait_for(lambda: any("too many connections at once" in text for text in ebb.told("open", "egress_refused")))


def test_a_host_without_default_route_refuses_with_the_mend():
    with worlds.World(default_route=False) as world, probes(world) as ebb:
        reply = put(ebb, "open", "internet", status=422)
        assert "this host has no default route; give it one (ip route add default via GATEWAY)" in reply.text
        put(ebb, "near", {"subnets": {"allow": ["192.0.2.0/24"]}})
        assert reaches(ebb, "near", worlds.ROUTER4)


def test_without_a_way_out_services_that_do_not_say_go_on_without_a_network():
    with worlds.World(default_route=False) as world, probes(world) as ebb:
        reply = put(ebb, "unsaid", None, status=201).json
        assert reply["ebb"]["egress"] == "none"
        assert "ebb.egress: it has no network (ebb.egress: this host has no default route" in reply["warnings"][0]
        assert put(ebb, "unsaid", None, status=200).json["change"] == "unchanged"
        assert dial(ebb, "unsaid", PUBLIC4) == "ENETUNREACH"
        assert "event=no_network service=unsaid" in ebb.log()
        assert "no default route" in put(ebb, "said", "internet", status=422).text


def nft(world, *words):
    return subprocess.run(world.inside(world.host, "nft", *words), capture_output=True, text=True)


def test_who_flushes_all_rules_of_the_host_opens_nothing(world):
    """Neither while ebb-net runs nor while it does not; nobody else can change the table at all."""
    world.serve(world.host, worlds.HOST4, ports=[7777])
    with probes(world) as ebb:
        put(ebb, "open", "internet")

        def holds():
            return (reaches(ebb, "open", PUBLIC4), reaches(ebb, "open", DATABASE4), reaches(ebb, "open", worlds.HOST4, 7777))
        assert holds() == (True, False, False)
        for dead in (False, True):
            if dead:
                ebb.end_program("ebb-net")
            assert nft(world, "flush", "ruleset").returncode == 0
            assert holds() == (True, False, False)
        table = world.tables()[0]
        for words in (("delete", "table"), ("flush", "table")):
            assert nft(world, *words, "inet", table).returncode != 0
        assert nft(world, "flush", "chain", "inet", table, "sender").returncode != 0
        assert holds() == (True, False, False)


def test_ebb_net_has_one_right_and_a_filter(world):
    with probes(world) as ebb:
        status = leaks.read(f"/proc/{ebb.programs('ebb-net')[0]}/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 1 << 12, status  # CAP_NET_ADMIN
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
        assert facts["Uid"].split()[0] not in ("0", "65534")


def test_a_hijacked_ebb_net_pushes_no_event_of_others_out(world):
    """Each refusal that it tells is counted, and few of one service become events."""
    with probes(world) as ebb:
        put(ebb, "open", "internet")
        assert reaches(ebb, "open", PUBLIC4)
        before = [ebb.programs(name) for name in ("ebb-net", "ebb-api", "ebb-gateway")]
        ranges = [int(name[-4:], 16) for name in world.links() if name not in ("lo", "eth0")]
        with records.channel(ebb.programs("ebb-net")[0]) as stolen:
            for n in range(500):
                for number in ranges:
                    records.send(stolen, records.datagram("NET_REFUSED", records.body(
                        "NET_REFUSED", range=number, protocol=6, port=1 + n, address=bytes(10) + b"\xff\xff\n\0\0\1")))

        def counted():
            found = [line for line in ebb.rest("GET", "/metrics").text.splitlines()
                     if line.startswith('ebb_instance_egress_refused_total{service="open"')]
            return [int(line.split()[-1]) for line in found] == [500]
        wait_for(counted)
        assert 20 <= len(ebb.told("open", "egress_refused")) < 100
        assert before == [ebb.programs(name) for name in ("ebb-net", "ebb-api", "ebb-gateway")]
        assert reaches(ebb, "open", PUBLIC4)


def test_an_ebb_net_that_hangs_is_replaced(world):
    with probes(world) as ebb:
        put(ebb, "open", "internet")
        assert reaches(ebb, "open", PUBLIC4)
        (hung,) = ebb.programs("ebb-net")
        os.kill(hung, signal.SIGSTOP)
        put(ebb, "other", {"subnets": {"allow": ["10.0.0.5"]}})  # waits for its rules
        wait_for(lambda: [pid for pid in ebb.programs("ebb-net") if pid != hung], 30)
        wait_for(lambda: dial_or_none(ebb, "other", DATABASE4), 20)
        assert "event=peer_late program=ebb-net" in ebb.log()


def test_two_ebbds_do_not_take_the_same_pool(world):
    """The lock is a file of root's: no other user can take it first, and one that was killed leaves it free."""
    settings = {"net_pool": "198.18.48.0/20"}
    with probes(world, settings=settings) as one:
        with running(settings=settings) as two:
            two.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            assert "no addresses for instances: 198.18.48.0/20" in put(two, "open", "internet", status=422).text
        put(one, "open", "internet")
        one.die()
        world.assert_nothing_left()
        one.process = None
        one.start()
        assert reaches(one, "open", PUBLIC4)
    here = os.stat("/proc/self/ns/net").st_ino
    assert not [name for name in os.listdir("/run") if name.startswith(f"ebb-pool-{here}-198.18.48.0")]


def test_interfaces_that_forward_for_instances_stop_when_ebb_ends():
    with worlds.World() as world:
        def forwards():
            return worlds.run(*world.inside(world.host, "cat", "/proc/sys/net/ipv4/conf/eth0/forwarding")).strip()
        assert forwards() == "0"
        with probes(world) as ebb:
            put(ebb, "open", "internet")
            assert reaches(ebb, "open", PUBLIC4) and forwards() == "1"
        assert forwards() == "0"
