# SPDX-License-Identifier: Apache-2.0
"""Documents that name files and tests as proof: each name must exist."""
import os
import re

BARRIERS = "docs/internals/barriers.md"
MODEL = "docs/internals/threat-model.md"
SECTIONS = ("Assets", "Attackers", "Not defended")
PAGES = (MODEL, BARRIERS, "docs/internals/limits.md", "docs/internals/system-calls.md",
         "docs/internals/neighbour.md", "docs/internals/holes.md")
TOP = ("cgroups/", "docs/", "examples/", "images/", "netns/", "packaging/", "runtime/", "sandbox/", "tests/")


def test_names(project):
    """stem -> names of functions, of all files of tests."""
    found = {}
    for path in project.files:
        stem, ending = os.path.splitext(os.path.basename(path))
        if path.startswith("tests/") and stem.startswith("test_") and ending in (".py", ".c"):
            pattern = r"^def (\w+)" if ending == ".py" else r"(?:cmocka_unit_test\w*|\bT)\(\s*(\w+)"
            found.setdefault(stem, set()).update(re.findall(pattern, project.text(path) or "", re.M))
    return found


def fault_of(word, project, tests):
    """The fault of a word in backquotes, or None."""
    if "::" in word:
        stem, name = word.split("::", 1)
        stem = os.path.splitext(os.path.basename(stem))[0]
        if stem not in tests:
            return f"no test file {stem}"
        return None if name in tests[stem] else f"{stem} has no test {name}"
    if word.startswith(TOP):
        path = word.rstrip("/")
        there = path in project.files or any(f.startswith(path + "/") for f in project.files)
        return None if there else f"no file {word}"
    if re.fullmatch(r"test_\w+(\.py|\.c)?", word):
        word = os.path.splitext(word)[0]
        known = word in tests or any(word in names for names in tests.values())
        return None if known else f"no test {word}"
    return None


def doubled_rows(page, lines):
    """Rows of one table with the same first cell, as a merge leaves them: one of the two is stale."""
    seen = {}
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            seen = {}
            continue
        cell = line.split("|")[1].strip()
        if cell in seen:
            yield f"{page}:{number}: line {seen[cell]} of the same table begins with the same cell: {cell}"
        seen.setdefault(cell, number)


def rows_below(lines, heading):
    """The cells of each row of the tables below a heading, without the first row of a table and its rule."""
    below, rows = False, []
    for line in lines:
        if line.startswith("#"):
            below = line.lstrip("# ").strip() == heading
        elif below and line.startswith("| "):
            rows.append([cell.strip() for cell in line.strip("| ").split("|")])
    return rows[1:]


def whole_model(project):
    """The model says what is protected, against whom, and what is not; barriers stop the attackers that it names."""
    lines = project.lines(MODEL)
    if not any(lines):
        return  # the check "prose" finds links to a page that is gone
    headings = {line.lstrip("# ").strip() for line in lines if line.startswith("## ")}
    yield from (f"{MODEL}: no section {name}" for name in SECTIONS if name not in headings)
    attackers = {row[0] for row in rows_below(lines, "Attackers")}
    stopped = {}
    for number, line in enumerate(project.lines(BARRIERS), 1):
        if line.startswith("| ") and not line.startswith("| barrier") and line.count("|") > 3:
            for attacker in line.split("|")[2].split(","):
                stopped.setdefault(attacker.strip(), number)
    yield from (f"{BARRIERS}:{number}: {MODEL} has no attacker {name}" for name, number in stopped.items()
                if name not in attackers | {"all"})
    yield from (f"{MODEL}: no barrier is against {name}" for name in sorted(attackers - stopped.keys()))


def threat_model(project):
    """Every file and test that the pages of the threat model name exists; every barrier names both and has one row."""
    faults, count = list(whole_model(project)), 0
    tests = test_names(project)
    for page in PAGES:
        faults += doubled_rows(page, project.lines(page))
    for page, number, line in ((p, n, text) for p in PAGES for n, text in enumerate(project.lines(p), 1)):
        words = re.findall(r"`([^`]+)`", line)
        for word in words:
            count += 1
            what = fault_of(word, project, tests)
            if what:
                faults.append(f"{page}:{number}: {what}")
        row = page == BARRIERS and line.startswith("| ") and not line.startswith("| barrier")
        if row and not (any(w.startswith(TOP) for w in words) and any("::" in w or w.startswith("test_") for w in words)):
            faults.append(f"{page}:{number}: a barrier names a file and a test")
    return count, faults
