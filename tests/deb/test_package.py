# SPDX-License-Identifier: Apache-2.0
"""The Debian package: the judgement of lintian, and its whole life in a small Debian, in the order of these tests."""
import glob
import os
import shutil
import subprocess
import threading

import pytest

from debian import Debian, slow, wait_for
import pictures

NOW, BEFORE = os.environ.get("DEB_NOW", ""), os.environ.get("DEB_BEFORE", "")
VERSION = os.path.basename(NOW).split("_")[1] if NOW else ""
pytestmark = pytest.mark.skipif(not NOW, reason="make check-deb")
CGROUP = f"ebb-deb-{os.getpid()}"


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """A folder with the packages, and with others whose installation fails."""
    folder = tmp_path_factory.mktemp("debs")
    shutil.copy(BEFORE, folder / "before.deb")
    shutil.copy(NOW, folder / "now.deb")
    shutil.copy(pictures.probe_archive(), folder / "probe.tar")
    changed(folder, "no-preinst", lambda tree: script(tree, "preinst", "exit 1"))
    changed(folder, "no-postinst", lambda tree: script(tree, "postinst", "exit 1"))
    stranger(folder)
    changed(folder, "of-another", lambda tree: (tree / "usr/share/of-another").write_text("x"))
    return folder


def changed(folder, name, change):
    """The new package with a later version and this change."""
    tree = folder / name
    subprocess.run(["dpkg-deb", "-R", NOW, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {VERSION}", f"Version: {VERSION}+{name}"))
    change(tree)
    pack(tree, folder / f"{name}.deb")


def script(tree, name, text):
    path = tree / "DEBIAN" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def stranger(folder):
    """A package that owns a file which `of-another` has too."""
    tree = folder / "stranger"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share").mkdir(parents=True)
    (tree / "usr/share/of-another").write_text("mine")
    (tree / "DEBIAN/control").write_text("Package: stranger\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\n"
                                         "Description: owns a file\n")
    pack(tree, folder / "stranger.deb")


def pack(tree, path):
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, path], check=True, capture_output=True)
    shutil.rmtree(tree)


@pytest.fixture(scope="module")
def debian(debs):
    one = Debian(os.environ["DEB_ROOT"], str(debs))
    try:
        one.dpkg("-i", "/debs/stranger.deb")
        one.clean = one.files()
        yield one
    finally:
        one.close()


def test_lintian_finds_no_error():
    done = subprocess.run(["lintian", "--allow-root", "--fail-on=error,warning", "--suppress-tags=initial-upload-closes-no-bugs", NOW],
                          capture_output=True, text=True, timeout=slow(300), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_installs_and_serves(debian):
    debian.dpkg("-i", "/debs/before.deb")
    assert debian.state() == f"install ok installed {VERSION}~before"
    assert debian.run("getent", "group", "ebb").stdout
    conf = debian.read("/etc/ebb/ebbd.conf").replace(":8080", f":{debian.port}")
    debian.write("/etc/ebb/ebbd.conf", f"{conf}cgroup = {CGROUP}\ngateways = 1\n")
    debian.start()
    debian.run("ebb", "image", "import", "oci-archive:/debs/probe.tar", "--tag", "probe")
    assert debian.rest("/v1/services/hello", "PUT", {"image": "probe", "schedules": {"tidy": {"schedule": "0 0 1 1 *", "path": "/"}}})["revision"] == 1
    assert debian.get("hello").status == 200
    run_of_the_schedule(debian)
    assert debian.rest("/v1")["version"] == f"{VERSION}~before"
    debian.run("man", "-w", "ebb", ok=False)


def run_of_the_schedule(debian):
    """The schedule runs, and every run that there was is still known."""
    before = len(debian.rest("/v1/runs")["runs"])
    debian.run("ebb", "crons", "run", "tidy")
    runs = wait_for(lambda: (found := debian.rest("/v1/runs")["runs"]) and all(r["state"] == "done" for r in found) and found)
    assert len(runs) == before + 1
    return len(runs)


class Load(threading.Thread):
    """Requests one after the other until it is told to end."""

    def __init__(self, debian):
        super().__init__()
        self.debian, self.ended, self.answers, self.faults = debian, False, 0, []

    def run(self):
        while not self.ended:
            try:
                status = self.debian.get("hello").status
                self.answers += 1
                if status != 200:
                    self.faults.append(status)
            except OSError as error:
                self.faults.append(error)

    def __enter__(self):
        self.start()
        wait_for(lambda: self.answers > 10)
        return self

    def __exit__(self, *error):
        before = self.answers
        wait_for(lambda: self.answers > before + 10)
        self.ended = True
        self.join()
        assert not self.faults, self.faults


def test_upgrade_under_load_loses_nothing_and_keeps_settings(debian):
    """Files are replaced while ebbd serves, and then the programs: in place, as postinst does under systemd."""
    mine = debian.read("/etc/ebb/ebbd.conf")
    with Load(debian):
        debian.dpkg("-i", "/debs/now.deb")
        assert debian.rest("/v1")["version"] == f"{VERSION}~before"
        said = debian.run("ebb", "upgrade").stdout
        assert run_of_the_schedule(debian) == 2
    assert said == f"ebb {VERSION}~before has been followed by {VERSION}\n" and debian.rest("/v1")["version"] == VERSION
    assert debian.state() == f"install ok installed {VERSION}" and debian.read("/etc/ebb/ebbd.conf") == mine
    debian.stop()
    debian.start()
    assert debian.rest("/v1")["version"] == VERSION and debian.get("hello").status == 200
    assert run_of_the_schedule(debian) == 3
    debian.run("ebb", "ledger", "verify")


def test_maintainer_scripts_may_run_twice(debian):
    before = debian.files()
    for name in ("configure", "abort-upgrade", "abort-remove"):
        for _ in range(2):
            debian.run("/var/lib/dpkg/info/ebb.postinst", name, VERSION)
    debian.run("/var/lib/dpkg/info/ebb.prerm", "upgrade", VERSION)
    debian.run("/var/lib/dpkg/info/ebb.postrm", "upgrade", VERSION)
    debian.run("dpkg", "-i", "/debs/now.deb")
    assert debian.files() == before and debian.get("hello").status == 200


@pytest.mark.parametrize("name", ["no-preinst", "of-another"])
def test_upgrade_that_fails_before_its_files_are_there_is_undone(debian, name):
    before, programs = debian.files(), debian.run("md5sum", "/usr/libexec/ebb/ebbd", "/usr/bin/ebb").stdout
    with Load(debian):
        assert debian.dpkg("-i", f"/debs/{name}.deb", ok=False).returncode != 0
    assert debian.state() == f"install ok installed {VERSION}"
    assert debian.files() == before and debian.run("md5sum", "/usr/libexec/ebb/ebbd", "/usr/bin/ebb").stdout == programs


def test_upgrade_whose_configuration_fails_is_mended_by_the_next(debian):
    with Load(debian):
        assert debian.dpkg("-i", "/debs/no-postinst.deb", ok=False).returncode != 0
        assert "half-configured" in debian.state() and debian.run("dpkg", "--audit").stdout
        debian.dpkg("-i", "/debs/now.deb")
    assert debian.state() == f"install ok installed {VERSION}" and not debian.run("dpkg", "--audit").stdout


def test_downgrade_works(debian):
    debian.dpkg("-i", "/debs/before.deb")
    debian.dpkg("-i", "/debs/now.deb")
    assert debian.get("hello").status == 200


def test_remove_keeps_settings_and_state_and_nothing_else(debian):
    debian.stop()
    left_by_ebbd()
    debian.dpkg("--remove", "ebb")
    more = set(debian.files()) - set(debian.clean)
    kept = {"/etc/ebb", "/etc/ebb/ebbd.conf"}
    assert kept <= more and all(path in kept or path.startswith(("/var/lib/ebb", "/var/lib/systemd/", "/etc/systemd/")) for path in more), more
    debian.dpkg("-i", "/debs/now.deb")
    debian.start()
    assert f":{debian.port}" in debian.read("/etc/ebb/ebbd.conf") and debian.get("hello").status == 200
    assert run_of_the_schedule(debian) == 4
    debian.stop()


def test_purge_leaves_nothing(debian):
    debian.dpkg("--purge", "ebb")
    assert debian.files() == debian.clean
    assert not debian.run("getent", "group", "ebb", ok=False).stdout
    for place in ("/var/log/ebb", "/var/lib/ebb", "/run/ebb"):
        assert not os.path.exists(debian.path(place)), place
    left_by_ebbd()
    debian.dpkg("--purge", "ebb")  # once more is no error


def test_purge_of_what_is_installed_leaves_nothing(debian):
    debian.dpkg("-i", "/debs/now.deb")
    debian.dpkg("--purge", "ebb")
    assert debian.files() == debian.clean


def left_by_ebbd():
    found = [p for p in glob.glob("/sys/fs/cgroup/**/" + CGROUP, recursive=True)]
    assert not found, found
    with open("/proc/mounts", encoding="utf-8") as file:
        assert "ebb-deb-" not in file.read()
