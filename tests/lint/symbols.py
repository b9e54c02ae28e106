# SPDX-License-Identifier: Apache-2.0
"""Checks over linked symbols: definitions and needs of each object, as nm says."""
import os
import re
import subprocess

import rules
from text import layer_of, without_comments

OBJECTS = os.environ.get("LINT_OUT", "build/release") + "/obj"


class Symbols:
    """Of every object of the product: the source's path -> names it defines, names it needs."""

    def __init__(self, project):
        self.sources = [path for path in project.product if path.endswith(".c")
                        and os.path.exists(self.object_of(path))]
        self.defined, self.needed, self.functions = {}, {}, {}
        for path in self.sources:
            self.defined[path], self.needed[path], self.functions[path] = set(), set(), set()
        missing = [path for path in project.product if path.endswith(".c") and path not in self.sources
                   and not path.startswith(rules.WITHOUT_OBJECTS)]
        self.fault = f"{missing[0]}: {self.object_of(missing[0])} is missing: run make" if missing else self._read()

    @staticmethod
    def object_of(path):
        return f"{OBJECTS}/{path[:-2]}.o"

    def _read(self):
        if not self.sources:
            return None
        done = subprocess.run(["nm", "-A", "-P", "-g", *map(self.object_of, self.sources)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            return f"nm: {done.stderr.strip()[-200:]}"
        for line in done.stdout.splitlines():
            match = re.match(re.escape(OBJECTS) + r"/(.+)\.o: (\S+) (\w)", line)
            path, name, kind = match[1] + ".c", match[2], match[3]
            if kind == "U":
                self.needed[path].add(name)
            else:
                self.defined[path].add(name)
                if kind in "Tt":
                    self.functions[path].add(name)
        return None

    def calls(self, paths):
        """source -> other sources of the same set whose symbols it needs."""
        owner = {name: path for path in paths for name in self.defined[path]}
        return {path: {owner[name] for name in self.needed[path] & owner.keys()} - {path} for path in paths}

    def owners(self):
        """name -> sources that define it: programs have names in common."""
        found = {}
        for path, names in self.defined.items():
            for name in names:
                found.setdefault(name, []).append(path)
        return found


def circles_of(graph):
    """Strongly connected components of more than one node (Tarjan's, without recursion), largest first."""
    index, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in sorted(graph):
        if root in index:
            continue
        work = [(root, iter(sorted(graph[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, others = work[-1]
            for other in others:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(sorted(graph[other]))))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(pop_circle(stack, on_stack, node))
    return sorted((c for c in found if len(c) > 1), key=lambda c: (-len(c), c))


def pop_circle(stack, on_stack, node):
    circle = []
    while not circle or circle[-1] != node:
        circle.append(stack.pop())
        on_stack.discard(circle[-1])
    return sorted(circle)


def pairs_of(graph):
    """(pairs of files that call each other, pairs of which one calls the other)."""
    pairs = {tuple(sorted((path, other))) for path, others in graph.items() for other in others
             if other != path}
    return sum(1 for a, b in pairs if b in graph[a] and a in graph[b]), len(pairs)


def program_of(path):
    """The folder of the program or library that a file is in, rooms included."""
    for program in rules.PROGRAMS:
        if path.startswith(program + "/"):
            return program
    return layer_of(path) or os.path.dirname(path)


def folders_of(sources):
    """Folder -> its sources, rooms included; and each room by itself."""
    found = {}
    for path in sources:
        for name in {program_of(path), layer_of(path) or os.path.dirname(path), os.path.dirname(path)}:
            found.setdefault(name, []).append(path)
    return found


def circles(project):
    """No file needs another that needs it, over however many others."""
    symbols = project.symbols()
    if symbols.fault:
        return 0, [symbols.fault]
    faults = []
    for folder, sources in sorted(folders_of(symbols.sources).items()):
        found = circles_of(symbols.calls(sources))
        told = [f"{folder}: a circle of {len(circle)} files: {' '.join(os.path.relpath(p, folder) for p in circle)}"
                for circle in found]
        faults += project.ratchet("circles", folder, told, len(found[0]) if found else 0)
    return len(symbols.sources), faults


def links(project):
    """A file needs symbols only of the layers it may include: none is declared by hand."""
    symbols = project.symbols()
    if symbols.fault:
        return 0, [symbols.fault]
    faults, count, owners = [], 0, symbols.owners()
    for path in symbols.sources:
        own = layer_of(path)
        for name in sorted(symbols.needed[path] & owners.keys()):
            count += 1
            at_home = [p for p in owners[name] if program_of(p) == program_of(path)]
            found = {layer_of(p) for p in at_home or owners[name]}
            if own and not any(layer == own or layer in rules.LAYERS[own] for layer in found):
                faults.append(f"{path}: {own} may not need {name} of {', '.join(map(str, found))}")
    return count, project.ratchet("links", "all", faults)


def dead_code(project):
    """A function that is not static is used by another file: by a file of the product, or by its own file and a test.
    A function that only tests call is dead."""
    symbols = project.symbols()
    if symbols.fault:
        return 0, [symbols.fault]
    needed = set().union(*symbols.needed.values()) | {"main"}
    words = set(re.findall(r"\w+", " ".join(project.text(p) or "" for p in project.c if p.startswith("tests/"))))
    faults, count = [], 0
    for path in symbols.sources:
        if path.startswith(rules.FOREIGN):
            continue
        used = re.findall(r"\w+", without_comments(project.text(path)))
        for name in sorted(symbols.functions[path] - needed):
            if used.count(name) == 1 and not (name in words and name.endswith(("_fini", "_free"))):
                faults.append(f"{path}: {name}(): {'only tests call it' if name in words else 'nobody calls it'}")
            elif used.count(name) > 1 and name not in words:
                faults.append(f"{path}: {name}(): no other file calls it: make it static")
        count += len(symbols.functions[path])
    return count, project.ratchet("dead-code", "all", faults)
