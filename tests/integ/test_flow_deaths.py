# SPDX-License-Identifier: Apache-2.0
"""
Messages, runs of workflows that sleep, and schedules at once, while ebb-flow, gateways, the instance and ebbd are killed:
each has its effect, and has it once. `make deaths-flow N=200` is the long version, with 50 messages and 5 runs for each
round, and SECONDS of kills at most.
"""
import collections
import concurrent.futures
import contextlib
import json
import os
import threading
import time

import counts
import pictures
import pytest
from ebbd_deaths import kill_ebbd, kill_instance, kill_program
from test_queues import happened, put, trigger
from test_queues_survival import LOST, anew, surely
from test_schedules import daily
from waiting import slow, wait_for
from workflows import World, octets

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute to start under emulation")

ROUNDS, SECONDS = int(os.environ.get("EBB_FLOW_ROUNDS", "1")), int(os.environ.get("EBB_FLOW_SECONDS", "3000"))
MESSAGES, RUNS, SLEEP_S = max(100, 50 * ROUNDS), max(20, 5 * ROUNDS), max(3, 4.5 * ROUNDS)
SENDERS, STARTERS, MINUTELY = 4, 8, 19
ONCE = ("run_created", "run_started", "wait_created", "wait_completed", "step_created", "step_completed", "run_completed")


def deploy(ebb):
    ebb.import_image("oci-archive:" + pictures.apps_archive("flow-node"), "flow-node")
    workflow = {**trigger("__wkf_workflow_web", "/.well-known/workflow/v1/flow"), "retryAfterSeconds": 1}
    each_minute = {"schedule": "* * * * *", "path": "/tick", "jitter": 1, "overlap": "allow", "retries": 10}
    put(ebb, "web", {
        "image": "flow-node", "minInstances": 1, "memory": 256, "initTimeout": "60s", "ebb": {"queues": "shop"},
        "experimentalTriggers": [{**one, "maxDeliveries": 1000} for one in (trigger("orders", "/orders"), workflow)],
        "schedules": {"tick": daily("/tick", overlap="allow", retries=10), **{f"minute{n}": each_minute for n in range(MINUTELY)}}})
    wait_for(lambda: ebb.get("web", "/").status == 200, 60)


class Load:
    """Everything that goes on while others die. done: effect -> the numbers of its messages."""

    def __init__(self, ebb):
        self.ebb, self.over, self.pace = ebb, threading.Event(), threading.Semaphore(0)
        self.sent, self.done, self.asked, self.refused = {}, {}, set(), 0
        self.runs, self.begun = {}, time.time()

    # --- messages -----------------------------------------------------------------------------------------------------
    def send(self, first):
        inside = None
        for n in range(first, MESSAGES, SENDERS):
            self.pace.acquire()
            inside, self.sent[n] = surely(self.ebb, inside, lambda i, n=n: i.send("orders", str(n).encode(), Vqs_Idempotency_Key=f"k{n}"))
        inside.close()

    def count(self):
        """Polls the effects until all is over and nothing more comes."""
        inside, batch = None, []
        while batch or not self.over.is_set():
            inside, batch = surely(self.ebb, inside, lambda i: i.take("done", "count", 10, lease=5))
            for message in batch:
                self.done.setdefault(message.body.decode(), set()).add(message.id)
                inside, _ = surely(self.ebb, inside, lambda i, m=message: i.acknowledge("done", "count", m.receipt))
            if not batch:
                self.over.wait(0.05)
        inside.close()

    def found(self, kind):
        return [effect for effect in list(self.done) if effect.startswith(kind)]

    # --- schedules ----------------------------------------------------------------------------------------------------
    def tick(self):
        """A run each second, beside those of each minute."""
        while not self.over.wait(1):
            with contextlib.suppress(OSError):
                reply = self.ebb.rest("POST", "/v1/schedules/run?name=tick&service=web")
                assert reply.status in (202, 503), reply
                if reply.status == 202:
                    self.asked.add(reply.json["run"])
                    continue
            self.refused += 1

    # --- runs of workflows --------------------------------------------------------------------------------------------
    def start(self, n):
        run, until = f"wrun_{n:06}", self.begun + SLEEP_S * (n + 1) / RUNS
        body = json.dumps({"runId": run, "n": n, "until": int(until * 1000)}).encode()

        def started():
            with contextlib.suppress(*LOST):
                return self.ebb.http("/start", host="web.localhost", method="POST", body=body, timeout=30).status == 200
            return False
        wait_for(started, 120)
        self.runs[run] = (n, until)


def kills(ebb, n):
    return [lambda: kill_program(ebb, "ebb-flow"), lambda: kill_program(ebb, "ebb-gateway", n), lambda: kill_instance(ebb, "web"),
            lambda: kill_ebbd(ebb)]


def kill_all_in_turn(load):
    """Rounds of four kills, each amid messages; how many there were in the time."""
    share, end, n = MESSAGES // (4 * ROUNDS), time.monotonic() + SECONDS, 0
    while n < ROUNDS and time.monotonic() < end:
        for kill in kills(load.ebb, n):
            before = len(load.found("order"))
            load.pace.release(share)
            kill()
            wait_for(lambda b=before: len(load.found("order")) >= min(b + share // 2, MESSAGES), 120)
        n += 1
    load.pace.release(MESSAGES)
    return n


def events_of(ebb):
    """run -> its row and its events, as the instance sees them."""
    world = World(ebb, "web")
    found = {row["runId"]: (row, world.rows(f"runs/{row['runId']}/events")) for row in world.rows("runs?data=all", 100)}
    world.close()
    return found


def check_runs(load):
    """Each ended once with its result. How late their sleeps ended, in ms."""
    found, late = events_of(load.ebb), []
    assert set(found) == set(load.runs)
    for run, (row, events) in found.items():
        n, until = load.runs[run]
        kinds = collections.Counter(event["eventType"] for event in events)
        assert (row["status"], octets(row["ended"]["data"])) == ("completed", b"\x01%d" % (2 * n)), row  # 1: it is bytes
        assert all(kinds[kind] == 1 for kind in ONCE) and set(kinds) == {*ONCE, "step_started"}, kinds
        (woken,) = [event["createdAt"] for event in events if event["eventType"] == "wait_completed"]
        late.append(woken - until * 1000)
    return late


def ticks(load):
    """(run, schedule, its time) of each run of a schedule that came."""
    return [effect.split()[1:] for effect in load.found("tick")]


def missing_ticks(load, ended):
    """Runs that were acknowledged, and those of each minute that was over, jitter too, as far as they have not come."""
    minutes = range(int(load.begun // 60) + 1, int(ended // 60) - 1)
    due = {(f"minute{n}", time.strftime("%Y-%m-%dT%H:%M:", time.gmtime(minute * 60))) for minute in minutes for n in range(MINUTELY)}
    came = ticks(load)
    return (load.asked | due) - {run for run, _, _ in came} - {(name, at[:17]) for _, name, at in came}


def check_ticks(load):
    """Each schedule of a minute ran once for it. How many runs there were in all."""
    minutes = collections.Counter((name, at) for _, name, at in ticks(load) if name != "tick")
    assert set(minutes.values()) <= {1}, minutes
    return len(ticks(load))


def test_each_message_run_and_schedule_has_its_effect_once_whatever_dies(new_ebb):
    ebb = new_ebb(gateways=2)
    deploy(ebb)
    with contextlib.closing(anew(ebb, None)) as first:
        first.take("done", "count", 1, lease=5)
    load = Load(ebb)
    with concurrent.futures.ThreadPoolExecutor(STARTERS + SENDERS + 2) as pool:
        counter, ticker = pool.submit(load.count), pool.submit(load.tick)
        try:
            list(pool.map(load.start, range(RUNS)))
            senders = [pool.submit(load.send, n) for n in range(SENDERS)]
            rounds = kill_all_in_turn(load)
            for sender in senders:
                sender.result(timeout=slow(300))
            wait_for(lambda: len(load.found("order")) == MESSAGES and len(load.found("run")) == RUNS, 120 + SLEEP_S)
            ended = time.time()
            wait_for(lambda: not missing_ticks(load, ended), 180)
            wait_for(lambda: not any(q["messages"] for q in ebb.cli("queue", "ls", "--json").json if q["topic"] != "done"), 60)
        finally:
            load.over.set()
            load.pace.release(MESSAGES)
        ticker.result(timeout=slow(60))
        counter.result(timeout=slow(60))
    assert len(set(load.sent.values())) == MESSAGES
    assert all(len(ids) == 1 for ids in load.done.values()), {k: v for k, v in load.done.items() if len(v) > 1}
    assert set(load.found("order")) == {f"order {n}" for n in range(MESSAGES)}
    late = check_runs(load)
    came = check_ticks(load)
    assert happened(ebb, "message_dead") == [] and happened(ebb, "run_failed") == []
    late.sort()
    counts.note(f"flow: {rounds} rounds of 4 kills in {ended - load.begun:.0f} s; {MESSAGES} messages, {RUNS} sleeping runs and {came} "
                f"runs of schedules had one effect each; sleeps ended {late[RUNS // 2]:.0f} ms late (p99 {late[RUNS * 99 // 100]:.0f})")
