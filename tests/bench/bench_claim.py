# SPDX-License-Identifier: Apache-2.0
"""The claim ebb began with: 100 clients, each request 5 ms of CPU and 1 s of waiting, fluid beside one
request per instance on the same host. `bench.py claim` prints both, with their bills at equal rates."""
import statistics
import threading
import time

import pictures
from figures import Row, quantile

CPU_HOUR, GB_HOUR = 0.221, 0.0183
CLIENTS, MEMORY_MB = 100, 512


class Client(threading.Thread):
    def __init__(self, ebb, name, until):
        super().__init__()
        self.ebb, self.name_, self.until, self.times, self.bad = ebb, name, until, [], 0

    def run(self):
        while time.monotonic() < self.until:
            begun = time.monotonic()
            reply = self.ebb.get(self.name_, "/work?us=5000&ms=1000", timeout=60)
            self.times.append(time.monotonic() - begun)
            self.bad += reply.status != 200


def measure(ebb, name, concurrency, seconds):
    ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "memory": MEMORY_MB,
                      "maxInstances": CLIENTS, "maxConcurrency": concurrency}})
    clients = [Client(ebb, name, time.monotonic() + seconds) for _ in range(CLIENTS)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    ebb.wait_frozen(name, 60)
    instances, usage = len(ebb.instances(name)), ebb.usage(name)
    ebb.cli("rm", name)
    times = [t for c in clients for t in c.times]
    cpu_s, gb_s = usage["active_cpu_us"] / 1e6, usage["provisioned_mb_ms"] / 1024 / 1000
    return {"instances": instances, "requests": len(times), "failed": sum(c.bad for c in clients),
            "cpu_s": cpu_s, "gb_s": gb_s, "p50_s": statistics.median(times),
            "p99_s": quantile(times, .99),
            "cost": (cpu_s * CPU_HOUR + gb_s * GB_HOUR) / 3600 / len(times) * 1e6}


def rows(ebb, quick):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    seconds = 10 if quick else 30
    fluid = measure(ebb, "claim-fluid", "auto", seconds)
    single = measure(ebb, "claim-single", 1, seconds)
    for name, r in (("fluid", fluid), ("single", single)):
        print(f"  {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in r.items()), flush=True)
    figures = [("instances", "", "instances"), ("provisioned", "GB-s", "gb_s"),
               ("Active CPU", "s", "cpu_s"), ("p99", "s", "p99_s"),
               ("cost per million requests", "$", "cost")]
    return [Row(f"claim, {text}", unit, fluid[key], single[key], "one request per instance")
            for text, unit, key in figures]
