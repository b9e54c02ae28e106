# SPDX-License-Identifier: Apache-2.0
"""Hours of everything at once leave every stock as it was: make soak T=1h (without T it is not run)."""
import collections
import json
import os
import random
import re
import shutil
import statistics
import time

import pytest

import counts
import plot
import samples
from mix import MORTAL, Mix, prepare
from upgradable import Upgradable

UNITS = {"s": 1, "m": 60, "h": 3600}
SECONDS = sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)([smh])", os.environ.get("T", "")))
SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)
OUT = os.environ.get("SOAK_OUT", "build/soak")
STOP = OUT + "/STOP"  # such a file ends the run at the next sample, as if its time were over
EVERY_S = max(15, min(60, SECONDS / 40))
WARM = 0.25  # part of the samples in which tables, caches and arenas reach their size

# Stocks that grow with what is kept on purpose: rows of the ledger, lines of logs, revisions.
GROWS = {"disk KiB (ledger)", "disk KiB (logs)", "disk KiB (state)"}
GROUPS = {
    "memory of its own, KiB": [p + " KiB" for p in ("ebbd", *MORTAL)],
    "descriptors": [p + " descriptors" for p in ("ebbd", *MORTAL)],
    "the kernel's": ["cgroups", "mounts of ebbd", "processes", "net namespaces", "mnt namespaces", "user namespaces"],
    "threads": [p + " threads" for p in ("ebbd", *MORTAL)],
    "on disk, KiB": ["disk KiB (images)", "disk KiB (state)", "disk KiB (logs)", "disk KiB (ledger)"],
}


def growth_faults(found):
    """Stocks whose middle in the last quarter is above that behind the warm-up by more than a tenth and some."""
    at = [s for _, s in found]
    first, last = at[int(len(at) * WARM):len(at) // 2 + 1], at[-max(2, len(at) // 4):]
    for name in sorted(set().union(*at)):
        before, after = (statistics.median(s.get(name, 0) for s in part) for part in (first, last))
        room = 0.1 * before + (1024 if name.endswith("KiB") or name.startswith("disk") else 3)
        if after > before + room and name not in GROWS:
            yield f"{name}: {before} -> {after}"


@pytest.mark.skipif(not SECONDS, reason="asked for by its length: make soak T=1h")
def test_a_long_time_of_everything_leaves_every_stock_as_it_was(new_ebb, tmp_path):
    ebb = new_ebb(Upgradable, gateways=2, settings={"log_level": "info"})
    prepare(ebb)
    for version in (ebb.next, ebb.version):  # tables for the next version are there from now on
        ebb.upgrade(version)
    mix, found, begun = Mix(ebb, SEED, str(tmp_path)), [], time.monotonic()
    mix.start()
    try:
        while time.monotonic() - begun < SECONDS and not os.path.exists(STOP):
            mix.ended.wait(EVERY_S)
            with mix.pause():
                found.append((round((time.monotonic() - begun) / 60, 2), samples.take(ebb)))
    finally:
        mix.stop()
        deaths = ebb.log_lines("event=ebbd_died ")
        ebb.deaths = len(deaths)
        os.makedirs(OUT, exist_ok=True)
        shutil.copyfile(ebb.log_path, OUT + "/log")
        with open(OUT + "/samples.json", "w", encoding="utf-8") as f:
            json.dump({"seed": SEED, "done": mix.done, "faults": mix.faults, "bill": mix.bill.says(),
                       "wrong": mix.bill.details(), "runs": collections.Counter(mix.runs.values()), "samples": found}, f, indent=1)
        if found:
            with open(OUT + "/soak.svg", "w", encoding="utf-8") as f:
                f.write(plot.svg(found, GROUPS))
    counts.note(f"soak of {SECONDS} s, seed {SEED}: {dict(mix.done)}")
    counts.note(mix.bill.says())
    counts.note(f"errors that clients saw: {dict(mix.faults.most_common(20))}")
    assert not [line for line in deaths if " signal=9 " not in line]  # build/soak/log says what was before
    assert not ebb.log_lines("event=not_upgraded"), ebb.log_lines("event=not_upgraded")
    assert ebb.cli("ledger", "verify").code == 0
    assert not ebb.log_lines("event=bug|event=forbidden_call"), ebb.log_lines("event=bug|event=forbidden_call")[:3]
    assert mix.bill.ended and not mix.bill.faults(), mix.bill.details()
    assert "done" in mix.runs.values() and not {"waiting", "delivering"} & set(mix.runs.values())
    faults = list(growth_faults(found))
    assert not faults, "grew:\n" + "\n".join(faults)
