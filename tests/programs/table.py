#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Prints docs/guide/compatibility.md from the rows of a run (FOLDER/*.json), in the order of the catalogue.

usage: table.py FOLDER [WHAT ELSE RAN] >docs/guide/compatibility.md      FOLDER: build/programs
"""
import json
import os
import platform
import sys
import textwrap
import time

import allowed
import catalogue

HEAD = """# What runs as it is

Programs of Debian and npm, unmodified, behind ebb with its default settings. `make compatibility` runs them
all and writes this page; `tests/programs/README.md` says how each is made. Nothing here is edited by hand.

{how}

| column | meaning |
|---|---|
| made | `image`: an OCI image with nothing of ebb's in it; `ebb build`: from the project's directory, on ebb's runtime |
| first | s from the first request, with no instance, to its answer |
| 100 at once | s from the first of 100 requests sent together to the last answer |
| alike | so many random requests (methods, bodies, pauses, early ends, pipelines) were answered as by the same program without ebb, none lost; `+n`: n more differed as may be, see below |
| frozen | ms from the last answer to frozen, the best of three |
| thaw | ms for a request to a frozen instance and its answer, the best of three |
| timer | ms by which a timer of 2.5 s that the program set was late while nobody asked; `-`: it offers none |
| SIGTERM | ms from `ebb stop` of a frozen instance to its clean end |
| memory | MB after all that |
| `no` | not so today; below the table stands what was seen |
"""
COLUMNS = (  # title, the key in the row, the claim it stands for
    ("first", "first_s", "serve"), ("100 at once", "at_once_s", "answer_at_once"),
    ("alike", "alike", "answer_as_plainly"),
    ("frozen", "frozen_ms", "freeze"), ("thaw", "thaw_ms", "thaw"), ("timer", "timer_late_ms", "fire_timer"),
    ("SIGTERM", "stop_ms", "stop"), ("memory", "memory_mb", "keep_memory"))


def cell(row, key, claim):
    if claim in row["faults"] or "serve" in row["faults"]:
        return "no"
    return str(row.get(key, "-"))


def line(row):
    cells = [row["name"], row.get("version", "?"), row["made"], *(cell(row, *column[1:]) for column in COLUMNS),
             row["note"]]
    return "| " + " | ".join(cells) + " |"


def alike(row):
    """2003, or 1990 +13."""
    others = sum(row.get("allowed", {}).values())
    return f"{row['pair'] - others}" + (f" +{others}" if others else "")


def fault(text):
    return text.strip().split("\n")[0][:200].replace("|", "\\|")


def how(meanwhile):
    """Under which conditions the run was made, as a paragraph."""
    kernel = platform.release().split("-")[0]
    text = (f"Run on {time.strftime('%Y-%m-%d')}: Linux {kernel}, {os.cpu_count()} CPUs. Each instance had one CPU "
            "(`ebb.cpu: 1000`), 512 MB (1024: Next.js, Tomcat, Jetty) and `maxInstances: 1`, so that every figure is "
            f"of one instance. {meanwhile}")
    return textwrap.fill(text, 108, break_on_hyphens=False)


def page(rows, meanwhile):
    yield HEAD.format(how=how(meanwhile))
    for family in dict.fromkeys(row["family"] for row in rows):
        yield f"## {family}"
        yield "| program | version | made | " + " | ".join(title for title, *_ in COLUMNS) + " | |"
        yield "|" + "---|" * (len(COLUMNS) + 4)
        yield from (line(row) for row in rows if row["family"] == family)
        yield ""
    kinds = {kind: [row["name"] for row in rows if kind in row.get("allowed", {})] if is_it else programs
             for kind, (programs, is_it, _) in allowed.ALLOWED.items()}
    yield "Differences from the program without ebb:\n\n| kind | seen with | why |\n|---|---|---|"
    yield from (f"| {kind} | {', '.join(names) or '-'} | {allowed.ALLOWED[kind][2]} |" for kind, names in kinds.items())
    yield ""
    faults = [(row["name"], claim, what) for row in rows for claim, what in row["faults"].items()]
    right = sum(not row["faults"] for row in rows)
    yield f"{right} of {len(rows)} programs passed every step." + (" What was seen of the others:\n" if faults else "")
    if faults:
        yield "| program | step | seen |\n|---|---|---|"
        yield from (f"| {name} | {claim.replace('_', ' ')} | {fault(what)} |" for name, claim, what in faults)


def main(folder, meanwhile=""):
    rows = []
    for program in catalogue.PROGRAMS:
        path = os.path.join(folder, program.name + ".json")
        if not os.path.exists(path):
            sys.exit(f"table.py: {path} is missing: the table is made of a whole run: make check-programs")
        with open(path, encoding="utf-8") as file:
            row = json.load(file)
        rows.append({**row, "alike": alike(row)} if "pair" in row else row)
    print("\n".join(page(rows, meanwhile)))


if __name__ == "__main__":
    main(*sys.argv[1:])
