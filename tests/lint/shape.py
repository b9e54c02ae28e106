# SPDX-License-Identifier: Apache-2.0
"""Checks of the shape of C: one file sets a machine's state, one place has a call, tables name their rows."""
import re

import rules
from symbols import program_of
from text import without_comments


def machine_of(code, name):
    """The struct that a name is declared as, if a file declares it as one only; else the name."""
    found = set(re.findall(rf"\bstruct (\w+)\s*(?:\*\s*)?(?:const\s+)?{name}\b", code))
    return f"struct {found.pop()}" if len(found) == 1 else name


def machines(project):
    """The state of a machine is set in one file, the one with its table. A machine is a struct whose field `state` a
    program sets, by a variable of any name."""
    setters, faults = {}, []
    for path in project.product:
        code = without_comments(project.text(path))
        for match in re.finditer(r"([\w)\]]+)(?:->|\.)state\s*=(?!=)", code):
            if not re.fullmatch(r"\w+", match[1]):
                line = code.count("\n", 0, match.start()) + 1
                faults.append(f"{path}:{line}: a state that is set without the name of its machine")
                continue
            setters.setdefault((program_of(path), machine_of(code, match[1])), set()).add(path)
    for (folder, machine), paths in sorted(setters.items()):
        name = machine.split()[-1]
        if len(paths) > 1:
            found = [f"{path}: {name}->state of {folder} is set here and in {len(paths) - 1} other files"
                     for path in sorted(paths)]
            faults += project.ratchet("machines", f"{folder}:{name}", found)
    return len(setters), faults


def one_place(project):
    """Calls that one file makes for all others (rules.ONE_PLACE)."""
    faults = []
    for name, (owners, instead) in sorted(rules.ONE_PLACE.items()):
        found = [f"{path}:{number}: {name}(): {instead}"
                 for path in project.product if not path.startswith(owners)
                 for number, line in enumerate(without_comments(project.text(path)).splitlines(), 1)
                 if re.search(rf"(?<![\w.>]){name}\s*\(", line)]
        faults += project.ratchet("one-place", name, found)
    return len(rules.ONE_PLACE), faults


# --- tables

TABLE = re.compile(r"(?<![\w>.])(\w+)((?:\[[^\][]*\])+)\s*=\s*\{")


def initialiser(code, start):
    """The text between a brace and its end."""
    depth, at = 1, start
    while at < len(code) and depth:
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        at += 1
    return code[start:at - 1]


def elements(body):
    """The texts between the commas of the outermost level."""
    parts, depth, part = [], 0, ""
    for char in body:
        depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    return [p for p in (*parts, part.strip()) if p]


def enums_of(project):
    """(constants of enums, names of fields that are declared as an enum)."""
    constants, fields = set(), set()
    for path in project.product:
        code = without_comments(project.text(path))
        for body in re.findall(r"\benum\b\s*\w*\s*\{([^}]*)\}", code):
            constants.update(re.findall(r"\b([A-Z]\w*)\b", body))
        fields.update(re.findall(r"^\s+enum\s+\w+\s+(\w+)\s*[;:,\[]", code, re.M))
    return constants, fields


def indexed_by_enum(code, name, dimension, constants, fields):
    """An enum's count is the array's size, or something declared as an enum is its index."""
    sizes = re.findall(r"\w+", dimension)
    if len(sizes) == 1 and sizes[0] in constants and re.search(r"COUNT|KINDS|STATES|_MAX$|_END$", sizes[0]):
        return True
    own = set(re.findall(r"\benum\s+\w+\s+(\w+)\s*[,;)=\[]", code))
    for index in re.findall(rf"(?<![\w>.]){name}\[([^\][]+)\]", code):
        last = re.fullmatch(r"\s*(?:\w+(->|\.))*(\w+)\s*", index)
        if last and (last[2] in constants or last[2] in (fields if last[1] else own)):
            return True
    return False


def tables(project):
    """An array that an enum indexes names its rows: [STATE] = ...; rows that the macro of the enum makes need no
    names."""
    constants, fields = enums_of(project)
    faults, count = [], 0
    for path in project.product:
        code = without_strings_only(project.text(path))
        for match in TABLE.finditer(code):
            rows = elements(initialiser(code, match.end()))
            by_macro = [r for r in rows if re.match(r"[A-Z]\w+\s*\(", r)]
            if len(rows) < 2 or by_macro or all(r.startswith("[") for r in rows):
                continue
            count += 1
            if indexed_by_enum(code, match[1], match[2], constants, fields):
                line = code.count("\n", 0, match.start()) + 1
                faults.append(f"{path}:{line}: {match[1]}[] is indexed by an enum: write [NAME] = before each row")
    return count, project.ratchet("tables", "all", faults)


def without_strings_only(source):
    """C without comments, and with every string empty, so that no brace or comma of a string is left."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        lines = re.sub(r"[^\n]", "", match[0])
        return ('""' if match[0][0] == '"' else "0" if match[0][0] == "'" else " ") + lines
    return re.sub(pattern, blank, source, flags=re.S)


# --- asserts

ASSERT = re.compile(r"\b(?:must|static_assert|_Static_assert)\s*\(")


def asserts(project):
    """Programs whose states matter most say what must be so (rules.ASSERTS_MIN, per 1,000 lines)."""
    faults, count = [], 0
    for folder, least in sorted(rules.ASSERTS_MIN.items()):
        paths = [p for p in project.product if p.startswith(folder)]
        lines = sum(1 for p in paths for line in project.lines(p) if line.strip())
        there = sum(len(ASSERT.findall(without_comments(project.text(p)))) for p in paths)
        wanted = -(-least * lines // 1000)
        told = [f"{folder}*: {there} asserts in {lines} lines, at least {wanted}"] if there < wanted else []
        count += there
        faults += project.ratchet("asserts", folder, told, max(0, wanted - there))
    return count, faults


# --- settings

def fields_of(code, struct):
    """Names of the fields of a struct."""
    match = re.search(rf"\bstruct {struct}\s*\{{", code)
    if not match:
        return []
    found = []
    for declaration in re.split(r";", initialiser(code, match.end())):
        declaration = re.sub(r"\[[^\]]*\]", "", declaration)
        for part in elements(declaration):
            name = re.search(r"(\w+)\s*$", part)
            if name:
                found.append(name[1])
    return found


def read_fields(project, struct):
    """Fields of a struct that product code reads or sets through a variable, or through another struct's field, that
    is declared as this struct in the same file or in a header. offsetof() does not count: such tables only fill."""
    pattern = rf"\bstruct {struct}\s+(?:\*\s*)?(?:const\s+)?(\w+)"
    shared = {n for p in project.h for n in re.findall(rf"^\t{pattern}\s*;", project.text(p) or "", re.M)}
    shared |= {n for p in project.h for n in re.findall(rf"^\tconst {pattern}\s*;", project.text(p) or "", re.M)}
    found = set()
    for path in project.product:
        code = without_comments(project.text(path))
        names = shared | set(re.findall(pattern, code))
        if names:
            found.update(re.findall(rf"\b(?:{'|'.join(names)})(?:->|\.)(\w+)", code))
    return found


def settings(project):
    """Every field of a configuration has a reader (rules.SETTINGS)."""
    faults, count = [], 0
    for program, struct in rules.SETTINGS:
        fields = [(p, f) for p in project.h if p.startswith(program + "/")
                  for f in fields_of(without_comments(project.text(p)), struct)]
        used, count = read_fields(project, struct), count + len(fields)
        faults += [f"{path}: nothing reads {name} of struct {struct}" for path, name in fields if name not in used]
        if not fields:
            faults.append(f"{program}: has no struct {struct} (rules.SETTINGS)")
    return count, project.ratchet("settings", "all", faults)
