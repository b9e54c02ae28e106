# SPDX-License-Identifier: Apache-2.0
"""Requests per second of one instance with 500 clients, each of which waits 100 ms for its answer, beside the
same program run plainly: a foreign image (C, a thread for each connection) and a runtime of ebb's (Node with
Express). 500 clients that wait 100 ms each make 5,000 requests per second at most."""
import contextlib
import json
import os
import re
import subprocess
import tempfile

import pictures
from ebb import free_port
from figures import Row
from peers import first_byte_s

CLIENTS = 500
PATH = "/sleep?ms=100"


def asked(port, host, seconds):
    """Answers per second; all must be right."""
    said = subprocess.run(["wrk", "-t", "1", "-c", str(CLIENTS), "-d", f"{seconds}s", "--timeout", "10s", "-H",
                           f"Host: {host}", f"http://127.0.0.1:{port}{PATH}"], check=True, capture_output=True,
                          text=True).stdout
    if re.search("Non-2xx|Socket errors", said):
        raise AssertionError(said)
    return float(re.search(r"Requests/sec: +([0-9.]+)", said).group(1))


@contextlib.contextmanager
def running(words, env):
    port = free_port()
    process = subprocess.Popen(words, env={**os.environ, "PORT": str(port), **env}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first_byte_s(("127.0.0.1", port), "plain")
        yield port
    finally:
        process.kill()
        process.wait()


def layers_of(image):
    """The files of an unpacked archive of `ebb build`'s, in their order."""
    def blob(described):
        return os.path.join(image, "blobs", described["digest"].replace(":", "/"))
    with open(image + "/index.json", encoding="utf-8") as file:
        manifest, = json.load(file)["manifests"]
    with open(blob(manifest), encoding="utf-8") as file:
        return [blob(layer) for layer in json.load(file)["layers"]]


@contextlib.contextmanager
def unpacked(archive):
    with tempfile.TemporaryDirectory(prefix="ebb-bench-") as top:
        for part in ("image", "root"):
            os.mkdir(f"{top}/{part}")
        subprocess.run(["tar", "-xf", archive, "-C", top + "/image"], check=True)
        for layer in layers_of(top + "/image"):
            subprocess.run(["tar", "-xf", layer, "-C", top + "/root"], check=True)
        yield top + "/root"


@contextlib.contextmanager
def plain_node(archive):
    with unpacked(archive) as root, \
            running(["chroot", root, "/usr/bin/node", "/app/index.mjs"], {"NODE_ENV": "production"}) as port:
        yield port


def rows(ebb, quick):
    archive = pictures.example_archive("node-express")
    ebb.import_image("oci-archive:" + archive, "express")
    kinds = {"foreign image (C)": ("probe", running([pictures.probe_program()], {})),
             "own runtime (Express)": ("express", plain_node(archive))}
    found = []
    for kind, (image, plainly) in kinds.items():
        ebb.apply({image: {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 2048,
                           "maxConcurrency": 1000}})
        ebb.get(image, PATH)
        behind, beside = [], []
        with plainly as port:
            for _ in range(1 if quick else 3):
                behind.append(asked(ebb.port, image + ".localhost", 2 if quick else 5))
                beside.append(asked(port, "plain", 2 if quick else 5))
        found.append(Row(f"500 waiting clients, {kind}", "requests/s", behind, beside, "plainly"))
        ebb.cli("rm", image)
    return found
