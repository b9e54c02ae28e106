# SPDX-License-Identifier: Apache-2.0
"""The generated parts of man pages (scdoc), each between two comments; the rest of a page is written by hand."""
import re
import sys

from schema import unit

BEGIN, END = "; made by `make docs` from {}: begin", "; made by `make docs`: end"


def between(page, name, made):
    """The page with what stands between its marks of this name replaced."""
    begin = BEGIN.format(name)
    if begin not in page or END not in page.split(begin, 1)[1]:
        sys.exit(f"tests/docs/man.py: a page has no lines \"{begin}\" and \"{END}\"")
    before, rest = page.split(begin, 1)
    return f"{before}{begin}\n{made.rstrip()}\n\n{END}{rest.split(END, 1)[1]}"


def escaped(text):
    """Text in which nothing is markup."""
    return re.sub(r"([\\*_\[\]|:<>`~])", r"\\\1", text)


def table(titles, rows):
    """rows: lists of cells, already marked up."""
    lines = []
    for first, cells in [(True, titles), *((False, row) for row in rows)]:
        for n, cell in enumerate(cells):
            lines.append(("[[ " if first else "|  ") + cell if n == 0 else (":[ " if first else ":  ") + cell)
    return "\n".join(lines) + "\n"


def allowed(row):
    """The allowed values, in words."""
    scale = row.get("unit_ms", 1)
    if row["kind"] in ("number", "time"):
        most = "" if row.get("open_ended") else str(row["max"] // scale)
        least = -(-row["min"] // scale)
        return f"{least}..{most} {unit(row)}".strip() + (f", or {row['zero']}" if "zero" in row else "")
    if row["kind"] == "bool":
        return "true, false"
    if "words" in row:
        return ("a list of " if row["kind"] == "list" else "") + ", ".join(row["words"])
    named = {"text": "text", "path": "/path", "list": "a list of text", "map": "an object of text",
             "objects": "a list of objects", "named": "an object of objects"}
    most = f", at most {row['max']}" if "max" in row else ""
    return named.get(row["kind"], "an object") + most + ("" if row["kind"] in ("list", "objects", "named") or not most else " bytes")


def full_name(row):
    return ("ebb." if row["place"] == "ebb" else "") + row["name"]


def settings(facts):
    rows = [[f"*{full_name(row)}*", escaped(allowed(row)), escaped(row["default"]) or "-", escaped(row["help"])]
            for row in facts["cli"]["settings"] if row["in_file"]]
    return table(["*key*", "*value*", "*default*", "*meaning*"], rows)


def ebbd_settings(facts):
    rows = [[f"*{escaped(row['name'])}*", escaped(row["usual"]), escaped(row["allowed"]) or "-",
             "yes" if row["live"] else "restart", escaped(row["help"])] for row in facts["ebbd"]]
    return table(["*setting*", "*default*", "*allowed*", "*at run time*", "*meaning*"], rows)


def lines(rows):
    """Names, each with what it means."""
    return "".join(f"*{escaped(row['name'])}*\n\t{escaped(row['help'])}\n\n" for row in rows)
