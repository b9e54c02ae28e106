# SPDX-License-Identifier: Apache-2.0
"""The bases. A base is the lowest layer of the images of one runtime. It is made of Debian's packages and ebb's own
files, with nothing of a project, and has the same bytes for every function, so that the store keeps it once."""
import contextlib
import fcntl
import glob
import os
import re
import subprocess
import sys
import tempfile
import time

import oci
import pack
from sandbox import Run, pack as pack_run, unpack
from words import Refused, say

RUNTIMES = os.path.join(os.path.dirname(oci.HERE), "runtimes")
NAMES = ("node", "python", "native", "static")
NODE_PLACE = "/node/bin/node"  # of the Node of the images, where a project's own build sees it
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SCRIPTS = ("debian", "rootfs.py", "oci.py", "pack.py", "base.py")
COMPILE = ["-m", "compileall", "-q", "-f", "-j", "1", "--invalidation-mode", "unchecked-hash"]


class Base:
    def __init__(self, folder, key):
        self.key = key
        self.root, self.layer = os.path.join(folder, "root"), os.path.join(folder, "layer")


def suite():
    found = {}
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                key, _, value = line.strip().partition("=")
                found[key] = value.strip('"')
    except OSError:
        pass
    own = found.get("VERSION_CODENAME") if found.get("ID") == "debian" else None
    return os.environ.get("EBB_BASE_SUITE") or own or "bookworm"


def sources(runtime):
    found = glob.glob(os.path.join(RUNTIMES, runtime, "**"), recursive=True)
    if runtime == "static":  # its server is linked with the library of ebb.h
        found += glob.glob(os.path.join(RUNTIMES, "native", "*.[ch]"))
    return sorted(p for p in found if os.path.isfile(p)) + [os.path.join(oci.HERE, s) for s in SCRIPTS]


def key_of(runtime, arch):
    return oci.key_of(runtime, suite(), arch, oci.text_of(*sources(runtime)))


def get(build, runtime, arch):
    """The base of a runtime, made when the cache has none. Of builds at once that miss the same base one makes it,
    and the others wait for its lock."""
    key = key_of(runtime, arch)
    folder = os.path.join(build.cache, f"base-{runtime}-{key[:32]}")
    if not os.path.exists(folder):
        with making(folder):
            if not os.path.exists(folder):
                say(f"building the {runtime} base ({suite()}), once")
                new = build.path("base-" + runtime)
                os.mkdir(new)
                make(build, runtime, new, arch)
                os.rename(new, folder)
    return Base(folder, key)


@contextlib.contextmanager
def making(folder):
    """The lock of a base that is not there yet. Its file stays: without it two that wait could both go on."""
    fd = os.open(folder + ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def make(build, runtime, folder, arch):
    root, began = os.path.join(folder, "root"), time.time()
    os.mkdir(root, 0o755)
    env = {**os.environ, "runtimes": RUNTIMES, "python": sys.executable, "arch": arch, "suite": suite(),
           "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    env.pop("SOURCE_DATE_EPOCH", None)  # files of a base keep the times that their packages gave them
    with tempfile.TemporaryDirectory(dir=build.work) as work:
        for command in (["sh", os.path.join(RUNTIMES, runtime, "base"), root, work],
                        [sys.executable, "-IB", os.path.join(oci.HERE, "rootfs.py"), root]):
            if subprocess.run(command, env=env, stdout=sys.stderr, stdin=subprocess.DEVNULL,
                              check=False).returncode:
                raise Refused(f"the {runtime} base failed")
    if runtime == "python":
        compile_python(build, root)
    with open(os.path.join(folder, "layer"), "wb") as out:
        oci.write_layer(root, out, began, int(os.path.getmtime(CERTIFICATES)))


def compile_python(build, root):
    """Makes the .pyc files of the base, because no maintainer script ran that would have made them. The base's own
    Python makes them, in a sandbox with a copy of the sources. They are "unchecked", because no file of an image
    ever changes."""
    source, compiled = build.path("python.tar"), build.path("pyc.tar")
    with open(source, "w+b") as out:
        pack.pack(os.dup(out.fileno()), root, "app", 0, f"python3/{version(root)}/ebb", "",
                  links_too=True)
    with open(source, "rb") as sources_tar, open(compiled, "w+b") as out:
        build.sandbox.need("compiling Python's files", unpack(sources_tar.fileno(), "/app"),
                           Run(root, ["/usr/bin/python3", *COMPILE, "-s", "/app", "-p", "/", "/app"],
                               env=["PYTHONHASHSEED=0"]),
                           pack_run(out.fileno(), "/app", "", 0, "__pycache__"))
    subprocess.run(["tar", "-xf", compiled, "-C", root, "--no-same-owner"], check=True)


def version(root):
    """The name of the directory of Python's library, such as python3.11."""
    found = sorted(os.path.basename(p) for p in glob.glob(os.path.join(root, "usr/lib/python3.*")))
    if not found:
        raise Refused("the python base has no Python")
    return found[-1]


def node_version():
    with open(os.path.join(RUNTIMES, "node", "base"), encoding="utf-8") as file:
        return re.search(r"^node_version=(\S+)$", file.read(), re.MULTILINE)[1]


def library(path):
    """ebb.h and its library as a tar, for programs of C."""
    with oci.open_tar(path) as tar:
        for file in sorted(glob.glob(os.path.join(RUNTIMES, "native", "*.[ch]"))):
            tar.add(file, "library/" + os.path.basename(file), filter=oci.plain)
    return open(path, "rb")
