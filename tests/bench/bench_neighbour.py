# SPDX-License-Identifier: Apache-2.0
"""A neighbour's requests while an instance or its clients attack, and without: short windows in turn, in one run. What
the neighbour was asked it has answered rightly, or the bench ends. Beside it, the longest handler of ebbd."""
import neighbour
from figures import Row, quantile

PARTS = 4  # of the rounds, for the spread


def pooled(windows):
    return [us for window in windows for us in window]


def ratio(without, beside, q):
    """Of all requests, and of those of each part of the rounds."""
    def of(part):
        return quantile(pooled(beside[part::PARTS]), q) / quantile(pooled(without[part::PARTS]), q)
    parts = [of(part) for part in range(PARTS)]
    whole = quantile(pooled(beside), q) / quantile(pooled(without), q)
    return f"x{whole:.2f} [{min(parts):.2f}..{max(parts):.2f}]"


def rows(ebb, quick, names=None):
    rounds, seconds = (8, .25) if quick else (40, .5)
    found = []
    ebb.apply({"neighbour": neighbour.settings(memory=1024)})
    for name in names or neighbour.ATTACKS:
        ebb.apply({"hostile": neighbour.settings(memory=2048)})
        ebb.get("hostile")
        longest = neighbour.Longest(ebb)
        without, beside = neighbour.in_turn(ebb, "neighbour", name, rounds, seconds)
        print(f"  {name:18} p50 {ratio(without, beside, .5):20} p99 {ratio(without, beside, .99):20} "
              f"{quantile(pooled(without), .99) / 1000:6.2f} -> {quantile(pooled(beside), .99) / 1000:6.2f} ms; "
              f"{len(pooled(beside))} of {len(pooled(beside))}; {longest}", flush=True)
        ebb.cli("rm", "hostile")
        found.append(Row(f"neighbour's p99, {name}", "us", pooled(beside), pooled(without), "without", q=.99))
    return found
