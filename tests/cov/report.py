#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
The table of what each filtered program ran under its filter: blocks of all blocks that are linked (ebb's own code and
llhttp; libraries are not counted), functions of all functions, and the names of those that never ran there.

usage: report.py BIN FILE       FILE: what collect.py wrote
"""
import os
import pickle
import re
import subprocess
import sys
import textwrap

HOOK = "__sanitizer_cov_trace_pc"
HEADING = re.compile(r"^([0-9a-f]+) <(.+)>:$")
LINE = re.compile(r"^\s+([0-9a-f]+):\t(\S+)\s*(.*)$")
RAN, FILTERED = 1, 2


def blocks_of(path):
    """[(function, [places of its blocks])]: a place is where the hook returns to."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    found, places, called = [], None, False
    for line in out.splitlines():
        heading = HEADING.match(line)
        if heading:
            places, called = [], False
            found.append((heading[2], places))
            continue
        code = LINE.match(line)
        if not code:
            continue
        if called:
            places.append(int(code[1], 16))
        called = code[2].startswith("call") and f"<{HOOK}>" in code[3]
    return [(name, places) for name, places in found if places]


def main(binaries, path):
    with open(path, "rb") as f:
        found = pickle.load(f)
    print(f"{'program':12} {'processes':>9} {'blocks':>7} {'before':>7} {'filtered':>8} {'share':>6} {'functions':>9} {'ran':>5}")
    names = []
    for program, marks in sorted(found["marks"].items()):
        functions = [(name, [marks[p] if p < len(marks) else 0 for p in places])
                     for name, places in blocks_of(os.path.join(binaries, program))]
        blocks = [mark for _, seen in functions for mark in seen]
        filtered = sum(1 for mark in blocks if mark & FILTERED)
        only_before = sum(1 for mark in blocks if mark == RAN)
        needed = len(blocks) - only_before
        never = sorted(name for name, seen in functions if not any(seen))
        foreign = [name for name in never if name.startswith(("llhttp_", "llparse_"))]
        never = [name for name in never if name not in foreign] + [f"and {len(foreign)} of llhttp"] * bool(foreign)
        ran = sum(1 for _, seen in functions if any(mark & FILTERED for mark in seen))
        print(f"{program:12} {found['processes'][program]:9} {len(blocks):7} {only_before:7} {filtered:8} "
              f"{100 * filtered / max(1, needed):5.1f}% {len(functions):9} {ran:5}")
        names.append((program, never))
    print("(before: ran, but before the filter only; the share is of the others)")
    for program, never in names:
        print(f"\n{program}: {len(never)} functions never ran")
        print(textwrap.fill(" ".join(never), 118, initial_indent="  ", subsequent_indent="  "))
    return 0 if found["marks"] else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: report.py BIN FILE")
    sys.exit(main(*sys.argv[1:]))
