# SPDX-License-Identifier: Apache-2.0
"""Logs and deaths of ebb's own programs: a program in an attacker's hands cannot cut, forge or flood the host's log; a
forbidden system call is named in the log and in an event; ebb-ipc hears a service whose message ended it only after a
while, and the others at once; ebbd's loop has a watchdog."""
import os
import re
import signal
import threading

import pytest

import leaks
import pictures
import web
from ebb import BIN, Ebb
from libexec import libexec
from records import channel, datagram
from waiting import wait_for

ID = "00112233445566778899aabbccddeeff"


@pytest.fixture(scope="module")
def hijacked(tmp_path_factory):
    """The log of an ebbd whose ebb-ipc is an attacker's program, its events, and what else was asked of it."""
    place = libexec(tmp_path_factory.mktemp("libexec"), {"ebb-ipc": os.path.join(BIN, "tests/hijacked_ipc")})
    ebb = Ebb(settings={"libexec_dir": place}).start()
    try:
        wait_for(lambda: len(ebb.log_lines("event=program_died program=ebb-ipc")) >= 2)
        events = [e["text"] for e in ebb.cli("events", "--json", "--kind", "program_died").json]
        yield leaks.read(ebb.log_path), events
    finally:
        ebb.stop()
        ebb.remove()


def test_no_descriptor_of_a_program_is_the_log_of_the_host(hijacked):
    log, _ = hijacked
    found = set(re.findall(r"prog=ebb-ipc event=attempt fd=(\d) cut=0 moved=0 over=0 pipe=(\d)", log))
    assert found == {("1", "1"), ("2", "1")}  # 0 is /dev/null
    assert "event=ready listen=" in log  # the earlier lines are there still


def test_every_line_has_the_date_and_the_name_that_ebbd_gave_it(hijacked):
    log, _ = hijacked
    assert [x for x in log.splitlines() if not re.match(r"ts=20\d\d-\S+Z level=(error|warn|info|debug) prog=ebb", x)] == []
    forged = [x for x in log.splitlines() if "forged" in x]
    assert {x.split(" prog=", 1)[1].split(" ")[0] for x in forged} == {"ebb-ipc"}
    faked = [x for x in forged if "2020-" in x or "prog=ebbd" in x]
    assert faked and all(' said="' in x for x in faked)
    assert re.search(r"level=info prog=ebb-ipc \?\[2J\?\?event=forged_bytes", log)
    assert re.search(r"level=error prog=ebb-ipc level=fatal|level=error prog=ebb-ipc said=\"level=fatal", log)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", log)


def test_a_flood_of_its_own_lines_is_bounded(hijacked):
    log, _ = hijacked
    deaths = log.count("event=program_died program=ebb-ipc")
    assert log.count("event=flood") < 40000 * deaths / 2
    assert max(map(len, log.splitlines())) < 4300


def test_forbidden_call_is_named_in_the_log_and_in_an_event(hijacked):
    log, events = hijacked
    text = "ebb-ipc was ended by SIGSYS: its filter forbids socket (call 41)"
    if os.uname().machine != "x86_64":
        text = text.split("(")[0]
    assert text in log and any(text in e for e in events), events


@pytest.mark.parametrize("program", ["ebb-ipc", "ebb-ledger", "ebb-gateway", "ebb-api", "ebb-net"])
def test_death_of_a_program_is_an_event(new_ebb, program):
    ebb = new_ebb()
    (pid,) = ebb.programs(program)
    os.kill(pid, signal.SIGSEGV)
    wait_for(lambda: [p for p in ebb.programs(program) if p != pid])

    def told():
        done = ebb.cli("events", "--json", "--kind", "program_died", ok=False)
        return done.code == 0 and [e for e in done.json if "was ended by SIGSEGV" in e["text"]]
    assert program in wait_for(told)[0]["text"]


# --- ends of ebb-ipc ------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def two(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("attacker", "neighbour"):
        module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "maxDuration": 60}})
        assert module_ebb.get(name).status == 200
    return module_ebb


def fault(pid):
    os.kill(pid, signal.SIGSEGV)


def break_a_rule(pid):
    with channel(pid) as stolen:
        stolen.send(datagram("SHUTDOWN"))


def end_while_hearing(ebb, service, end=fault):
    """ebb-ipc dies (as of a fault of its own) while it reads a long message of this service."""
    body = b'{"type":"metric","payload":{' + b",".join(b'"%d":0' % n for n in range(6000)) + b"}}\0"

    def flood():
        try:
            ebb.get(service, "/ipc", method="POST", body=body * 120, timeout=60)
        except (OSError, AssertionError):
            pass
    (pid,) = wait_for(lambda: ebb.programs("ebb-ipc"))

    def stat():
        return leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()

    def used():
        fields = stat()
        return int(fields[11]) if len(fields) > 11 else 0
    before, flooding = used(), threading.Thread(target=flood)
    flooding.start()
    wait_for(lambda: used() > before + 5)
    wait_for(lambda: any(stat()[:1] != ["S"] for _ in range(1000)))  # it rests between the turns of a burst
    end(pid)
    flooding.join()
    wait_for(lambda: [p for p in ebb.programs("ebb-ipc") if p != pid], 30)  # behind several deaths it comes 12.8 s later


def test_service_whose_message_ended_ebb_ipc_is_not_heard_and_the_others_are(two):
    def muted():
        return two.told("attacker", "service_muted")
    for _ in range(40):  # it may rest by now, and then hears nobody
        end_while_hearing(two, "attacker")
        if muted():
            break
    assert re.match(r"ebb-ipc ended while it read what attacker-\d+ said \(fault 1\): the IPC sockets", wait_for(muted)[0])
    request = two.get("neighbour", "/background?ms=200").headers["x-ebb-id"]
    wait_for(lambda: two.cli("logs", "--json", "--request", request, "neighbour").json)
    assert not two.told("neighbour", "service_muted")
    # After its second it is heard again.
    request = two.get("attacker", "/background?ms=200").headers["x-ebb-id"]
    wait_for(lambda: two.cli("logs", "--json", "--request", request, "attacker").json, 20)


def test_service_whose_message_took_ebb_ipc_over_is_not_heard_either(two):
    """It says to ebbd what it must not, and is ended for that by ebbd."""
    two.apply({"breaker": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "maxDuration": 60}})
    assert two.get("breaker").status == 200
    for _ in range(40):  # it may rest by now, and then hears nobody
        end_while_hearing(two, "breaker", break_a_rule)
        if two.told("breaker", "service_muted"):
            break
    assert "ebb-ipc ended while it read what breaker-" in two.told("breaker", "service_muted")[0]
    events = two.cli("events", "--json", "--kind", "program_died").json
    assert any(e["text"] == "ebb-ipc was ended by ebbd: it sent a record that no rule allows (SHUTDOWN)" for e in events)


# --- the watchdog ---------------------------------------------------------------------------------
def test_longest_handler_is_in_metrics_and_none_stalled(two):
    web.many(50, lambda i: two.get("neighbour", "/sleep?ms=5"))
    text = two.rest("GET", "/metrics").text
    values = dict(re.findall(r"^(ebb_loop_\w+) ([\d.]+)$", text, re.M))
    assert float(values["ebb_loop_longest_cpu_seconds"]) > 0
    assert values["ebb_loop_stalls_total"] == "0", two.log_lines("event=loop_stalled")
