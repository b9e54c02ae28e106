# SPDX-License-Identifier: Apache-2.0
"""The ledger: commits of 10,000 awake intervals, and the growth of its file per million, beside SQLite alone."""
import os
import subprocess
import tempfile

from ebb import BIN
from figures import Row

BATCH = 100  # APPEND_BATCH_MAX: a busy host; 1: a quiet one, each interval a commit of its own


def put(rows, batch):
    """(seconds, CPU seconds, bytes) of these rows in a file of their own."""
    with tempfile.TemporaryDirectory(prefix="ebb-ledger-") as place:
        said = subprocess.run([os.path.join(BIN, "tests/ledger_rows"), place + "/ledger.db", str(rows), str(batch)],
                              capture_output=True, text=True, check=True).stdout.split()
    return float(said[1]), float(said[2]), int(said[3])


def rows(_ebb, quick):
    count, rounds = 10000, 2 if quick else 5
    busy, plain = [put(count, BATCH) for _ in range(rounds)], [put(count, 0) for _ in range(rounds)]
    quiet = [put(500, 1) for _ in range(rounds)]
    large, large_plain = put(20000 if quick else 200000, BATCH), put(20000 if quick else 200000, 0)
    scale = 1e6 / (20000 if quick else 200000)
    return [
        Row("ledger: 10,000 awake intervals, CPU", "ms", [c * 1000 for _, c, _ in busy],
            [c * 1000 for _, c, _ in plain], "SQLite alone"),
        Row("ledger: 10,000 awake intervals, with the disk", "ms", [s * 1000 for s, _, _ in busy],
            [s * 1000 for s, _, _ in plain], "SQLite alone"),
        Row("ledger: one commit of one interval, behind its request", "ms", [s * 1000 / 500 for s, _, _ in quiet]),
        Row("ledger: a million awake intervals", "MiB", large[2] * scale / (1 << 20),
            large_plain[2] * scale / (1 << 20), "SQLite alone, fewer columns"),
    ]
