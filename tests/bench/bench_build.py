# SPDX-License-Identifier: Apache-2.0
"""
Seconds that `ebb build` takes for each example.

BEFORE=DIR names the images/ folder of an earlier checkout as the peer; its builds and today's take turns. With a
checkout whose builds ran in no sandbox, the difference is the cost of the sandboxes. Each has a cache with its bases
and npm's layer in it already; code is baked every time, as after a change of the project.
"""
import glob
import os
import subprocess
import tempfile
import time

from ebb import BIN, CACHE, PROJECT
from figures import Row

EXAMPLES = [("c-hello", "native", "c-hello"), ("c-ring", "native", "c-ring"), ("node-express", "node", "index.mjs"),
            ("node-fetch", "node", "index.mjs"), ("python-flask", "python", "main:app"),
            ("python-starlette", "python", "main:app")]
RUNS = 5


def build(images, cache, example):
    """Seconds of one build that bakes."""
    name, runtime, entry = example
    for old in glob.glob(cache + "/code-*"):
        os.unlink(old)
    began = time.monotonic()
    subprocess.run([os.path.join(images, "build/ebb-build"), "--runtime", runtime, "--entrypoint", entry, "--source",
                    os.path.join(PROJECT, "examples", name), "--cache", cache, "--output", cache + "/out.tar"],
                   check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={**os.environ, "EBB_STEP": os.path.join(BIN, "ebb-step")})
    return time.monotonic() - began


def cache_of(top, kind):
    """A new cache for the builds of one kind; the bases that stand in EBB_CACHE are in it."""
    path = os.path.join(top, kind)
    os.mkdir(path, 0o700)
    bases = glob.glob(glob.escape(CACHE) + "/base-*")
    if bases:
        subprocess.run(["cp", "-al", *bases, path], check=True)
    return path


def rows(_, quick):
    kinds = {"now": os.path.join(PROJECT, "images")}
    if os.environ.get("BEFORE"):
        kinds["before"] = os.path.abspath(os.environ["BEFORE"])
    found = []
    with tempfile.TemporaryDirectory(dir=CACHE) as top:
        caches = {kind: cache_of(top, kind) for kind in kinds}
        for example in EXAMPLES:
            took = {kind: [] for kind in kinds}
            for run in range(1 + (1 if quick else RUNS)):
                for kind in sorted(kinds, reverse=run % 2 == 1):
                    seconds = build(kinds[kind], caches[kind], example)
                    if run:  # the first fills the cache
                        took[kind].append(seconds)
            found.append(Row(f"build, {example[0]}", "s", took["now"], took.get("before"),
                             "before" if "before" in took else ""))
    return found
