# SPDX-License-Identifier: Apache-2.0
"""Cold start of the static C function: request to first byte, beside runc and bwrap."""
import os
import re
import signal

from figures import Row, both
from peers import Bundle, first_byte_s
from waiting import wait_for


def ebb_cold_s(ebb):
    took = first_byte_s(ebb.address, "cold.localhost")
    (instance,) = ebb.instances("cold")
    ebb.rest("POST", f"/v1/instances/{instance['id']}/stop")
    wait_for(lambda: not ebb.instances("cold"))
    return took


def show_steps(ebb):
    """Every spawn step's mean, from ebbd itself; exec does not return, so it is not among them."""
    os.kill(ebb.process.pid, signal.SIGUSR1)
    lines = wait_for(lambda: ebb.log_lines("event=spawn_step step=init |event=spawn_step step=fork "))
    assert lines
    steps = [re.search(r"step=(\S+) count=(\d+) mean_us=(\S+)", line).groups()
             for line in ebb.log_lines("event=spawn_step ")]
    print("  spawn steps, mean us: " + ", ".join(f"{name} {us}" for name, _, us in steps), flush=True)


def rows(ebb, quick):
    ours, runc, bwrap = [], [], []
    ebb.deploy("cold", "server", "--max", 1, "--memory", 2048)
    with Bundle() as bundle:
        bundle.runc_spec()
        for _ in range(10 if quick else 50):
            ours.append(ebb_cold_s(ebb) * 1000)
            runc.append(bundle.runc_cold_s() * 1000)
            bwrap.append(bundle.bwrap_cold_s() * 1000)
    ebb.cli("rm", "cold")
    show_steps(ebb)
    print(f"  cold: ebb {both(ours)}; runc {both(runc)}; bwrap {both(bwrap)} ms", flush=True)
    return [Row("cold start, static C, p50", "ms", ours, runc, "runc run"),
            Row("cold start, static C, p50", "ms", ours, bwrap, "bwrap"),
            Row("cold start, static C, p99", "ms", ours, runc, "runc run", q=.99)]
