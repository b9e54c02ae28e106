# SPDX-License-Identifier: Apache-2.0
"""ebb.egress: the reach of an instance and its end, in a host and a world of the test's own (worlds.py)."""
import subprocess

import pytest

import worlds
from networks import REFUSED, dial, host_internal, probes, put, reaches
from waiting import wait_for
from worlds import DATABASE4, DATABASE6, HOST4, HOST6, OTHER4, PUBLIC4, PUBLIC6

HOST_ONLY = 5433  # served on 127.0.0.1 of the host


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        one.serve(one.host, "127.0.0.1", ports=[HOST_ONLY, HOST_ONLY + 1])
        one.serve(one.host, HOST4, HOST6)
        yield one


@pytest.fixture(scope="module")
def ebb(world):
    with probes(world, settings={"egress_resolver": worlds.ROUTER4}) as one:
        yield one


def test_internet_is_all_public_addresses_and_nothing_else(ebb):
    put(ebb, "open", "internet")
    for kind in ("tcp", "udp"):
        assert dial(ebb, "open", PUBLIC4, kind=kind) == f"got {PUBLIC4} says hello to {HOST4}"
        assert dial(ebb, "open", PUBLIC6, kind=kind) == f"got {PUBLIC6} says hello to {HOST6}"
        assert dial(ebb, "open", DATABASE4, 5432, kind) in REFUSED
        assert dial(ebb, "open", DATABASE6, 5432, kind) in REFUSED
        assert dial(ebb, "open", HOST4, 80, kind) in REFUSED
        assert dial(ebb, "open", HOST6, 80, kind) in REFUSED
    assert dial(ebb, "open", PUBLIC4, kind="udp", size=8000).startswith("got ")


POLICIES = [
    ({"subnets": {"allow": ["10.0.0.5/32:5432"]}},
     {(DATABASE4, 5432): True, (DATABASE4, 80): False, (PUBLIC4, 80): False, (PUBLIC6, 80): False}),
    ({"subnets": {"allow": ["10.0.0.0/8"], "deny": []}},
     {(DATABASE4, 5432): True, (DATABASE4, 80): True, (OTHER4, 80): False}),
    ({"subnets": {"allow": ["0.0.0.0/0", "::/0"]}},  # wide: public ones only
     {(PUBLIC4, 80): True, (PUBLIC6, 80): True, (DATABASE4, 80): False, (DATABASE6, 80): False, (HOST4, 80): False}),
    ({"subnets": {"allow": ["0.0.0.0/0", "10.0.0.5"], "deny": ["203.0.113.0/24", "198.51.100.7:80"]}},
     {(PUBLIC4, 80): False, (PUBLIC4, 5432): True, (OTHER4, 80): False, (DATABASE4, 80): True}),
    ({"subnets": {"allow": ["10.0.0.0/8", "10.0.0.5/32:5432", "10.0.0.0/24:80"], "deny": ["10.0.0.5:5432"]}},
     {(DATABASE4, 5432): False, (DATABASE4, 80): True}),
    ({"subnets": {"allow": ["[fd00:1::5]:5432", "2001:db8:2::/48:80"]}},
     {(DATABASE6, 5432): True, (DATABASE6, 80): False, (PUBLIC6, 80): True, (PUBLIC6, 5432): False, (PUBLIC4, 80): False}),
    ({"subnets": {"allow": ["192.0.2.0/24", "2001:db8:1::/64"]}},  # its network, and never the host itself
     {(worlds.ROUTER4, 80): True, (worlds.ROUTER6, 80): True, (HOST4, 80): False, (HOST6, 80): False}),
    ({"subnets": {"allow": ["10.0.0.0/8:65535", "10.0.0.5", "10.0.0.0/16:65534", "0.0.0.0/0:65535", "198.51.100.7"],
                  "deny": ["203.0.113.0/24:65535", "203.0.113.9"]}},  # ends of intervals must not meet
     {(DATABASE4, 5432): True, (PUBLIC4, 80): True, (OTHER4, 80): False, (PUBLIC6, 80): False}),
    ({"allow": ["Api.Example.com.", "*.example.org:443", "*"]}, {(PUBLIC4, 80): False, (PUBLIC6, 80): False}),
    ({}, {(PUBLIC4, 80): False, (DATABASE4, 80): False, (PUBLIC6, 80): False}),
]


@pytest.mark.parametrize("number", range(len(POLICIES)))
def test_a_policy_opens_what_it_lists(ebb, number):
    policy, targets = POLICIES[number]
    name = f"policy-{number}"
    shown = put(ebb, name, policy).json["ebb"]["egress"]
    assert put(ebb, name, shown).json["revision"] == 1  # an answer can be sent back and changes nothing
    for (address, port), wanted in targets.items():
        assert reaches(ebb, name, address, port) == wanted, (policy, address, port)
    assert reaches(ebb, name, *next(iter(targets)), kind="udp") == next(iter(targets.values()))
    ebb.cli("rm", name)


def test_one_port_of_the_host_is_reached_by_name(ebb):
    put(ebb, "beside", {"allow": [f"host.internal:{HOST_ONLY}"]})
    host = host_internal(ebb, "beside")
    assert dial(ebb, "beside", host, HOST_ONLY).startswith("got 127.0.0.1 says hello to 198.1")
    assert dial(ebb, "beside", host, HOST_ONLY + 1) in REFUSED
    assert dial(ebb, "beside", host, ebb.port) in REFUSED
    assert dial(ebb, "beside", PUBLIC4) in REFUSED


def test_a_refused_attempt_is_told_once_with_its_rule(ebb):
    put(ebb, "told", {"subnets": {"deny": ["203.0.113.0/24"]}})
    for _ in range(3):
        dial(ebb, "told", DATABASE4, 5432)
        dial(ebb, "told", OTHER4, 80, "udp")
        dial(ebb, "told", PUBLIC6, 80)
        dial(ebb, "told", HOST4, 80)
        dial(ebb, "told", "169.254.169.254", 80)
    wanted = {
        f"tcp to {DATABASE4}:5432 was refused: an address that is not public (private)",
        f"udp to {OTHER4}:80 was refused: ebb.egress.subnets.deny",
        f"tcp to [{PUBLIC6}]:80 was refused: not in ebb.egress.subnets.allow",
        f"tcp to {HOST4}:80 was refused: an address of this host",
        "tcp to 169.254.169.254:80 was refused: an address that is not public (metadata)",
    }
    wait_for(lambda: len(ebb.told("told", "egress_refused")) >= len(wanted))
    assert sorted(ebb.told("told", "egress_refused")) == sorted(wanted)


def test_nobody_outside_reaches_an_instance(ebb, world):
    put(ebb, "inner", "internet")
    host = host_internal(ebb, "inner")
    network = host.rsplit(".", 1)[0]
    routes = [line.split()[0] for line in world.ip(world.host, "route").splitlines() if line.startswith(network)]
    world.ip(world.world, "route", "add", f"{network}.0/24", "via", HOST4)
    try:
        assert routes
        for where in (world.world, world.host):
            for address in routes:
                done = subprocess.run(world.inside(
                    where, "/usr/bin/python3", "-c", f"import socket; socket.create_connection(('{address}', 8080), 0.3)"),
                    capture_output=True, text=True)
                assert done.returncode != 0, (where, address)
    finally:
        world.ip(world.world, "route", "del", f"{network}.0/24")


def test_a_thawed_instance_has_its_network(ebb):
    put(ebb, "sleepy", "internet", **{})
    assert reaches(ebb, "sleepy", PUBLIC4)
    ebb.wait_frozen("sleepy")
    assert reaches(ebb, "sleepy", PUBLIC4)


BAD = [
    ("everything", "ebb.egress", "is not \"none\", \"internet\" or an object"),
    (7, "ebb.egress", "is not \"none\""),
    ({"subnet": {}}, "ebb.egress.subnet", "is not a known key (\"allow\", \"subnets\")"),
    ({"subnets": {"permit": []}}, "ebb.egress.subnets.permit", "is not a known key (\"allow\", \"deny\")"),
    ({"subnets": []}, "ebb.egress.subnets", "is not an object"),
    ({"subnets": {"allow": "10.0.0.0/8"}}, "ebb.egress.subnets.allow", "is not a list"),
    ({"subnets": {"allow": [5]}}, "ebb.egress.subnets.allow[0]", "is not a text"),
    ({"subnets": {"allow": ["10.0.0.0/8", "10.0.0/8"]}}, "ebb.egress.subnets.allow[1]", "is not an address or a network"),
    ({"subnets": {"allow": [""]}}, "ebb.egress.subnets.allow[0]", "is not an address"),
    ({"subnets": {"allow": ["10.0.0.0/33"]}}, "ebb.egress.subnets.allow[0]", "wrong prefix (0..32)"),
    ({"subnets": {"deny": ["fd00::/129"]}}, "ebb.egress.subnets.deny[0]", "wrong prefix (0..128)"),
    ({"subnets": {"deny": ["10.0.0.1/8"]}}, "ebb.egress.subnets.deny[0]", "bits behind its prefix"),
    ({"subnets": {"allow": ["10.0.0.1:0"]}}, "ebb.egress.subnets.allow[0]", "wrong port (1..65535)"),
    ({"subnets": {"allow": ["10.0.0.1:65536"]}}, "ebb.egress.subnets.allow[0]", "wrong port"),
    ({"subnets": {"allow": ["10.0.0.1:http"]}}, "ebb.egress.subnets.allow[0]", "wrong port"),
    ({"subnets": {"allow": ["10.0.0.1:"]}}, "ebb.egress.subnets.allow[0]", "is not an address"),
    ({"subnets": {"allow": ["[::1"]}}, "ebb.egress.subnets.allow[0]", "is not an address"),
    ({"subnets": {"allow": ["example.com"]}}, "ebb.egress.subnets.allow[0]", "is not an address"),
    ({"subnets": {"allow": ["10.0.0.1"] * 17}}, "ebb.egress.subnets.allow", "too many entries (..16)"),
    ({"allow": ["api..example.com"]}, "ebb.egress.allow[0]", "is not a name, such as"),
    ({"allow": ["a.com", "10.0.0.5"]}, "ebb.egress.allow[1]", "addresses stand in subnets"),
    ({"allow": ["[::1]:80"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["*example.com"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["a.*.com"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["-a.com"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["b\u00fccher.example"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["a" * 64 + ".com"]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": [".".join(["a" * 60] * 5)]}, "ebb.egress.allow[0]", "is not a name"),
    ({"allow": ["a.com:0"]}, "ebb.egress.allow[0]", "has a wrong port (1..65535)"),
    ({"allow": ["a.com:"]}, "ebb.egress.allow[0]", "has a wrong port"),
    ({"allow": ["https://a.com"]}, "ebb.egress.allow[0]", "has a wrong port"),
    ({"allow": ["db.internal"]}, "ebb.egress.allow[0]", "knows host.internal only"),
    ({"allow": [f"a{n}.com" for n in range(17)]}, "ebb.egress.allow[16]", "is one entry too many (..16)"),
    ({"allow": ["host.internal"]}, "ebb.egress.allow[0]", "needs a port"),
    ({"allow": ["host.internal:0"]}, "ebb.egress.allow[0]", "needs a port (host.internal:1..65535)"),
    ({"allow": ["host.internal:x"]}, "ebb.egress.allow[0]", "needs a port"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_wrong_policy_is_refused_by_path_value_and_what_is_allowed(ebb, number):
    egress, path, words = BAD[number]
    reply = put(ebb, "bad", egress, status=422)
    faults = {fault["path"]: fault["message"] for fault in reply.json["errors"]}
    assert words in faults[path], faults
