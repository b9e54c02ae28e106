# SPDX-License-Identifier: Apache-2.0
"""
Answers of a hostile resolver, through ebb-dns: addresses inside are in no answer and open nothing, long answers and cut
ones end, and while they come other instances get theirs. (test_network_names.py has answers that are none.)
"""
import struct
import sys
import time

import pytest

import handlers
import leaks
import worlds
from name_server import STREAMS
from networks import REFUSED, Names, dial, host_internal, probes, put
from test_network_names import A, AAAA, NOERROR, SERVFAIL, TXT, Answer, asked, exchange, question
from waiting import slow, wait_for
from worlds import DATABASE4, OTHER4, PUBLIC4, ROUTER4

UNLIKE = ["private-beside", "other-sections", "another-class", "far-alias", "alias-loop", "alias-inside"]
ZONE = {f"{how}.example.com": {"how": how, "A": [PUBLIC4]} for how in
        [*UNLIKE, *STREAMS, "all-addresses", "pointers", "whole", "silent"]}
ZONE["api.example.com"] = {"A": [PUBLIC4], "ttl": 1}
ZONE["api.example.org"] = {"A": [PUBLIC4]}


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        yield one


@pytest.fixture(scope="module")
def names(world, tmp_path_factory):
    return Names(world, str(tmp_path_factory.mktemp("names")), ZONE)


@pytest.fixture(scope="module")
def ebb(world, names):
    with probes(world, settings={"egress_resolver": ROUTER4}) as one:
        put(one, "listed", {"allow": ["*.example.com"]})
        put(one, "beside", {"allow": ["api.example.org"]})
        put(one, "open", "internet")
        one.host = host_internal(one, "open")
        yield one


ASKS = """
import socket, sys
with socket.create_connection((sys.argv[1], 53), 15) as s:
    s.sendall(bytes.fromhex(sys.argv[2]))
    got = s.makefile("rb")
    print(got.read(int.from_bytes(got.read(2), "big")).hex())
"""


def whole_answer(ebb, service, name, kind=A):
    """Over TCP from the network namespace of the instance (its probe reads 4 KiB at most)."""
    message = question(name, kind)
    pid = ebb.instance(service)["pid"]
    out = worlds.run("nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-Ic", ASKS, ebb.host,
                     (struct.pack(">H", len(message)) + message).hex())
    return bytes.fromhex(out)


@pytest.fixture(autouse=True)
def serves_others(ebb):
    before = ebb.programs("ebb-dns")
    yield
    assert asked(ebb, "beside", "api.example.org").addresses == [PUBLIC4]
    assert ebb.programs("ebb-dns") == before


@pytest.mark.parametrize("over", ["udp", "tcp"])
@pytest.mark.parametrize("how", UNLIKE)
def test_no_part_of_an_answer_points_inside(ebb, how, over):
    for service in ("listed", "open"):
        name = f"{how}.example.com"
        answer = asked(ebb, service, name, edns=1232) if over == "udp" else Answer(whole_answer(ebb, service, name))
        assert set(answer.addresses) <= {PUBLIC4}, answer.addresses
        assert (DATABASE4 in answer.addresses, answer.rcode) in ((False, NOERROR), (False, SERVFAIL))
        assert not dial(ebb, service, DATABASE4, ms=300).startswith("got ")


def test_an_answer_of_64_kib_comes_whole_or_in_part(ebb):
    whole = whole_answer(ebb, "open", "whole.example.com", TXT)
    assert len(whole) > 65000 and Answer(whole).rcode == NOERROR
    assert Answer(exchange(ebb, "open", question("whole.example.com", TXT))).cut
    found = Answer(whole_answer(ebb, "open", "all-addresses.example.com")).addresses
    assert 0 < len(found) <= 256 and all(one.startswith("203.0.") for one in found)
    assert len(asked(ebb, "listed", "all-addresses.example.com", over="tcp").addresses) == 16


def cpu_s(ebb):
    fields = leaks.read(f"/proc/{ebb.programs('ebb-dns')[0]}/schedstat").split()
    return int(fields[0]) / 1e9


@pytest.mark.parametrize("how", ["pointers", "all-addresses", "whole", "far-alias"])
def test_no_answer_costs_much(ebb, how):
    """A chain of 8,000 pointers behind each of 6,000 names is 48 million steps."""
    asked(ebb, "open", "api.example.com")
    before = cpu_s(ebb)
    whole_answer(ebb, "open", f"{how}.example.com")
    assert cpu_s(ebb) - before < 3 * handlers.MOST_S, how


@pytest.mark.parametrize("how", STREAMS)
def test_a_connection_to_the_resolver_that_breaks_or_lies_ends(ebb, how):
    begun = time.monotonic()
    answer = Answer(exchange(ebb, "listed", question(f"{how}.example.com"), "tcp", ms=15000))
    assert (answer.rcode, answer.addresses) in ((SERVFAIL, []), (NOERROR, [PUBLIC4])), how
    assert answer.addresses or how not in ("tcp-drops", "tcp-twice", "tcp-behind")
    assert time.monotonic() - begun < slow(14)


def test_a_name_that_points_elsewhere_later_opens_nothing_inside(ebb, names):
    """Rebinding: the first answer is public and short-lived, the next one is not public."""
    assert asked(ebb, "listed", "api.example.com").addresses == [PUBLIC4]
    names.write({**ZONE, "api.example.com": {"A": [DATABASE4, "127.0.0.1", ebb.host], "AAAA": ["::ffff:10.0.0.5"], "ttl": 0}})
    try:
        assert asked(ebb, "listed", "api.example.com").addresses == []
        assert asked(ebb, "listed", "api.example.com", AAAA).addresses == []
        assert dial(ebb, "listed", DATABASE4) in REFUSED and dial(ebb, "listed", OTHER4) in REFUSED
    finally:
        names.write(ZONE)


def test_questions_that_wait_are_bounded_for_each_instance(ebb):
    """256 of one instance wait for a resolver that says nothing; the next one is told so at once, and others are served."""
    exchange(ebb, "open", question("silent.example.com"), times=256, ms=1)
    begun = time.monotonic()

    def full():
        exchange(ebb, "open", question("silent.example.com"), times=16, ms=1)
        return Answer(exchange(ebb, "open", question("api.example.com"))).rcode == SERVFAIL
    wait_for(full, 4)
    assert asked(ebb, "beside", "api.example.org").addresses == [PUBLIC4]
    wait_for(lambda: Answer(exchange(ebb, "open", question("api.example.com"))).addresses == [PUBLIC4], 15)
    assert time.monotonic() - begun < slow(20)
