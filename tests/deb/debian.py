# SPDX-License-Identifier: Apache-2.0
"""A small Debian as the root of a mount namespace: in a chroot the kernel makes no user namespaces."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(PROJECT, "tests/integ"))
import web  # noqa: E402  pylint: disable=wrong-import-position
from ebb import hold_port  # noqa: E402  pylint: disable=wrong-import-position
from waiting import slow, wait_for  # noqa: E402  pylint: disable=wrong-import-position

# Runs as the first process of the namespace: makes that Debian its root, and stays.
ENTER = """set -e
tar -C "$1" -xpf "$2"
mount --bind "$1" "$1"
cd "$1"
mount --rbind /proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs none run
mkdir -p mnt/old debs
mount --bind "$3" debs
pivot_root . mnt/old
umount -l mnt/old
rmdir mnt/old
echo ready
exec sleep infinity
"""
# dpkg itself changes these.
IGNORED = ("/var/lib/dpkg", "/var/log", "/var/cache", "/proc", "/sys", "/dev", "/run", "/tmp", "/debs", "/etc/group-", "/etc/gshadow-",
           "/etc/.pwd.lock", "/root")


class Debian:
    def __init__(self, archive, debs):
        self.place = tempfile.mkdtemp(prefix="ebb-deb-", dir=os.path.dirname(archive))  # the image store wants idmapped mounts: no overlay
        self.holder = hold_port()
        self.port = self.holder.getsockname()[1]
        self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter", self.place,
                                         archive, debs], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise AssertionError("the small Debian did not start")
        self.ebbd = None

    def inside(self, *words):
        return ["nsenter", f"--target={self.process.pid}", "--mount", "--root", "--wd", "--", "env", "-i", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *words]

    def run(self, *words, ok=True):
        done = subprocess.run(self.inside(*words), capture_output=True, text=True, timeout=slow(120), check=False)
        assert not ok or done.returncode == 0, f"{' '.join(words)}: {done}"
        return done

    def dpkg(self, *words, ok=True):
        return self.run("dpkg", *words, ok=ok)

    def state(self, package="ebb"):
        """As dpkg has it: "install ok installed 0.1.0"."""
        return self.run("dpkg-query", "-W", "-f", "${Status} ${Version}", package, ok=False).stdout

    def files(self):
        """{path: its type, mode and owner}, and the links' ends."""
        out = self.run("find", "/", "-xdev", "-printf", "%p\\t%y %m %U:%G %l\\n").stdout
        return {path: rest for path, _, rest in (line.partition("\t") for line in out.splitlines())
                if not (path + "/").startswith(tuple(p + "/" for p in IGNORED)) and path not in ("/", "/etc", "/var", "/mnt")}

    def path(self, name):
        """A path of its inside, as seen from here."""
        return f"/proc/{self.process.pid}/root{name}"

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    # --- an ebbd in it
    def start(self):
        self.ebbd = subprocess.Popen(self.inside("ebbd", "--config", "/etc/ebb/ebbd.conf"), stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_for(lambda: self.ready(), 30, "ebbd, ready")

    def ready(self):
        assert self.ebbd.poll() is None, f"ebbd ended with {self.ebbd.returncode}"
        done = self.run("ebb", "node", ok=False)
        return done.returncode == 0

    def stop(self):
        """nsenter became ebbd by execve."""
        if self.ebbd:
            self.ebbd.send_signal(signal.SIGTERM)
            assert self.ebbd.wait(slow(30)) == 0
            self.ebbd = None

    def get(self, service, path="/"):
        return web.request(("127.0.0.1", self.port), path, host=f"{service}.localhost")

    def rest(self, path, method="GET", document=None):
        connection = web.UnixConnection(self.path("/run/ebb/api.sock"), slow(20))
        try:
            return web.exchange(connection, method, path, json.dumps(document) if document else None).json
        finally:
            connection.close()

    def close(self):
        if getattr(self, "ebbd", None):
            self.ebbd.kill()
            self.ebbd.wait()
        self.process.kill()
        self.process.wait()
        self.holder.close()
        shutil.rmtree(self.place)
