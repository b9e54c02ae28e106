# SPDX-License-Identifier: Apache-2.0
"""Upgrades in place while requests run: how long until the next version serves, and the time of requests meanwhile
beside undisturbed ones. Also the number of requests that failed."""
import pictures
from bench_adoption import beside
from figures import Row, both
from upgradable import Upgradable
from waiting import wait_for


def measure(upgrades):
    ebb = Upgradable(gateways=2, settings={"log_level": "info"}).start()
    try:
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("busy", "probe", "--max", 1)
        versions = iter((ebb.next, ebb.version) * upgrades)

        def upgrade():
            took_s = ebb.upgrade(next(versions))
            wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2, 30, "the end of those that were replaced")
            return took_s
        took, load = beside(ebb, upgrade, upgrades)
        failed = [reply for one in load for reply in one.failed]
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()
    times = {kind: [t for one in load for t in one.took[kind]] for kind in load[0].took}
    print(f"  {upgrades} upgrades, the next ebbd after {both(took)} ms; {len(times['meanwhile'])} requests meanwhile "
          f"{both(times['meanwhile'])}, undisturbed {both(times['undisturbed'])} ms; {len(failed)} failed", flush=True)
    return [Row("upgrade to the next version", "ms", took),
            *(Row(f"requests during an upgrade, {name}", "ms", times["meanwhile"], times["undisturbed"], "undisturbed", q=q)
              for name, q in (("p50", .5), ("p99", .99))),
            Row("requests that an upgrade failed", "", [len(failed)])]


def rows(_, quick):
    return measure(6 if quick else 20)
