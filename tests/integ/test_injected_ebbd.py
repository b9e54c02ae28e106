# SPDX-License-Identifier: Apache-2.0
"""Each call of ebbd, and of its forked children until they execute a program, fails in turn: ebbd goes on, says which
step failed, works again as before, and leaves nothing behind. If a call fails while ebbd starts, ebbd may end with a
sentence, and leaves nothing. EBB_ERRORS=all tries every call with every error (make injected)."""
import errno as E
import os
import subprocess

import pytest

import counts
import leaks
from ebb import BIN, Ebb
from injected_ebbd import CHILDREN, EBBD, ERRORS, PROGRAM, STEPS, Host, Orders
from waiting import slow

ALL = os.environ.get("EBB_ERRORS") == "all"
MOST = 40 if ALL else 1  # of one call in one step
CALLS_MOST = 1000 if ALL else 6


@pytest.fixture(scope="module")
def host():
    made = Host()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def no_fault(request):
    yield
    if "host" in request.fixturenames:
        host = request.getfixturevalue("host")
        faults, host.faults = host.faults, []
        assert not faults, f"{len(faults)} errors ended badly:\n" + "\n\n".join(faults)


def spread(count, turn):
    """Which of so many calls fail."""
    if count <= MOST:
        return range(count)
    return [turn % count] if MOST == 1 else sorted({i * (count - 1) // (MOST - 1) for i in range(MOST)})


@pytest.mark.parametrize("who", [EBBD, CHILDREN], ids=["ebbd", "children"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_no_failed_call_ends_ebbd_or_leaves_something(host, step, who):
    met = tried = 0
    asked = sorted((call, n) for (w, call), n in host.learn(step).items() if w == who and call in ERRORS)
    asked = [asked[i] for i in range(0, len(asked), -(-len(asked) // CALLS_MOST))] if asked else []
    for call, count in asked:
        for turn, after in enumerate(spread(count, len(step.__name__))):
            for error in ERRORS[call] if ALL else ERRORS[call][turn % len(ERRORS[call]):][:1]:
                tried += 1
                met += host.try_error(step, who, call, error, after)
        left = host.leaked()
        if left:
            host.faults.append(f"{step.__name__}: {call} left something: {left}")
            host.replace()
    counts.note(f"ebbd, {step.__name__}, {'its own' if who == EBBD else 'forked'}: {met} errors of {len(asked)} calls met")


KNOWN = [  # faults of the first whole run
    ("starts", EBBD, "mkdirat", E.ENOSPC, 8),          # the stock stayed short of one
    ("starts", EBBD, "sendmsg", E.EAGAIN, 17),
    ("starts", CHILDREN, "sendmsg", E.ETOOMANYREFS, 2),  # for ever: the zygote's answer was lost
    ("starts", EBBD, "setns", E.ENOMEM, 3),            # the way back into its own network namespace: it ended
]


@pytest.mark.parametrize("name,who,call,error,after", KNOWN, ids=lambda value: str(value))
def test_faults_of_the_first_whole_run_are_gone(host, name, who, call, error, after):
    step = next(step for step in STEPS if step.__name__ == name)
    host.settle()
    for near in (after - 1, after, after + 1):
        host.try_error(step, who, call, error, near)
    assert not host.leaked()


def test_who_gets_no_instance_hears_which_step_failed(host):
    """The findings of the tests before."""
    vague = [text for text in host.refusals if not any(os.strerror(e) in text for e in E.errorcode) and "killed" not in text]
    assert not vague, vague
    counts.note(f"ebbd: {len(host.refusals)} different refusals, each with its cause")


@pytest.fixture(scope="module")
def asked_at_start():
    """{call: how often} until it is ready."""
    ebb = Ebb(gateways=1, settings={"libexec_dir": BIN})
    ebb.program = PROGRAM
    try:
        ebb.start()
        orders = Orders(ebb.process.pid)
        seen = {call: n for call, n in orders.seen(EBBD).items() if n and call in ERRORS}
        seen.pop("sendto", None)  # READY=1, which the test waits for
        orders.close()
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()
    return seen


def test_a_start_that_fails_says_why_and_leaves_nothing(asked_at_start):
    """It ends with 1 and a sentence, or the error could be done without and it is ready."""
    ended, ready, faults = 0, 0, []
    asked = sorted(asked_at_start.items())
    for number, (call, count) in enumerate(asked[::1 if ALL else 4]):
        for after in range(count) if ALL else [number * 7 % count]:
            error = ERRORS[call][(number + after) % len(ERRORS[call])]
            ebb = Ebb(gateways=1, settings={"libexec_dir": BIN})
            ebb.program = PROGRAM
            ebb.environment = {"EBB_INJECT": f"{call} {error} {after} 1 {EBBD}"}
            try:
                ebb.start()
                ready += 1
                ebb.stop()
            except AssertionError as problem:
                said, code = leaks.read(ebb.log_path), ebb.ended
                if code != 1 or "level=error" not in said or os.strerror(error) not in said:
                    faults.append(f"{call} {E.errorcode[error]} after {after}: {str(problem)[-1500:]}")
                ended += 1
            finally:
                ebb.kill()
                ebb.remove()
    assert not faults, f"{len(faults)}:\n" + "\n\n".join(faults)
    counts.note(f"ebbd: of {ended + ready} errors while it starts {ended} end it with their cause, {ready} do not matter")
