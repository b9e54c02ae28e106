# SPDX-License-Identifier: Apache-2.0
"""
docs/guide: every command that a page shows works, in the order of the page.

A block behind a line that ends with a file's name ("`hello/index.mjs`:") is written; a block "```sh" is run. A block that
changes the host, or needs a registry, stands behind "<!-- by hand: why -->" and is only looked at.
"""
import glob
import os
import re
import subprocess

import pytest

from ebb import BIN, CACHE, LIBEXEC, PROJECT
from waiting import slow

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has neither compiler nor bases")
GUIDE = os.path.join(PROJECT, "docs/guide")
PAGES = sorted(os.path.basename(p)[:-3] for p in glob.glob(GUIDE + "/*.md"))
BLOCK = re.compile(r"(?:^<!-- by hand: (?P<why>[^>]*) -->\n|^[^\n]*`(?P<path>[^`\n]+)`:\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
                   re.M | re.S)


def blocks(page):
    with open(os.path.join(GUIDE, page + ".md"), encoding="utf-8") as file:
        return list(BLOCK.finditer(file.read()))


def commands(page):
    return "\n".join(b["text"] for b in blocks(page) if b["kind"] == "sh" and not b["why"])


def run(ebb, script, folder):
    """The page's commands as a user would paste them, against this ebbd."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "EBB_SOCKET": ebb.socket, "EBB_LIBEXEC": LIBEXEC,
           "EBB_CACHE": CACHE}
    return subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script.replace("127.0.0.1:8080", f"127.0.0.1:{ebb.port}")],
                          cwd=folder, env=env, capture_output=True, text=True, timeout=slow(300), check=False)


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)])
def test_every_command_of_a_page_works(module_ebb, tmp_path, page):
    for block in blocks(page):
        if block["path"]:
            path = tmp_path / block["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"])
    done = run(module_ebb, commands(page), tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{module_ebb.log()}"
    if page != "troubleshooting":
        assert '"error":{"code"' not in done.stdout, done.stdout
    for service in module_ebb.services():
        module_ebb.cli("rm", service["name"])


def test_verbs_that_the_guide_names_exist(module_ebb):
    named = set()
    for page in PAGES:
        with open(os.path.join(GUIDE, page + ".md"), encoding="utf-8") as file:
            text = re.sub(r"^```.*?^```$", "", file.read(), flags=re.M | re.S)
        code = re.findall(r"`([^`]+)`", text) + [line for b in blocks(page) if b["kind"] == "sh"
                                                 for line in b["text"].splitlines()]
        named |= {m[1] for line in code if (m := re.match(r"(?:sudo )?ebb ((?:image|ledger) [a-z]+|[a-z]+)", line))}
    assert len(named) > 20, named
    for verb in named:
        done = module_ebb.cli(*verb.split(), "--help", ok=False)
        assert done.code == 0, f"ebb {verb}: {done}"


def test_settings_that_the_guide_names_exist():
    """Words in backquotes with an underscore are settings of ebbd, events or fields of the bill."""
    known = subprocess.run([os.path.join(BIN, "ebbd"), "--help"], capture_output=True, text=True, check=True).stdout
    table = re.compile(r"^\| `([a-z]+_[a-z_]+)`|\(`([a-z]+_[a-z_]+)`\)", re.M)
    for path in glob.glob(GUIDE + "/*.md"):
        for names in table.findall(open(path, encoding="utf-8").read()):
            name = names[0] or names[1]
            assert re.search(rf"^  {name} ", known, re.M), f"{path}: {name}"
