# SPDX-License-Identifier: Apache-2.0
"""Durations of a neighbour's requests with and without an attack by an instance or its clients: short windows of both
in turn, in one run, with an ebbd of its own for each attack. A wrong answer of the neighbour ends the bench. The table
also says how long ebbd's longest handler took. ATTACKS="cpu, bad requests" picks some; WINDOWS=100 takes more windows of
each, because a p99 of few requests varies a lot. "In the middle window": the median over the windows of the p99 in each;
a machine that stops now and then for everybody moves it less. Two rows are no attacks on ebb: "a loop on the host" keeps
one CPU busy, and "connections to nginx" has the flood of "connections" for another server."""
import os

import neighbour
import pictures
from ebb import Ebb
from figures import Row, quantile

PARTS = 4  # of the rounds, for the spread


def pooled(windows):
    return [us for window in windows for us in window]


def ratio(without, beside, q):
    """The q-quantile beside the attack divided by the one without: of all requests, and the range over the parts."""
    def of(part):
        return quantile(pooled(beside[part::PARTS]), q) / quantile(pooled(without[part::PARTS]), q)
    parts = [of(part) for part in range(PARTS)]
    whole = quantile(pooled(beside), q) / quantile(pooled(without), q)
    return f"{whole:.2f} [{min(parts):.2f}..{max(parts):.2f}]"


def in_the_middle(without, beside, q):
    """The quotient of the medians of what each window has as its q-quantile."""
    def of(windows):
        return quantile([quantile(window, q) for window in windows if window], .5)
    return f"{of(beside) / of(without):.2f}"


def measure(name, rounds, seconds):
    """(windows without, windows with the attack, ms of CPU and ms by the clock of ebbd's longest handler)."""
    ebb = Ebb(gateways=2, settings={"log_level": "info"}).start()
    try:
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.apply({"neighbour": neighbour.settings(memory=1024), "hostile": neighbour.settings(memory=2048)})
        ebb.get("hostile")
        windows = neighbour.in_turn(ebb, "neighbour", name, rounds, seconds)
        health = neighbour.health(ebb)
        ebb.stop(deadline_s=120)
    finally:
        ebb.kill()
        ebb.remove()
    return *windows, health["ebb_loop_longest_cpu_seconds"] * 1000, health["ebb_loop_longest_seconds"] * 1000


def rows(_, quick, names=None):
    rounds, seconds = (6, 2) if neighbour.IN_VM else (8, .25) if quick else (24, .4)
    rounds = int(os.environ.get("WINDOWS", rounds))
    names = names or [name.strip() for name in os.environ.get("ATTACKS", "").split(",") if name.strip()]
    found = []
    print(f"  {'attack':18} {'p50 with/without':20} {'p99 with/without':20} {'in the middle window':20} {'p99, ms':16} {'answered':12} "
          "longest handler, ms of CPU (by the clock)", flush=True)
    for name in names or [*neighbour.CONTROLS, *neighbour.ATTACKS]:
        without, beside, cpu_ms, clock_ms = measure(name, rounds, seconds)
        quiet, loud = pooled(without), pooled(beside)
        print(f"  {name:18} {ratio(without, beside, .5):20} {ratio(without, beside, .99):20} "
              f"{in_the_middle(without, beside, .99):20} "
              f"{quantile(quiet, .99) / 1000:6.2f} {quantile(loud, .99) / 1000:6.2f}   {len(loud)} of {len(loud):5} "
              f"{cpu_ms:.1f} ({clock_ms:.1f})", flush=True)
        found.append(Row(f"neighbour's p99, {name}", "us", loud, quiet, "without", q=.99))
    return found
