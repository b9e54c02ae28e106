# SPDX-License-Identifier: Apache-2.0
"""Offers of the documents: commands, options, routes and settings that they name, to be held against the program."""
import glob
import json
import os
import re
import subprocess

from ebb import BIN, PROJECT

HAND_WRITTEN = ("README.md", "docs/*.md", "docs/guide/*.md", "docs/internals/*.md", "docs/man/*.scd", "examples/*.md",
                "examples/*/README.md", "images/runtimes/*/README.md", "runtime/cli/README.md")


def text_of(path):
    with open(os.path.join(PROJECT, path), encoding="utf-8") as file:
        return file.read()


def documents():
    """Path -> text of every page that people read and somebody wrote; docs/spec.md says what others do."""
    paths = [p for pattern in HAND_WRITTEN for p in glob.glob(os.path.join(PROJECT, pattern))]
    return {os.path.relpath(p, PROJECT): text_of(p) for p in sorted(paths) if not p.endswith("docs/spec.md")}


def tables():
    """`ebb help --json`."""
    return json.loads(subprocess.run([os.path.join(BIN, "ebb"), "help", "--json"], check=True, capture_output=True,
                                     text=True).stdout)


def ebbd_keys():
    out = subprocess.run([os.path.join(BIN, "ebbd"), "--help"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^  ([a-z][a-z0-9_]*) ", out, re.M)


def commands(text):
    """Command lines of ebb in backquotes, in fenced blocks, and in man pages' markup."""
    found = re.findall(r"`ebb ([a-z][^`\n]*)`", text)
    shown = re.findall(r"^ *```.*?^ *```", text, re.M | re.S) + text.split("\n# EXAMPLES\n")[1:]
    for block in shown:
        found += re.findall(r"^\s*(?:\$ |\w+=\S+ )*(?:sudo )?ebb ([a-z][^\n]*)", block, re.M)
    found += [re.sub(r"[*_]", "", line) for line in re.findall(r"\*ebb ([a-z][^*\n]*\*[^\n.,;()]*)", text)]
    inner = [line for text in found for line in re.findall(r"\$\(ebb ([^)]*)\)", text)]
    outer = [re.sub(r"\$\([^)]*\)", "X", line) for line in found]
    return [re.split(r" [|;#>&]|\|\|", line)[0].strip() for line in outer + inner]


def verb_of(line, verbs):
    """The row of the table that a command line begins with, or None."""
    words = line.split()
    for n in (2, 1):
        row = verbs.get(" ".join(words[:n]))
        if row:
            return row
    return None


def routes(text):
    """(method, path) pairs that a page of the interface names; "..." stands for what a row is about."""
    found = []
    for cell in re.findall(r"`((?:GET|PUT|POST|DELETE)[^`]*)`(?:, `(\.\.\.[^`]*|/[^`]*)`)*", text):
        words = re.split(r"[ ,|]+", cell[0])
        methods = [w for w in words if w.isupper() and w.isalpha() and w in ("GET", "PUT", "POST", "DELETE")]
        found += [(m, w.split("?")[0]) for m in methods for w in words if w.startswith(("/", "..."))]
    return found
