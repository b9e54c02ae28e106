# SPDX-License-Identifier: Apache-2.0
"""No run that was acknowledged is lost, whatever dies while it is under way, and none is delivered under two ids; also when
another version of ebb takes over. EBB_ROUNDS chooses how many deaths (make soak has them beside everything else)."""
import collections
import os
import random
import signal

import counts
import pictures
import pytest
from ebbd_deaths import kill_ebbd
from test_schedules import daily, noted, over, put, run, runs, schedules
from upgradable import Upgradable
from waiting import wait_for

ROUNDS = int(os.environ.get("EBB_ROUNDS", "12"))
RUNS_AT_ONCE = 4
SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)
VICTIMS = ("ebb-flow", "ebb-api", "ebb-gateway", "ebb-flow", "ebbd")


def kill(ebb, victim):
    """And another one is there."""
    if victim == "ebbd":
        kill_ebbd(ebb)
        return
    old = set(wait_for(lambda: ebb.programs(victim)))
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: (now := set(ebb.programs(victim))) and not now & old and len(now) == len(old), 30)


def ask(ebb, name):
    """The id of a run that was acknowledged, or None: somebody has died, which is no error of ebb's own (500)."""
    try:
        reply = ebb.rest("POST", f"/v1/schedules/run?name={name}&service=web")
    except OSError:
        return None
    assert reply.status in (202, 503), reply.text
    return reply.json["run"] if reply.status == 202 else None


def test_no_run_is_lost_whatever_dies(new_ebb):
    rng, ebb = random.Random(SEED), new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    names = [f"n{i}" for i in range(10)]
    put(ebb, "web", {"schedules": {name: daily("/note?ms=40") for name in names}})
    due, asked, refused = {n: s["next_at"] for n, s in schedules(ebb).items()}, {}, 0
    for number in range(ROUNDS):
        victim, moment = rng.choice(VICTIMS), rng.randrange(RUNS_AT_ONCE)
        for n in range(RUNS_AT_ONCE):
            name = names[(number * RUNS_AT_ONCE + n) % len(names)]
            one = ask(ebb, name)
            refused += one is None
            if one:
                asked[one] = name
            if n == moment:
                kill(ebb, victim)

        def serves():
            try:
                return ebb.rest("GET", "/readyz").status == 200 and ebb.rest("GET", "/v1/runs").status == 200
            except OSError:
                return False
        wait_for(serves, 30)
    assert len(asked) > ROUNDS

    def is_over(one, name):
        found = [r for r in runs(ebb, name) if r["id"] == one]
        return found and found[0]["ended_at"] and found[0]
    for one, name in asked.items():  # (20 of each are kept)
        ended = wait_for(lambda one=one, name=name: is_over(one, name), 60, f"{one} over, seed {SEED}")
        assert ended["state"] == "done", (SEED, ended)
    seen = collections.Counter(head["x-ebb-run"] for head in noted(ebb, "web"))
    assert set(asked) <= set(seen), (SEED, set(asked) - set(seen))
    assert {n: s["next_at"] for n, s in schedules(ebb).items()} == due
    counts.note(f"schedules: {len(asked)} runs over {ROUNDS} deaths, {refused} refused, none lost, "
                f"{sum(seen.values()) - len(seen)} delivered again (seed {SEED})")


@pytest.fixture
def upgradable():
    ebb = Upgradable(gateways=2)
    try:
        ebb.start()
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        yield ebb
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()


def test_schedules_go_on_when_another_version_takes_over(upgradable):
    """A run under way is delivered again by the new ebb-flow, through gateways of either version."""
    ebb = upgradable
    put(ebb, "web", {"schedules": {"tidy": daily("/note?ms=1500")}})
    due, one = schedules(ebb)["tidy"]["next_at"], run(ebb, "tidy")
    wait_for(lambda: noted(ebb, "web"))
    before = ebb.programs("ebb-flow")
    ebb.upgrade(ebb.next)
    assert ebb.programs("ebb-flow") != before and ebb.shown() == ebb.next
    wait_for(lambda: ebb.rest("GET", "/v1/runs").status == 200, 20)
    assert over(ebb, one, 40)["state"] == "done"
    assert {head["x-ebb-run"] for head in noted(ebb, "web")} == {one}
    assert schedules(ebb)["tidy"]["next_at"] == due
    assert over(ebb, run(ebb, "tidy"))["attempts"] == 1
