#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes docs/internals/measures.md: how large functions and files are, and who calls whom, per folder.

usage: measures.py [--print]     LINT_OUT: where it was built
"""
import dataclasses
import os
import re
import statistics
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import rules  # noqa: E402
import shape  # noqa: E402
import source  # noqa: E402
import symbols  # noqa: E402
import tools  # noqa: E402
from text import without_comments  # noqa: E402

PAGE = "docs/internals/measures.md"
INTRODUCTION = """# Measures

`make measures` writes this page from the tree and its objects (`tests/lint/measures.py`). Lines are those of
`.c` and `.h` files that are not blank. A function's lines go from its name to its last brace. An assert is
`must` or `static_assert`. The largest circle is the largest set of files of a folder that all need each
other's symbols, over however many others; pairs are files that need each other, of all that need one.
A comment line holds nothing but a comment.

"""
HEAD = ("| folder | files | lines | functions | median | <= 24 lines | <= 70 lines | longest | largest circle "
        "| pairs | asserts per 1,000 lines | comment lines |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")


@dataclasses.dataclass
class Row:
    folder: str
    files: int
    lines: int
    functions: int
    median: float
    within_24: float
    within_70: float
    longest: int
    circle: int
    sources: int
    pairs: tuple
    asserts: int
    comments: int

    def text(self):
        circle = f"{self.circle} of {self.sources}" if self.sources else "-"
        both, all_pairs = self.pairs
        pairs = f"{both} of {all_pairs} ({100 * both / all_pairs:.0f} %)" if all_pairs else "-"
        lengths = (f"{self.median:g} | {100 * self.within_24:.1f} % | {100 * self.within_70:.1f} % | {self.longest}"
                   if self.functions else "- | - | - | -")
        return (f"| {self.folder} | {self.files} | {self.lines:,} | {self.functions:,} | {lengths} | {circle} | {pairs} "
                f"| {1000 * self.asserts / max(self.lines, 1):.1f} | {100 * self.comments / max(self.lines, 1):.1f} % |\n")


def comment_lines(project, path):
    """Lines that hold nothing but a comment, or a part of one."""
    text = project.text(path) or ""
    code = without_comments(text).splitlines()
    strings = re.compile(r'["\']')
    return sum(1 for before, after in zip(text.splitlines(), code)
               if before.strip() and not after.strip() and (not strings.match(before.strip())))


def row_of(project, folder):
    """The measures of a folder and its rooms; "" is the whole product."""
    paths = [p for p in project.product if p.startswith(folder + "/") or not folder]
    lengths = []
    found, fault = tools.tags(paths, "--kinds-C=f", "--languages=C", "--langmap=C:.c.h")
    if fault:
        sys.exit(f"measures: {fault}")
    for tag in found:
        lengths.append(tag.get("end", tag["line"]) - tag["line"] + 1)
    known = project.symbols()
    if known.fault:
        sys.exit(f"measures: {known.fault}")
    graph = known.calls([p for p in known.sources if p in set(paths)])
    circles = symbols.circles_of(graph)
    share = [sum(1 for n in lengths if n <= limit) / max(len(lengths), 1) for limit in (24, 70)]
    return Row(folder=folder or "all", files=len(paths),
               lines=sum(1 for p in paths for line in project.lines(p) if line.strip()),
               functions=len(lengths), median=statistics.median(lengths) if lengths else 0,
               within_24=share[0], within_70=share[1], longest=max(lengths, default=0),
               circle=len(circles[0]) if circles else 0, sources=len(graph), pairs=symbols.pairs_of(graph),
               asserts=sum(len(shape.ASSERT.findall(without_comments(project.text(p) or ""))) for p in paths),
               comments=sum(comment_lines(project, p) for p in paths))


def page(project):
    folders = {symbols.program_of(p) for p in project.product} | {f for f in rules.LAYERS
                                                                  if f.startswith(tuple(p + "/" for p in rules.PROGRAMS))}
    return INTRODUCTION + HEAD + "".join(row_of(project, folder).text() for folder in [*sorted(folders), ""])


def main(arguments):
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    text = page(source.Project())
    if arguments == ["--print"]:
        print(text, end="")
        return
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
