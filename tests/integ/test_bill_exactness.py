# SPDX-License-Identifier: Apache-2.0
"""
The bill against the kernel, to the microsecond: after a random mix of work each instance is killed at a random moment.
The test keeps the instance's cgroup from being removed and reads its last cpu.stat. Other tests compute time and
invocations from the access log alone, also while instances are killed. EBB_EXACT_ROUNDS=100 EBB_EXACT_SECONDS=30 with
EBB_EXACT_LONG=1 (bursts of 10 s too) is the long version.
"""
import contextlib
import http.client
import os
import random
import signal
import sqlite3
import threading
import time

import pytest

import leaks
import pictures
import web
from test_edge_access_log import access
from waiting import SLOW, pass_time, throughout, wait_for

SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)
ROUNDS = int(os.environ.get("EBB_EXACT_ROUNDS", "4"))
CLIENTS, SECONDS = 5, float(os.environ.get("EBB_EXACT_SECONDS", "1.5"))
BURSTS_US = (20, 20, 200, 200, 2000, 20000, 150000) + ((1_000_000, 10_000_000) if os.environ.get("EBB_EXACT_LONG") else ())
CLOSED = 4  # docs/ledger.md

# Bursts, waits, threads, children that end, children whose parent has ended, timers, work behind the answer.
WORK = [lambda rng: f"/burn?us={rng.choice(BURSTS_US)}",
        lambda rng: f"/sleep?ms={rng.choice((1, 10, 100))}",
        lambda rng: f"/work?us={rng.choice((20, 3000))}&ms={rng.choice((0, 5, 60))}",
        lambda rng: "/orphan", lambda rng: f"/threads?n={rng.randrange(1, 5)}",
        lambda rng: f"/spawn?n={rng.randrange(1, 3)}", lambda rng: f"/alloc?mb={rng.randrange(1, 20)}",
        lambda rng: f"/size?bytes={rng.choice((1, 70000, 3000000))}"]
BEHIND = [lambda rng: f"/timer?kind={rng.choice(('select', 'posix'))}&ms={rng.choice((20, 300))}",
          lambda rng: f"/background?ms={rng.choice((10, 200))}"]


def usage_us(directory):
    return int(leaks.read(directory + "/cpu.stat").split()[1])


def rows_of(ebb, instance):
    """[(reason, CPU, awake time, invocations)] as the ledger has them of one instance, in their order."""
    with contextlib.closing(sqlite3.connect(f"file:{ebb.root}/ledger/ledger.db?mode=ro", uri=True)) as db:
        return db.execute("select reason, cpu_us, awake_us, invocations from meter where instance = ? order by seq",
                          (instance,)).fetchall()


def closing_cpu_us(ebb, instance):
    """The first reading at its end: there is no second one when nothing holds its directory."""
    return next((row[1] for row in rows_of(ebb, instance) if row[0] == CLOSED), None)


def drive(ebb, rng, kinds, seconds, answers=(200,), **more):
    """Clients that ask for a random mix until the time is over; how many requests they made."""
    end = time.monotonic() + seconds

    def one(seed):
        own, count = random.Random(seed), 0
        while time.monotonic() < end:
            try:
                assert ebb.get("one", own.choice(kinds)(own), timeout=60, **more).status in answers
            except http.client.IncompleteRead:
                assert 502 in answers  # its instance died while it answered
            count += 1
        return count
    seeds = [rng.randrange(10 ** 9) for _ in range(CLIENTS)]
    return sum(web.many(CLIENTS, lambda i: one(seeds[i])))


@pytest.fixture
def one(new_ebb):
    ebb = new_ebb(gateways=2, settings={"access_log": 1})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("one", "probe", "--max", 2, "--concurrency", 3)
    return ebb


def before_the_claim_us(ebb, instance, directory):
    """Microseconds in the instance's cpu.stat that were used to make its sandbox, and so are on no bill: the
    difference between cpu.stat and the bill while the instance is frozen and cpu.stat stays the same."""
    def read():
        ebb.wait_frozen("one", 30)
        seen = usage_us(directory)
        ebb.usage("one")  # a reading of now
        billed = rows_of(ebb, instance)[-1][1]
        return (seen - billed,) if usage_us(directory) == seen else None
    return wait_for(read)[0]


@contextlib.contextmanager
def kept(directory):
    """A child of ours keeps the instance's directory, so that the kernel's count to the very end can be read."""
    child = directory + "/kept"
    os.mkdir(child)
    try:
        yield
    finally:
        os.rmdir(child)


def at_the_end_us(ebb, name, directory):
    """(CPU time of an instance at its end by cpu.stat, the same by the ledger). The last task is charged for its exit until it
    is off the CPU for good, on a busy host tenths of a second after the directory is empty: the ledger must have waited
    for that, and this looks later still."""
    wait_for(lambda: "populated 0" in leaks.read(directory + "/cgroup.events"), 20)
    billed = wait_for(lambda: closing_cpu_us(ebb, name), 20, f"the last row of {name}")
    said = wait_for(lambda: len(seen := set(throughout(0.4, lambda: usage_us(directory), 0.05))) == 1 and seen.pop())
    return said, billed


def die_and_compare(ebb, rng, frozen):
    """Each instance that lives is killed, at work or frozen; the ledger must have what its cpu.stat said."""
    found = ebb.instances("one")
    where = {i["id"]: leaks.cgroup_of(i["pid"]) for i in found}
    ahead = {i["id"]: before_the_claim_us(ebb, i["id"], where[i["id"]]) for i in found}
    if not frozen:
        ebb.get("one", "/background?ms=5000", timeout=60)
        pass_time(rng.random() * 0.2)
    for instance in found:
        name = instance["id"]
        with kept(where[name]):
            os.kill(instance["pid"], signal.SIGKILL)
            said, billed = at_the_end_us(ebb, name, where[name])
        wait_for(lambda: name not in [i["id"] for i in ebb.instances("one")], 20)
        assert 0 <= ahead[name] < 50_000 * SLOW, ahead
        assert billed == said - ahead[name], f"{name}, seed {SEED}"
    return len(found)


def test_the_ledger_has_what_cpu_stat_said_at_the_end_of_each_instance(one):
    rng, ended = random.Random(SEED), 0
    for turn in range(ROUNDS):
        drive(one, rng, WORK + BEHIND, SECONDS)
        ended += die_and_compare(one, rng, frozen=turn % 2)
    assert ended >= ROUNDS
    assert one.cli("ledger", "verify").code == 0
    assert "reading_refused" not in one.log(), "an account was read again behind its end"


def united_us(intervals):
    """Time in which at least one of them was open."""
    total, reached = 0, 0
    for begin, end in sorted(intervals):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def open_between(line):
    """Microseconds of the day from a ticket to its end, by the access log."""
    hours, minutes, seconds = line["time"].split("T")[1].rstrip("Z").split(":")
    arrived = (int(hours) * 60 + int(minutes)) * 60e6 + float(seconds) * 1e6
    return arrived + line["queue_us"], arrived + line["total_us"]


def test_invocations_and_time_are_those_of_the_access_log(one):
    """Provisioned time lasts from the first ticket to the end of the last one, waits for a thaw included. The
    access log's lines are written a moment later and by the wall clock: 1 ms of difference for each interval."""
    rng = random.Random(SEED)
    asked = drive(one, rng, WORK, 2 * SECONDS)
    one.wait_frozen("one", 30)
    one.usage("one")
    lines = wait_for(lambda: (found := access(one)) and len(found) >= asked and found)
    assert len(lines) == asked
    by_instance = {}
    for line in lines:
        by_instance.setdefault(line["instance"], []).append(open_between(line))
    for name, intervals in by_instance.items():
        *_, awake_us, invocations = rows_of(one, name)[-1]
        assert invocations == len(intervals), f"{name}, seed {SEED}"
        assert abs(awake_us - united_us(intervals)) <= 1000 * SLOW * len(intervals), f"{name}, seed {SEED}"
    assert one.usage("one")["invocations"] == asked


def killer(ebb, rng, ended, killed):
    """Kills an instance that has work, again and again."""
    while not ended.wait(0.1 + rng.random() * 0.5 * SLOW):
        busy = [i for i in ebb.instances("one") if i["tickets"]]
        if busy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(busy)["pid"], signal.SIGKILL)
                killed.append(1)


def all_rows(ebb):
    """The last reading of each instance: {instance: (awake time, invocations)}."""
    with contextlib.closing(sqlite3.connect(f"file:{ebb.root}/ledger/ledger.db?mode=ro", uri=True)) as db:
        return {name: (awake, count) for name, awake, count in db.execute(
            "select instance, max(awake_us), max(invocations) from meter group by instance")}


def test_invocations_are_the_requests_whoever_is_killed(one):
    """A request that its instance had not begun is made again elsewhere: it is counted once, at the first instance, and
    its line names the last. An instance that is killed is awake until it is gone; its requests are answered a moment
    later."""
    rng, ended, killed = random.Random(SEED), threading.Event(), []
    thread = threading.Thread(target=killer, args=(one, random.Random(SEED + 1), ended, killed))
    thread.start()
    try:
        asked = drive(one, rng, WORK, 2 * SECONDS, answers=(200, 502), method="POST", body=b"x")
    finally:
        ended.set()
        thread.join()
    wait_for(lambda: all(i["state"] == "frozen" for i in one.instances("one")), 30)
    lines = wait_for(lambda: (found := access(one)) and len(found) >= asked and found)
    assert len(lines) == asked
    by_instance, moved = {}, sum(1 for line in lines if line.get("retries"))
    for line in lines:
        if "instance" in line:
            by_instance.setdefault(line["instance"], []).append(open_between(line))

    def billed():
        one.usage("one")  # a reading of now
        rows = all_rows(one)
        return rows if sum(count for _, count in rows.values()) == sum(map(len, by_instance.values())) else None
    rows = wait_for(billed, 20, f"seed {SEED}: {all_rows(one)} {({n: len(i) for n, i in by_instance.items()})}")
    for name, intervals in by_instance.items():
        awake_us, invocations = rows[name]
        assert abs(invocations - len(intervals)) <= moved, f"{name}, seed {SEED}"
        room = 1000 * SLOW * len(intervals) + 50_000 * SLOW
        apart = abs(awake_us - united_us(intervals))
        assert apart <= room or moved, f"{name}, seed {SEED}: {awake_us} {united_us(intervals)}"
    assert killed, "nobody was killed"
