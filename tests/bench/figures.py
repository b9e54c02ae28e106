# SPDX-License-Identifier: Apache-2.0
"""Figures of benches: medians with their spread, and the one table they end in."""
import os
import statistics
import sys

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/spec.md")


def promised(figure):
    """The promise of docs/spec.md for a figure: the second cell of the row that begins with it."""
    try:
        with open(SPEC) as f:
            rows = [[c.strip() for c in line.strip().strip("|").split("|")] for line in f
                    if line.startswith("|")]
    except OSError:
        return "-"
    return next((r[1] for r in rows if len(r) > 1 and r[0].strip("`") == figure), "-")


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


class Row:
    """ebb and peer are lists of samples, or single numbers."""

    def __init__(self, figure, unit, ebb, peer=None, peer_name="", q=0.5):
        self.figure, self.unit, self.peer_name = figure, unit, peer_name
        self.ebb, self.spread = self._read(ebb, q)
        self.peer, self.peer_spread = self._read(peer, q) if peer is not None else (None, "")

    @staticmethod
    def _read(samples, q):
        if not isinstance(samples, list):
            return samples, ""
        return quantile(samples, q), f"[{quantile(samples, .25):.3g}..{quantile(samples, .75):.3g}]"

    def cells(self):
        def number(value, spread):
            return "-" if value is None else f"{value:.4g} {self.unit} {spread}".rstrip()
        ratio = "-" if not self.peer or self.ebb is None else f"{self.ebb / self.peer:.3g}"
        peer = number(self.peer, self.peer_spread)
        return [self.figure, number(self.ebb, self.spread),
                f"{self.peer_name}: {peer}" if self.peer_name else peer, ratio, promised(self.figure)]


def show(rows, out=sys.stdout):
    table = [["figure", "ebb", "peer", "ebb/peer", "docs/spec.md"]] + [r.cells() for r in rows]
    widths = [max(len(line[i]) for line in table) for i in range(5)]
    for n, line in enumerate(table):
        out.write("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() + "\n")
        if n == 0:
            out.write("  ".join("-" * w for w in widths) + "\n")


def both(samples):
    """p50 and p99 in words, for progress lines."""
    return f"p50 {statistics.median(samples):.3g}, p99 {quantile(samples, .99):.3g}, n {len(samples)}"
