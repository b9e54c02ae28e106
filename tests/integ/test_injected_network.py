# SPDX-License-Identifier: Apache-2.0
"""Each call that the filters of ebb-net and ebb-dns allow fails in turn. They go on, or end with the cause in the log, and
no instance reaches an address that its policy closes, or is shown one (test_injected_errors.py has the other programs;
ebb-net asks for memory only when a channel is full; tests/unit/test_dns.c has ebb-dns without memory)."""
import errno as E
import itertools
import os
import re
import struct
import tempfile

import pytest

import injector
import worlds
from injected_host import Host
from injected_runs import try_calls
from networks import Names, host_internal, put
from test_network_names import NOERROR, REFUSED_RCODE, SERVFAIL, Answer, question
from waiting import wait_for
from worlds import DATABASE4, PUBLIC4, ROUTER4

# Answers of netlink sockets (netlink(7)); nothing else is sent or received with these calls.
ERRORS = {"sendto": (E.ENOBUFS, E.ENOMEM, E.EAGAIN, E.EINTR), "recvfrom": (E.ENOBUFS, E.ENOMEM, E.EAGAIN, E.EINTR),
          "timerfd_settime": ()}


# Of a socket of its own for each question, and of those to instances.
NAMES_ERRORS = {"socket": (E.EMFILE, E.ENFILE, E.ENOBUFS, E.ENOMEM), "getrandom": (E.EINTR, E.EAGAIN),
                "connect": (E.ENETUNREACH, E.ECONNREFUSED, E.ENOBUFS, E.EADDRNOTAVAIL),
                "accept4": (E.EMFILE, E.ENFILE, E.ENOBUFS, E.ENOMEM, E.ECONNABORTED, E.EAGAIN), "timerfd_settime": ()}


class NetworkHost(Host):
    def start(self):
        super().start()
        put(self.ebb, "open", "internet", maxInstances=1)
        put(self.ebb, "named", {"allow": ["api.example.com", "*.example.org", "*.example.com"]}, maxInstances=1)
        assert reaches(self), self.ebb.log()
        assert self.ebb.get("named").status == 200
        self.resolver = host_internal(self.ebb, "open")
        wait_for(lambda: asks(self), 20, self.ebb.log)
        self.read_to_here()


def dialled(host, to, service="open"):
    """The result of an instance's attempt; None when there was no answer, or an honest error."""
    reply = host.get(f"/dial?kind=tcp&to={to}&port=80", service=service)
    assert reply is None or reply.status in (200, 502, 503, 504), reply
    return reply.json["result"] if reply and reply.status == 200 else None


def reaches(host):
    """A public address answers, and a private one never does."""
    found, closed = dialled(host, PUBLIC4), dialled(host, DATABASE4)
    assert closed is None or not closed.startswith("got "), "a private address was reached"
    return bool(found) and found.startswith("got ")


def begins_anew(host):
    """An instance with a network ends, and another one comes."""
    found = host.rest("GET", "/v1/instances?service=open")
    for one in found.json["instances"] if found and found.status == 200 else []:
        host.rest("POST", f"/v1/instances/{one['id']}/stop")
    return reaches(host)


def lists(host):
    """A policy with every kind of entry; all other addresses are closed."""
    changed = host.rest("PUT", "/v1/services/listed", {"image": "probe", "maxInstances": 1, "memory": 128 + next(COUNTER) % 800,
                        "ebb": {"egress": {"allow": ["host.internal:1"], "subnets": {
                            "allow": [f"{DATABASE4}:80", f"{worlds.OTHER4}/32", "2001:db8:2::/64"], "deny": ["10.0.0.6/31"]}}}})
    found, closed = dialled(host, DATABASE4, "listed"), dialled(host, PUBLIC4, "listed")
    assert closed is None or not closed.startswith("got "), "an address that is not listed was reached"
    return changed is not None and changed.status in (200, 201) and bool(found) and found.startswith("got ")


def ask(host, service, name, over, kind=1):
    """The answer that an instance got, or None."""
    message = question(name, kind)
    data = struct.pack(">H", len(message)) + message if over == "tcp" else message
    reply = host.get(f"/ask?kind={over}&to={host.resolver}&data={data.hex()}&ms=2500", service=service)
    assert reply is None or reply.status in (200, 502, 503, 504), reply
    bytes_ = bytes.fromhex(reply.json.get("answer", "")) if reply and reply.status == 200 else b""
    return Answer(bytes_[2:] if over == "tcp" else bytes_) if len(bytes_) >= 14 else None


def is_answered(host, service, name, addresses, over, rcode=NOERROR):
    """True for the right answer; to give none, or to say so, is honest."""
    found = ask(host, service, name, over)
    if found is None or found.rcode == SERVFAIL:
        return False
    assert (found.rcode, found.addresses) == (rcode, addresses), (name, found.rcode, found.addresses)
    return True


def asks(host):
    """Names that open addresses, one that is refused, one that points inside; each over UDP and TCP."""
    fine = [is_answered(host, "named", "api.example.com", [PUBLIC4], "udp"),
            is_answered(host, "open", "api.example.com", [PUBLIC4], "tcp"),
            is_answered(host, "named", "two.example.org", [PUBLIC4, worlds.OTHER4], "tcp"),
            is_answered(host, "named", "other.com", [], "udp", REFUSED_RCODE),
            is_answered(host, "named", "inner.example.com", [], "udp")]
    if fine[0]:
        found, closed = dialled(host, PUBLIC4, "named"), dialled(host, DATABASE4, "named")
        assert closed is None or not closed.startswith("got "), "a private address was reached"
        assert found is None or found.startswith("got "), "an answer came before its address was open"
    return all(fine)


def asks_anew(host):
    """Another instance is told to ebb-dns, and asks."""
    found = host.rest("GET", "/v1/instances?service=named")
    for one in found.json["instances"] if found and found.status == 200 else []:
        host.rest("POST", f"/v1/instances/{one['id']}/stop")
    return asks(host)


begins_anew.well, lists.well, asks_anew.well = begins_anew, lists, asks
STEPS = {"ebb-net": [begins_anew, lists], "ebb-dns": [asks, asks_anew]}
COUNTER = itertools.count()
ZONE = {"api.example.com": {"A": [PUBLIC4]}, "two.example.org": {"A": [PUBLIC4, worlds.OTHER4]},
        "inner.example.com": {"A": [DATABASE4]}, "other.com": {"A": [PUBLIC4]}}


@pytest.fixture(scope="module")
def host():
    assert os.path.isdir(injector.INJECTED), f"no {injector.INJECTED}: make injected"
    with worlds.World() as world, tempfile.TemporaryDirectory() as folder:
        Names(world, folder, ZONE)
        made = NetworkHost(egress_resolver=ROUTER4)
        try:
            yield made
        finally:
            made.close()
            world.clear()


@pytest.fixture(autouse=True)
def no_fault(host):
    yield
    faults, host.faults = host.faults, []
    assert not faults, f"{len(faults)} errors ended badly:\n" + "\n\n".join(faults)


def test_no_error_of_the_kernel_opens_a_network_or_ends_it_without_a_word(host):
    assert {"recvmsg", "sendmsg", "sendto", "recvfrom"} <= try_calls(host, "ebb-net", STEPS["ebb-net"], ERRORS)


def test_no_error_of_the_kernel_makes_ebb_dns_answer_wrongly_or_ends_it_without_a_word(host):
    met = try_calls(host, "ebb-dns", STEPS["ebb-dns"], NAMES_ERRORS)
    assert {"recvmsg", "sendmsg", "sendto", "recvfrom", "socket", "connect", "accept4", "getrandom"} <= met


@pytest.mark.parametrize("program", STEPS)
def test_a_forbidden_call_is_named_in_the_log_and_in_an_event(host, program):
    """The real program, its real filter, at any moment."""
    injector.say_forbidden(wait_for(lambda: next(filter(injector.hears, host.ebb.programs(program)), None)))

    def told():
        reply = host.rest("GET", "/v1/events?kind=program_died")
        return reply and reply.status == 200 and [e for e in reply.json["events"] if f"{program}" in e["text"]
                                                  and ": its filter forbids socket (call 41)" in e["text"]]
    assert wait_for(told, 20)
    assert re.search(rf"prog={program} event=forbidden_call nr=41 name=socket", host.said())
    step = STEPS[program][0]
    wait_for(lambda: getattr(step, "well", step)(host), 20)
    host.read_to_here()
