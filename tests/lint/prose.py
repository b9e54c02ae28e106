# SPDX-License-Identifier: Apache-2.0
"""Documents that a stranger can read: short lines, short paragraphs, short pages, links that lead somewhere."""
import os
import re

import rules

FENCE = re.compile(r"\s*(```|~~~)")
ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose_lines(lines):
    """(number, line) of what is text: no code, no table, no heading; an empty line is (number, "")."""
    fenced, before = False, ""
    for number, line in enumerate(lines, 1):
        if FENCE.match(line):
            fenced, before = not fenced, ""
            yield number, ""
            continue
        code = fenced or (line.startswith("    ") and not before and not ITEM.match(line))
        if code or line.lstrip().startswith(("|", "#")):
            yield number, ""
            continue
        before = line.strip()
        yield number, line


def paragraphs(lines):
    """(number of the first line, words) of each paragraph; an item of a list is one."""
    start, words = 0, 0
    for number, line in prose_lines(lines):
        if words and (not line.strip() or ITEM.match(line)):
            yield start, words
            words = 0
        if line.strip():
            start = start if words else number
            words += len(line.split())
    if words:
        yield start, words


def glued_tables(path, lines):
    """Without an empty line between them a table is text to some readers, and text a row to others."""
    before, fenced = "", False
    for number, line in enumerate(lines, 1):
        if FENCE.match(line):
            fenced = not fenced
        row, text = line.lstrip().startswith("|"), line.strip() and not line.startswith("#")
        glued = (row and before and not before.startswith(("|", "#"))) or (text and not row and before.startswith("|"))
        if glued and not fenced:
            yield f"{path}:{number}: an empty line is missing beside a table"
        before = "" if fenced or FENCE.match(line) else line.strip()


def faults_of(path, lines):
    yield from glued_tables(path, lines)
    for number, line in prose_lines(lines):
        if len(line) > rules.PROSE_COLUMNS_MAX:
            yield f"{path}:{number}: {len(line)} columns, at most {rules.PROSE_COLUMNS_MAX}"
    for number, words in paragraphs(lines):
        if words > rules.PROSE_WORDS_MAX:
            yield f"{path}:{number}: a paragraph of {words} words, at most {rules.PROSE_WORDS_MAX}"
    if path.startswith("docs/internals/") and len(lines) > rules.PAGE_LINES_MAX:
        yield f"{path}: {len(lines)} lines, at most {rules.PAGE_LINES_MAX}"


def dead_links(path, project):
    """Links to files of the project that are not there."""
    folder = os.path.dirname(path)
    for number, line in enumerate(project.lines(path), 1):
        for target in LINK.findall(line):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            name = os.path.normpath(os.path.join(folder, target.split("#")[0]))
            if name not in project.files and not os.path.isdir(name):
                yield f"{path}:{number}: no file {target}"


def notes(project):
    """A number names one note, and the index lists every note."""
    index = project.text("docs/notes/README.md") or ""
    numbers = {}
    for path in project.files:
        name = os.path.basename(path)
        if not path.startswith("docs/notes/") or name == "README.md":
            continue
        if f"]({name})" not in index:
            yield f"{path}: not in docs/notes/README.md"
        number = name[:4]
        if number in numbers and number.isdigit():
            yield f"{path}: {numbers[number]} has that number"
        numbers[number] = name


def prose(project):
    faults, count = list(notes(project)), 0
    for path in project.files:
        if not path.endswith(".md"):
            continue
        lines = project.lines(path)
        count += sum(1 for _ in paragraphs(lines))
        faults += faults_of(path, lines)
        faults += dead_links(path, project)
    return count, faults
