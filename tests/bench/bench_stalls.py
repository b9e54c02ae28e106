# SPDX-License-Identifier: Apache-2.0
"""
How long ebbd lets others wait while an instance or its clients attack, seen from outside: a client that runs before
everybody else (SCHED_FIFO) asks every few milliseconds for the list of instances, which only ebbd can answer. The
table has the longest answer and the CPU time that ebbd used until that answer came; the rest of the time went to
ebb-api and to waiting for a CPU.

The bench needs nothing that an older ebbd lacks: BEFORE=DIR names the build/release of an earlier checkout as the
peer.
"""
import contextlib
import json
import os
import subprocess
import sys
import time

import ebb as harness
import neighbour
import pictures
import web
from figures import Row

EVERY_S, TIMEOUT_S = .005, 120


# --- the client, a process of its own --------------------------------------------------------------
def used_ns(pid):
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def client(path, pid):
    """Asks until standard input ends; prints [ms, ms of CPU that ebbd used meanwhile, status] of each answer."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    found, ended = [], []
    os.set_blocking(0, False)
    while not ended:
        begun, cpu = time.monotonic(), used_ns(pid)
        connection = web.UnixConnection(path, TIMEOUT_S)
        status = web.exchange(connection, "GET", "/v1/instances", None, {}).status
        connection.close()
        found.append([(time.monotonic() - begun) * 1000, (used_ns(pid) - cpu) / 1e6, status])
        time.sleep(EVERY_S)
        ended = [1] if sys.stdin.buffer.read(1) == b"" else []
    print(json.dumps(found))


@contextlib.contextmanager
def asking(ebb):
    process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), ebb.socket, str(ebb.ebbd_pid)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    found = []
    try:
        yield found
    finally:
        found += json.loads(process.communicate(timeout=2 * TIMEOUT_S)[0])


def measure(name, release, seconds):
    """(the findings of client(), the row of the table as text), or (None, why there is no such row)."""
    ours, harness.BIN = harness.BIN, release or harness.BIN
    ebb = harness.Ebb(gateways=2, settings={"log_level": "info"})
    try:
        ebb.start()
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.apply({"hostile": neighbour.settings(memory=2048)})
        ebb.get("hostile")
        with asking(ebb) as found, neighbour.under(name, ebb):
            time.sleep(seconds)
    except (AssertionError, OSError, ValueError) as error:
        return None, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:60]
    finally:
        ebb.kill()
        ebb.remove()
        harness.BIN = ours
    longest = max(found)
    return found, (f"{longest[0]:9.1f} {longest[1]:9.1f} {max(cpu for _, cpu, _ in found):9.1f} "
                   f"{sum(status != 200 for *_, status in found):5}")


def rows(_, quick, names=None):
    seconds, before = 1.5 if quick else 4, os.environ.get("BEFORE")
    kinds = {"now": None, **({"before": os.path.abspath(before)} if before else {})}
    table = []
    print("  attack, version       longest answer, ms; ebbd's CPU in it; most of its CPU in one; answers not 200")
    for name in names or neighbour.ATTACKS:
        found = {}
        for kind, release in kinds.items():
            found[kind], words = measure(name, release, seconds)
            print(f"  {name:18} {kind:7} {words}", flush=True)
        worst = {kind: max(ms for ms, *_ in f) for kind, f in found.items() if f}
        table.append(Row(f"longest answer of ebbd, {name}", "ms", worst.get("now"), worst.get("before"),
                         "before" if "before" in worst else ""))
    return table


if __name__ == "__main__":
    client(sys.argv[1], int(sys.argv[2]))
