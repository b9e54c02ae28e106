# SPDX-License-Identifier: Apache-2.0
"""
The longest handler of ebbd, by the CPU time of its thread (how busy the machine is does not matter), of every
ebbd that a test ends. An attack keeps nobody waiting: in the hostile families it has a bound.

ebbd's watchdog says it when its loop ends, so ending thousands of instances counts too.
"""
import glob
import os
import re

import leaks


def _none(pattern):
    """A family that was renamed would lose its bound."""
    raise AssertionError(f"no family is called {pattern}")


# In an emulated guest the CPU time of a thread counts what the host took from the guest's processors meanwhile, on a
# busy machine hundreds of milliseconds: there it finds only handlers that go on for seconds.
MOST_S = 5 if os.environ.get("EBB_VM") == "1" else 0.05
FOLDER = os.path.dirname(os.path.abspath(__file__))
HOSTILE = {os.path.basename(path)[:-3] for pattern in (
    "test_hostile_*", "test_*_hostile", "test_images_hijacked_unpacker", "test_images_limits", "test_images_layers",
    "test_images_archives", "test_service_*", "test_sandbox_*", "test_deploys_crashes", "test_deploys_secrets", "test_runtimes_ipc",
    "test_injected_*") for path in glob.glob(f"{FOLDER}/{pattern}.py") or _none(pattern)}
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
    assert _file() not in HOSTILE or seconds < MOST_S, (
        f"{handler} of ebbd used {seconds * 1000:.0f} ms of CPU at once: {[x for x in lines if 'loop_stalled' in x]}")


def lines():
    """One for each hostile family, for the end of a run."""
    for file, found in sorted(FOUND.items()):
        if file in HOSTILE:
            seconds, handler = max(found)
            yield f"{file}: longest handler of {len(found)} ebbd {seconds * 1000:.1f} ms of CPU ({handler})"
