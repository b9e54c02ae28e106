# SPDX-License-Identifier: Apache-2.0
"""Checks by other programs: ctags, shellcheck, clang-format, compilers, cppcheck, clang-tidy."""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess

import rules
from text import layer_of

JOBS = int(os.environ.get("LINT_JOBS") or os.cpu_count() or 1)
CFLAGS = shlex.split(os.environ.get("LINT_CFLAGS", "-std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra"))
TOOL_TIMEOUT_S = 120


def run(command, stdin=None):
    """Output (both streams) and exit status; a tool that is missing or hangs is a fault."""
    try:
        done = subprocess.run(command, input=stdin, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TOOL_TIMEOUT_S, check=False)
        return done.stdout, done.returncode
    except FileNotFoundError:
        return f"{command[0]}: not installed: run make deps", 127
    except subprocess.TimeoutExpired:
        return f"{shlex.join(command)}: took more than {TOOL_TIMEOUT_S} s", 124


def each(paths, command_of, lines_of=None):
    """Runs a command per path, JOBS at once; the output of a failing one is its faults."""
    def one(path):
        output, status = run(command_of(path))
        if status == 0:
            return []
        if lines_of:
            return lines_of(output) or [f"{path}: {output.strip()[-300:] or f'status {status}'}"]
        return [line for line in output.splitlines() if line.strip()] or [f"{path}: status {status}"]

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        found = list(pool.map(one, paths))
    return len(paths), [fault for faults in found for fault in faults]


# --- ctags

def tags(paths, *options):
    command = ["ctags", "--output-format=json", "--fields=+neKt", *options, "-f", "-", "-L", "-"]
    output, status = run(command, "\n".join(paths))
    if status:
        return None, output.strip()
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")], None


def function_length(project):
    found, fault = tags(project.c_and_h + project.python, "--kinds-C=f", "--kinds-Python=fm",
                        "--languages=C,Python", "--langmap=C:.c.h")
    if fault:
        return 0, [fault]
    faults = []
    for tag in found:
        lines = tag.get("end", tag["line"]) - tag["line"] + 1
        if lines > rules.FUNCTION_LINES_MAX:
            faults.append(f"{tag['path']}:{tag['name']}: {lines} lines, "
                          f"at most {rules.FUNCTION_LINES_MAX}")
    return len(found), faults


def declaration(project, tag):
    """The line at the left margin that begins a variable's declaration."""
    lines, at = project.lines(tag["path"]), tag["line"] - 1
    while at > 0 and not re.match(r"\w", lines[at]):
        at -= 1
    return lines[at]


def globals_(project):
    """A program's state lives in what its main made; file scope holds constants."""
    found, fault = tags([p for p in project.product if p.endswith(".c")], "--kinds-C=v",
                        "--languages=C")
    if fault:
        return 0, [fault]
    faults = []
    for tag in found:
        if not re.search(r"\bconst\b|\bextern\b", declaration(project, tag)):
            faults.append(f"{tag['path']}:{tag['name']}: a variable at file scope is not const")
    return len(found), faults


# --- style and scripts

def clang_format(project):
    return each(project.c_and_h, lambda p: ["clang-format", "--dry-run", "-Werror", p],
                lambda output: [l for l in output.splitlines() if "error:" in l][:3])


def shellcheck(project):
    return each(project.shell, lambda p: ["shellcheck", "--format=gcc", p])


def manuals(project):
    """Each page of the manual is one that scdoc takes: an installation makes them."""
    return each([p for p in project.files if p.endswith(".scd")], lambda p: ["sh", "-c", 'scdoc <"$0" >/dev/null', p],
                lambda output: output.splitlines())


# --- compilers

def flags_of(path):
    """How this file is compiled: as the Makefile does."""
    flags = list(CFLAGS)
    if layer_of(path) == "runtime/http" or path.startswith("tests/"):
        flags += ["-DLLHTTP_STRICT_MODE=1", "-isystem", "/usr/share/include/llhttp"]
    if path.startswith("sandbox/init/"):
        flags += ["-ffreestanding"]
    if path.startswith(rules.FOREIGN):  # somebody's function: built by `ebb build`, not by the Makefile
        flags = [f for f in flags if f not in ("-I.", "-Wmissing-prototypes")]
        flags += ["-I" + os.path.dirname(path), "-Iimages/runtimes/native"]
        with open(path, encoding="utf-8") as file:
            if "#define _GNU_SOURCE" in file.read():
                flags.remove("-D_GNU_SOURCE")
    return flags


def problems(output):
    return [line for line in output.splitlines()
            if re.search(r": (fatal )?(error|warning): ", line)]


def warnings(project, compiler):
    return each(project.c, lambda p: [compiler, *flags_of(p), "-O1", "-fsyntax-only", p], problems)


def warnings_gcc(project):
    return warnings(project, "gcc")


def warnings_clang(project):
    return warnings(project, "clang")


def headers(project):
    """A header can be included first."""
    return each(project.h, lambda p: ["gcc", *flags_of(p), "-Wno-unused", "-Wno-unused-macros",
                                      "-include", "stdbool.h", "-fsyntax-only", "-x", "c", p]
                if p.startswith("tests/") else
                ["gcc", *flags_of(p), "-fsyntax-only", "-x", "c", p], problems)


def cppcheck(project):
    paths = [p for p in project.c if not p.startswith("tests/")]
    output, status = run(["cppcheck", "--quiet", f"-j{JOBS}", "--std=c11", "--language=c", "-I.",
                          "-D_GNU_SOURCE", "-D__linux__", "-D__x86_64__",
                          "--enable=warning,portability,performance", "--inline-suppr",
                          "--suppressions-list=tests/lint/cppcheck.txt", "--error-exitcode=1",
                          "--template={file}:{line}: {severity}: {message} [{id}]", *paths])
    faults = [l for l in output.splitlines() if re.match(r"\S+:\d+: ", l)]
    if status and not faults:
        faults = [output.strip()[-300:]]
    return len(paths), faults


def clang_tidy(project):
    """Checks: .clang-tidy."""
    paths = [p for p in project.c if not p.startswith("tests/")]
    return each(paths, lambda p: ["clang-tidy", "--quiet", "--warnings-as-errors=*", p, "--",
                                  *[f for f in flags_of(p) if not f.startswith("-W")]], problems)
