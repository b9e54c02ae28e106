# SPDX-License-Identifier: Apache-2.0
"""Runs go on while instances and programs of ebb are killed. EBB_KILLS: how many of each."""
import concurrent.futures
import os

import counts
import runs
from ebbd_deaths import kill_ebbd, kill_instance, kill_program
from waiting import wait_for

KILLS, EACH = int(os.environ.get("EBB_KILLS", "3")), 6


def test_each_run_ends_once_and_right_whatever_dies(suite):
    ebb, started = suite.ebb, {}
    kills = [lambda: kill_program(ebb, "ebb-flow"), lambda: kill_program(ebb, "ebb-gateway"), lambda: kill_instance(ebb, "suite"),
             lambda: kill_ebbd(ebb)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for n in range(KILLS):
            for number, kill in enumerate(kills):
                pending = [pool.submit(suite.surely_start, "steps", 3, "1s") for _ in range(EACH)]
                first = pending[0].result(120)
                wait_for(lambda f=first: suite.look(f), 60)
                kill()
                for one in pending:
                    started[one.result(120)] = (n, number)
    for run in started:
        assert [one["n"] for one in suite.result(run, 240)] == [0, 1, 2], (run, started[run])
        kinds = suite.kinds(run)
        assert kinds.count("run_created") == kinds.count("run_completed") == 1
        assert kinds.count("step_completed") == kinds.count("wait_completed") == 3, kinds
    counts.note(f"workflows: {len(started)} runs of 3 steps and 3 sleeps, {KILLS} kills each of ebb-flow, a gateway, the "
                "instance and ebbd")
