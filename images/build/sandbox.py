# SPDX-License-Identifier: Apache-2.0
"""Steps of a build in sandboxes, by the program ebb-step (images/step)."""
import collections
import os
import selectors
import signal
import subprocess

from words import Refused, plain, say, setting

HERE = os.path.dirname(os.path.abspath(__file__))
TAIL_BYTES, TAIL_LINES = 16384, 25
PYTHON = "/usr/bin/python3"
SET_UP_FAILED, TIME_UP = 125, 124
ENVIRONMENT = ("LC_ALL=C.UTF-8", "TZ=UTC", "PATH=/usr/bin:/bin", "HOME=/tmp")
PREFIX = "RUN%d_"  # of the variables of a run
LIMITS = {"EBB_BUILD_MEMORY_MB": 2048, "EBB_BUILD_SIZE_MB": 1024, "EBB_BUILD_FILES": 200000, "EBB_BUILD_PIDS": 256}
# A project's own build takes more than the steps of a function do.
LIMITS_OF_BUILDS = {"EBB_BUILD_MEMORY_MB": 4096, "EBB_BUILD_SIZE_MB": 2048, "EBB_BUILD_PIDS": 1024}


class Run:
    """One program in a sandbox: its root (a base, or "host" for the host's /usr), words and descriptors."""

    def __init__(self, root, words, *, keep=(), env=(), cwd="/", seconds=None, may_fail=False, net=None):
        self.root, self.words, self.keep, self.env, self.cwd = root, words, keep, env, cwd
        self.seconds = seconds or setting("EBB_BUILD_SECONDS", 600, 1, 86400)
        self.may_fail, self.net = may_fail, net

    def variables(self):
        """Its environment: of two values the later one counts."""
        return dict(pair.split("=", 1) for pair in (*ENVIRONMENT, *self.env))

    def arguments(self, prefix):
        """Its words for ebb-step, which finds its variables in the environment, behind the prefix: every user of the
        host may read a command line."""
        words = ["--root", self.root, "--cwd", self.cwd, "--seconds", self.seconds]
        for fd in self.keep:
            words += ["--keep", fd]
        words += ["--env-from", prefix]
        if self.may_fail:
            words += ["--may-fail", "yes"]
        if self.net == "host":
            words += ["--net", "host"]
        elif self.net is not None:
            words += ["--listen-out", self.net]
        return [*words, "--run", len(self.words), *self.words]


def script(name, *words):
    """The words that run one of ebb's scripts with the host's Python. They hold the text of the script, so the sandbox
    needs no access to the folder where ebb is installed."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return [PYTHON, "-IBc", file.read(), *words]


def unpack(fd, into):
    return Run("host", script("pack.py", "unpack", str(fd), into), keep=[fd])


def pack(fd, root, prefix, owner=0, only="", date=None):
    return Run("host", script("pack.py", "pack", str(fd), root, prefix, str(owner), only,
                              "" if date is None else str(date)), keep=[fd])


class Sandbox:
    def __init__(self, step, work):
        self.step, self.work = step, work
        self.limits = dict(LIMITS)  # where the environment says none
        for folder in ("scratch", "root"):
            os.makedirs(os.path.join(work, folder), exist_ok=True)

    def limit(self, key, *bounds):
        return setting(key, self.limits[key], *bounds)

    def command(self, runs, scratch, binds):
        words = [self.step, "--work", self.work,
                 "--memory-mb", self.limit("EBB_BUILD_MEMORY_MB", 64),
                 "--size-mb", self.limit("EBB_BUILD_SIZE_MB", 16),
                 "--files", self.limit("EBB_BUILD_FILES", 100),
                 "--pids", self.limit("EBB_BUILD_PIDS", 16, 32768),
                 "--cpu-milli", setting("EBB_BUILD_CPU_MILLI", 2000, 100, 1000000),
                 "--cgroups", "no" if os.environ.get("EBB_BUILD_CGROUPS") == "no" else "yes"]
        for place in scratch:
            words += ["--scratch", place]
        for place in binds:
            words += ["--bind", place]
        for number, run in enumerate(runs):
            words += run.arguments(PREFIX % number)
        return [w if isinstance(w, bytes) else str(w) for w in words]

    def start(self, runs, scratch=(), binds=()):
        fds = {fd for run in runs for fd in run.keep}
        fds |= {run.net for run in runs if isinstance(run.net, int)}
        env = {PREFIX % number + key: value for number, run in enumerate(runs) for key, value in run.variables().items()}
        return subprocess.Popen(self.command(runs, scratch, binds), pass_fds=sorted(fds),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env, start_new_session=True)

    def run(self, runs, scratch=("/app", "/tmp"), binds=()):
        """Runs the programs. Returns the exit code and the last lines of their output."""
        process = self.start(runs, scratch, binds)
        try:
            return follow(process)
        finally:
            end(process)

    def need(self, what, *runs, **more):
        code, tail = self.run(list(runs), **more)
        if code:
            show(tail)
            raise Refused(f"{what}: {verdict(code)}")
        return tail


def follow(process):
    """Reads the output of a process to its end and keeps only the last bytes."""
    tail = collections.deque(maxlen=8)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while ready.select():
            data = os.read(process.stdout.fileno(), TAIL_BYTES)
            if not data:
                break
            tail.append(data)
    return process.wait(), b"".join(tail)[-TAIL_BYTES:]


def end(process):
    """Ends ebb-step, which ends its sandbox before it exits."""
    process.stdout.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait()


def lines(tail):
    text = plain(tail.replace(b"\r\n", b"\n")).rstrip("\n")
    return [line[:500] for line in text.split("\n")][-TAIL_LINES:] if text else []


def show(tail):
    for line in lines(tail):
        say("  | " + line)


def verdict(code):
    if code == TIME_UP:
        return "its time was up (EBB_BUILD_SECONDS raises the limit)"
    if code == SET_UP_FAILED:
        return "its sandbox could not be made"
    if code > 128:
        return f"it was ended by {signal_name(code - 128)}"
    return f"it ended with status {code}"


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
