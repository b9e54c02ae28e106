# SPDX-License-Identifier: Apache-2.0
"""One of the two processes of a prepared sandbox is killed, in the stock or after the sandbox got an image: another
sandbox is made at once, and no request that needs one fails."""
import contextlib
import os
import random
import signal
import threading

import pytest

import counts
import leaks
import pictures
from waiting import pass_time, wait_for

SERVICES, ROUNDS = 4, 12


def state(pid):
    return leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()[:1]


@contextlib.contextmanager
def standing_still(ebb):
    """ebbd is stopped meanwhile and claims no sandbox: one that is parked now cannot have had a request."""
    pid = ebb.ebbd_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: state(pid) == ["T"])
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def parked(ebb):
    """[(PID 1, the process that will be the function)]. A claimed PID 1 has its name for a moment longer; that of a
    sandbox that was claimed ahead of need is ebb-init already."""
    named = set(ebb.programs("ebb:parked"))
    pairs = [(pid, leaks.children(pid)) for pid in named | set(ebb.programs("ebb-init"))]
    return [(pid, children[0]) for pid, children in pairs if children and children[0] in named]


def kill_parked(ebb, which, share=1.0, rng=random):
    """Kills one process of each parked pair, or of a share of the pairs; returns how many."""
    with standing_still(ebb):
        chosen = [pair[which] for pair in parked(ebb) if rng.random() <= share]
        for pid in chosen:
            os.kill(pid, signal.SIGKILL)
    return len(chosen)


@pytest.fixture
def cold(new_ebb):
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for n in range(SERVICES):
        ebb.deploy(f"cold-{n}", "probe", "--max", 1)
    return ebb


@pytest.mark.parametrize("which", [0, 1])
def test_what_was_killed_is_replaced_at_once(cold, which):
    """Nobody asks for anything: the stock and what was prepared for services fill again by themselves."""
    cold.wait_armed()
    fds, before = cold.fd_count(), len(parked(cold))
    assert kill_parked(cold, which) == before
    cold.wait_armed()
    wait_for(lambda: len(parked(cold)) == before, 20, "as many as before")
    wait_for(lambda: cold.fd_count() <= fds)
    replies = [cold.get(f"cold-{n}") for n in range(SERVICES)]
    assert [r.status for r in replies] == [200] * SERVICES, replies


def test_no_request_fails_while_prepared_sandboxes_are_killed(cold):
    """Half of them, once while each request is under way: a start is tried four times at most."""
    rng, turns, killed, faults = random.Random(9), threading.Semaphore(0), [], []

    def kill():
        for _ in range(ROUNDS * SERVICES):
            turns.acquire()
            pass_time(rng.random() * 0.01)
            killed.append(kill_parked(cold, len(killed) % 2, 0.5, rng))
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    for name in [f"cold-{n}" for n in range(SERVICES)] * ROUNDS:
        turns.release()
        reply = cold.get(name)
        if reply.status != 200:
            faults.append(reply)
        for one in cold.instances(name):
            cold.cli("stop", one["id"], ok=False)
    killer.join()
    assert not faults, f"{faults}\n{cold.log()}"
    assert sum(killed) > 0
    counts.note(f"prepared sandboxes: {sum(killed)} killed beside {ROUNDS * SERVICES} cold requests, no request failed")


def test_killed_at_the_claim_is_another_ones_turn(cold):
    """ebbd has not heard of the deaths when requests come."""
    cold.wait_armed()
    before = cold.ebbd_pid
    threads, replies = [], {}
    with standing_still(cold):
        for n in range(SERVICES):
            thread = threading.Thread(target=lambda n=n: replies.update({n: cold.get(f"cold-{n}")}))
            thread.start()
            threads.append(thread)
        for pid, _ in parked(cold):
            os.kill(pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert {n: r.status for n, r in replies.items()} == {n: 200 for n in range(SERVICES)}, cold.log()
    assert cold.ebbd_pid == before


def test_a_program_that_kills_itself_is_started_four_times_and_then_refused(new_ebb):
    """Nobody can tell who killed it, so it gets the benefit of the doubt, but not for ever."""
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("suicide", "probe", "--max", 1, "--env", "PROBE_MODE=kill")
    reply = ebb.get("suicide")
    assert reply.status == 502 and "signal 9" in reply.text, reply
    assert len(ebb.told("suicide", "instance_failed")) == 4
