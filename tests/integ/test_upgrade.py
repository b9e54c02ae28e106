# SPDX-License-Identifier: Apache-2.0
"""Another version of ebb takes over in place (SIGUSR2), under load: no request fails, connections stay, the bill goes on."""
import contextlib
import os
import signal
import threading

import pytest

import counts
import lanes
import leaks
import pictures
import web
from ebbd_deaths import Throughout, kill_ebbd
from ebb import BIN
from queues import Inside
from test_edge_websockets import Socket
from test_edge_websockets import service as socket_service
from test_queues import put, queues_go_on, trigger
from upgradable import PROGRAMS, Upgradable
from waiting import slow, wait_for

RECORDS = b"bestates"  # an estate begins with it (estate.c)


@pytest.fixture
def make():
    made = []

    def begin(**more):
        ebb = Upgradable(**more)
        made.append(ebb)
        ebb.start()
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe", "--max", 1)
        return ebb
    yield begin
    try:
        for ebb in made:
            ebb.stop()
    finally:
        for ebb in made:
            ebb.kill()
            ebb.remove()


def test_no_request_fails_and_every_one_is_billed(make):
    ebb = make(gateways=2)
    with Throughout(ebb) as load:
        keeper, ebbd = ebb.process.pid, ebb.ebbd_pid
        assert ebb.shown() == ebb.version
        took_s = ebb.upgrade(ebb.next)
        wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2, 30, "the end of those that were replaced")
    counts.note(f"upgrade: the next ebbd after {took_s * 1000:.0f} ms; {load.says()}")
    assert ebb.shown() == ebb.next and ebb.process.pid == keeper and ebb.ebbd_pid != ebbd
    assert leaks.read(f"/proc/{keeper}/comm") == "ebb-keeper\n" and ebb.is_new(keeper, "ebbd")


@pytest.mark.skipif(pictures.IN_VM, reason="interpreters are too slow under emulation")
def test_websockets_stay_until_the_deadline(make):
    ebb = make(settings={"upgrade_drain_ms": "4000"})
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    ebb.apply({"talks": socket_service("ws-node")})
    sockets = [Socket(ebb, "talks") for _ in range(5)]
    try:
        for one in sockets:
            one.say("a")
        assert {one.hear() for one in sockets} == {"0:a"}
        ebb.upgrade(ebb.next)
        old = [p for p in ebb.programs("ebb-gateway") if not ebb.is_new(p, "ebb-gateway")]
        assert len(old) == 1, ebb.log()
        for one in sockets:
            one.say("b")
            assert one.hear_message() == "1:b"
        ebb.install(ebb.version)
        assert ebb.cli("upgrade").code == 0 and ebb.shown() == ebb.version  # while the gateway retires
        for one in sockets:
            one.say("c")
            assert one.hear_message() == "2:c"
        for one in sockets:
            opcode, payload = wait_for(one.hear, 20)
            assert (opcode, payload[:2]) == (8, b"\x03\xe9"), (opcode, payload)  # 1001, going away
    finally:
        for one in sockets:
            one.close()
    wait_for(lambda: old[0] not in ebb.programs("ebb-gateway"), 20, "the end of the old gateway")
    wait_for(ebb.all_new, 20, "a gateway of the last version in the seat that became free")


REFUSED = {
    "has other records": lambda data: data.replace(RECORDS, bytes(8)),
    "no ebbd that can take over": lambda data: b"#!/bin/sh\nexit 1\n",
    "ebb-ledger is not in ": None,
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_take_over_is_refused_before_anything_stops(make, why):
    ebb = make()
    assert ebb.get("probe").status == 200
    before = {name: ebb.programs(name) for name in ("ebbd", *PROGRAMS)}
    ebb.install(ebb.next, REFUSED[why])
    if not REFUSED[why]:
        os.unlink(os.path.join(ebb.place, "ebb-ledger"))
    ebb.ask()
    refused = wait_for(lambda: ebb.log_lines("event=upgrade_refused"), 20)
    assert why in refused[0], refused
    assert {name: ebb.programs(name) for name in before} == before
    ebb.end_program("ebb-api")  # the same program comes back, although another stands there
    wait_for(lambda: ebb.rest("GET", "/v1/node").status == 200 and ebb.shown() == ebb.version, 20)
    assert ebb.get("probe").status == 200


def test_a_death_in_the_middle_is_carried_through(make):
    """The next ebbd replaces the gateways that the one before had not replaced."""
    ebb = make(gateways=2)
    for version in (ebb.next, ebb.version):
        before = len(ebb.log_lines("event=ready listen="))
        ebb.install(version)
        ebb.ask()
        wait_for(lambda n=before: len(ebb.log_lines("event=ready listen=")) > n, 20)
        kill_ebbd(ebb)
        wait_for(ebb.all_new, 30, "the new programs")
        wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2, 30, "the end of those that were replaced")
        assert ebb.get("probe").status == 200 and ebb.shown() == version


def test_more_gateways_than_can_be_replaced_are_refused_before_anything_stops(make):
    """A death of ebbd is followed all the same."""
    ebb = make(gateways=33, settings={"connections_max": 64})
    before = {name: ebb.programs(name) for name in ("ebbd", *PROGRAMS)}
    assert len(before["ebb-gateway"]) == 33
    ebb.install(ebb.next)
    for words in (["upgrade", "--dry-run"], ["upgrade"]):
        refused = ebb.cli(*words, ok=False)
        assert refused.code == 1 and "replaces at most 32 gateways, and 33 run" in refused.err, refused
    assert {name: ebb.programs(name) for name in before} == before and ebb.shown() == ebb.version
    kill_ebbd(ebb)
    assert ebb.programs("ebb-gateway") == before["ebb-gateway"]
    assert [ebb.get("probe").status for _ in range(100)] == [200] * 100


def promised(ebb):
    """As ebb.rest, which looks at the answer for longer than ebbd needs to give way."""
    with contextlib.closing(web.UnixConnection(ebb.socket, slow(20))) as connection:
        return web.exchange(connection, "POST", "/v1/node/upgrade", None, {})


def test_an_upgrade_that_was_promised_is_made(make):
    """ebbd or ebb-api dies when the client has its answer; the next one makes it."""
    ebb = make()
    for version, victim in ((ebb.next, "ebbd"), (ebb.version, "ebb-api")) * 2:
        ebb.install(version)
        pid = ebb.ebbd_pid if victim == "ebbd" else ebb.programs(victim)[0]
        said = wait_for(lambda: (r := promised(ebb)).status == 202 and r, 20)
        with contextlib.suppress(ProcessLookupError):  # it may have given way already
            os.kill(pid, signal.SIGKILL)
        assert said.json["to"] == version
        wait_for(lambda v=version: ebb.all_new() and ebb.shown() == v, 30, f"the upgrade that was promised\n{ebb.log()}")
        ebb.deaths = len(ebb.log_lines("event=ebbd_died signal=9 "))


def test_nothing_is_left_after_upgrades(make):
    """Descriptors, cgroups, mounts and processes are as many as after the first one; settings are those of before."""
    ebb = make()

    def held():
        ebb.wait_armed()
        return {"descriptors": ebb.fd_count(), "cgroups": len(leaks.cgroup_dirs(ebb.config["cgroup"])),
                "mounts": len([m for m in leaks.read(f"/proc/{ebb.ebbd_pid}/mountinfo").splitlines() if ebb.root in m]),
                "processes": len(leaks.descendants(ebb.process.pid))}

    def upgraded(version):
        ebb.upgrade(version)
        wait_for(lambda: len(ebb.programs("ebb-gateway")) == 1, 20)
        assert ebb.get("probe").status == 200
        ebb.wait_frozen("probe")
    upgraded(ebb.next)
    upgraded(ebb.version)
    before = held()
    upgraded(ebb.next)
    upgraded(ebb.version)
    wait_for(lambda: held() == before, 10, f"{before}, and not {held()}")


def test_a_lone_client_does_not_wait_for_another_one(make):
    """A client that the kernel told only to the gateway that stopped accepting in that moment is not forgotten."""
    ebb, over = make(), threading.Event()
    lane = lanes.Lane(ebb, "probe", 0, 1000000, lambda: 0.003, until=over.is_set)
    lane.start()
    for version in (ebb.next, ebb.version, ebb.next, ebb.version):
        ebb.upgrade(version)
        answered = lane.answered
        wait_for(lambda n=answered: lane.answered > n + 20, 10, "answers")
    over.set()
    lane.join()
    assert not lane.faults and lane.worst_s < slow(10), (lane.faults, lane.worst_s)


FAILS = {  # the next ebbd says that it can follow, and then has one of these faults
    "could not begin": (b"tmpfs\0", b"tmpfx\0"),
    "died again and again": (b"event=adopted instances=%u", b"event=adopted instances=%s"),
    "died again and again when ready": (b"event=ready listen=%s gateways=%u", b"event=ready listen=%s gateways=%s"),
}


@pytest.mark.parametrize("why", FAILS)
def test_the_version_before_goes_on_when_the_next_one_fails(make, why):
    ebb = make()
    over, program = threading.Event(), os.path.join(BIN, "ebbd")
    lane = lanes.Lane(ebb, "probe", 0, 1000000, lambda: 0.01, until=over.is_set)
    lane.start()
    wait_for(lambda: lane.answered > 3, 30)
    before = ebb.instance("probe")["id"]
    with open(program, "rb") as file:
        assert FAILS[why][0] in file.read()
    ebb.install(ebb.next, lambda data: data.replace(*FAILS[why]))
    done = ebb.cli("upgrade", ok=False, timeout=100)
    assert done.code == 1 and "the one before does" in done.err, (done, ebb.log())
    ebb.deaths = 2 if "died" in why else 0
    assert ebb.shown() == ebb.version
    told = ebb.rest("GET", "/v1/events?kind=upgrade_failed").json["events"]
    assert why.split(" when")[0] in told[-1]["text"], told
    assert ebb.rest("GET", "/v1/node").json["upgrades_failed"] == 1
    ebb.install(ebb.next)
    dry = ebb.cli("upgrade", "--dry-run")
    assert dry.out == f"ebb {ebb.version} runs, and {ebb.next} can follow it\n" and ebb.shown() == ebb.version
    assert ebb.cli("upgrade").out == f"ebb {ebb.version} has been followed by {ebb.next}\n"
    assert ebb.shown() == ebb.next
    wait_for(ebb.all_new, 30, "the new programs")
    over.set()
    lane.join()
    assert not lane.faults, (lane.faults[:10], ebb.log())
    assert ebb.instance("probe")["id"] == before
    lanes.assert_each_counted_once(ebb, "probe", lane.answered)


def test_queues_go_on(make):
    """Messages that wait, the way in of an instance that stays, and triggers; there and back again."""
    ebb = make(gateways=2)
    put(ebb, "web", {"minInstances": 1, "experimentalTriggers": [trigger("orders", "/note")]})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    pid = inside.pid
    queues_go_on(ebb, inside, lambda: ebb.upgrade(ebb.next))
    assert ebb.shown() == ebb.next
    ebb.install(ebb.version)
    queues_go_on(ebb, inside, lambda: ebb.cli("upgrade"))
    assert ebb.shown() == ebb.version and ebb.instance("web")["pid"] == pid
    inside.close()
