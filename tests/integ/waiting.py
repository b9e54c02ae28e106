# SPDX-License-Identifier: Apache-2.0
"""Waiting for facts, with a deadline. Nothing here sleeps for a guessed time and hopes."""
import os
import time

SLOW = float(os.environ.get("EBB_SLOW", "1"))
POLL_S = 0.01


def slow(seconds):
    """A deadline on this machine: EBB_SLOW stretches it (a guest under emulation)."""
    return seconds * SLOW


def wait_for(fact, deadline_s=10, what=None):
    """Returns the first true value of fact(); fails when the deadline passes."""
    end = time.monotonic() + slow(deadline_s)
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {slow(deadline_s):g} s: {what or fact}")
        time.sleep(POLL_S)


def pass_time(seconds, since=None):
    """Lets time pass that is itself what is tested or measured, a timer's or a rest's: nothing is awaited."""
    end = (since or time.monotonic()) + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(left)


def throughout(seconds, fact, every_s=0.25):
    """Looks at fact() again and again for this long and returns all it said."""
    seen = [fact()]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every_s)
        seen.append(fact())
    return seen
