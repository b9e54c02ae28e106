# SPDX-License-Identifier: Apache-2.0
"""
ebbd dies of SIGKILL in place of a call that it makes, in each step of the life of an instance: start, freeze and thaw,
change of revision, removal, restart of a gateway, adoption itself. The next ebbd must resolve it the same way every time: the
step works again, what serves goes on, and nothing is left. EBB_STEPS: how many calls of a step are tried, or `all`
(make deaths-ebbd).
"""
import os
import random

import pytest

import counts
import leaks
from ebbd_deaths import kill_ebbd, works
from injected_ebbd import CALLS, EBBD, Host
from injected_host import FAULTS, honest
from waiting import wait_for

ASKED = os.environ.get("EBB_STEPS", "3")
EACH = 1000000 if ASKED == "all" else int(ASKED)  # calls of a step
# ebbd must still be there to tell of its death: memory is asked for so often that few of its calls mean something.
USUAL = {"malloc", "calloc", "realloc"}


def ends(host, name):
    """Every instance of it is told to end until none is left."""
    def none_left():
        found = host.rest("GET", f"/v1/instances?service={name}")
        for one in found.json["instances"] if found and found.status == 200 else []:
            host.rest("POST", f"/v1/instances/{one['id']}/stop")
        return found and found.status == 200 and not found.json["instances"]
    wait_for(none_left, 20, f"the end of {name}")


def answers(host, name, path="/"):
    reply = host.get(name, path=path)
    assert reply is None or reply.status in (200, 404, 502, 503), reply
    return reply is not None and reply.status == 200


# --- steps: true when all went well, false for an honest error --------------------------------------
def starts(host):
    """From a prepared sandbox to an answer, and to its end."""
    well = answers(host, "cold")
    ends(host, "cold")
    return well


def freezes(host):
    well = answers(host, "probe")
    host.ebb.wait_frozen("probe", 20)
    return answers(host, "probe") and well


def stops(host):
    """An instance that serves is told to end, and another one comes."""
    ends(host, "probe")
    return answers(host, "probe")


def changes(host):
    """Another revision, while the one before serves."""
    service = host.rest("GET", "/v1/services/probe")
    if service is None or service.status != 200:
        return False
    put = host.rest("PUT", "/v1/services/probe", {**service.json, "env": {"TURN": str(random.random())}})
    return answers(host, "probe", "/sleep?ms=20") and bool(put and put.status in (200, 201))


def removes(host):
    """A service comes, serves, and goes with its instance."""
    deployed = host.ebb.cli("deploy", "gone", "--image", "probe", "--max", 1, ok=False).code == 0
    well = answers(host, "gone")

    def none_left():
        host.ebb.cli("rm", "gone", ok=False)
        found = host.rest("GET", "/v1/instances?service=gone")
        return found and (found.status == 404 or found.status == 200 and not found.json["instances"])
    wait_for(none_left, 20, "its end")
    return deployed and well


def restarts(host):
    """The only gateway dies and comes back."""
    host.ebb.end_program("ebb-gateway")
    return wait_for(lambda: answers(host, "probe"), 20, "an answer")


def adopts(host):
    """ebbd dies anyway: the order meets the next one while it takes over."""
    kill_ebbd(host.ebb)
    return answers(host, "probe")


STEPS = [starts, freezes, stops, changes, removes, restarts, adopts]


@pytest.fixture(scope="module")
def host():
    made = Host()
    yield made
    made.stop()


def points(host, step):
    """[(call, number)] of the calls that ebbd makes in a step."""
    found = {call: list(range(n)) for (who, call), n in sorted(host.learn(step).items()) if who == EBBD and call not in USUAL}
    for numbers in found.values():
        random.shuffle(numbers)
    asked = []
    while len(asked) < EACH and any(found.values()):  # each kind of call in turn
        asked += [(call, numbers.pop()) for call, numbers in found.items() if numbers]
    return random.sample(asked, EACH) if len(asked) > EACH else asked


def die_at(host, step, call, after):
    """None, or a sentence about what is not well afterwards."""
    ebb, what = host.ebb, f"{step.__name__}: death in place of {call} {after}"
    host.orders.order(call, 0, after, EBBD)
    try:
        with honest():
            step(host)
    except AssertionError as problem:
        if not host.orders.get("failed"):
            return f"{what}: {problem}"
    died = host.orders.get("failed")
    host.orders.put(times=0)
    ebb.deaths += died
    if not died:
        return None
    try:
        wait_for(lambda: len(ebb.log_lines("event=ebbd_died ")) == ebb.deaths and works(ebb), 30, "another ebbd")
        wait_for(lambda: step(host), 30, "all to be well again")
        host.settle()
    except AssertionError as problem:
        return f"{what}: {problem}"
    found = FAULTS.search(host.said())
    return f"{what}: {found[0]}" if found else None


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_death_at_any_call_is_resolved(host, step):
    faults, tried = [], 0
    assert set(CALLS) >= USUAL
    for call, after in points(host, step):
        tried += 1
        fault = die_at(host, step, call, after)
        left = None if fault else host.leaked()
        if fault or left:
            faults.append(f"{fault or f'{call} {after} left {left}'}\n{host.said()[-3000:]}")
            host.replace()
        host.read_to = len(leaks.read(host.ebb.log_path))
    host.ebb.cli("ledger", "verify")
    assert not faults, f"{len(faults)} of {tried}:\n" + "\n\n".join(faults)
    counts.note(f"adoption, {step.__name__}: {tried} deaths at a call, each resolved")
