# SPDX-License-Identifier: Apache-2.0
"""ebbd is killed while requests run: the time until another one works, by number of instances, and the time of requests
meanwhile beside undisturbed ones."""
import threading
import time

import pictures
import web
from bench_idle import grow
from ebbd_deaths import kill_ebbd
from ebb import Ebb
from figures import Row, both
from waiting import pass_time


class Load(threading.Thread):
    """Requests one after the other, of 1 ms each; took: of those that began while `kind` was set."""

    def __init__(self, ebb):
        super().__init__(daemon=True)
        self.ebb, self.kind, self.over, self.failed = ebb, None, False, []
        self.took = {"undisturbed": [], "meanwhile": []}

    def run(self):
        while not self.over:
            kind, begun = self.kind, time.monotonic()
            reply = web.request(self.ebb.address, "/", host="busy.localhost")
            if reply.status != 200:
                self.failed.append(reply)
            if kind:
                self.took[kind].append((time.monotonic() - begun) * 1000)


def beside(ebb, disturb, times):
    """([ms of each disturb(), which returns seconds], the clients that asked before and meanwhile)."""
    load, took = [Load(ebb) for _ in range(2)], []

    def all_are(kind):
        for one in load:
            one.kind = kind
    for one in load:
        one.start()
    for _ in range(times):
        all_are("undisturbed")
        pass_time(2)
        all_are("meanwhile")
        took.append(disturb() * 1000)
        all_are(None)
    for one in load:
        one.over = True
    for one in load:
        one.join()
    return took, load


def measure(count, kills):
    ebb = Ebb(gateways=2, settings={"log_level": "info", "instances_max": 4000}).start()
    try:
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        grow(ebb, count)
        ebb.deploy("busy", "probe", "--max", 1)
        took, load = beside(ebb, lambda: kill_ebbd(ebb), kills)
        assert not any(one.failed for one in load)
        ebb.stop(deadline_s=120)
    finally:
        ebb.kill()
        ebb.remove()
    times = {kind: [t for one in load for t in one.took[kind]] for kind in load[0].took}
    print(f"  {count} instances: another ebbd after {both(took)} ms; requests meanwhile {both(times['meanwhile'])}, "
          f"undisturbed {both(times['undisturbed'])} ms", flush=True)
    return [Row(f"kill of ebbd to the next one, {count} instances", "ms", took),
            Row(f"requests meanwhile, {count} instances, p99", "ms", times["meanwhile"], times["undisturbed"],
                "undisturbed", q=.99)]


def rows(_, quick):
    return [row for count in ((10, 100) if quick else (10, 100, 1000)) for row in measure(count, 5 if quick else 10)]
