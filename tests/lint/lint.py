#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Checks the house style that CONTRIBUTING.md describes.

usage: lint.py [--tighten] [CHECK...]
                              --tighten: ratchet.txt gets the numbers that are lower today;
                              LINT_CFLAGS: how the project compiles; LINT_JOBS: how many at once;
                              LINT_OUT: where it was built

A check gets the project's files. It returns how many things it looked at, and a line for each fault: "path:line: what
is wrong". Rules that are lists are tables in rules.py; exemptions.txt may only shrink. A rule that today's files break
has the number of its faults in ratchet.txt, and that number may only go down.
"""
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import comments  # noqa: E402
import generated  # noqa: E402
import named  # noqa: E402
import proofs  # noqa: E402
import prose  # noqa: E402
import shape  # noqa: E402
import source  # noqa: E402
import symbols  # noqa: E402
import text  # noqa: E402
import tools  # noqa: E402
import walks  # noqa: E402
import words  # noqa: E402

CHECKS = (
    # name, what is counted, function; cheap ones first
    ("layers", "includes", text.layers),
    ("insides", "insides seen", text.insides),
    ("libraries", "library includes", text.libraries),
    ("spdx", "files", text.spdx),
    ("readme", "folders", text.readmes),
    ("calls", "lines of product code", text.banned_calls),
    ("threat-model", "names", named.threat_model),
    ("prose", "paragraphs", prose.prose),
    ("words", "texts", words.words),
    ("walks", "functions", walks.walks),
    ("generated", "documents", generated.generated),
    ("under-filters", "programs", generated.under_filters),
    ("commit-safe", "text files", text.commit_safe),
    ("file-length", "files", text.file_length),
    ("function-length", "functions", tools.function_length),
    ("globals", "variables", tools.globals_),
    ("python", "scripts", text.python),
    ("links", "symbols needed", symbols.links),
    ("circles", "objects", symbols.circles),
    ("dead-code", "functions", symbols.dead_code),
    ("machines", "machines", shape.machines),
    ("one-place", "calls", shape.one_place),
    ("tables", "positional arrays", shape.tables),
    ("asserts", "asserts", shape.asserts),
    ("settings", "fields", shape.settings),
    ("drawings", "drawings", comments.drawings),
    ("paths", "paths named", comments.paths),
    ("proofs", "asserts", proofs.proofs),
    ("shellcheck", "scripts", tools.shellcheck),
    ("manuals", "pages", tools.manuals),
    ("clang-format", "files", tools.clang_format),
    ("headers", "headers alone", tools.headers),
    ("warnings-gcc", "files", tools.warnings_gcc),
    ("warnings-clang", "files", tools.warnings_clang),
    ("cppcheck", "files", tools.cppcheck),
    ("clang-tidy", "files", tools.clang_tidy),
)


SHOWN_MAX = 60  # faults of one check


def main(arguments):
    tighten, wanted = "--tighten" in arguments, [a for a in arguments if a != "--tighten"]
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    unknown = set(wanted) - {name for name, _, _ in CHECKS}
    if unknown:
        sys.exit(f"lint: no check named {', '.join(sorted(unknown))}")
    project = source.Project()
    passed = failed = 0
    for name, unit, check in CHECKS:
        if wanted and name not in wanted:
            continue
        began = time.monotonic()
        count, faults = check(project)
        faults = project.exempt(name, faults)
        if tighten:
            project.tighten(name)
        faults += [f"{source.RATCHET}: {name} {key} goes down from {allowed} to {number}: lint.py --tighten"
                   for key, number, allowed in project.ratchet_slack(name)]
        took = time.monotonic() - began
        print(f"{'FAIL' if faults else 'ok  '}  {name:16}{count:6} {unit}"
              f"{f', {len(faults)} wrong' if faults else ''}  ({took:.1f} s)", flush=True)
        shown = faults if len(faults) <= SHOWN_MAX else [*faults[:SHOWN_MAX], f"... {faults[-1]}"]
        for fault in shown:
            print(f"      {fault}", flush=True)
        passed, failed = passed + (not faults), failed + bool(faults)
    print(f"lint: {passed} checks passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
