# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox of a build, behind the commands of the project, which is in /app. Looks at what they left:

files FOLDER      outputDirectory: its files are put into /out
program ENTRY     a file that serves, or MODULE:NAME of Python
output PATH       a tree of the Build Output API

A third word, drop, removes the packages of npm: the image has a layer of those that it needs at run time.
"""
import os
import shutil
import sys

APP, OUT = "/app", "/out"
USUAL = ("dist", "build", "out", "public", "_site", "www", "output")  # where builders leave pages


def fail(text):
    sys.exit("ebb: " + text)


def pages():
    """Folders with a page for "/" that builders usually leave."""
    return [one for one in USUAL if os.path.isfile(f"{APP}/{one}/index.html")]


def hint():
    found = pages()
    return f'; {found[0]} has an index.html: say "outputDirectory": "{found[0]}"' if found else ""


def files(folder):
    place = os.path.realpath(os.path.join(APP, folder))
    if place != APP and not place.startswith(APP + "/"):
        fail(f"outputDirectory {folder!r} leads out of the project")
    if not os.path.isdir(place):
        fail(f"buildCommand left no {folder} (outputDirectory){hint()}")
    for one in os.listdir(place):
        if one == "node_modules" or (place == APP and one == ".git"):
            continue
        shutil.move(os.path.join(place, one), os.path.join(OUT, one))
    if not os.path.isfile(OUT + "/index.html"):
        print(f"ebb: {folder} has no index.html, so / answers 404", file=sys.stderr)


def program(entry):
    module, _, attribute = entry.partition(":")
    path = module.replace(".", "/") if attribute else entry
    if not any(os.path.isfile(f"{APP}/{path}{more}") for more in ("", ".js", ".py", "/__init__.py", "/index.js")):
        fail(f"buildCommand left no {entry} (entrypoint)")


def output(path):
    if not os.path.isfile(f"{APP}/{path}/config.json"):
        fail(f"buildCommand left neither {path} nor a program that ebb can find: say outputDirectory, or runtime and "
             f"entrypoint{hint()}")


def drop_packages():
    for folder, below, _ in os.walk(APP):
        if "node_modules" in below:
            place = os.path.join(folder, "node_modules")
            (os.unlink if os.path.islink(place) else shutil.rmtree)(place)
            below.remove("node_modules")


if __name__ == "__main__":
    {"files": files, "program": program, "output": output}[sys.argv[1]](sys.argv[2])
    if sys.argv[3] == "drop":
        drop_packages()
