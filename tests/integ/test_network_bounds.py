# SPDX-License-Identifier: Apache-2.0
"""
The part of the host's table of connections that a network costs: connections that are over leave it soon, those of all
instances together have a bound, and a number of new ones a second. In a host and a world of the test's own.
"""
import re
import subprocess
import sys

import pytest

import web
import worlds
from networks import REFUSED, attempt, dial, probes, put
from waiting import wait_for
from worlds import HOST4, PUBLIC4

OVER_S = 4  # netns/bounds.c
ENTRY = re.compile(r"tcp +6 (\d+) (\w+) src=(\S+) dst=(\S+) sport=\d+ dport=(\d+) ")
SHORT = """
import socket, sys
for _ in range(int(sys.argv[3])):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as one:
        while one.recv(100):
            pass
"""


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        one.serve(one.host, HOST4, "127.0.0.1", ports=[80, 81])
        yield one


def entries(world, port):
    """(seconds left, state) of the TCP connections to this port that the host's kernel tracks."""
    with open("/proc/thread-self/net/nf_conntrack") as f:  # this process is in the world's host
        found = [ENTRY.search(line) for line in f]
    return [(int(one.group(1)), one.group(2)) for one in found if one and int(one.group(5)) == port]


def connect(world, where, to, port, count=20):
    done = subprocess.run(world.inside(where, sys.executable, "-c", SHORT, to, str(port), str(count)), capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr


def test_connections_that_are_over_leave_the_hosts_table_after_seconds(world):
    """Those of the host itself, from outside and from itself, and those of instances: not after the kernel's 120 s."""
    with probes(world, settings={"egress_resolver": worlds.ROUTER4}) as ebb:
        put(ebb, "open", "internet")
        for _ in range(5):
            assert dial(ebb, "open", PUBLIC4).startswith("got ")
        connect(world, world.world, HOST4, 80)
        connect(world, world.host, "127.0.0.1", 81)
        seen = entries(world, 80) + entries(world, 81)
        assert seen, "the kernel tracks them"
        assert not [one for one in seen if one[1] in ("TIME_WAIT", "CLOSE") and one[0] > OVER_S], seen
        wait_for(lambda: not entries(world, 80) + entries(world, 81), 30)


def tracked(world):
    """The length of the host's table. (To read the table itself removes what is over.)"""
    return int(worlds.run(*world.inside(world.host, "cat", "/proc/sys/net/netfilter/nf_conntrack_count")))


def test_many_connections_of_the_host_are_swept_out_of_its_table(world):
    """The kernel's own worker comes once a minute. With this bound more than one connection a second is a crowd."""
    with probes(world, settings={"egress_resolver": worlds.ROUTER4, "egress_connections_all": "256"}) as ebb:
        put(ebb, "open", "internet")
        assert dial(ebb, "open", PUBLIC4).startswith("got ")
        connect(world, world.host, "127.0.0.1", 81, 5)
        most = 0

        def falls():
            nonlocal most
            connect(world, world.host, "127.0.0.1", 81, 100)
            now, before = tracked(world), most
            most = max(most, now)
            return len(ebb.log_lines("event=swept err=0")) > OVER_S and now < before
        wait_for(falls, 60)


def refusals(ebb, words):
    return [text for text in ebb.told("open", "egress_refused") if words in text]


def test_connections_of_all_instances_have_a_bound(world):
    """256 at most, each in the place that its source port says. New ones come at a pace, so this takes seconds."""
    with probes(world, settings={"egress_resolver": worlds.ROUTER4, "egress_connections_all": "256"}) as ebb:
        put(ebb, "open", "internet")
        found = []

        def refused():
            result, ms = attempt(ebb, "open", PUBLIC4, kind="udp", ms=300)
            found.append(result)
            assert result.startswith("got ") or result in (*REFUSED, "timeout"), found
            return refusals(ebb, "too many connections of all instances at once")
        wait_for(refused, 60)
        assert any(one.startswith("got ") for one in found), found


def test_new_connections_of_all_instances_have_a_pace(world):
    with probes(world, settings={"egress_resolver": worlds.ROUTER4, "egress_connections_all": "256"}) as ebb:
        put(ebb, "open", "internet")

        def refused():
            web.many(64, lambda _: dial(ebb, "open", PUBLIC4, kind="udp", ms=100))
            return refusals(ebb, "too many new connections a second of all instances")
        wait_for(refused, 60)


def test_operators_can_list_the_table(world):
    """nft(8) shows keys as the type of a set says: one of another size is a wrong number, or ends it."""
    with probes(world, settings={"egress_resolver": worlds.ROUTER4}) as ebb:
        put(ebb, "open", "internet")
        assert dial(ebb, "open", PUBLIC4).startswith("got ")
        assert all(int(one.split()[0]) < 1 << 16 for one in world.elements()["shards"])
