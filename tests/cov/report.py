#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Prints how much of each filtered program ran under its filter: lines of ebb's own code, and basic blocks of all code
but shared libraries. Then, by function, it prints the lines that did not run there.

usage: report.py BIN FILE [PAGE]       FILE: the notes of collect.py; PAGE: a document that gets the table

A line counts as run when a basic block that holds code of the line ran under the filter. Two kinds of code are not
counted: functions that ran before the filter was loaded and never under it (the start), and llhttp's generated code.
A program that tests link with injected errors (BIN/injected) counts as the program itself.
"""
import collections
import os
import pickle
import re
import subprocess
import sys
import textwrap

PROJECT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SOURCES = os.environ.get("COV_SOURCES", PROJECT)  # as they were when that was built
HOOK = "__sanitizer_cov_trace_pc"
HEADING = re.compile(r"^([0-9a-f]+) <(.+)>:$")
CODE = re.compile(r"^\s+([0-9a-f]+):\t(\S+)\s*(.*)$")
SOURCE = re.compile(r"^(/\S+\.[ch]):(\d+)")
OURS = re.compile(r"/((?:runtime|images|netns)/.*)")
RAN, FILTERED = 1, 2
LEAST = 90  # per cent
BEGIN, END = "<!-- written by make check-filters -->\n", "<!-- until here -->\n"
# The causes why a line did not run, in this order.
KINDS = (
    ("no memory", r"ENOMEM|no memory"),
    ("the end of a broken invariant", r"must\("),
    ("an error is said", r"log_(error|warn)|_fail\(|import_fault|problem|text_format|snprintf|strerror"),
    ("an error is handed on", r"return (-E|-errno|r;|err;|n;|false|NULL|-1)|goto |-errno|= -E"),
    ("what was begun is taken back", r"free\(|close\(|_fini|unlink|_forget|_drop"),
)


class Function:
    def __init__(self, name):
        self.name, self.places, self.lines = name, [], []  # lines: of each block, {(file, line)}
        self.ours = False

    def begin_block(self, place):
        self.places.append(place)
        self.lines.append(set())


def functions_of(path):
    """All functions of a binary that have blocks, in the order of their addresses."""
    process = subprocess.Popen(["objdump", "-dl", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True)
    found, function, at, called = [], None, None, False
    for line in process.stdout:
        heading = HEADING.match(line)
        if heading:
            function, at, called = Function(heading[2]), None, False
            found.append(function)
            continue
        source = SOURCE.match(line)
        if source:
            at = where(source[1], int(source[2]))
            continue
        code = CODE.match(line)
        if not code:
            continue
        if called:
            function.places[-1] = int(code[1], 16)  # where the hook returns to
        called = code[2].startswith("call") and f"<{HOOK}>" in code[3]
        if called:
            function.begin_block(0)
        if at and function.lines:
            function.lines[-1].add(at)
    if process.wait():
        sys.exit(f"objdump {path}: {process.returncode}")
    return [f for f in found if f.places]


def where(path, line):
    """A cache of the compiler may have the objects of another copy of the project, so the path begins at its folder."""
    ours = OURS.search(path)
    return (ours[1], line) if ours else None


class Program:
    """The blocks that the processes of one program ran, of all builds."""

    def __init__(self, name):
        self.name, self.processes = name, 0
        self.functions, self.marks = [], {}  # marks: {(name, which of that name): [mark of each block]}

    def add(self, path, marks, processes):
        self.processes += processes
        seen, functions = collections.Counter(), functions_of(path)
        self.functions = self.functions or functions
        for f in functions:
            key = (f.name, seen[f.name])
            seen[f.name] += 1
            new = [marks[p] if p < len(marks) else 0 for p in f.places]
            old = self.marks.setdefault(key, new)
            if old is not new and len(old) == len(new):
                self.marks[key] = [a | b for a, b in zip(old, new)]

    def each(self):
        seen = collections.Counter()
        for f in self.functions:
            yield f, self.marks[(f.name, seen[f.name])]
            seen[f.name] += 1

    def lines(self):
        """({line: ran under the filter} of what counts, lines that only the start has, {function: lines not run})"""
        needed, start, holders = {}, set(), collections.defaultdict(set)
        for f, marks in self.each():
            if f.name.startswith(("llhttp_", "llparse_")):
                continue
            begins = any(marks) and not any(mark & FILTERED for mark in marks)
            for mark, lines in zip(marks, f.lines):
                for line in lines - {None}:
                    if begins:
                        start.add(line)
                        continue
                    needed[line] = needed.get(line, False) or bool(mark & FILTERED)
                    holders[line].add(f.name)
        left = collections.defaultdict(set)
        for line, ran in needed.items():
            if not ran:
                left[(line[0], min(holders[line]))].add(line[1])
        return needed, start - needed.keys(), left

    def count(self):
        """The numbers of the table, and {kind: lines left}."""
        needed, start, left = self.lines()
        kinds = collections.Counter(EXCUSED.get((*where_it_is, self.name)) or EXCUSED.get(where_it_is)
                                    or kind_of(where_it_is[0], line)
                                    for where_it_is, lines in left.items() for line in lines)
        excused = sum(kinds[kind] for kind in set(EXCUSED.values()))
        ran = sum(needed.values())
        can = len(needed) - excused
        return {"lines": len(needed) + len(start), "start": len(start), "excused": excused, "can": can, "ran": ran,
                "share": 100 * ran / max(1, can), "kinds": kinds}

    def row(self):
        needed, start, _ = self.lines()
        ran = sum(needed.values())
        marks = [mark for _, seen in self.each() for mark in seen]
        filtered = sum(1 for mark in marks if mark & FILTERED)
        only_before = sum(1 for mark in marks if mark == RAN)
        blocks = 100 * filtered / max(1, len(marks) - only_before)
        return (f"{self.name:12} {self.processes:9} {len(needed) + len(start):6} {len(start):6} {ran:8} "
                f"{100 * ran / max(1, len(needed)):6.1f}% {len(marks):7} {filtered:8} {blocks:6.1f}%")


def excused():
    """{(path, function[, program]): kind}"""
    with open(os.path.join(PROJECT, "tests/cov/excused.txt")) as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {tuple(where): kind for kind, *where in rows}


EXCUSED = excused()


def text_of(path, cache={}):
    if path not in cache:
        try:
            with open(os.path.join(SOURCES, path)) as f:
                cache[path] = f.read().splitlines()
        except OSError:
            cache[path] = []  # it is gone since that was built
    return cache[path]


def kind_of(path, line):
    lines = text_of(path)
    text = lines[line - 1] if line <= len(lines) else ""
    return next((name for name, pattern in KINDS if re.search(pattern, text)), "other")


def spans(numbers):
    """1, 2, 3, 7: "1-3 7" """
    found = []
    for n in sorted(numbers):
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def say_left(program):
    _, _, left = program.lines()
    kinds = collections.Counter(kind_of(path, line) for (path, _), lines in left.items() for line in lines)
    print(f"\n{program.name}: {sum(map(len, left.values()))} lines did not run under the filter: "
          + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    for (path, function), lines in sorted(left.items(), key=lambda item: (-len(item[1]), item[0])):
        print(textwrap.fill(f"{path} {function}: {spans(lines)}", 118, initial_indent="  ", subsequent_indent="      "))


def table(programs):
    kinds = [name for name, _ in KINDS] + ["other"]
    yield "| program | lines | before the filter | excused | can run | ran | share | " + " | ".join(kinds) + " |"
    yield "|" + "---|" * (7 + len(kinds))
    for name, program in sorted(programs.items()):
        n = program.count()
        left = " | ".join(str(n["kinds"][kind]) for kind in kinds)
        yield (f"| {name} | {n['lines']} | {n['start']} | {n['excused']} | {n['can']} | {n['ran']} | {n['share']:.1f} % | "
               f"{left} |")


def write_page(path, programs):
    with open(path) as f:
        text = f.read()
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    head, rule, *rows = table(programs)
    # Rows of programs that did not run this time stay.
    rows += [row for row in old.splitlines() if row.startswith("| ebb-") and row.split()[1] not in programs]
    with open(path, "w") as f:
        f.write(before + BEGIN + "\n" + "\n".join([head, rule, *sorted(rows)]) + "\n\n" + END + after)


def main(binaries, path, page=None):
    with open(path, "rb") as f:
        found = pickle.load(f)
    programs = {}
    for name, marks in sorted(found["marks"].items()):
        program = programs.setdefault(os.path.basename(name), Program(os.path.basename(name)))
        program.add(os.path.join(binaries, name), marks, found["processes"][name])
    print(f"{'program':12} {'processes':>9} {'lines':>6} {'start':>6} {'filtered':>8} {'share':>7} {'blocks':>7} "
          f"{'filtered':>8} {'share':>7}")
    for program in programs.values():
        print(program.row())
    print("(start: only in functions that ran before the filter and not behind it; the shares are of the others)")
    for program in programs.values():
        say_left(program)
    print("\n" + "\n".join(table(programs)))
    if page:
        write_page(page, programs)
    few = [name for name, program in programs.items() if program.count()["share"] < LEAST]
    if few or not programs:
        print(f"less than {LEAST} % of what can run under the filter: {', '.join(few) or 'nothing was seen'}")
    return 1 if few or not programs else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: report.py BIN FILE [PAGE]")
    sys.exit(main(*sys.argv[1:]))
