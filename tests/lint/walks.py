# SPDX-License-Identifier: Apache-2.0
"""
docs/internals/walks.md names functions in the order in which they are called.

The check follows the calls that the text of the sources shows. In a right order a function calls the next row's,
directly or over others, or an event comes between the two, which no text shows. So a row is wrong in two cases: its
function calls the one of the row before, directly or over others, and not the other way round; or every function that
calls both calls the later row's first.
"""
import re

PAGE = "docs/internals/walks.md"
FUNCTIONS_MAX = 12
ROW = re.compile(r"\| (\d+) \| ([^|]+) \| `(\w+)\(\)` \|")
BASE = ("runtime/base/", "runtime/wire/")
# program of a row -> folders of which it is linked
LINKED = {
    "gateway": ("runtime/gateway/", "runtime/http/", *BASE),
    "ebbd": ("runtime/supervisor/", "runtime/settings/", "sandbox/", "netns/", "cgroups/", "images/", *BASE),
    "ebb-api": ("runtime/api/", "runtime/http/", "runtime/settings/", *BASE),
    "ebb-ledger": ("runtime/ledger/", *BASE),
    "ebb-flow": ("runtime/flow/", "runtime/cron/", "runtime/sql/", "runtime/http/", *BASE),
    "ebb-ipc": ("runtime/ipc/", *BASE),
    "PID 1": ("sandbox/",),
}
FUNCTION = re.compile(r"^(static )?[a-z][^;{}()=\n]*?\b(\w+)\([^;{}]*?\)\n\{\n(.*?)^\}", re.M | re.S)


class Calls:
    """The calls between functions of a program, by the text: a static function is known in its own file only."""

    def __init__(self, project, folders):
        self.bodies, self.exported, self.named = {}, {}, set()
        for path in project.product:
            if not path.startswith(folders) or not path.endswith(".c"):
                continue
            for static, name, body in FUNCTION.findall(project.text(path) or ""):
                self.bodies[path, name] = body
                self.named.add(name)
                if not static:
                    self.exported[name] = path, name

    def of(self, node):
        for name in set(re.findall(r"\b(\w+)\(", self.bodies[node])):
            if (node[0], name) in self.bodies:
                yield node[0], name
            elif name in self.exported:
                yield self.exported[name]

    def leads(self, start, end):
        """Whether a function of the one name calls one of the other, directly or over others."""
        todo = [node for node in self.bodies if node[1] == start]
        seen = set(todo)
        while todo:
            for node in self.of(todo.pop()):
                if node[1] == end:
                    return True
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
        return False


    def swapped(self, first, second):
        """Whether every function that calls both calls the second one first."""
        both = [body for body in self.bodies.values() if f"{first}(" in body and f"{second}(" in body]
        places = [[re.search(rf"\b{name}\(", body) for name in (first, second)] for body in both]
        places = [(a.start(), b.start()) for a, b in places if a and b]
        return bool(places) and all(b < a for a, b in places)

    def wrong(self, first, second):
        return self.leads(second, first) and not self.leads(first, second) or self.swapped(first, second)


def rows(project):
    """{walk: [(line, number, program, function)]}"""
    found, walk = {}, ""
    for line, text in enumerate(project.lines(PAGE), 1):
        if text.startswith("## "):
            walk = text[3:]
        row = ROW.match(text)
        if row:
            found.setdefault(walk, []).append((line, int(row[1]), row[2].strip(), row[3]))
    return found


def faults_of(walk, table, known):
    if len(table) > FUNCTIONS_MAX:
        yield f"{PAGE}: {walk} names {len(table)} functions, at most {FUNCTIONS_MAX}"
    before = {}
    for place, (line, number, program, name) in enumerate(table, 1):
        if number != place:
            yield f"{PAGE}:{line}: row {place} has the number {number}"
        if program not in LINKED:
            yield f"{PAGE}:{line}: no program {program}"
        elif name not in known[program].named:
            yield f"{PAGE}:{line}: no function {name} in {program}"
        elif program in before and known[program].wrong(before[program], name):
            yield f"{PAGE}:{line}: {name} is called before {before[program]}, which stands before it"
        before[program] = name


def walks(project):
    """Every function of a walk exists in its program and stands in its order, and no walk is too long to be read."""
    tables = rows(project)
    known = {program: Calls(project, folders) for program, folders in LINKED.items()
             if any(program == row[2] for table in tables.values() for row in table)}
    faults = [fault for walk, table in tables.items() for fault in faults_of(walk, table, known)]
    named = sum(len(re.findall(r"^\|.*`\w+\(\)`", text)) for text in project.lines(PAGE))
    count = sum(map(len, tables.values()))
    if named != count:
        faults.append(f"{PAGE}: {named} functions are named, {count} in rows of a walk")
    return count, faults
