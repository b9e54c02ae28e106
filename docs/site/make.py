#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Makes a static site of docs/ by pandoc, in FOLDER: a page for each document, with the list of all pages beside it.

usage: make.py FOLDER

A link that leads to no page, to no heading or to no file of the project is an error.
"""
import glob
import html
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")
MANUALS = ("ebb.1", "ebb.json.5", "ebbd.8")
# The order of the list: a title, then documents or patterns. Other documents come last in their section.
SECTIONS = (
    ("ebb", ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    ("Guide", ("docs/guide/README.md", "docs/guide/first-function.md", "docs/guide/node.md", "docs/guide/nextjs.md", "docs/guide/build-output.md", "docs/guide/python.md",
               "docs/guide/c.md", "docs/guide/static.md", "docs/guide/images.md", "docs/guide/deploying.md", "docs/guide/bindings.md", "docs/guide/secrets.md",
               "docs/guide/freezing.md",
               "docs/guide/network.md",
               "docs/guide/scaling.md", "docs/guide/looking.md", "docs/guide/bill.md", "docs/guide/operating.md",
               "docs/guide/troubleshooting.md", "docs/guide/*.md")),
    ("Reference", ("docs/reference/README.md", "docs/reference/*.md", "docs/interface.md", "docs/ledger.md",
                   "docs/spec.md", *(f"docs/man/{name}.scd" for name in MANUALS))),
    ("Inside", ("docs/architecture.md", "docs/internals/processes.md", "docs/internals/request-path.md",
                "docs/internals/freezing.md", "docs/internals/sandbox.md", "docs/internals/metering.md",
                "docs/internals/threat-model.md", "docs/internals/barriers.md", "docs/internals/limits.md",
                "docs/internals/*.md")),
    ("Notes", ("docs/notes/README.md", "docs/notes/*.md")),
)
COPIED = ("docs/openapi.json", "docs/ebb.schema.json", "docs/verify_ledger.py", "LICENSE")


def listed():
    """(section, documents) in order, each document once."""
    seen = set()
    for title, patterns in SECTIONS:
        found = []
        for pattern in patterns:
            for path in sorted(glob.glob(pattern, root_dir=PROJECT)):
                if path not in seen:
                    seen.add(path)
                    found.append(path)
        yield title, found


def page_of(path):
    """Where a document's page is, below the site's folder."""
    if path == "README.md":
        return "index.html"
    stem = os.path.splitext(path.removeprefix("docs/"))[0]
    return re.sub(r"(^|/)README$", r"\1index", stem) + ".html"


def text_of(path):
    with open(os.path.join(PROJECT, path), encoding="utf-8") as file:
        return file.read()


def title_of(path):
    if path.startswith("docs/man/"):
        name, section = os.path.splitext(path)[0].removeprefix("docs/man/").rsplit(".", 1)
        return f"{name}({section})"
    return next(line[2:] for line in text_of(path).splitlines() if line.startswith("# "))


def short(title):
    """A title for the list: without its second half."""
    return re.split(r": (?=[a-z])", title.removeprefix("ebb: "), 1)[0] if not title[:4].isdigit() else title


def tab_of(path):
    """The title of a tab of the browser."""
    title = title_of(path)
    return title if title == "ebb" else f"{title} - ebb"


def relative(target, page):
    return os.path.relpath(target, os.path.dirname(page) or ".")


def linked(path, pages):
    """The document's text with links to pages instead of documents."""
    def other(match):
        target, anchor = match[1], match[2] or ""
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        name = os.path.normpath(os.path.join(os.path.dirname(path), target))
        name = name if name in pages else os.path.join(name, "README.md") if target.endswith("/") else name
        if name in pages:
            return f"]({relative(pages[name], pages[path])}{anchor})"
        if name in COPIED:
            return f"]({relative(os.path.basename(name), pages[path])})"
        sys.exit(f"{path}: {target} leads nowhere")
    return LINK.sub(other, text_of(path))


def navigation(sections, pages, page):
    for title, documents in sections:
        yield f"<h2>{html.escape(title)}</h2>\n<ul>"
        for path in documents:
            here = ' class="here"' if pages[path] == page else ""
            yield f'<li><a{here} href="{relative(pages[path], page)}">{html.escape(short(title_of(path)))}</a></li>'
        yield "</ul>"


def convert(path, pages, sections, folder):
    page = pages[path]
    if path.endswith(".scd"):
        text = subprocess.run(["scdoc"], input=text_of(path), capture_output=True, text=True, check=True).stdout
        own = ["-f", "man", "--shift-heading-level-by=1", "-V", f"heading={title_of(path)}"]
    else:
        text, own = linked(path, pages), ["-f", "gfm"]
    with tempfile.NamedTemporaryFile("w", suffix=".html") as nav:
        nav.write("\n".join(navigation(sections, pages, page)))
        nav.flush()
        output = os.path.join(folder, page)
        os.makedirs(os.path.dirname(output), exist_ok=True)
        subprocess.run(["pandoc", *own, "-t", "html5", "--template", os.path.join(HERE, "page.html"),
                        "--metadata", f"pagetitle={tab_of(path)}", "--metadata", "lang=en",
                        "-V", f"style={relative('style.css', page)}", "--include-before-body", nav.name, "-o", output],
                       input=text, text=True, check=True)


class Links(html.parser.HTMLParser):
    """The links and the anchors of a page."""
    def __init__(self, page):
        super().__init__()
        self.links, self.anchors = [], set()
        with open(page, encoding="utf-8") as file:
            self.feed(file.read())

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src")]
        self.anchors |= {value for name, value in attrs if name == "id"}


def dead_links(folder):
    """(page, link) of each link between pages that leads nowhere; other sites are not asked."""
    pages = {os.path.relpath(path, folder): Links(path) for path in glob.glob(f"{folder}/**/*.html", recursive=True)}
    for page, found in sorted(pages.items()):
        for link in found.links:
            target, _, anchor = link.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            name = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
            there = name in pages if anchor else os.path.isfile(os.path.join(folder, name))
            if not there or anchor and anchor not in pages[name].anchors:
                yield page, link


def main(folder):
    sections = list(listed())
    pages = {path: page_of(path) for _, documents in sections for path in documents}
    shutil.rmtree(folder, ignore_errors=True)
    for path in pages:
        convert(path, pages, sections, folder)
    for path in COPIED:
        shutil.copy(os.path.join(PROJECT, path), folder)
    shutil.copy(os.path.join(HERE, "style.css"), folder)
    dead = [f"{page}: {link} leads nowhere" for page, link in dead_links(folder)]
    if dead:
        sys.exit("\n".join(dead))
    print(f"{len(pages)} pages in {folder}: open {folder}/index.html")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
