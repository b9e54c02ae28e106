# SPDX-License-Identifier: Apache-2.0
"""
How long `ebb build` takes for each example, and what its sandboxes cost of that.

BEFORE=DIR names the images/ of an earlier checkout, whose builds had none; its runs and ours take turns. Both
have their bases and npm's layer in a cache already; code is baked every time, as after a change.
"""
import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("EBB_BIN", os.path.join(PROJECT, "build/release")))
EXAMPLES = [("c-hello", "native", "c-hello"), ("c-ring", "native", "c-ring"), ("node-express", "node", "index.mjs"),
            ("node-fetch", "node", "index.mjs"), ("python-flask", "python", "main:app"),
            ("python-starlette", "python", "main:app")]
RUNS = int(os.environ.get("RUNS", "7"))


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


def main():
    kinds = {"confined": os.path.join(PROJECT, "images")}
    if os.environ.get("BEFORE"):
        kinds["before"] = os.path.abspath(os.environ["BEFORE"])
    with tempfile.TemporaryDirectory() as top:
        for kind in kinds:
            os.mkdir(os.path.join(top, kind))
        for example in EXAMPLES:
            took = {kind: [] for kind in kinds}
            for run in range(RUNS + 1):
                for kind in sorted(kinds, reverse=run % 2 == 1):
                    seconds = build(kinds[kind], os.path.join(top, kind), example)
                    if run:  # the first fills the cache
                        took[kind].append(seconds)
            middle = {kind: statistics.median(all_of) for kind, all_of in took.items()}
            text = f"{example[0]:18} " + "  ".join(f"{k} {s:.2f} s" for k, s in sorted(middle.items()))
            if "before" in middle:
                text += f"  ratio {middle['confined'] / middle['before']:.2f}"
            print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
