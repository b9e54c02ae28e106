# SPDX-License-Identifier: Apache-2.0
"""The table of the filters in docs/internals/system-calls.md, out of the texts of the policies."""
import glob
import re
import sys

BEGIN, END = "<!-- made by `make docs` from the policies: begin -->", "<!-- made by `make docs`: end -->"
RULE = re.compile(r"^(?:optional )?(allow|log|errno|kill) (\w+)([^#]*)#", re.M)
WHOSE = {
    "images/mkfs.policy": "`mkfs.erofs`, and the hash of a layer",
    "images/step/step.policy": "a step of a build, until it executes",
    "sandbox/policy/default.policy": "a function, and every process of an instance",
    "sandbox/policy/init.policy": "PID 1 of an instance",
    "sandbox/policy/ring.policy": "a function with a ring: rules in the place of the same ones of a function",
    "sandbox/policy/strict.policy": "a strict service: a second filter on a function's",
    "sandbox/policy/zygote.policy": "the zygote, and all it makes: rules beside a function's",
    "images/unpack/seccomp.policy": "ebb-unpack",
}


def whose(path):
    return WHOSE.get(path) or "ebb-" + re.match(r"runtime/(\w+)/seccomp\.policy$", path)[1]


def row(path):
    with open(path, encoding="utf-8") as f:
        rules = RULE.findall(f.read())
    allowed = {name for action, name, _ in rules if action in ("allow", "log")}
    looked = {name for _, name, conditions in rules if "arg" in conditions}
    refused = {name for action, name, conditions in rules if action == "errno" and "arg" not in conditions} - allowed
    return f"| {whose(path)} | `{path}` | {len(allowed)} | {len(looked)} | {len(refused)} |"


def paths():
    return sorted(p for p in glob.glob("**/*.policy", recursive=True) if not p.startswith(("build", "tests")))


def table(text):
    if BEGIN not in text or END not in text:
        sys.exit(f"docs/internals/system-calls.md has no lines {BEGIN} and {END}")
    before, rest = text.split(BEGIN, 1)
    head = ["| filter of | text | calls allowed | of them, or beside them, by argument | refused with an answer of their own |",
            "|---|---|---|---|---|"]
    made = "\n".join([*head, *map(row, paths())])
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.split(END, 1)[1]}"
