# SPDX-License-Identifier: Apache-2.0
"""Instances that are killed while more tasks want a CPU than there are: the last reading has all that they used. Of 458 such
deaths, 19 had used more 2 ms after their cgroup was empty than then (SOAK_DEATHS chooses how many)."""
import contextlib
import os
import random
import subprocess
import sys

import counts
from mix import Mix, prepare
from upgradable import Upgradable
from waiting import wait_for

DEATHS = int(os.environ.get("SOAK_DEATHS", "150"))
SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)


class Ends(Mix):
    def plan(self):
        return [(self.request, 0.01), (self.request, 0.01), (self.request, 0.02), (self.freeze, 0.4), (self.command, 1),
                (self.count_bill, 0.3), *[(self.kill_instance, 0.1)] * 4, (self.kill_program, 7), (self.kill_ebbd, 6)]


@contextlib.contextmanager
def busy_cpus():
    """Twice as many tasks as CPUs that never rest."""
    tasks = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * len(os.sched_getaffinity(0)))]
    try:
        yield
    finally:
        for task in tasks:
            task.kill()
            task.wait()


def test_all_that_killed_instances_used_is_billed(new_ebb, tmp_path):
    ebb = new_ebb(Upgradable, gateways=2, settings={"log_level": "info"})
    prepare(ebb)
    mix = Ends(ebb, SEED, str(tmp_path))
    try:
        with busy_cpus():
            mix.start()
            wait_for(lambda: len(mix.bill.ended) >= DEATHS or mix.bill.faults(), 5 * DEATHS, mix.done)
    finally:
        mix.stop()
        ebb.deaths = len(ebb.log_lines("event=ebbd_died "))
    counts.note(f"seed {SEED}: {mix.bill.says()}")
    assert not mix.bill.faults(), mix.bill.details()
