# SPDX-License-Identifier: Apache-2.0
"""ebb-dns: names in ebb.egress, answers that lie, questions that are none; in a host and a world of the test's own."""
import ipaddress
import itertools
import os
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import leaks
import worlds
from name_server import packed
from networks import REFUSED, Names, attempt, dial, file_inside, host_internal, probes, put, reaches
from waiting import slow, wait_for
from worlds import DATABASE4, OTHER4, PUBLIC4, PUBLIC6

RESOLVER = worlds.ROUTER4
A, TXT, AAAA, HTTPS, AXFR, ANY = 1, 16, 28, 65, 252, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED_RCODE = range(6)
ZONE = {
    "api.example.com": {"A": [PUBLIC4], "AAAA": [PUBLIC6], "ttl": 60},
    "two.example.org": {"A": [PUBLIC4, OTHER4]},
    "deep.two.example.org": {"A": [OTHER4]},
    "alias.example.com": {"CNAME": "target.elsewhere.net"},
    "target.elsewhere.net": {"A": [OTHER4]},
    "short.example.com": {"A": [OTHER4], "ttl": 1},
    "zero.example.com": {"A": [OTHER4], "ttl": 0},
    "long.example.com": {"A": [OTHER4], "ttl": 2000000000},
    "many.example.com": {"A": [f"198.51.100.{n}" for n in range(100, 130)]},
    "big.example.com": {"TXT": 15},
    "other.com": {"A": [OTHER4]},
    "database.corp": {"A": [DATABASE4]},
    "silent.example.com": {"how": "silent"},
    "fails.example.com": {"how": "fails"},
}
STRANGE = ["loop", "forward-loop", "cut-short", "count-lies", "long-label", "wrong-id", "wrong-name", "no-answer-bit",
           "no-question", "garbage", "empty", "short-address"]
ZONE.update({f"{how}.example.com": {"how": how} for how in STRANGE})
# Addresses that no answer may show to a program.
INNER = ["10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "198.18.0.1",
         "224.0.0.1", "255.255.255.255", "fd00:1::5", "fe80::1", "::1", "::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:a00:5::1",
         "fd00:ec2::254", "100.100.100.200"]
REBINDING = {f"rebind-{n}.example.com": {"AAAA" if ":" in one else "A": [one]} for n, one in enumerate(INNER)}
ZONE.update(REBINDING)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        one.serve(one.host, worlds.HOST4, ports=[7778])
        yield one


@pytest.fixture(scope="module")
def names(world, tmp_path_factory):
    return Names(world, str(tmp_path_factory.mktemp("names")), ZONE)


@pytest.fixture(scope="module")
def ebb(world, names):
    with probes(world, settings={"egress_resolver": RESOLVER, "queue_age_ms": "100000"}) as one:
        put(one, "listed", {"allow": ["api.example.com", "*.example.org", "alias.example.com", "short.example.com",
                                      "zero.example.com", "long.example.com", "many.example.com", "big.example.com",
                                      "fails.example.com"]})
        put(one, "open", "internet")
        wait_for(lambda: one.get("open").status == 200, 60)  # a guest on a busy machine is not in time at first
        one.host = host_internal(one, "open")
        yield one


def question(name, kind=A, number=None, flags=0x0100, edns=None, extra=b""):
    number = next(NUMBERS) & 0xffff if number is None else number
    more = b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns else b""
    return (struct.pack(">HHHHHH", number, flags, 1, 0, 0, 1 if edns else 0) + packed(name) + struct.pack(">HH", kind, 1)
            + more + extra)


def exchange(ebb, service, message, kind="udp", ms=8000, **more):
    """The bytes that come back; b"" for none, None for an error."""
    data = (struct.pack(">H", len(message)) + message if kind == "tcp" else message).hex()
    words = "".join(f"&{key}={value}" for key, value in more.items())
    reply = ebb.get(service, f"/ask?kind={kind}&to={ebb.host}&data={data}&ms={ms}{words}")
    assert reply.status == 200, reply
    if "error" in reply.json:
        return None
    answer = bytes.fromhex(reply.json["answer"])
    return answer[2:] if kind == "tcp" else answer


def skip_name(message, at):
    while message[at] and message[at] < 0xc0:
        at += 1 + message[at]
    return at + (2 if message[at] >= 0xc0 else 1)


class Answer:
    def __init__(self, message):
        assert message and len(message) >= 12, message
        self.number, self.flags, counts = message[0] << 8 | message[1], message[2] << 8 | message[3], message[4:]
        self.rcode, self.cut = self.flags & 15, bool(self.flags & 0x200)
        questions, answers = struct.unpack(">HH", counts[:4])
        at, self.addresses, self.ttls = 12, [], []
        for _ in range(questions):
            at = skip_name(message, at) + 4
        self.question = message[12:at]
        for _ in range(answers):
            at = skip_name(message, at)
            kind, _, ttl, size = struct.unpack_from(">HHIH", message, at)
            if kind in (A, AAAA):
                self.addresses.append(str(ipaddress.ip_address(message[at + 10:at + 10 + size])))
                self.ttls.append(ttl)
            at += 10 + size


def asked(ebb, service, name, kind=A, over="udp", **more):
    message = question(name, kind, **more)
    answer = Answer(exchange(ebb, service, message, over))
    assert answer.number == message[0] << 8 | message[1] and answer.flags & 0x8000
    return answer


def test_a_name_opens_what_it_was_answered_with(ebb):
    assert dial(ebb, "listed", PUBLIC4) in REFUSED and dial(ebb, "listed", PUBLIC6) in REFUSED
    assert asked(ebb, "listed", "api.example.com").addresses == [PUBLIC4]
    assert reaches(ebb, "listed", PUBLIC4) and reaches(ebb, "listed", PUBLIC4, kind="udp")
    assert dial(ebb, "listed", PUBLIC6) in REFUSED and dial(ebb, "listed", OTHER4) in REFUSED
    assert asked(ebb, "listed", "API.Example.com", AAAA).addresses == [PUBLIC6]
    assert reaches(ebb, "listed", PUBLIC6) and dial(ebb, "listed", OTHER4) in REFUSED


def test_what_one_has_asked_opens_nothing_for_another(ebb):
    put(ebb, "beside", {"allow": ["api.example.com"]})
    asked(ebb, "listed", "api.example.com")
    assert dial(ebb, "beside", PUBLIC4) in REFUSED
    asked(ebb, "beside", "api.example.com")
    assert reaches(ebb, "beside", PUBLIC4)
    ebb.cli("rm", "beside")


@pytest.mark.parametrize("over", ["udp", "tcp"])
def test_a_star_is_all_below_and_an_alias_what_it_leads_to(ebb, over):
    assert asked(ebb, "listed", "two.example.org", over=over).addresses == [PUBLIC4, OTHER4]
    assert asked(ebb, "listed", "deep.two.example.org", over=over).rcode == NOERROR
    assert asked(ebb, "listed", "alias.example.com", over=over).addresses == [OTHER4]
    for name in ("example.org", "example.com", "xexample.org", "other.com", "api.example.com.other.com", "target.elsewhere.net"):
        assert asked(ebb, "listed", name, over=over).rcode == REFUSED_RCODE, name


def test_a_name_that_is_not_listed_is_never_sent_on_and_is_told(ebb, names):
    asked(ebb, "listed", "secret-4711.other.com")
    assert not any("4711" in name for _, _, name in names.asked())
    wait_for(lambda: "the name secret-4711.other.com was refused: not in ebb.egress.allow" in
             ebb.told("listed", "egress_refused"))


def test_a_port_narrows_a_name(ebb):
    put(ebb, "narrow", {"allow": ["api.example.com:5432"]})
    asked(ebb, "narrow", "api.example.com")
    assert reaches(ebb, "narrow", PUBLIC4, 5432) and not reaches(ebb, "narrow", PUBLIC4, 80)
    ebb.cli("rm", "narrow")


def test_an_address_is_closed_behind_its_time(ebb):
    assert asked(ebb, "listed", "short.example.com").ttls == [1]
    assert reaches(ebb, "listed", OTHER4)
    wait_for(lambda: not reaches(ebb, "listed", OTHER4), 30)
    asked(ebb, "listed", "zero.example.com")
    assert reaches(ebb, "listed", OTHER4)
    assert asked(ebb, "listed", "long.example.com").ttls == [3600]


def test_deny_wins_over_a_name(ebb):
    put(ebb, "denied", {"allow": ["two.example.org"], "subnets": {"deny": ["203.0.113.0/24"]}})
    assert asked(ebb, "denied", "two.example.org").addresses == [PUBLIC4]
    assert reaches(ebb, "denied", PUBLIC4) and not reaches(ebb, "denied", OTHER4)
    ebb.cli("rm", "denied")


def test_a_name_of_the_private_network_needs_its_subnet(ebb):
    put(ebb, "corp", {"allow": ["database.corp"], "subnets": {"allow": ["10.0.0.5/32:5432"]}})
    assert asked(ebb, "corp", "database.corp").addresses == [DATABASE4]
    assert reaches(ebb, "corp", DATABASE4, 5432) and not reaches(ebb, "corp", DATABASE4, 80)
    put(ebb, "corp", {"allow": ["database.corp"], "subnets": {"allow": ["0.0.0.0/0"]}})
    wait_for(lambda: asked(ebb, "corp", "database.corp").addresses == [])
    ebb.cli("rm", "corp")


@pytest.mark.parametrize("service", ["open", "rebound"])
def test_no_answer_points_inside(ebb, service):
    put(ebb, "rebound", {"allow": ["*.example.com"]})
    for name, entry in REBINDING.items():
        (word, (address,)), = entry.items()
        answer = asked(ebb, service, name, AAAA if word == "AAAA" else A)
        assert (answer.rcode, answer.addresses) == (NOERROR, []), (name, address)
        if ":" not in address:
            assert not attempt(ebb, service, address, 80, ms=300)[0].startswith("got "), address
    wait_for(lambda: any("its answer has an address that is not public" in text
                         for text in ebb.told(service, "egress_refused")))


def test_ebb_answers_its_own_names(ebb, names):
    for service in ("open", "listed"):
        assert asked(ebb, service, "host.internal").addresses == [ebb.host]
        assert asked(ebb, service, "host.internal", AAAA).addresses == []
        assert asked(ebb, service, "metadata.google.internal").rcode == NXDOMAIN
        assert asked(ebb, service, "internal").rcode == NXDOMAIN
    assert not any(name.endswith("internal") for _, _, name in names.asked())


def test_a_question_over_tcp_is_asked_over_tcp_and_what_is_long_is_cut(ebb, names):
    short = Answer(exchange(ebb, "open", question("big.example.com", TXT)))
    assert short.cut and short.rcode == NOERROR
    whole = exchange(ebb, "open", question("big.example.com", TXT), "tcp")
    assert len(whole) > 3000 and not Answer(whole).cut
    assert ("tcp", worlds.HOST4, "big.example.com") in names.asked()


def test_what_is_said_in_edns_is_answered_in_edns(ebb):
    plain = exchange(ebb, "open", question("api.example.com"))
    more = exchange(ebb, "open", question("api.example.com", edns=4096))
    assert plain[10:12] == b"\0\0" and more[10:12] == b"\0\1"
    many = Answer(exchange(ebb, "open", question("many.example.com")))
    assert many.cut  # 30 addresses are more than 512 bytes
    assert len(Answer(exchange(ebb, "open", question("many.example.com", edns=1232))).addresses) == 30


def test_capitals_come_back_as_they_were(ebb):
    message = question("aPi.ExAmPle.CoM")
    assert Answer(exchange(ebb, "open", message)).question == message[12:]


def test_more_addresses_than_may_be_open_are_left_out(ebb):
    answer = Answer(exchange(ebb, "listed", question("many.example.com"), "tcp"))
    assert len(answer.addresses) == 16


def test_an_answer_that_is_none_is_no_answer(ebb):
    with ThreadPoolExecutor(len(STRANGE)) as many:
        found = dict(zip(STRANGE, many.map(lambda how: asked(ebb, "open", f"{how}.example.com"), STRANGE)))
    assert {how: (one.rcode, one.addresses) for how, one in found.items()} == {how: (SERVFAIL, []) for how in STRANGE}
    assert asked(ebb, "open", "api.example.com").addresses == [PUBLIC4]


def test_who_gets_no_answer_is_told_so(ebb):
    begun = time.monotonic()
    assert asked(ebb, "open", "silent.example.com").rcode == SERVFAIL
    assert time.monotonic() - begun < slow(8)
    assert asked(ebb, "open", "fails.example.com").rcode == SERVFAIL
    assert asked(ebb, "open", "nobody.example.com").rcode == NXDOMAIN


BAD = {
    "nothing": b"", "one-byte": b"\1", "half-a-head": b"\0\1\1\0\0\1", "no-question": struct.pack(">HHHHHH", 7, 0x100, 0, 0, 0, 0),
    "two-questions": struct.pack(">HHHHHH", 7, 0x100, 2, 0, 0, 0) + 2 * (packed("api.example.com") + b"\0\1\0\1"),
    "counts-lie": struct.pack(">HHHHHH", 7, 0x100, 1, 60000, 60000, 60000) + packed("api.example.com") + b"\0\1\0\1",
    "cut-name": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\3api\7exam",
    "loop": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
    "loop-of-two": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\xc0\x0e\xc0\x0c\0\1\0\1",
    "beyond": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\xff\xff\0\1\0\1",
    "label-64": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
    "name-of-300": question(".".join(["a" * 59] * 5)), "ones": b"\xff" * 512, "zeroes": b"\0" * 512,
    "an-answer": question("api.example.com", flags=0x8180), "huge": question("api.example.com", extra=b"\0" * 1400),
    "edns-twice": question("api.example.com", edns=512) + b"\0" + struct.pack(">HHIH", 41, 512, 0, 0),
    "nul-in-a-label": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\3a\0b\7example\3com\0\0\1\0\1",
    "dot-in-a-label": struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x0bexample.org\0\0\1\0\1",
}


@pytest.mark.parametrize("over", ["udp", "tcp"])
@pytest.mark.parametrize("name", BAD)
def test_a_question_that_is_none_hurts_nobody(ebb, name, over):
    before = ebb.programs("ebb-dns")
    for service in ("open", "listed"):
        reply = exchange(ebb, service, BAD[name], over, ms=300)
        if reply and len(reply) >= 12:
            assert reply[2] & 0x80 and set(Answer(reply).addresses) <= {PUBLIC4}, reply
    assert asked(ebb, "open", "api.example.com").addresses == [PUBLIC4]
    assert ebb.programs("ebb-dns") == before


@pytest.mark.parametrize("kind,flags,rcode", [(AXFR, 0x0100, REFUSED_RCODE), (A, 0x2900, NOTIMP)])
def test_what_is_no_look_up_is_refused(ebb, kind, flags, rcode):
    assert asked(ebb, "open", "api.example.com", kind, over="tcp", flags=flags).rcode == rcode


def test_random_bytes_hurt_nobody(ebb):
    before = ebb.programs("ebb-dns")
    whole = question("api.example.com", edns=1232)
    for n in range(60):
        at = n % len(whole)
        for message in (whole[:at], whole[:at] + os.urandom(3) + whole[at + 3:], whole + os.urandom(n), os.urandom(12 + n)):
            exchange(ebb, "open", message, ms=5)
    assert asked(ebb, "open", "api.example.com").addresses == [PUBLIC4]
    assert ebb.programs("ebb-dns") == before


def test_questions_are_bounded_by_number(ebb):
    put(ebb, "flood", "internet")
    assert asked(ebb, "flood", "api.example.com").addresses == [PUBLIC4]
    exchange(ebb, "flood", question("api.example.com"), times=3000, ms=100)
    wait_for(lambda: any("too many questions for names" in text for text in ebb.told("flood", "egress_refused")))
    assert asked(ebb, "open", "api.example.com").addresses == [PUBLIC4]
    ebb.cli("rm", "flood")


def test_connections_that_say_nothing_keep_nobody_out(ebb):
    for _ in range(12):  # one instance has eight at most
        exchange(ebb, "open", b"", "tcp", ms=1)
    assert asked(ebb, "listed", "api.example.com", over="tcp").addresses == [PUBLIC4]


def test_who_has_no_names_has_no_resolver(ebb):
    put(ebb, "subnets", {"subnets": {"allow": ["0.0.0.0/0"]}})
    put(ebb, "none", "none")
    assert exchange(ebb, "subnets", question("api.example.com"), ms=500) is None
    assert exchange(ebb, "none", question("api.example.com"), ms=500) is None
    for name in ("subnets", "none"):
        assert ebb.get(name, "/file?path=/etc/resolv.conf").status != 200
    assert file_inside(ebb, "listed", "/etc/resolv.conf") == f"nameserver {ebb.host}\n"


def test_nobody_but_instances_reaches_ebb_dns(ebb, world):
    inside = ebb.host.rsplit(".", 1)[0] + ".0"
    world.ip(world.world, "route", "add", f"{inside}/24", "via", worlds.HOST4)
    try:
        for where in (world.world, world.host):
            done = subprocess.run(world.inside(where, sys.executable, "-c",
                                               "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                                               f"s.settimeout(0.5); s.connect(('{inside}', 5300)); "
                                               f"s.send(bytes.fromhex('{question('api.example.com').hex()}')); s.recv(99)"),
                                  capture_output=True, text=True)
            assert done.returncode != 0, where
        for service in ("open", "listed"):
            assert dial(ebb, service, inside, 5300) in REFUSED
    finally:
        world.ip(world.world, "route", "del", f"{inside}/24")


def test_ebb_dns_reaches_the_resolver_and_nobody_else(ebb):
    """A hijacker has its network namespace."""
    def reaches_from_there(address, port):
        code = f"import socket; socket.create_connection(('{address}', {port}), 0.5)"
        (pid,) = ebb.programs("ebb-dns")
        done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", code], capture_output=True)
        return done.returncode == 0
    assert reaches_from_there(ebb.host, 53)
    for address, port in ((ebb.host, 54), (ebb.host, 80), (PUBLIC4, 80), (DATABASE4, 5432), (worlds.HOST4, 7778),
                          (worlds.HOST4, ebb.port), (RESOLVER, 53), (RESOLVER, 80)):
        assert not reaches_from_there(address, port), (address, port)


def test_ebb_dns_has_no_right_and_a_filter(ebb):
    status = leaks.read(f"/proc/{ebb.programs('ebb-dns')[0]}/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == int(facts["CapBnd"], 16) == 0, status
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2" and facts["Uid"].split()[0] != "0"


def test_another_resolver_is_not_asked(ebb):
    for address in (worlds.ROUTER4, "10.0.0.5"):
        message = question("api.example.com").hex()
        reply = ebb.get("listed", f"/ask?kind=udp&to={address}&data={message}&ms=500").json
        assert reply.get("error") in REFUSED, reply


@pytest.mark.parametrize("program", ["ebb-dns", "ebb-net"])
def test_a_dead_program_is_replaced_and_open_addresses_stay_open(ebb, program):
    asked(ebb, "listed", "api.example.com")
    assert reaches(ebb, "listed", PUBLIC4)
    ebb.end_program(program)
    assert reaches(ebb, "listed", PUBLIC4)
    wait_for(lambda: ebb.programs(program))

    def answers():
        reply = exchange(ebb, "listed", question("alias.example.com"), ms=500)
        return reply and Answer(reply).addresses == [OTHER4]
    wait_for(answers, 20)
    assert reaches(ebb, "listed", OTHER4)
    assert asked(ebb, "open", "api.example.com", over="tcp").addresses == [PUBLIC4]


def test_a_host_without_a_resolver_refuses_names_with_the_mend():
    with worlds.World() as world, probes(world, settings={"egress_resolver": "none"}) as ebb:
        reply = put(ebb, "listed", {"allow": ["api.example.com"]}, status=422)
        assert "this host has no resolver for names; name an IPv4 one in /etc/resolv.conf" in reply.text
        put(ebb, "open", "internet")
        assert reaches(ebb, "open", PUBLIC4)


@pytest.mark.parametrize("resolver,asked_by", [(OTHER4, worlds.HOST4), ("127.0.0.53", "127.0.0.1")])
def test_the_hosts_resolver_is_asked_wherever_it_is(tmp_path, resolver, asked_by):
    with worlds.World() as world:
        nearby = Names(world, str(tmp_path), ZONE, resolver, world.host if resolver.startswith("127.") else world.world)
        with probes(world, settings={"egress_resolver": resolver}) as ebb:
            put(ebb, "open", "internet")
            ebb.host = host_internal(ebb, "open")
            for over in ("udp", "tcp"):
                assert asked(ebb, "open", "api.example.com", over=over).addresses == [PUBLIC4]
                assert (over, asked_by, "api.example.com") in nearby.asked()


def test_a_network_of_somebody_else_is_not_taken():
    with worlds.World() as world:
        world.ip(world.host, "addr", "add", "198.18.16.5/24", "dev", "eth0")
        with probes(world, settings={"net_pool": "198.18.16.0/20"}) as ebb:
            reply = put(ebb, "open", "internet", status=422)
            assert "the addresses for instances (198.18.16.0/20) are in use: this host has a route to 198.18.16." in reply.text
            assert "net_pool=NETWORK/20" in reply.text
            put(ebb, "closed", "none")
            assert ebb.get("closed").status == 200


def test_an_instance_that_ends_leaves_no_open_address(tmp_path):
    with worlds.World() as world:
        Names(world, str(tmp_path), ZONE)
        with probes(world, settings={"egress_resolver": RESOLVER}) as ebb:
            put(ebb, "listed", {"allow": ["*.example.com"]})
            ebb.host = host_internal(ebb, "listed")
            asked(ebb, "listed", "many.example.com", over="tcp")
            asked(ebb, "listed", "api.example.com", AAAA)

            def open_now():
                return [worlds.run(*world.inside(world.host, "nft", "list", "set", "inet", world.tables()[0], name)).count("expires")
                        for name in ("names4", "names6")]
            assert open_now() == [16, 1]
            ebb.cli("rm", "listed")
            wait_for(lambda: open_now() == [0, 0], 10)
