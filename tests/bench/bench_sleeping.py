# SPDX-License-Identifier: Apache-2.0
"""Runs of workflows that sleep for a day: memory and disk of each, how long ebb-flow takes to be there again with them, and
wake-ups of ebb's programs while none is due."""
import calendar
import os
import re
import signal
import time

import bench_idle
import bench_queues
import leaks
from figures import Row
from queues import PORT
from waiting import pass_time, wait_for

PRODUCERS = 32
PROGRAMS = ("ebb-flow", "ebb-net", "ebb-dns", "ebb-tick")


def flow(ebb):
    (pid,) = wait_for(lambda: ebb.programs("ebb-flow"))
    return pid


def disk_bytes(ebb):
    """The blocks of the store, its log of writes too."""
    folder = ebb.config["flow_dir"]
    return sum(os.stat(os.path.join(folder, name)).st_blocks * 512 for name in os.listdir(folder) if name.startswith("flow.db"))


def start_s(ebb):
    """From the exec of the ebb-flow behind a SIGKILL until it is ready, by the clock of its log. The pause of ebbd before
    that grows with each death and is no part of it."""
    before = len(ebb.log_lines("prog=ebb-flow event=ready"))
    os.kill(flow(ebb), signal.SIGKILL)
    ready = wait_for(lambda: (lines := ebb.log_lines("prog=ebb-flow event=ready")) and len(lines) > before and lines[-1], 120)
    ticks = int(leaks.read(f"/proc/{flow(ebb)}/stat").rsplit(")", 1)[1].split()[19])
    begun = time.time() - float(leaks.read("/proc/uptime").split()[0]) + ticks / os.sysconf("SC_CLK_TCK")
    date, fraction = re.search(r"ts=(\S+?)(\.[0-9]+)Z", ready).groups()
    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%S")) + float(fraction) - begun


def wakeups(ebb, seconds):
    """Of all of ebb's programs in that time; the instance is frozen."""
    own = bench_idle.own_pids(ebb) + [pid for name in PROGRAMS for pid in ebb.programs(name)]
    before = bench_idle.switches(own)
    pass_time(seconds)
    return bench_idle.switches(own) - before


def rows(ebb, quick):
    count, starts, seconds = (2000, 3, 5) if quick else (100000, 5, 60)
    inside = bench_queues.instances(ebb)
    none, memory, disk = [start_s(ebb) for _ in range(starts)], bench_idle.pss_kb(flow(ebb)), disk_bytes(ebb)
    a_second = bench_queues.per_second(inside, "sleeping", PRODUCERS, count, f"http://127.0.0.1:{PORT}")
    print(f"  {count} runs, {a_second:.0f} a second", flush=True)
    grown = bench_idle.pss_kb(flow(ebb)) - memory
    many = [start_s(ebb) for _ in range(starts)]
    after, used = bench_idle.pss_kb(flow(ebb)) - memory, disk_bytes(ebb) - disk
    ebb.wait_frozen("sends1", 60)
    pass_time(5)  # the last commits of the ledger
    return [
        Row(f"{count} sleeping runs: made, each with its three events and its message", "1/s", a_second),
        Row(f"{count} sleeping runs: ebb-flow's memory, each, behind their making", "B", grown * 1024 / count),
        Row(f"{count} sleeping runs: ebb-flow's memory, each, behind a start", "B", after * 1024 / count),
        Row(f"{count} sleeping runs: disk, each", "B", used / count),
        Row(f"{count} sleeping runs: a start of ebb-flow until it is ready", "ms", [s * 1000 for s in many], [s * 1000 for s in none],
            "with none"),
        Row(f"{count} sleeping runs: wake-ups of all of ebb in {seconds} s, none due", "", wakeups(ebb, seconds)),
    ]
