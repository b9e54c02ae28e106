# SPDX-License-Identifier: Apache-2.0
"""
An ebbd whose programs fail on order (injector.py), the requests to it meanwhile, and the facts that must hold then: a
program goes on, or ends with its cause in the log, and every client got the right answer, an honest error or none.
"""
import contextlib
import errno
import http.client
import json
import os
import re
import shutil
import tempfile

import leaks
import pictures
from ebb import Ebb
from injector import Injector, injected_libexec
from waiting import wait_for

DEATHS_MAX = 3  # then ebbd waits too long before it starts the program again
# How no program may end, whatever fails.
FAULTS = re.compile(r"event=forbidden_call|event=bug|SIG(SYS|SEGV|BUS|ABRT|ILL|FPE)|AddressSanitizer|stack smashing|double free")

E = errno
SEND = (E.EPIPE, E.ENOBUFS, E.ENOMEM, E.EAGAIN, E.EINTR, E.ECONNRESET)
RECEIVE = (E.ECONNRESET, E.ENOMEM, E.EAGAIN, E.EINTR)  # (a channel is only reset when the other program is gone)
FILE = (E.EIO, E.ENOSPC, E.EACCES, E.EROFS)
# Errors that the kernel may give for each call. Calls that are missing cannot fail when their arguments are right, or
# have done their work even if they fail (close).
ERRORS = {
    "accept4": (E.EMFILE, E.ENFILE, E.ENOBUFS, E.ENOMEM, E.ECONNABORTED, E.EAGAIN, E.EINTR, E.EPERM),
    "recvfrom": RECEIVE, "recvmsg": (E.ENOMEM, E.EAGAIN, E.EINTR), "sendto": SEND,
    "sendmsg": (E.ENOBUFS, E.ENOMEM, E.ETOOMANYREFS, E.EAGAIN, E.EINTR),
    "epoll_create1": (E.EMFILE, E.ENOMEM), "epoll_ctl": (E.ENOMEM, E.ENOSPC), "epoll_wait": (E.EINTR,),
    "epoll_pwait": (E.EINTR,), "poll": (E.EINTR, E.ENOMEM),
    "openat": (E.EMFILE, E.ENFILE, E.ENOMEM, E.ENOENT, *FILE),
    "read": (E.EIO, E.EINTR, E.ENOMEM), "pread64": (E.EIO, E.ENOMEM, E.EINTR),
    "write": (E.EIO, E.ENOSPC, E.EAGAIN, E.EINTR, E.EPIPE), "pwrite64": (E.EIO, E.ENOSPC, E.EDQUOT, E.EINTR),
    "newfstatat": (E.EIO, E.ENOMEM, E.EACCES, E.ENOENT), "fstat": (E.EIO, E.ENOMEM), "statx": (E.EIO, E.ENOMEM, E.ENOENT),
    "lseek": (E.EIO,), "getdents64": (E.EIO, E.ENOENT), "mkdirat": FILE, "renameat": FILE,
    "unlinkat": (E.EIO, E.EBUSY, E.EACCES), "unlink": (E.EIO, E.EACCES), "fsync": (E.EIO, E.ENOSPC),
    "fdatasync": (E.EIO, E.ENOSPC), "ftruncate": (E.EIO, E.ENOSPC), "fcntl": (E.EMFILE, E.ENOLCK, E.EIO),
    "shutdown": (E.ENOTCONN,), "getsockopt": (E.ENOTCONN, E.ENOBUFS),
    "setsockopt": (E.EINVAL, E.ENOBUFS), "getpeername": (E.ENOTCONN, E.ENOBUFS), "sysinfo": (E.EPERM,),
    "uname": (E.EPERM,), "sched_getaffinity": (E.EPERM,), "mmap": (E.ENOMEM,), "mremap": (E.ENOMEM,),
    "mprotect": (E.ENOMEM,), "madvise": (E.ENOMEM,), "munmap": (E.ENOMEM,), "getrandom": (E.EINTR, E.EAGAIN),
    "splice": (E.EAGAIN, E.EINTR, E.ENOMEM), "io_uring_enter": (E.EINTR, E.EAGAIN, E.EBUSY),
    "timerfd_create": (E.EMFILE, E.ENOMEM), "clock_nanosleep": (E.EINTR,), "chdir": (E.EACCES, E.EIO),
    "fchdir": (E.EACCES, E.EIO), "getcwd": (E.ENOENT, E.ENOMEM), "mknodat": FILE, "symlinkat": FILE, "linkat": FILE,
    "fchmod": FILE, "fchmodat": FILE, "fchown": (*FILE, E.EPERM), "fchownat": (*FILE, E.EPERM), "utimensat": FILE,
    "fsetxattr": (*FILE, E.EOPNOTSUPP), "flistxattr": (E.EIO, E.ERANGE), "fremovexattr": FILE, "readlinkat": (E.EIO, E.ENOMEM),
}
EPOLL_CTL_ADD, F_DUPFD_CLOEXEC, F_SETLK = 1, 1030, 6


def can_fail(call, error):
    """A test whether the kernel can give this error for the arguments of a call; None if it can for all."""
    if call == "epoll_ctl":
        return lambda a: a[1] == EPOLL_CTL_ADD
    if call == "fcntl":
        wanted = {E.EMFILE: F_DUPFD_CLOEXEC}.get(error, F_SETLK)
        return lambda a: a[1] & 0xFFFFFFFF == wanted
    return None


class Silence(AssertionError):
    pass


@contextlib.contextmanager
def honest():
    """A connection that ends is an honest answer; one that says nothing is none."""
    try:
        yield
    except TimeoutError as error:
        raise Silence("nothing was said") from error
    except (OSError, http.client.HTTPException, json.JSONDecodeError, EOFError):
        pass


class Host:
    """One after the other: an ebbd that a program's deaths have made slow is replaced."""

    def __init__(self, gateways=1, **settings):
        self.place = tempfile.mkdtemp(prefix="ebb-injected-")
        self.gateways, self.settings = gateways, {**settings, "libexec_dir": injected_libexec(self.place)}
        self.ebb = self.injector = None
        self.cases = self.deaths = 0
        self.kept = {}     # of steps
        self.faults = []   # sentences about faults
        self.start()

    def start(self):
        os.environ["EBB_NO_EROFS"] = "1"  # pieces are plain directories, to look into
        self.ebb = Ebb(gateways=self.gateways, settings=self.settings)
        self.injector = Injector(self.ebb).start()
        self.ebb.start()
        self.ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        self.ebb.deploy("probe", "probe", "--max", 1)
        assert self.ebb.get("probe").status == 200
        self.died_here = 0
        self.read_to_here()

    def read_to_here(self):
        self.read_to = len(leaks.read(self.ebb.log_path))

    def archive(self):
        return pictures.probe_archive()

    def stop(self):
        try:
            self.injector.clear()
            self.ebb.stop()
        finally:
            self.ebb.kill()
            self.injector.stop()
            self.ebb.remove()

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)

    # --- asking, with an answer or without ---------------------------------------------------------
    def rest(self, method, path, document=None, ok=False, timeout=10, **more):
        """The answer, or None: an error must say what it is."""
        reply = None
        with honest():
            reply = self.ebb.rest(method, path, document, timeout=timeout, **more)
            if reply.status >= 400:
                assert reply.json["detail"], reply
        if ok:
            assert reply and reply.status < 400, f"{method} {path}: {reply}"
        return reply

    def get(self, path="/", method="GET", body=None, service="probe", timeout=10, **more):
        reply = None
        with honest():
            reply = self.ebb.get(service, path, method=method, body=body, timeout=timeout, **more)
        return reply

    # --- one error -----------------------------------------------------------------------------------
    def try_order(self, step, program, call, error, first=1, times=1):
        """True when the error was met."""
        begun_pid = self.pid_of(program)
        order = self.injector.order(program, call, error, first, times, can_fail(call, error))
        what = f"{step.__name__}: {program} {call} {E.errorcode[error]} from {first}, {times} times"
        return self._try(step, program, what, begun_pid, lambda: order.failed, settled=order.is_over)

    def try_memory(self, step, program, after, times=1):
        """malloc gives nothing after so many times."""
        return self._try_told(step, program, "memory", f"malloc {after + 1}, {times} times", after=after, times=times)

    def try_ring(self, step, what, error, after=0, times=1):
        return self._try_told(step, "ebb-gateway", "ring", f"{what[0]} {E.errorcode[error]} after {after}", after=after,
                              times=times, what=what[1], error=-error)

    def _try_told(self, step, program, kind, words, **fields):
        begun_pid = self.pid_of(program)
        commands = self.injector.memory(wait_for(lambda: self.injector.process(program)).pid)
        before = commands.get(kind, "failed")
        commands.put(kind, **fields)
        try:
            return self._try(step, program, f"{step.__name__}: {program} {words}", begun_pid,
                             lambda: commands.get(kind, "failed") - before, lambda: commands.put(kind, times=0))
        finally:
            commands.close()

    def pid_of(self, program):
        return program == "ebb-unpack" or wait_for(lambda: self.ebb.programs(program), 20)

    def _try(self, step, program, what, begun_pid, failed, clear=lambda: None, settled=lambda: True):
        self.cases += 1
        fault = None
        try:
            step(self)
        except AssertionError as error:
            fault = f"{what}: {error}\n{self.shown()}"
        met = failed()
        self.injector.clear()
        clear()
        wait_for(settled, 20, f"{what}: it to go on or to end")
        fault = fault or met and self.judge(step, program, what, begun_pid)
        if fault:
            self.faults.append(fault)
            print(fault, flush=True)
        if fault or self.died_here >= DEATHS_MAX:
            self.replace()
        self.read_to_here()
        return met

    def said(self):
        return leaks.read(self.ebb.log_path)[self.read_to:]

    def shown(self):
        dull = ("event=commit", "event=instance_frozen", "event=instance_thawed", "event=instance_chosen")
        return "\n".join(line for line in self.said().splitlines() if not any(word in line for word in dull))[-3000:]

    def judge(self, step, program, what, begun_pid):
        """It went on or said why not, and all is well again: None, or what is not so."""
        for broken, owner in (("event=ledger_broken", "ebb-ledger"), ("event=store_broken", "ebb-flow")):
            if broken in self.said():  # it would happen in 10 s
                self.ebb.end_program(owner)
        try:
            wait_for(lambda: getattr(step, "well", step)(self), 20, "all to be well again")
        except AssertionError as error:
            return f"{what}: {error}\n{self.shown()}"
        if program != "ebb-unpack" and self.pid_of(program) != begun_pid:
            wait_for(lambda: f"event=program_died program={program}" in self.said(), 5, f"{what}: its death to be told")
        said = self.said()
        died = f"event=program_died program={program}" in said
        if self.ebb.process.poll() is not None:
            return f"{what}: ebbd is gone\n{self.shown()}"
        if FAULTS.search(said):
            return f"{what}\n{self.shown()}"
        if program == "ebb-unpack":
            return None
        if died:
            print(f"{what}: {re.findall(rf'level=error prog={program}(?:-0)? (.*)', said)}")
            self.deaths += 1
            self.died_here += 1
        if died and not re.search(rf"level=error prog={program}(-0)? event=", said):
            return f"{what}: it died without a word\n{self.shown()}"
        if not died and self.ebb.programs(program) != begun_pid:
            return f"{what}: nobody said that it died\n{self.shown()}"
        return None

    def replace(self):
        try:
            self.stop()
        except AssertionError as error:
            self.faults.append(str(error))
        self.start()

    # --- requests of a step when nothing fails -------------------------------------------------------------
    def learn(self, step, program):
        """{call: how often}"""
        def went_well():
            self.injector.counts[program] = {}
            return step(self)
        wait_for(went_well, 20, f"{step.__name__} to go well")
        return dict(self.injector.counts[program])

    def learn_memory(self, step, program):
        """How often malloc."""
        commands = self.injector.memory(wait_for(lambda: self.injector.process(program)).pid)
        seen = []

        def went_well():
            seen.append(commands.get("memory", "seen"))
            return step(self)
        wait_for(went_well, 20, f"{step.__name__} to go well")
        seen.append(commands.get("memory", "seen"))
        commands.close()
        return seen[-1] - seen[-2]
