# SPDX-License-Identifier: Apache-2.0
"""
ebb-dns in an attacker's hands: the test speaks over its channel (records.py) and stands in its network namespace. It
opens for an instance at most public addresses at ports that the policy of that instance gives to names. The names
themselves it may mix up: nobody else knows which address belongs to which.
"""
import ipaddress
import os
import re
import subprocess
import sys

import pytest

import leaks
import records
import worlds
from networks import REFUSED, Names, attempt, dial, host_internal, probes, put
from test_network_names import asked
from waiting import wait_for
from worlds import DATABASE4, DATABASE6, HOST4, OTHER4, PUBLIC4, PUBLIC6, ROUTER4

GENERATIONS = range(1, 33)  # the instances of this test have one of these numbers
METADATA = "169.254.169.254"
POLICIES = {
    "port80": {"allow": ["api.example.com:80", "two.example.org:443"], "subnets": {"deny": [f"{OTHER4}/32"]}},
    "ports": {"allow": ["api.example.com"]},
    "subnets": {"subnets": {"allow": ["10.0.0.6/32"]}},
    "closed": {},
    "open": "internet",
}


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        one.serve(one.host, HOST4, ports=[80, 7778])
        yield one


@pytest.fixture(scope="module")
def ebb(world, tmp_path_factory):
    Names(world, str(tmp_path_factory.mktemp("names")), {"api.example.com": {"A": [PUBLIC4]}})
    with probes(world, settings={"egress_resolver": ROUTER4}) as one:
        for name, egress in POLICIES.items():
            put(one, name, egress, maxInstances=1)
            assert one.get(name).status == 200
        one.host = host_internal(one, "open")
        yield one


def address_of(ebb, service):
    """Its own, of the pool."""
    pid = ebb.instance(service)["pid"]
    out = worlds.run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-4", "-o", "addr", "show", "scope", "global")
    return re.search(r"inet ([\d.]+)/", out)[1]


def range_of(ebb, service):
    third, fourth = map(int, address_of(ebb, service).split(".")[2:])
    return (third & 15) << 8 | fourth


def packed(address):
    raw = ipaddress.ip_address(address).packed
    return raw if len(raw) == 16 else bytes(10) + b"\xff\xff" + raw


def lie(ebb, service, *addresses, port=80, ttl=3600, number=None):
    """ebb-dns says that these addresses are open for the instance, whatever its generation is."""
    (pid,) = ebb.programs("ebb-dns")
    number = range_of(ebb, service) if number is None else number
    with records.channel(pid) as stolen:
        for generation in GENERATIONS:
            records.send(stolen, records.datagram("DNS_OPEN", records.body(
                "DNS_OPEN", cookie=1 << 60, range=number, generation=generation, count=len(addresses), ttl_s=ttl,
                port=port, addresses=b"".join(map(packed, addresses)))))


def settled(ebb):
    """Records of ebb-dns are judged in their order: behind the lies an honest question was answered."""
    assert asked(ebb, "ports", "api.example.com").addresses == [PUBLIC4]
    assert dial(ebb, "ports", PUBLIC4).startswith("got ")


def refused(ebb, service, to, port=80, kind="tcp"):
    found = attempt(ebb, service, to, port, kind, ms=500)[0]
    assert not found.startswith("got "), (service, to, port, kind)
    return found


def test_a_lie_opens_public_addresses_at_the_ports_of_names_and_nothing_else(ebb):
    assert dial(ebb, "port80", PUBLIC4) in REFUSED
    for port in (0, 5432, 1, 65535):
        lie(ebb, "port80", PUBLIC4, PUBLIC6, port=port)
    settled(ebb)
    for kind in ("tcp", "udp"):
        assert {refused(ebb, "port80", to, port, kind) for to in (PUBLIC4, PUBLIC6) for port in (80, 5432)} <= set(REFUSED)
    lie(ebb, "port80", PUBLIC4)
    settled(ebb)
    assert dial(ebb, "port80", PUBLIC4).startswith("got ")  # the policy gives it, under another name
    assert dial(ebb, "port80", PUBLIC4, 5432) in REFUSED


def test_a_lie_opens_no_address_that_a_policy_denies(ebb):
    lie(ebb, "port80", OTHER4)
    settled(ebb)
    assert refused(ebb, "port80", OTHER4) in REFUSED


@pytest.mark.parametrize("service", ["subnets", "closed", "open"])
def test_a_lie_opens_nothing_for_whom_no_name_is_listed(ebb, service):
    for port in (0, 80):
        lie(ebb, service, OTHER4, PUBLIC4, DATABASE4, port=port)
    settled(ebb)
    assert refused(ebb, service, DATABASE4) in REFUSED
    if service != "open":
        assert refused(ebb, service, OTHER4) in REFUSED and refused(ebb, service, PUBLIC4) in REFUSED


INNER = [DATABASE4, DATABASE6, HOST4, METADATA, "127.0.0.1", "::1", "0.0.0.0", "::", "100.64.0.1", "fe80::1", "64:ff9b::a00:5",
         "::ffff:0:10.0.0.5", "2002:a00:5::1", "224.0.0.1", "255.255.255.255", "198.18.0.1"]


@pytest.mark.parametrize("service", ["port80", "ports"])
def test_a_lie_opens_nothing_inside(ebb, service):
    port = 80 if service == "port80" else 0
    others = [address_of(ebb, name) for name in POLICIES if name not in (service, "closed")]
    for address in [*INNER, *others, ebb.host, ebb.host.rsplit(".", 1)[0] + ".0"]:
        lie(ebb, service, address, port=port)
        lie(ebb, service, PUBLIC4, address, port=port)  # in the company of a public one
    settled(ebb)
    for address in [DATABASE4, HOST4, METADATA, "127.0.0.1", *others, ebb.host]:
        assert refused(ebb, service, address) != "", address
    assert refused(ebb, service, HOST4, 7778) in REFUSED and refused(ebb, service, DATABASE6) in REFUSED


def test_a_lie_about_the_range_of_ebb_dns_or_of_nobody_changes_nothing(ebb):
    for number in (0, 1, 4095, 2048):
        lie(ebb, "ports", PUBLIC4, port=0, number=number)
    settled(ebb)
    (pid,) = ebb.programs("ebb-dns")
    for address, port in ((PUBLIC4, 80), (DATABASE4, 5432), (HOST4, 7778), (ebb.host, 80), (address_of(ebb, "open"), 8080)):
        code = f"import socket; socket.create_connection(('{address}', {port}), 0.5)"
        done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", code], capture_output=True)
        assert done.returncode != 0, (address, port)


def test_lies_fill_the_table_of_their_own_instance_only(ebb):
    many = [f"198.51.100.{n}" for n in range(1, 200)]
    for at in range(0, len(many), 16):
        lie(ebb, "ports", *many[at:at + 16], port=0, ttl=1)
    lie(ebb, "port80", PUBLIC4)
    wait_for(lambda: dial(ebb, "port80", PUBLIC4).startswith("got "), 10)
    wait_for(lambda: asked(ebb, "ports", "api.example.com").addresses == [PUBLIC4], 30)  # when those are over


def test_refusals_that_it_makes_up_push_no_event_of_others_out(ebb):
    before = [ebb.programs(name) for name in ("ebb-dns", "ebb-net", "ebb-api", "ebb-gateway")]
    number = range_of(ebb, "open")
    with records.channel(before[0][0]) as stolen:
        for n in range(150):
            for generation in GENERATIONS:
                records.send(stolen, records.datagram("DNS_REFUSED", records.body(
                    "DNS_REFUSED", range=n if n % 3 else number, generation=generation, reason=n % 3,
                    name=b"made-up-%d" % n)))
    settled(ebb)
    assert 1 <= len([text for text in ebb.told("open", "egress_refused") if "made-up" in text]) < 100
    assert before == [ebb.programs(name) for name in ("ebb-dns", "ebb-net", "ebb-api", "ebb-gateway")]


def test_it_holds_its_channel_its_sockets_and_nothing_else(ebb):
    (pid,) = ebb.programs("ebb-dns")
    kinds = sorted(re.sub(r"\d+", "", leaks.link(f"/proc/{pid}/fd/{n}")) for n in os.listdir(f"/proc/{pid}/fd"))
    assert set(kinds) <= {"/dev/null", "pipe:[]", "socket:[]", "anon_inode:[eventpoll]", "anon_inode:[timerfd]"}, kinds
    assert kinds.count("socket:[]") == 3, kinds  # ebbd, datagrams, connections
    assert os.listdir(f"/proc/{pid}/root") == []
