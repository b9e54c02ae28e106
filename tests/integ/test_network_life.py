# SPDX-License-Identifier: Apache-2.0
"""The life of an instance's network: its parts are made with the instance, and are gone after its end. Each test has an
ebbd of its own; all share one world (worlds.py)."""
import json
import os
import signal

import pytest

import leaks
import pictures
import worlds
from conftest import running
from networks import REFUSED, dial, file_inside, host_internal, probes, put, reaches
from waiting import wait_for
from worlds import DATABASE4, PUBLIC4


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        yield one


def test_without_a_network_nothing_is_made(world):
    with probes(world) as ebb:
        put(ebb, "closed", "none")
        put(ebb, "unsaid", None)
        for name in ("closed", "unsaid"):
            assert dial(ebb, name, PUBLIC4) == "ENETUNREACH"
            assert "eth0" not in file_inside(ebb, name, "/proc/net/dev")
        world.assert_nothing_left()


def test_the_default_of_a_service_is_a_setting_of_the_host(world):
    with probes(world, settings={"egress_default": "internet"}) as ebb:
        assert put(ebb, "unsaid", None).json["ebb"]["egress"] == "internet"
        assert reaches(ebb, "unsaid", PUBLIC4)
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
        os.kill(ebb.process.pid, signal.SIGKILL)
        ebb.process.wait()
        world.assert_nothing_left()
        ebb.process = None
        ebb.start()
        assert reaches(ebb, "open", PUBLIC4)


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

        def elements():
            sets = json.loads(worlds.run(*world.inside(world.host, "nft", "-j", "list", "ruleset")))["nftables"]
            return {one["set"]["name"]: one["set"]["elem"] for one in sets if "set" in one and one["set"].get("elem")}
        # A sandbox kept ready for the next one has an address, and nothing else.
        wait_for(lambda: set(elements()) <= {"address4", "address6", "connections", "told"}, 10, elements())
        names = [name for name in world.links() if name not in ("lo", "eth0")]
        assert len(elements().get("address4", [])) == len(names)


def test_connections_of_an_instance_are_bounded(world):
    world.serve(world.world, worlds.OTHER4, ports=range(2000, 2024))
    with probes(world, settings={"egress_connections": "16"}) as ebb:
        put(ebb, "open", "internet")
        found = [dial(ebb, "open", worlds.OTHER4, 2000 + n, "udp", ms=300) for n in range(24)]
        assert all(one.startswith("got ") for one in found[:16]) and found[16] == "EHOSTUNREACH", found
        # The kernel bounds its errors: the first ones come at once (icmp_ratelimit).
        assert set(found[16:]) <= {"EHOSTUNREACH", "timeout"}, found
        assert any("too many connections at once" in text for text in ebb.told("open", "egress_refused"))


def test_a_host_without_default_route_refuses_with_the_mend():
    with worlds.World(default_route=False) as world, probes(world) as ebb:
        reply = put(ebb, "open", "internet", status=422)
        assert "this host has no default route; give it one (ip route add default via GATEWAY)" in reply.text
        put(ebb, "near", {"subnets": {"allow": ["192.0.2.0/24"]}})
        assert reaches(ebb, "near", worlds.ROUTER4)


def test_ebb_net_has_one_right_and_a_filter(world):
    with probes(world) as ebb:
        status = leaks.read(f"/proc/{ebb.programs('ebb-net')[0]}/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 1 << 12, status  # CAP_NET_ADMIN
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
        assert facts["Uid"].split()[0] not in ("0", "65534")


@pytest.mark.parametrize("resolver,asked_by", [(worlds.OTHER4, worlds.HOST4), ("127.0.0.53", "127.0.0.1")])
def test_who_reaches_the_internet_asks_the_hosts_resolver(world, resolver, asked_by):
    world.serve(world.host if resolver.startswith("127.") else world.world, resolver, ports=[53])
    with probes(world, settings={"egress_resolver": resolver}) as ebb:
        put(ebb, "open", "internet")
        put(ebb, "listed", {"subnets": {"allow": ["10.0.0.5"]}})
        nearby = host_internal(ebb, "open")
        assert file_inside(ebb, "open", "/etc/resolv.conf") == f"nameserver {nearby}\n"
        for kind in ("udp", "tcp"):
            assert dial(ebb, "open", nearby, 53, kind) == f"got {resolver} says hello to {asked_by}"
            assert dial(ebb, "listed", nearby, 53, kind) in REFUSED
        assert ebb.get("listed", "/file?path=/etc/resolv.conf").status != 200
