# SPDX-License-Identifier: Apache-2.0
"""
docs/guide: every command that a page shows works, in the order of the page.

A block behind a line that ends with a file's name ("`hello/index.mjs`:") is written into that file; a block "```sh" is
run. A block behind "<!-- elsewhere: why -->" names paths of an installed ebb: it is run with paths of the test. Only a
block that changes the host, or needs a registry (test_registry.py), stands behind "<!-- by hand: why -->", and is not run: BY_HAND lists
the commands of these blocks, so that no other command is left out by mistake.
"""
import glob
import os
import re
import shutil
import subprocess

import pytest

from ebb import BIN, CACHE, LIBEXEC, PROJECT, Ebb
from waiting import slow

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has neither compiler nor bases")
GUIDE = os.path.join(PROJECT, "docs/guide")
PAGES = sorted(os.path.basename(p)[:-3] for p in glob.glob(GUIDE + "/*.md"))
BLOCK = re.compile(r"(?:^<!-- (?P<mark>by hand|elsewhere): (?P<why>[^>]*) -->\n|^[^\n]*`(?P<path>[^`\n]+)`:\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
                   re.M | re.S)


def blocks(page):
    with open(os.path.join(GUIDE, page + ".md"), encoding="utf-8") as file:
        return list(BLOCK.finditer(file.read()))


def commands(page):
    return "\n".join(b["text"] for b in blocks(page) if b["kind"] == "sh" and b["mark"] is None)


def marked(page, mark):
    return [b["text"] for b in blocks(page) if b["kind"] == "sh" and b["mark"] == mark]


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


# Commands that this test does not run; the guest's tests of the installed service run those of systemd and make.
BY_HAND = r"""sudo (make (deps|install)|ebb doctor|ebb upgrade|ebb ledger verify|systemd-sysusers|systemctl .*|cp -a .*)|make -j2|journalctl .*
skopeo (copy|login) .*|ebb (pull|push) .*|ebb deploy NAME .*|docker save .*|ebb image import oci-archive:image.tar .*|python3 -m pip .*
cd (shop|examples/workflow)|npm install|npx nitro build|ebb deploy -f ebb.json --wait|curl -s -X POST -H 'Host: order.localhost' .*|sudo ebb dev|ebb build (--prebuilt )?shop\S* -t shop|ebb deploy shop --image shop .*|curl -s -H 'Host: shop.localhost' .*"""


def test_commands_that_nothing_runs_are_of_systemd_and_of_registries():
    allowed = re.compile(BY_HAND.replace("\n", "|"))
    for page in PAGES:
        for line in "".join(marked(page, "by hand")).splitlines():
            for command in line.partition("#")[0].split("&&"):
                assert allowed.fullmatch(command.strip()), f"{page}: {command}: run it in a test"


def test_ebbd_starts_as_the_first_page_says():
    (start,), ebb = marked("first-function", "elsewhere"), Ebb()
    first, second = start.replace("/srv/ebb", ebb.root).replace("127.0.0.1:8080", f"127.0.0.1:{ebb.port}").splitlines()
    words = first.removesuffix(" &").split()
    assert words[:2] == ["sudo", "ebbd"]
    ebb.command = lambda *more: [os.path.join(BIN, "ebbd"), *words[2:], *more]
    try:
        ebb.start()
        assert second == f"export EBB_SOCKET={ebb.socket}"
        assert ebb.cli("node").code == 0
        ebb.stop()
    finally:
        ebb.kill()
        ebb.remove()


def test_blocks_that_name_an_installed_ebb_work_elsewhere(module_ebb, tmp_path):
    (tmp_path / "backup").mkdir()
    (tmp_path / "mine").mkdir()
    shutil.copy(os.path.join(PROJECT, "examples/c-hello/server.c"), tmp_path / "mine")
    places = {"sudo ": "", "/var/lib/ebb": module_ebb.root, "/backup": str(tmp_path / "backup"), "PROGRAM": "program", "NAME": "mine",
              "DIR": "mine", "/etc/ebb/ebbd.conf": os.path.join(PROJECT, "packaging/ebbd.conf")}
    scripts = [script for page in PAGES for script in marked(page, "elsewhere") if page != "first-function"]
    assert len(scripts) == 4
    for script in scripts:
        for place, other in places.items():
            script = script.replace(place, other)
        done = run(module_ebb, script, tmp_path)
        assert done.returncode == 0, f"{script}{done.stdout}\n{done.stderr}\n{module_ebb.log()}"
    assert os.path.getsize(tmp_path / "backup/ledger.db") > 0
    module_ebb.cli("rm", "mine")


def test_verbs_that_the_guide_names_exist(module_ebb):
    named = set()
    for page in PAGES:
        with open(os.path.join(GUIDE, page + ".md"), encoding="utf-8") as file:
            text = re.sub(r"^```.*?^```$", "", file.read(), flags=re.M | re.S)
        code = re.findall(r"`([^`]+)`", text) + [line for b in blocks(page) if b["kind"] == "sh"
                                                 for line in b["text"].splitlines()]
        named |= {m[1] for line in code if (m := re.match(r"(?:sudo )?ebb ((?:image|ledger|secret|crons|queue|runs) [a-z]+|[a-z]+)", line))}
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
