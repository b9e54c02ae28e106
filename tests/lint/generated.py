# SPDX-License-Identifier: Apache-2.0
"""Documents that `make docs` writes are what it would write now."""
import subprocess

BUILD_TIMEOUT_S = 900  # the programs whose tables they are, in a fresh clone


def generated(project):
    done = subprocess.run(["make", "-s", "docs-check"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    faults = [line for line in done.stdout.splitlines() if line.endswith("run make docs")]
    if done.returncode and not faults:
        faults = [f"make docs-check: {done.stdout.strip()[-400:]}"]
    with open("tests/docs/generate.py", encoding="utf-8") as file:
        return sum(line.startswith('    "docs/') for line in file), faults
