# SPDX-License-Identifier: Apache-2.0
"""Checks of what files say to people: drawings in comments, and the paths that comments and pages name."""
import io
import os
import re
import tokenize

import rules


def c_comments(source):
    """(line, text) of each comment of C."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    for match in re.finditer(pattern, source, re.S):
        if match[0].startswith("/"):
            yield source.count("\n", 0, match.start()) + 1, match[0]


def hash_comments(source):
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(r"\s*#(?!!)(.*)|.*\s#\s(.*)", line)
        if match:
            yield number, match[1] or match[2] or ""


def python_comments(source):
    """Comments and the texts that document modules, classes and functions."""
    before = tokenize.NEWLINE
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
            elif token.type == tokenize.STRING and before in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                yield token.start[0], token.string
            if token.type not in (tokenize.COMMENT, tokenize.NL):
                before = token.type
    except (tokenize.TokenError, SyntaxError):
        return  # the check "python" says so


def prose_of(project, path):
    """(line, text) of what a file says to people."""
    source = project.text(path) or ""
    if path.endswith((".c", ".h")):
        yield from c_comments(source)
    elif path in project.python:
        yield from python_comments(source)
    elif path.endswith((".mk", ".policy")) or path in project.shell or os.path.basename(path) == "Makefile":
        yield from hash_comments(source)
    elif path.endswith(".md"):
        yield from enumerate(source.splitlines(), 1)


DRAWN = re.compile(r"[|+][-=]{2,}|[-=]{2,}[>|+]|<[-=]{2,}|[─│┌└├]|\S {3,}\S.*\S {3,}\S|^\s*\*\s*\|.*\|\s*$")


def drawings(project):
    """A comment that is a drawing or a table is fenced: the formatter would flow its lines together."""
    faults, count = [], 0
    for path in project.c_and_h:
        source = project.text(path) or ""
        fences = [(m.start(), m[1] == "off") for m in re.finditer(r"clang-format (on|off)", source)]
        for line, comment in c_comments(source):
            rows = [n for n, text in enumerate(comment.splitlines()) if DRAWN.search(text)]
            if len(rows) < 2 or rows[1] - rows[0] > 2:
                continue
            count += 1
            at = source.index(comment)
            before = [off for start, off in fences if start < at]
            if not (before and before[-1]):
                faults.append(f"{path}:{line + rows[0]}: a drawing in a comment: put clang-format off and on around it")
    return count, project.ratchet("drawings", "all", faults)


# --- paths

ENDINGS = "c|h|py|sh|mk|md|policy|txt|json|mjs|scd|service"
PATH = re.compile(rf"(?<![\w./~$%{{}}*<>-])((?:[A-Za-z_][\w-]*/)+[\w.-]*\w/?|[a-z]\w*\.(?:c|h|py|mk|md|policy))(?![\w*<>{{(/-])")


def existing(project):
    """Every file, every folder, and the last parts of both."""
    names = set(project.files)
    for path in project.files:
        while os.path.dirname(path):
            path = os.path.dirname(path)
            names.add(path)
    ends = {name.split("/", n)[-1] for name in names for n in range(name.count("/") + 1)}
    return names, ends


def as_short(word, names):
    """Notes go by their number, pages of the manual by name and section, programs by their source."""
    return any(f"{word}.{ending}" in names for ending in ("c", "h", "py", "scd")) or (
        re.fullmatch(r"docs/notes/\d{4}", word) and any(name.startswith(word + "-") for name in names))


def is_ours(word):
    """Whether a word means a file of this project: it begins with one of its folders, or is a bare name."""
    if re.search(r"(?<![A-Z])(?!README|TODO|CHANGELOG|CONTRIBUTING|LICENSE)[A-Z]{4,}(?![A-Z])", word):
        return False  # NAME, MODULE: something stands for many
    first = word.split("/", 1)[0]
    if "/" not in word:
        return word not in rules.NAMES_OF_OTHERS
    return first in rules.TOP_FOLDERS


def paths(project):
    """Every path that a comment or a page names exists."""
    names, ends = existing(project)
    faults, count = [], 0
    for path in project.files:
        if path.startswith(rules.PAGES_NOT_READ) or path == "CHANGELOG.md":
            continue
        for line, text in prose_of(project, path):
            for match in PATH.finditer(text):
                word = re.sub(r":\d+$", "", match[1]).rstrip("/").rstrip(".")
                if not is_ours(word):
                    continue
                count += 1
                beside = os.path.normpath(os.path.join(os.path.dirname(path), word))
                known = word in ends if "/" not in word else word in names or beside in names
                if not known and not as_short(word, names):
                    number = line + text.count("\n", 0, match.start())
                    faults.append(f"{path}:{number}: there is no {word}")
    return count, project.ratchet("paths", "all", faults)
