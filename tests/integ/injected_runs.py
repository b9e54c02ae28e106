# SPDX-License-Identifier: Apache-2.0
"""
Goes through the errors of one program's calls, and through its lack of memory (test_injected_errors.py,
test_injected_network.py). EBB_ERRORS=all tries every error, as make check-filters does.
"""
import os

import counts
import injector
from injected_host import ERRORS
from injected_steps import retires

ALL = os.environ.get("EBB_ERRORS") == "all"
# At most so many errors of one call in one step; the steps of these programs take long.
CALLS_MOST = {program: 12 if ALL else 1 for program in ("ebb-unpack", "ebb-api", "ebb-dns", "ebb-tick")}
OTHERS_MOST = 40 if ALL else 3
ALLOCATIONS_MOST = 400 if ALL else 4


def spread(count, most, turn=0):
    """Up to `most` of 1..count: first, last and some between; if most is 1, another one each turn."""
    if count <= most:
        return range(1, count + 1)
    if most == 1:
        return [1 + turn % count]
    return sorted({1 + i * (count - 1) // (most - 1) for i in range(most)})


def some(errors, number):
    """All of them, or a different one each time."""
    return errors if ALL else errors[number % len(errors):][:1]


def try_calls(host, program, steps, errors=None):
    """Each call fails with its errors, in each step."""
    errors = {**ERRORS, **(errors or {})}
    met, tried, deaths = set(), 0, host.deaths
    for step in steps:
        calls = host.learn(step, program)
        for call, count in sorted((c, n) for c, n in calls.items() if errors.get(c) and c in getattr(step, "calls", errors)):
            if call in met and not ALL and program in CALLS_MOST:
                continue  # in an earlier step
            for number, first in enumerate(spread(count, CALLS_MOST.get(program, OTHERS_MOST), tried)):
                for error in some(errors[call], tried + number):
                    tried += 1
                    if host.try_order(step, program, call, error, first):
                        met.add(call)
    never = [call for call in injector.policy(program) if call in errors and call not in met]
    counts.note(f"{program}: {tried} errors of {len(met)} calls, {host.deaths - deaths} deaths with a cause; "
                f"never asked: {' '.join(never)}")
    return met


def try_no_memory(host, program, steps):
    """malloc gives nothing, now and then."""
    tried, deaths = 0, host.deaths
    for step in steps:
        count = host.learn_memory(step, program)
        most = 1 if step is retires else ALLOCATIONS_MOST  # asked for again and again, the next start waits ever longer
        for first in spread(count, most):
            tried += bool(host.try_memory(step, program, first - 1))
    counts.note(f"{program}: {tried} times without memory, {host.deaths - deaths} deaths with a cause")
