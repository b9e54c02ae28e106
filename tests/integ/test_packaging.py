# SPDX-License-Identifier: Apache-2.0
"""The files of `make install` beside the programs, as far as they can be judged without installing them."""
import os
import re
import subprocess

import pytest

from ebb import PROJECT
from waiting import slow

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="make check-systemd has the units in force")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A tree as `make install DESTDIR=` makes it."""
    where = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "--no-print-directory", "-s", "install", f"DESTDIR={where}", "PREFIX=/usr"], cwd=PROJECT,
                   check=True, timeout=slow(300), stdout=subprocess.DEVNULL)
    return str(where)


def analyze(root, *words):
    return subprocess.run(["systemd-analyze", f"--root={root}", "--man=no", *words], capture_output=True, text=True,
                          timeout=slow(60), check=False)


def units(root):
    folder = os.path.join(root, "usr/lib/systemd/system")
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def test_units_are_right(installed):
    found = units(installed)
    assert [os.path.basename(path) for path in found] == ["ebbd.service", "ebbd.socket"]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *linked(installed)],
                          capture_output=True, text=True, timeout=slow(60), check=False)
    assert done.returncode == 0 and "ebbd" not in done.stderr, done


def linked(root):
    """The units with the place where the programs are now, so that ExecStart= exists."""
    made = []
    for path in units(root):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        made.append(os.path.join(root, os.path.basename(path)))
        with open(made[-1], "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=/", f"ExecStart={root}/", text, flags=re.M))
    return made


def test_exposure_of_the_unit_is_known(installed):
    """ebbd is root and makes namespaces, so its unit confines little; rights that it does not need are taken here."""
    done = analyze(installed, "security", "--offline=yes", "--threshold=100", "ebbd.service")
    assert done.returncode == 0 and "Overall exposure level" in done.stdout, done


def test_configuration_of_the_unit_is_taken(installed):
    done = subprocess.run([os.path.join(installed, "usr/sbin/ebbd"), "--config", os.path.join(installed, "etc/ebb/ebbd.conf"),
                           "-T"], capture_output=True, text=True, timeout=slow(30), check=False)
    assert done.returncode == 0 and "api_group = ebb" in done.stdout, done
