# SPDX-License-Identifier: Apache-2.0
"""
A program without ebb: it runs as root, in the files of its image, with a loopback of its own. Files that it writes are
in memory and are gone with it.
"""
import concurrent.futures
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import tempfile

import catalogue
import images
import leaks
from waiting import wait_for

CLONE_NEWNET = 0x40000000
PORT = 8080
# $1 the files, $2 a directory to mount on, $3 "chroot" or "cd", then the command.
START = """
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/new" "$2/work" "$2/all"
mount -t overlay -o "lowerdir=$1,upperdir=$2/new,workdir=$2/work" overlay "$2/all"
if [ "$3" = chroot ]; then
    mount --rbind /dev "$2/all/dev"
    mount -t proc proc "$2/all/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$2/all/tmp"
fi
cd "$2/all"
how=$3
shift 3
if [ "$how" = chroot ]; then set -- chroot . "$@"; fi
exec "$@"
"""


def place(program):
    """(folder, chroot or cd) of the files, and the command within."""
    name = program.image
    if name in images.PACKAGES:
        return images.root(name), "chroot", program.argv
    if name in ("go", "rust"):
        return os.path.dirname(images.server(name)), "cd", ["./" + os.path.basename(images.server(name))]
    words = [w for w in program.argv if not w.startswith("--require=")]
    if name == "node":
        return images.npm_folder("npm"), "cd", [images.node(), os.path.basename(words[1])]
    folder = os.path.normpath(os.path.join(images.npm_folder(name), images.BUILDS[name][1]))
    return folder, "cd", [images.node(), *words[1:]]


class Plain:
    """with Plain(program) as plain: plain.connect(timeout) is a connected socket."""

    def __init__(self, program):
        self.port = program.ebb.get("port", PORT)
        self.mount_on = tempfile.mkdtemp(prefix="ebb-plain-")
        self.process = self.inside = None
        folder, how, argv = place(program)
        env = [images.PATH, f"PORT={self.port}", "HOME=/root", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1",
               *(["NODE_ENV=production"] if program.image in catalogue.BUILT else []),
               *(f"{k}={v}" for k, v in program.env.items())]
        self.words = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child=SIGKILL",
                      "sh", "-ec", START, "sh", folder, self.mount_on, how, "env", "-i", *env, *argv]

    def __enter__(self):
        with open(os.path.join(self.mount_on, "log"), "wb") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        try:
            self._enter()
            wait_for(self._accepts, 60, f"{shlex.join(self.words[-4:])} to accept")
        except AssertionError as error:
            said = self.log()
            self.__exit__()
            raise AssertionError(f"{error}: plainly: {said}") from None
        return self

    def _enter(self):
        """A thread within its network namespace: sockets made there stay there."""
        path = f"/proc/{self.process.pid}/ns/net"
        own = os.stat("/proc/self/ns/net").st_ino
        wait_for(lambda: self.process.poll() is not None or os.stat(path).st_ino != own, 10, "its namespace")
        assert self.process.poll() is None, "it ended"
        with open(path, "rb") as there:
            def enter():
                if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            self.inside = concurrent.futures.ThreadPoolExecutor(1, initializer=enter)
            self.inside.submit(int).result()

    def connect(self, timeout):
        return self.inside.submit(socket.create_connection, ("127.0.0.1", self.port), timeout).result()

    def _accepts(self):
        assert self.process.poll() is None, "it ended"
        try:
            self.connect(1).close()
            return True
        except OSError:
            return False

    def log(self):
        with open(os.path.join(self.mount_on, "log"), errors="replace", encoding="utf-8") as file:
            return file.read()[-2000:]

    def __exit__(self, *_):
        for first in leaks.children(self.process.pid):
            os.kill(first, signal.SIGKILL)  # of its process namespace, which ends with it
        self.process.wait()
        if self.inside:
            self.inside.shutdown()
        os.unlink(os.path.join(self.mount_on, "log"))
        os.rmdir(self.mount_on)
