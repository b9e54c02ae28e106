# SPDX-License-Identifier: Apache-2.0
"""Checks that need nothing but the text."""
import os
import re

import rules


def layer_of(path, table=rules.LAYERS):
    """The folder of the table that path is in, or None."""
    folder = os.path.dirname(path)
    while folder and folder not in table:
        folder = os.path.dirname(folder)
    return folder or None


def layers(project):
    """Which folder may include which; "project includes" are written from the project's root."""
    faults, count = [], 0
    for path, line, target in project.includes:
        own = layer_of(path)
        if own is None or not target.startswith('"'):
            continue
        count += 1
        target = target[1:]
        other = layer_of(target)
        if other is None:
            if own != "images/runtimes":  # code that runs inside an instance is no part of ebb's tree
                faults.append(f"{path}:{line}: \"{target}\" is not written from the project's root")
        elif other != own and other not in rules.LAYERS[own]:
            faults.append(f"{path}:{line}: {own} may not include {other} ({target})")
        elif (target == "runtime/base/log.h" and own in rules.SILENT
              and not path.startswith(rules.SILENT_BUT)):
            faults.append(f"{path}:{line}: a library does not log, it returns errors")
    return count, faults


def seen_by(path):
    """The folders whose files may see the inside that a header shows, or None for a header of all."""
    if path.endswith(("/inside.h", "_inside.h")):
        return (os.path.dirname(path),)
    return rules.SEEN_BY.get(path)


def insides(project):
    """A header that shows the inside of a thing stays with its folder, over however many includes."""
    of, faults, count = {}, [], 0
    for path, _, target in project.includes:
        of.setdefault(path, set()).add(target[1:] if target.startswith('"') else "")
    for path in (p for p in project.product if p.endswith(".c")):
        seen, todo = {}, [path]
        while todo:
            file = todo.pop()
            for header in sorted(of.get(file, set()) - seen.keys() - {""}):
                seen[header] = file
                todo.append(header)
        for header, over in sorted(seen.items()):
            folders = seen_by(header)
            count += folders is not None
            if folders is not None and os.path.dirname(path) not in folders:
                faults.append(f"{path}: sees the inside of {header}, by {over}: that is for {', '.join(folders)}")
    return count, faults


def libraries(project):
    faults, count = [], 0
    for path, line, target in project.includes:
        if not target.startswith("<") or path.startswith("tests/"):
            continue
        for header, owners in rules.LIBRARIES.items():
            if not target[1:].startswith(header):
                continue
            count += 1
            if not path.startswith(owners):
                faults.append(f"{path}:{line}: <{target[1:]}> belongs to {', '.join(owners)}")
    return count, faults


def spdx(project):
    """The licence is named in the first line, or in the second behind #!."""
    endings = (".c", ".h", ".py", ".sh", ".mk", ".policy", ".mjs", ".js", ".service", ".socket")
    paths = [f for f in project.files
             if f.endswith(endings) or os.path.basename(f) == "Makefile"
             or f in project.shell or f in project.python]
    faults = [f"{path}:1: no SPDX-License-Identifier line"
              for path in paths
              if not any("SPDX-License-Identifier: Apache-2.0" in line
                         for line in project.lines(path)[:2])]
    return len(paths), faults


def readmes(project):
    faults, count = [], 0
    for folder in rules.FOLDERS:
        if folder in rules.FOLDERS_WITHOUT_README:
            continue
        path, count = f"{folder}/README.md", count + 1
        lines = len(project.lines(path)) if path in project.files else 0
        if lines == 0:
            faults.append(f"{path}: missing")
        elif lines > rules.README_LINES_MAX:
            faults.append(f"{path}: {lines} lines, at most {rules.README_LINES_MAX}")
    return count, faults


def without_comments(source):
    """C with comments and strings blanked, lines kept."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), source, flags=re.S)


def banned_calls(project):
    faults, count = [], 0
    for path in project.product:
        calls = dict(rules.CALLS)
        if layer_of(path) in rules.SILENT and not path.startswith(rules.SILENT_BUT):
            calls.update(rules.CALLS_OF_LIBRARIES)
        if path.startswith(rules.FILTERED):
            calls.update(rules.CALLS_OF_FILTERED)
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(calls) + r")\s*\(")
        for number, line in enumerate(without_comments(project.text(path) or "").splitlines(), 1):
            count += 1
            for match in pattern.finditer(line):
                if (path, match[1]) not in rules.CALLS_OWNED:
                    faults.append(f"{path}:{number}: {match[1]}(): use {calls[match[1]]}")
    return count, faults


def commit_safe(project):
    faults, count = [], 0
    for path in project.files:
        source = project.text(path)
        if source is None:
            continue
        count += 1
        patterns = rules.FORBIDDEN
        if path.endswith(".md"):
            patterns += rules.FORBIDDEN_IN_DOCS
        for pattern, what in patterns:
            for match in re.finditer(pattern, source):
                line = source.count("\n", 0, match.start()) + 1
                faults.append(f"{path}:{line}: {what}: {match[0]}")
    return count, faults


def file_length(project):
    paths = sorted(set(project.c_and_h + project.python + project.shell))
    faults = [f"{path}: {len(project.lines(path))} lines, at most {rules.FILE_LINES_MAX}"
              for path in paths if len(project.lines(path)) > rules.FILE_LINES_MAX]
    return len(paths), faults


def python(project):
    """Each script compiles."""
    faults = []
    for path in project.python:
        try:
            compile(project.text(path), path, "exec")
        except SyntaxError as error:
            faults.append(f"{path}:{error.lineno}: {error.msg}")
    return len(project.python), faults
