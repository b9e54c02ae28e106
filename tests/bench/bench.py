# SPDX-License-Identifier: Apache-2.0
"""
`make bench`: every figure of ebb side by side with a peer on the same machine, medians with their
quartiles. bench.py [--quick] [NAME...] runs some: claim thaw cold gateway latency runtimes idle native
websockets neighbour stalls waiting static routing build ledger adoption upgrade network
wakes path queues sleeping.
"""
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integ"))

import bench_adoption  # noqa: E402
import bench_build  # noqa: E402
import bench_claim  # noqa: E402
import bench_cold  # noqa: E402
import bench_edge  # noqa: E402
import bench_idle  # noqa: E402
import bench_latency  # noqa: E402
import bench_ledger  # noqa: E402
import bench_native  # noqa: E402
import bench_neighbour  # noqa: E402
import bench_network  # noqa: E402
import bench_path  # noqa: E402
import bench_queues  # noqa: E402
import bench_routing  # noqa: E402
import bench_runtimes  # noqa: E402
import bench_sleeping  # noqa: E402
import bench_stalls  # noqa: E402
import bench_static  # noqa: E402
import bench_thaw  # noqa: E402
import bench_upgrade  # noqa: E402
import bench_waiting  # noqa: E402
import bench_wakes  # noqa: E402
import bench_websockets  # noqa: E402
import figures  # noqa: E402
import leaks  # noqa: E402
import pictures  # noqa: E402
import server  # noqa: E402
from ebb import Ebb  # noqa: E402


BENCHES = {"claim": bench_claim.rows, "thaw": bench_thaw.rows, "cold": bench_cold.rows,
           "gateway": bench_edge.rows, "latency": bench_latency.rows,
           "runtimes": bench_runtimes.rows, "idle": bench_idle.rows, "native": bench_native.rows,
           "static": bench_static.rows, "path": bench_path.rows, "routing": bench_routing.rows,
           "websockets": bench_websockets.rows, "neighbour": bench_neighbour.rows, "stalls": bench_stalls.rows,
           "waiting": bench_waiting.rows, "build": bench_build.rows,
           "ledger": bench_ledger.rows, "adoption": bench_adoption.rows, "upgrade": bench_upgrade.rows,
           "network": bench_network.rows, "wakes": bench_wakes.rows,
           "queues": bench_queues.rows, "sleeping": bench_sleeping.rows}


def main(words):
    quick = "--quick" in words
    names = [w for w in words if w != "--quick"] or list(BENCHES)
    unknown = [n for n in names if n not in BENCHES]
    if unknown or os.geteuid() != 0:
        raise SystemExit(f"bench: {'needs root' if not unknown else f'no bench named {unknown}'}; "
                         f"there are: {' '.join(BENCHES)}")
    leaks.become_subreaper()
    rows = []
    for name in names:
        print(f"bench {name}", flush=True)
        ebb = Ebb(gateways=1, settings={"log_level": "info"}).start()
        try:
            ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            ebb.import_image("oci-archive:" + server.archive(), "server")
            rows += BENCHES[name](ebb, quick)
            ebb.stop(deadline_s=120)
        finally:
            ebb.kill()
            ebb.remove()
    print()
    figures.show(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
