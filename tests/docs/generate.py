#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Writes the documents that are made from the programs' tables. --check writes nothing: it names the documents that
differ, and fails if there are any.

usage: generate.py [--check] OUT     OUT: where `make` built `ebb` and `facts`
"""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True

import edge  # noqa: E402
import files  # noqa: E402
import layout  # noqa: E402
import man  # noqa: E402
import pages  # noqa: E402
import policies  # noqa: E402
import schema  # noqa: E402

# Document -> the function that makes its whole text out of the facts and of the text that it has now.
MADE = {
    "docs/ebb.schema.json": lambda facts, text: layout.document(schema.of_file(facts)),
    "docs/openapi.json": lambda facts, text: layout.document(schema.in_openapi(facts, json.loads(text))),
    "docs/man/ebb.json.5.scd": lambda facts, text: man.between(text, "settings", man.settings(facts)),
    "docs/man/ebbd.8.scd": lambda facts, text: man.between(text, "settings", man.ebbd_settings(facts)),
    "docs/man/ebb.1.scd": lambda facts, text: man.between(
        man.between(text, "exits", man.lines(facts["cli"]["exits"])),
        "environment", man.lines(facts["cli"]["environment"])),
    "docs/guide/fronts.md": lambda facts, text: files.shown(text),
    "docs/guide/orchestrators.md": lambda facts, text: files.shown(text),
    "docs/internals/system-calls.md": lambda facts, text: policies.table(text),
    "docs/reference/README.md": lambda facts, text: pages.index(facts),
    "docs/reference/cli.md": lambda facts, text: pages.cli(facts),
    "docs/reference/settings.md": lambda facts, text: pages.settings(facts),
    "docs/reference/ebbd-settings.md": lambda facts, text: pages.ebbd_settings(facts),
    "docs/reference/http.md": lambda facts, text: pages.http(facts),
    "docs/reference/errors.md": lambda facts, text: pages.errors(facts),
    "docs/reference/events.md": lambda facts, text: pages.events(facts),
    "docs/reference/files.md": lambda facts, text: pages.files(facts),
}


def asked(*command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def facts_of(out):
    facts = asked(os.path.join(out, "tests/facts"))
    facts["cli"] = asked(os.path.join(out, "ebb"), "help", "--json")
    facts["edge"] = edge.with_words(facts["edge"])
    return facts


def main(words):
    check, (out,) = "--check" in words, [w for w in words if w != "--check"]
    facts, differing = facts_of(out), 0
    for path, make in MADE.items():
        facts["openapi"] = json.loads(read("docs/openapi.json"))
        before = read(path)
        text = make(facts, before)
        if text == before:
            continue
        differing += 1
        if check:
            print(f"{path}: differs from what it is made from: run make docs")
            continue
        print(f"  MAKE   {path}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if check and differing else 0


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    sys.exit(main(sys.argv[1:]))
