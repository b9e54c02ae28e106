# SPDX-License-Identifier: Apache-2.0
"""
The longest handler of each ebbd that a test ends, by the CPU time of ebbd's thread, so that a busy machine makes no
difference. In the hostile families that time has a bound (MOST_S): no attack may keep others waiting.

ebbd's watchdog writes the time into the log when the loop has ended, so it has the end of all instances in it, too.
"""
import glob
import os
import re

import leaks


def _none(pattern):
    """A family that was renamed would lose its bound."""
    raise AssertionError(f"no family is called {pattern}")


# In an emulated guest a thread's CPU time includes the time that the host took from the guest's processors, on a busy
# machine hundreds of milliseconds: there the bound finds only handlers that go on for seconds.
MOST_S = 5 if os.environ.get("EBB_VM") == "1" else 0.05
FOLDER = os.path.dirname(os.path.abspath(__file__))
HOSTILE = {os.path.basename(path)[:-3] for pattern in (
    "test_hostile_*", "test_*_hostile", "test_images_hijacked_unpacker", "test_images_limits",
    "test_images_archives", "test_images_layers", "test_images_export", "test_service_*", "test_sandbox_*",
    "test_deploys_crashes", "test_deploys_secrets", "test_runtimes_ipc", "test_injected_*", "test_network*", "test_exec") for path in glob.glob(f"{FOLDER}/{pattern}.py") or _none(pattern)}
SAID = re.compile(r"event=handlers .*longest_cpu_us=(\d+) handler=\"([^\"]*)\"")
FOUND = {}  # file of tests -> [seconds, which handler] of each of its ebbds


def _file():
    """The file of the test that runs now, as pytest says."""
    path = os.environ.get("PYTEST_CURRENT_TEST", "").split("::")[0]
    return os.path.splitext(os.path.basename(path))[0]


def judge(log_path):
    """Judges the last ebbd that wrote this log. One that was killed, or logs errors only, wrote no time."""
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
