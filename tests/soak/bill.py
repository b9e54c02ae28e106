# SPDX-License-Identifier: Apache-2.0
"""
The ledger against the kernel, to the microsecond, while everything else goes on: each instance that is killed had in
its cpu.stat as much as the ledger has, and its account never gained or lost a microsecond before.
"""
import contextlib
import os
import signal
import sqlite3
import threading

import leaks
from test_bill_exactness import at_the_end_us, kept, rows_of, usage_us


class Bill:
    def __init__(self, ebb):
        self.ebb, self.lock = ebb, threading.Lock()
        self.ahead = {}  # instance: us of its cpu.stat from before its claim, which are on no bill
        self.moved = {}  # instance: us by which that changed between two looks
        self.unsure = {}  # instance: us by which two readings of one look differ, although it used no CPU
        self.ended = {}  # instance: (us that cpu.stat said at its end, us in the ledger)

    def look(self):
        """Frozen instances, whose counter stands still between two readings of it."""
        for instance in self.ebb.instances():
            with contextlib.suppress(OSError, IndexError):
                where = leaks.cgroup_of(instance["pid"])
                if instance["state"] == "frozen":
                    self._look_at(instance["id"], where)

    def _ahead_us(self, name, where):
        """CPU time that cpu.stat has and the ledger has not. None: it used the CPU meanwhile, or nobody read."""
        before = usage_us(where)
        read = self.ebb.rest("GET", "/v1/usage")  # a reading of now
        billed = rows_of(self.ebb, name)[-1][1]
        return before - billed if read.status == 200 and usage_us(where) == before else None

    def _look_at(self, name, where):
        one, two = (self._ahead_us(name, where) for _ in range(2))
        if one is None or two is None:
            return
        with self.lock:
            if one != two:
                self.unsure[name] = two - one
                return
            first = self.ahead.setdefault(name, one)
            if one != first:
                self.moved[name] = one - first

    def kill(self, instance):
        """Kills it and waits for its last row; it is compared if it was looked at before."""
        name = instance["id"]
        try:
            where = leaks.cgroup_of(instance["pid"])
            for _ in range(3):  # also one that has work, if it does not use the CPU just now
                if name not in self.ahead:
                    self._look_at(name, where)
            with kept(where):
                os.kill(instance["pid"], signal.SIGKILL)
                said, billed = at_the_end_us(self.ebb, name, where)
        except (OSError, IndexError):
            return  # it ended by itself
        with self.lock:
            if name in self.ahead:
                self.ended[name] = (said - self.ahead[name], billed)

    def details(self):
        """Of those that are not exact, what was seen of each."""
        return {name: {"ended": self.ended.get(name), "ahead": self.ahead.get(name), "moved": self.moved.get(name)}
                for name in self.faults()}

    def faults(self):
        """{instance: us} that the ledger has too many or too few."""
        found = {name: billed - said for name, (said, billed) in self.ended.items() if said != billed}
        return {**found, **self.moved}

    def says(self):
        rows, of_file = ledger_size(self.ebb)
        return (f"{len(self.ended)} instances compared at their end, {len(self.ahead)} while they were frozen, "
                f"{sum(billed for _, billed in self.ended.values()):,} us billed, error "
                f"{sum(map(abs, self.faults().values()))} us, while frozen {self.moved}, late {self.unsure}; "
                f"the ledger has {rows:,} rows in {of_file >> 10:,} KiB, "
                f"{of_file * 1e6 / max(rows, 1) / (1 << 20):,.0f} MiB for a million")


def ledger_size(ebb):
    path = f"{ebb.root}/ledger/ledger.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("select count(*) from meter").fetchone()[0], os.stat(path).st_size
