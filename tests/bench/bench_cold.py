# SPDX-License-Identifier: Apache-2.0
"""Cold start of the static C function: request to first byte, beside runc and bwrap."""
from figures import Row, both
from peers import Bundle, first_byte_s
from waiting import wait_for


def ebb_cold_s(ebb):
    took = first_byte_s(ebb.address, "cold.localhost")
    (instance,) = ebb.instances("cold")
    ebb.rest("POST", f"/v1/instances/{instance['id']}/stop")
    wait_for(lambda: not ebb.instances("cold"))
    return took


def rows(ebb, quick):
    ours, runc, bwrap = [], [], []
    ebb.deploy("cold", "probe", "--max", 1, "--memory", 2048)
    with Bundle() as bundle:
        bundle.runc_spec()
        for _ in range(10 if quick else 50):
            ours.append(ebb_cold_s(ebb) * 1000)
            runc.append(bundle.runc_cold_s() * 1000)
            bwrap.append(bundle.bwrap_cold_s() * 1000)
    ebb.cli("rm", "cold")
    print(f"  cold: ebb {both(ours)}; runc {both(runc)}; bwrap {both(bwrap)} ms", flush=True)
    return [Row("cold start, static C, p50", "ms", ours, runc, "runc run"),
            Row("cold start, static C, p50", "ms", ours, bwrap, "bwrap"),
            Row("cold start, static C, p99", "ms", ours, runc, "runc run", q=.99)]
