# SPDX-License-Identifier: Apache-2.0
"""The machine that ebb is installed on: its commands, its services, what is left on it."""
import glob
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integ"))
import web  # noqa: E402  pylint: disable=wrong-import-position
from waiting import slow, wait_for  # noqa: E402  pylint: disable=wrong-import-position

MORE = "/ebb/build/more"  # files that `make check-systemd` puts on the guest's disk
ADDRESS = ("127.0.0.1", 8080)


def run(*words, ok=True, timeout=60, stdin=None):
    done = subprocess.run(words, capture_output=True, text=True, timeout=slow(timeout), check=False, input=stdin)
    assert not ok or done.returncode == 0, f"{' '.join(words)}: {done}\n{journal()}"
    return done


def output(*words):
    return run(*words).stdout.strip()


def journal(unit="ebbd", *more):
    done = subprocess.run(["journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *more],
                          capture_output=True, text=True, timeout=slow(60), check=False)
    return done.stdout[-20000:]


def shown(name, unit="ebbd"):
    """A property of a unit."""
    return output("systemctl", "show", "--value", f"--property={name}", unit)


def is_active(unit="ebbd"):
    return run("systemctl", "is-active", unit, ok=False).stdout.strip()


def get(service, path="/", **more):
    return web.request(ADDRESS, path, host=f"{service}.localhost", timeout=slow(20), **more)


def deploy(service="hello"):
    """Imports the probe's image and deploys it."""
    run("ebb", "image", "import", "oci-archive:/ebb/build/cache/probe.oci.tar", "--tag", "probe")
    run("ebb", "deploy", service, "--image", "probe", "--wait")
    assert get(service).status == 200


def processes():
    """Every process that is one of ebb's or below it."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cgroup"):
        try:
            with open(path, encoding="utf-8") as file:
                if "ebb" in file.read().replace("ebb-guest", ""):
                    found.append(path)
        except OSError:
            pass
    return found


def cgroups():
    return [p for p, _, _ in os.walk("/sys/fs/cgroup") if "ebb" in os.path.basename(p) and "ebb-guest" not in p]


def mounts():
    with open("/proc/mounts", encoding="utf-8") as file:
        return [line for line in file if "ebb" in line.replace("/ebb ext4", "")]


def expect_nothing_left():
    """Of ebbd, its programs and instances, after a stop."""
    wait_for(lambda: not processes() and not cgroups() and not mounts(), 10,
             lambda: f"{processes()} {cgroups()} {mounts()}")
    namespaces = output("lsns", "--noheadings", "--output=COMMAND")
    assert "ebb" not in namespaces, namespaces
