# SPDX-License-Identifier: Apache-2.0
"""
The longest handler of ebbd, by the CPU time of its thread (how busy the machine is does not matter), of every
ebbd that a test ends. An attack keeps nobody waiting: in the hostile families it has a bound.

ebbd's watchdog says it when its loop ends, so ending thousands of instances counts too.
"""
import os
import re

import leaks

# In an emulated guest the CPU time of a thread counts what the host took from the guest's processors meanwhile, on a
# busy machine hundreds of milliseconds: there it finds only handlers that go on for seconds.
MOST_S = 5 if os.environ.get("EBB_VM") == "1" else 0.05
HOSTILE = re.compile(r"test_(21|23|24|25|31|32|33|34|48|63|65|70|71|72|73|74|75)_")
SAID = re.compile(r"event=handlers .*longest_cpu_us=(\d+) handler=\"([^\"]*)\"")
FOUND = {}  # file of tests -> [seconds, which handler] of each of its ebbds


def _file():
    """Of the test that ends it, as pytest says."""
    path = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[0]
    return os.path.splitext(os.path.basename(path))[0]


def judge(log_path):
    """Of the last ebbd that wrote this log; one that was killed, or logs errors only, said nothing."""
    lines = leaks.read(log_path).splitlines()[-200:]
    said = [m for m in map(SAID.search, lines) if m]
    if not said:
        return
    seconds, handler = int(said[-1][1]) / 1e6, said[-1][2]
    FOUND.setdefault(_file(), []).append([seconds, handler])
    assert not HOSTILE.match(_file()) or seconds < MOST_S, (
        f"{handler} of ebbd used {seconds * 1000:.0f} ms of CPU at once: {[x for x in lines if 'loop_stalled' in x]}")


def lines():
    """One for each hostile family, for the end of a run."""
    for file, found in sorted(FOUND.items()):
        if HOSTILE.match(file):
            seconds, handler = max(found)
            yield f"{file}: longest handler of {len(found)} ebbd {seconds * 1000:.1f} ms of CPU ({handler})"
