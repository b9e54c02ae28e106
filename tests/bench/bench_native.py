# SPDX-License-Identifier: Apache-2.0
"""CPU per request of an instance of the native runtime, as cpu.stat counts it: a program whose loop uses the
restricted ring, beside the same program on epoll, behind the same gateway, in alternating rounds."""
import subprocess

import pictures
from figures import Row

SERVICES = {"ring": True, "epoll": False}


def asked(ebb, name, path, connections, seconds):
    """us of CPU per request."""
    def meters():
        found = ebb.instance(name)
        return found["cpu_us"], found["invocations"]
    cpu_us, invocations = meters()
    subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-H", f"Host: {name}.localhost",
                    f"http://127.0.0.1:{ebb.port}{path}"], check=True, stdout=subprocess.DEVNULL)
    ebb.wait_frozen(name)
    after_us, after = meters()
    return (after_us - cpu_us) / (after - invocations)


def rows(ebb, quick):
    ebb.import_image("oci-archive:" + pictures.apps_archive("native"), "native")
    for name, ring in SERVICES.items():
        ebb.apply({name: {"runtime": "container", "entrypoint": "native", "maxInstances": 1, "memory": 2048,
                          "maxConcurrency": 1000, "ebb": {"ioUring": ring}}})
        ebb.get(name)
    found = []
    for path, connections, what in (("/", 1, "1 connection"), ("/", 64, "64 connections"),
                                    ("/big?bytes=100000", 16, "100 kB")):
        taken = {name: [] for name in SERVICES}
        for _ in range(1 if quick else 5):
            for name in SERVICES:
                taken[name].append(asked(ebb, name, path, connections, 1 if quick else 2))
        found.append(Row(f"native, CPU per request, {what}", "us", taken["ring"], taken["epoll"], "epoll"))
    return found
