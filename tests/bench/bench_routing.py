# SPDX-License-Identifier: Apache-2.0
"""Rules of a site: the time for one request with 1, 100 and 2,000 rewrites, of which the last one matches. First the
matcher alone (two shapes of sources), then the CPU of a gateway, beside the same gateway without a site."""
import json
import os
import subprocess
import tempfile

import leaks
import pictures
from bench_static import load
from figures import Row

COUNTS = (1, 100, 2000)
SHAPES = {"a word each": ("/place-%d/:path*", "/place-%d/some/where"),
          "one beginning for all": ("/api/:version(\\d+)/item-%d/:path*", "/api/17/item-%d/some/where")}


def rules(shape, count):
    return {"rewrites": [{"source": SHAPES[shape][0] % n, "destination": {"service": "web"}} for n in range(count)],
            "services": {"web": {}}}


def matcher_us(shape, count):
    """One sample: the matcher runs a request many times and tells nanoseconds for one."""
    program = os.path.join(os.environ["EBB_BIN"], "tests", "rules_run")
    path = SHAPES[shape][1] % (count - 1)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rules(shape, count), file)
        file.flush()
        done = subprocess.run([program, file.name, "-n", "2000"], input=path + "\n", check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0]) / 1000


def gateway_us(ebb, path, seconds):
    """CPU of the gateways for one request."""
    def cpu():
        return sum(int(leaks.read(f"/proc/{pid}/schedstat").split()[0]) for pid in ebb.programs("ebb-gateway"))
    before = cpu()
    answered, _ = load(f"http://127.0.0.1:{ebb.port}{path}", 8, seconds, 1, "web.localhost")
    return (cpu() - before) / 1000 / answered


def rows(ebb, quick):
    rounds, found = (1 if quick else 7), []
    for shape in SHAPES:
        for count in COUNTS:
            found.append(Row(f"routing, {count} rules, {shape}: matching one request", "us",
                             [matcher_us(shape, count) for _ in range(rounds)]))
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("web", "probe")
    for count in COUNTS:
        shape = "a word each"
        site = rules(shape, count)
        site["rewrites"][-1]["source"] = "/head"
        ebb.rest("DELETE", "/v1/sites/web")
        with_rules, without = [], []
        for _ in range(rounds):
            without.append(gateway_us(ebb, "/head", 1 if quick else 2))
            ebb.rest("PUT", "/v1/sites/web", site)
            with_rules.append(gateway_us(ebb, "/head", 1 if quick else 2))
            ebb.rest("DELETE", "/v1/sites/web")
        found.append(Row(f"routing, {count} rules: CPU of the gateway per request", "us", with_rules, without, "no site"))
    return found
