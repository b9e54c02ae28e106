# SPDX-License-Identifier: Apache-2.0
"""The Debian package under systemd: install, upgrade under load, remove, purge. It leaves the guest as it was."""
import glob
import grp
import http.client
import os
import threading

import pytest

import host
from waiting import wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") != "1", reason="it changes the machine: for the guest of check-systemd")


def package(version):
    """Path of the package that ends with this: `before`, or the present one."""
    found = [p for p in glob.glob(host.MORE + "/debs/*.deb") if ("before" in p) == (version == "before")]
    assert len(found) == 1, found
    return found[0]


def version_of(name):
    return host.output("dpkg-deb", "-f", package(name), "Version")


def running_version():
    return host.run("ebb", "node", "--json").stdout


def test_installation_enables_and_starts_the_service():
    host.run("dpkg", "-i", package("before"), timeout=300)
    assert host.is_active() == "active" and host.output("systemctl", "is-enabled", "ebbd") == "enabled"
    assert host.run("systemctl", "is-enabled", "ebbd.socket", ok=False).stdout.strip() == "disabled"
    assert grp.getgrnam("ebb").gr_gid == os.stat("/run/ebb/api.sock").st_gid
    host.deploy()
    assert version_of("before") in running_version()


class Load:
    """Requests while a block runs: answered by the function, or 503 with Retry-After; none is refused."""

    def __enter__(self):
        self.answers, self.closed, self.failed, self.going = [], [], [], True
        self.thread = threading.Thread(target=self.ask)
        self.thread.start()
        wait_for(lambda: len(self.answers) > 5, 60, "answers before")
        return self

    def ask(self):
        while self.going:
            try:
                reply = host.get("hello")
                self.answers.append((reply.status, "retry-after" in reply.headers))
            except http.client.RemoteDisconnected:
                self.closed.append(1)  # accepted in the moment of the drain: docs/notes/TODO.md
            except OSError as error:
                self.failed.append(error)

    def __exit__(self, *error):
        before = len(self.answers)
        try:
            wait_for(lambda: len([a for a in self.answers[before:] if a[0] == 200]) > 5, 120, "answers afterwards")
        finally:
            self.going = False
            self.thread.join()
        assert not self.failed and len(self.closed) <= 1, (self.failed[:3], self.closed)
        assert set(self.answers) <= {(200, False), (503, True)}, set(self.answers)


def test_upgrade_under_load_refuses_nobody():
    host.run("systemctl", "disable", "--now", "ebbd", timeout=120)
    host.run("systemctl", "enable", "--now", "ebbd.socket", "ebbd", timeout=120)
    with open("/etc/ebb/ebbd.conf", "a", encoding="utf-8") as file:
        file.write("drain_ms = 9000\n")
    with Load():
        host.run("dpkg", "-i", package("now"), timeout=300)
    assert host.is_active() == "active" and f'"{version_of("now")}"' in running_version()
    with open("/etc/ebb/ebbd.conf", encoding="utf-8") as file:
        assert "drain_ms = 9000" in file.read()
    assert host.output("systemctl", "is-enabled", "ebbd.socket") == "enabled"
    host.run("ebb", "ledger", "verify")


def test_upgrade_leaves_a_stopped_service_stopped():
    host.run("systemctl", "disable", "--now", "ebbd.socket", "ebbd", timeout=120)
    host.run("dpkg", "-i", package("now"), timeout=300)
    assert host.is_active() == "inactive" and host.run("systemctl", "is-enabled", "ebbd", ok=False).stdout.strip() == "disabled"
    host.run("systemctl", "enable", "--now", "ebbd", timeout=120)
    assert host.get("hello").status == 200


def test_removal_stops_it_and_keeps_settings_and_state():
    host.run("dpkg", "--remove", "ebb", timeout=300)
    host.expect_nothing_left()
    assert host.run("systemctl", "is-active", "ebbd", ok=False).stdout.strip() == "inactive"
    assert os.path.exists("/etc/ebb/ebbd.conf") and os.path.exists("/var/lib/ebb/ledger/ledger.db") and os.path.exists("/var/lib/ebb/flow/flow.db")
    host.run("dpkg", "-i", package("now"), timeout=300)
    wait_for(lambda: host.get("hello").status == 200, 60, "the service, again")


def test_purge_leaves_nothing():
    host.run("dpkg", "--purge", "ebb", timeout=300)
    host.expect_nothing_left()
    for pattern in ("/etc/ebb", "/var/lib/ebb", "/var/log/ebb", "/run/ebb", "/etc/systemd/system/*/ebbd*", "/usr/libexec/ebb",
                    "/lib/systemd/system/ebbd*", "/var/lib/systemd/deb-systemd-helper-enabled/*ebbd*"):
        assert not glob.glob(pattern), glob.glob(pattern)
    with pytest.raises(KeyError):
        grp.getgrnam("ebb")
    assert "ebbd" not in host.run("systemctl", "list-unit-files").stdout
