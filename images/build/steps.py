#!/usr/bin/python3 -IB
# SPDX-License-Identifier: Apache-2.0
"""The network of a Dockerfile's build: steps.py --step EBB_STEP --work DIR -- PROGRAM WORDS...

PROGRAM (buildah) and its steps have a network of their own: a loopback, where 127.0.0.1:3128 is a proxy. relay.py, in
a sandbox with the host's network, connects its clients to public addresses, as the rules of an instance do, and to
"HOST:PORT ..." of EBB_BUILD_HOSTS. They also have namespaces of processes and IPC: a step sees no process of the host.
Their /dev has DEVICES alone: buildah hands its own /dev on, and a step of root opens each disk that is in it.
"""
import argparse
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sandbox import PYTHON, Run, Sandbox, end, script  # noqa: E402
from words import plain, say  # noqa: E402

PROXY_PORT = 3128
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf")
PROXIES = ("http_proxy", "https_proxy")  # buildah hands them to its steps
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
SAID_MAX = 20
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "fuse")
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
MS_NOSUID, MS_NOEXEC, MS_BIND = 2, 8, 0x1000
PR_SET_PDEATHSIG = 1
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIBC = ctypes.CDLL(None, use_errno=True)


def hosts():
    return ["public", *(w if ":" in w else w + ":443" for w in os.environ.get("EBB_BUILD_HOSTS", "").lower().split())]


def upstream():
    """The caller's own proxy, which the relay then asks."""
    found = (os.environ.get(name) for key in reversed(PROXIES) for name in (key, key.upper()))
    return next((value for value in found if value), "")


def environment():
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, **{key: f"http://127.0.0.1:{PROXY_PORT}" for key in PROXIES}}


def mount(source, place, kind, flags, words=""):
    if LIBC.mount(source.encode(), place.encode(), kind.encode(), ctypes.c_ulong(flags), words.encode()) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), place)


def make_devices():
    """Covers /dev of this mount namespace. A descriptor still names each device of the /dev below."""
    kept = {name: os.open("/dev/" + name, os.O_PATH) for name in DEVICES if os.path.exists("/dev/" + name)}
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
    for name, fd in kept.items():
        os.close(os.open("/dev/" + name, os.O_CREAT | os.O_WRONLY, 0o666))
        mount(f"/proc/self/fd/{fd}", "/dev/" + name, "", MS_BIND)
        os.close(fd)
    for name, to in LINKS.items():
        os.symlink(to, "/dev/" + name)
    for name, kind, words in (("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"), ("shm", "tmpfs", "mode=1777,size=64m")):
        os.mkdir("/dev/" + name)
        mount(kind, "/dev/" + name, kind, MS_NOSUID | MS_NOEXEC, words)


def inside(fd, words):
    """In the new network: sends a listener to the relay, then becomes the program."""
    make_devices()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
    listener = socket.create_server(("127.0.0.1", PROXY_PORT), backlog=64)
    with socket.socket(fileno=fd) as channel:
        socket.send_fds(channel, [b"l"], [listener.fileno()])
    listener.close()
    os.execvp(words[0], words)


def namespaces():
    """The words that make the namespaces. A user's buildah makes the user namespace first, with the user's range."""
    mapped = [] if os.geteuid() == 0 else ["buildah", "unshare"]
    return ["setpriv", "--pdeathsig", "KILL", *mapped, "unshare", "--net", "--ipc", "--mount", "--pid", "--fork",
            "--kill-child", "--mount-proc", "--propagation", "slave"]


def tell(stream):
    """Passes what the relay says, each line once."""
    seen = set()
    for line in stream:
        line = plain(line).strip()[:400]
        if line and line not in seen and len(seen) < SAID_MAX:
            seen.add(line)
            say(f"ebb: network of the build: {line}")


def end_with_parent():
    """This process is ended when its parent is, by SIGKILL too (prctl(2))."""
    LIBC.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))


def stop(number, _frame):
    sys.exit(128 + number)


def run(words, channel, folder):
    """The program's files of the moment are in the folder, which ends with the build however that ends."""
    program = [*namespaces(), PYTHON, "-IB", os.path.abspath(__file__), "--inside", str(channel.fileno()), "--", *words]
    with subprocess.Popen(program, pass_fds=[channel.fileno()], env={**environment(), "TMPDIR": folder}) as child:
        try:
            channel.close()
            status = child.wait()
        finally:
            child.kill()
    return status if status >= 0 else 128 - status


def build(step, work, words):
    for number in STOPS:
        signal.signal(number, stop)
    end_with_parent()
    place = tempfile.mkdtemp(prefix=".build-", dir=os.path.abspath(work))
    inner, outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    relay = None
    try:
        started = Run("host", script("relay.py", str(outer.fileno()), upstream(), *hosts()), keep=[outer.fileno()],
                      net="host", seconds=86400)
        relay = Sandbox(step, place).start([started], scratch=["/tmp"],
                                           binds=[f for f in NETWORK_FILES if os.path.exists(f)])
        outer.close()
        teller = threading.Thread(target=tell, args=(relay.stdout,), daemon=True)
        teller.start()
        folder = os.path.join(place, "buildah")
        os.mkdir(folder)
        return run(words, inner, folder)
    finally:
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)
        if relay:
            relay.send_signal(signal.SIGTERM)
            teller.join()
            end(relay)
        shutil.rmtree(place, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="steps.py", allow_abbrev=False)
    parser.add_argument("--step", default="")
    parser.add_argument("--work", default="")
    parser.add_argument("--inside", type=int, default=-1)
    parser.add_argument("words", nargs="+")
    args = parser.parse_args()
    if args.inside >= 0:
        inside(args.inside, args.words)
    try:
        return build(args.step, args.work, args.words)
    except OSError as error:
        say(f"ebb-build: the network of the build: {plain(str(error))}")
        return 125


if __name__ == "__main__":
    sys.exit(main())
