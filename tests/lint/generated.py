# SPDX-License-Identifier: Apache-2.0
"""Documents that `make docs` writes are what it would write now."""
import re
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


RAN = "docs/internals/system-calls.md"
LEAST = 90  # per cent, as in tests/cov/report.py


def filtered(project):
    """The programs that have a filter of their own: runtime/NAME/seccomp.policy, images/NAME/seccomp.policy."""
    return {"ebb-" + path.split("/")[1] for path in project.files
            if re.fullmatch(r"(runtime|images)/\w+/seccomp\.policy", path)}


def under_filters(project):
    """`make check-filters` wrote that each filtered program ran that much of its lines under its filter."""
    with open(RAN, encoding="utf-8") as file:
        rows = re.findall(r"^\| (ebb-\w+) \|.*\| ([\d.]+) % \|", file.read(), re.M)
    faults = [f"{RAN}: {name} ran {share} % of its lines under its filter, at least {LEAST}"
              for name, share in rows if float(share) < LEAST]
    faults += [f"{RAN}: {name} has a filter and no row: run make check-filters (tests/cov/collect.py, PROGRAMS)"
               for name in sorted(filtered(project) - {name for name, _ in rows})]
    if not rows:
        faults = [f"{RAN}: no table: run make check-filters"]
    return len(rows), faults
