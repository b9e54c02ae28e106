# SPDX-License-Identifier: Apache-2.0
"""
ebb init and ebb dev: a project is served while it changes, a build that fails changes nothing, and the end leaves
nothing, whatever ends it.
"""
import glob
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import leaks
import web
from ebb import BIN, CACHE, LIBEXEC, PROJECT, free_port
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has neither compiler nor bases")
ENVIRONMENT = {**os.environ, "EBB_LIBEXEC": LIBEXEC, "EBB_CACHE": CACHE}
PAGE = "<!doctype html><title>{}</title>\n"


def ebb(*words, cwd=None):
    return subprocess.run([os.path.join(BIN, "ebb"), *map(str, words)], cwd=cwd, env=ENVIRONMENT, capture_output=True,
                          text=True, timeout=slow(60), check=False)


class Dev:
    """One `ebb dev` in the directory `project`, whose private ebbd lives below `base`."""

    def __init__(self, project, base, listen=True):
        self.project, self.base, self.port = str(project), str(base), free_port()
        self.log_path = os.path.join(self.base, f"log-{self.port}")
        words = ["--listen", f"127.0.0.1:{self.port}"] if listen else []
        os.makedirs(self.base, exist_ok=True)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, "ebb"), "dev", self.project, "--root", self.base, *words], env=ENVIRONMENT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        leaks.RUNNING.add(self.process.pid)
        self.root = None

    def log(self):
        return leaks.read(self.log_path)

    def wait_said(self, text, times=1, deadline_s=60):
        wait_for(lambda: len(re.findall(text, self.log())) >= times or self.process.poll() is not None, deadline_s,
                 f"{text} in {self.log()}")
        assert len(re.findall(text, self.log())) >= times, self.log()

    def wait_served(self):
        self.wait_said("ebb: deployed in")
        self.port = int(re.search(r"ebbd listens on 127.0.0.1:(\d+)", self.log())[1])
        self.root = next(r for r in glob.glob(self.base + "/dev-*") if self.keeper_of(r))
        out = subprocess.run([os.path.join(BIN, "ebbd"), "--root", self.root, "-T"], capture_output=True, text=True,
                             check=True).stdout
        self.witness = leaks.Witness(re.search("^cgroup = (.*)$", out, re.M)[1], self.root)
        self.witness.children_before -= {self.process.pid}
        self.witness.note(self.process.pid)
        return self

    def keeper_of(self, root):
        found = [p for p in leaks.children(self.process.pid)
                 if f"--root\0{root}\0" in leaks.read(f"/proc/{p}/cmdline")]
        return found and found[0]

    def get(self, path="/", host="site"):
        return web.request(("127.0.0.1", self.port), path, host=f"{host}.localhost")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        assert self.process.wait(slow(60)) == 0, self.log()
        self.assert_nothing_left()

    def assert_nothing_left(self):
        self.witness.assert_nothing_left()
        assert not os.path.exists(self.root)

    def kill(self):
        for pid in [*leaks.descendants(self.process.pid), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


@pytest.fixture
def dev(tmp_path):
    """dev(project, ...) starts one; those that a test leaves are ended behind it."""
    made = []

    def start(project, **how):
        made.append(Dev(project, tmp_path / "base", **how))
        return made[-1]

    yield start
    left = [one for one in made if one.process.poll() is None]
    for one in left:
        one.process.terminate()
    for one in left:
        try:
            one.process.wait(slow(60))
        except subprocess.TimeoutExpired:
            one.kill()
            raise


def site(folder, **files):
    """A directory of pages, one service without a file of settings."""
    folder.mkdir()
    for name, text in {"index": "first", **files}.items():
        (folder / f"{name}.html").write_text(PAGE.format(text))
    return folder


def two(folder, **services):
    """A project of two sites."""
    folder.mkdir()
    for name in ("one", "two"):
        site(folder / name)
    (folder / "ebb.json").write_text(json.dumps({"services": {
        name: {"root": name, "runtime": "static", "entrypoint": ".", **services.get(name, {})} for name in ("one", "two")}}))
    return folder


def test_a_template_becomes_a_project_of_its_own_name(tmp_path):
    listed = ebb("init")
    assert listed.returncode == 0 and "express" in listed.stdout
    for template in json.loads(ebb("init", "--json").stdout):
        folder = tmp_path / f"my-{template['name']}"
        done = ebb("init", template["name"], folder)
        assert done.returncode == 0, done.stderr
        file = "ebb.json" if (folder / "ebb.json").exists() else "vercel.json"
        services = json.loads((folder / file).read_text())["services"]
        assert list(services) == [folder.name] or len(services) > 1
        assert ebb("deploy", "-f", folder / file, "--dry-run").returncode == 3  # right, and no server
    assert ebb("init", "no-such", tmp_path / "x").returncode == 2
    assert not (tmp_path / "x").exists()


def test_a_template_replaces_no_file(tmp_path):
    (tmp_path / "server.c").write_text("mine")
    done = ebb("init", "c", cwd=tmp_path)
    assert done.returncode == 1 and "server.c is in . already" in done.stderr
    assert os.listdir(tmp_path) == ["server.c"] and (tmp_path / "server.c").read_text() == "mine"


def test_a_change_is_served_and_the_end_leaves_nothing(dev, tmp_path):
    one = dev(site(tmp_path / "site")).wait_served()
    assert "http://site.localhost" in one.log()
    assert b"first" in one.get().body
    (tmp_path / "site/index.html").write_text(PAGE.format("second"))
    one.wait_said("ebb: deployed in", 2)
    assert b"second" in one.get().body
    (tmp_path / "site/new").mkdir()
    (tmp_path / "site/new/page.html").write_text(PAGE.format("third"))
    wait_for(lambda: one.get("/new/page.html").status == 200, 20, one.log)
    os.rename(tmp_path / "site/new", tmp_path / "site/newer")
    wait_for(lambda: one.get("/newer/page.html").status == 200 and one.get("/new/page.html").status == 404, 20, one.log)
    one.end()


def test_what_editors_write_beside_a_file_starts_no_build(dev, tmp_path):
    one = dev(site(tmp_path / "site")).wait_served()
    for name in (".index.html.swp", "index.html~", ".#index.html", "4913"):
        (tmp_path / "site" / name).write_text("x")
    (tmp_path / "site/.git").mkdir()
    (tmp_path / "site/.git/index").write_text("x")
    saved = tmp_path / "site/.index.html.tmp"
    saved.write_text(PAGE.format("saved"))
    os.rename(saved, tmp_path / "site/index.html")  # as editors save
    one.wait_said("ebb: deployed in", 2)
    assert b"saved" in one.get().body
    assert one.log().count("ebb: building") == 2
    one.end(signal.SIGTERM)


def test_only_services_that_changed_are_built(dev, tmp_path):
    one = dev(two(tmp_path / "shop")).wait_served()
    assert one.log().count("ebb: building") == 2
    (tmp_path / "shop/two/index.html").write_text(PAGE.format("other"))
    one.wait_said("ebb: deployed in", 2)
    assert one.log().count("ebb: building one") == 1 and one.log().count("ebb: building two") == 2
    assert b"other" in one.get(host="two").body and b"first" in one.get(host="one").body
    two_more = {"three": {"root": "two", "runtime": "static", "entrypoint": "."}}
    file = json.loads((tmp_path / "shop/ebb.json").read_text())
    file["services"].update(two_more)
    (tmp_path / "shop/ebb.json").write_text(json.dumps(file))
    one.wait_said("ebb: deployed in", 3)
    assert b"other" in one.get(host="three").body
    assert "http://three.localhost" in one.log()
    one.end(signal.SIGHUP)


def test_a_build_that_fails_changes_nothing_and_shows_why(dev, tmp_path):
    folder = tmp_path / "site"
    assert ebb("init", "c", folder).returncode == 0
    one = dev(folder).wait_served()
    whole = (folder / "server.c").read_text()
    (folder / "server.c").write_text(whole + "this is no C\n")
    one.wait_said("not deployed; the last good deployment serves on")
    assert "this is no C" in one.log()
    assert one.get().status == 200
    (folder / "ebb.json").write_text("{")
    one.wait_said("the file is wrong")
    assert one.get().status == 200
    shutil.copy(os.path.join(PROJECT, "examples/c-hello/ebb.json"), folder)
    (folder / "server.c").write_text(whole)
    one.wait_said("ebb: deployed in", 2)
    assert one.get(host="c-hello").status == 200
    one.end()


def test_a_killed_ebbd_is_replaced(dev, tmp_path):
    one = dev(site(tmp_path / "site")).wait_served()
    assert b"first" in one.get().body
    os.kill(one.keeper_of(one.root), signal.SIGKILL)
    one.wait_said("ebb: ebbd ended; starting it again")
    one.wait_said("ebb: ebbd listens on", 2)
    one.wait_said("ebb: deployed in", 2)
    one.witness.note(one.process.pid)
    assert b"first" in one.get().body
    one.end()


def test_two_at_once_have_a_port_each(dev, tmp_path):
    first = dev(site(tmp_path / "site"), listen=False).wait_served()
    second = dev(site(tmp_path / "other"), listen=False).wait_served()
    assert first.port != second.port
    assert b"first" in first.get().body and b"first" in second.get(host="other").body
    first.end()
    assert b"first" in second.get(host="other").body
    second.end()


@pytest.mark.parametrize("with_ebbd", [False, True], ids=["alone", "with its ebbd"])
def test_the_next_one_removes_what_a_killed_one_left(dev, tmp_path, with_ebbd):
    one = dev(site(tmp_path / "site")).wait_served()
    assert b"first" in one.get().body
    keeper = one.keeper_of(one.root)
    if with_ebbd:
        os.kill(one.process.pid, signal.SIGSTOP)  # it sees nothing before it ends
        os.kill(keeper, signal.SIGKILL)
    os.kill(one.process.pid, signal.SIGKILL)
    one.process.wait()
    assert os.path.isdir(one.root)
    after = dev(tmp_path / "site").wait_served()
    assert b"first" in after.get().body
    after.process.send_signal(signal.SIGINT)
    assert after.process.wait(slow(60)) == 0, after.log()
    after.assert_nothing_left()
    one.assert_nothing_left()
    assert not glob.glob(one.base + "/dev-*")
