# SPDX-License-Identifier: Apache-2.0
"""
An ebbd whose calls fail on order (injected_ebbd.c), the requests to it meanwhile, and the facts that must hold then.
"""
import errno as E
import os
import re
import struct

import leaks
import pictures
from ebb import BIN, PROJECT, Ebb
from injected_host import FAULTS, honest
from injected_steps import small_archive
from injector import INJECTED, Shared
from waiting import wait_for

PROGRAM = os.path.join(INJECTED, "ebbd")
ARMED = 2
EBBD, CHILDREN = 0, 1  # whose calls: enum who
FIELDS = ("call", "error", "after", "times", "who", "failed")


def _calls():
    with open(os.path.join(PROJECT, "tests/integ/injected_ebbd.h")) as f:
        text = f.read()
    of = {name: re.findall(r"X\((\w+)\)", re.search(rf"#define {name}\(X\)(.*?)(?:\n[^\t ]|\n#)", text, re.S)[1])
          for name in ("CALLS_PLAIN", "CALLS_WITHOUT_NUMBER")}
    return of["CALLS_PLAIN"] + ["syscall"] + of["CALLS_WITHOUT_NUMBER"]


CALLS = _calls()
FILE, ROOM, GIVEN = (E.EIO, E.ENOSPC), (E.EMFILE, E.ENOMEM), (E.ENOMEM,)
# The errors of each call, the likeliest first. Two calls of injected_ebbd.h are missing, as they cannot fail as ebbd
# makes them: setsid, and umount2, which is always with MNT_DETACH.
ERRORS = {
    "bind": (E.EADDRINUSE,), "chdir": (E.EIO,), "chmod": FILE, "chown": FILE, "connect": (E.EAGAIN, E.ECONNREFUSED),
    "dup2": (E.EMFILE,), "dup3": (E.EMFILE,), "epoll_create1": ROOM, "epoll_ctl": (E.ENOMEM, E.ENOSPC),
    "epoll_wait": (E.EINTR,), "eventfd": ROOM, "execve": (E.ENOMEM, E.EIO), "execveat": (E.ENOMEM,), "fchdir": (E.EIO,),
    "fchmod": FILE, "fchown": FILE, "fchownat": FILE, "fcntl": (E.EMFILE,), "fork": (E.EAGAIN, E.ENOMEM),
    "fsconfig": (E.ENOMEM, E.EINVAL), "fsetxattr": (E.EIO,), "fsmount": ROOM, "fsopen": ROOM, "fstat": (E.EIO,),
    "fstatat": (E.EIO,), "fstatfs": (E.EIO,), "fsync": FILE, "ftruncate": FILE, "futimens": FILE,
    "getsockopt": (E.ENOBUFS,), "ioctl": (E.EPERM,), "listen": (E.EADDRINUSE,), "lseek": (E.EIO,), "lstat": (E.EIO,),
    "memfd_create": ROOM, "mkdir": FILE, "mkdirat": FILE, "mknodat": FILE, "mmap": GIVEN, "mount": GIVEN,
    "mount_setattr": GIVEN, "move_mount": GIVEN, "open": (*ROOM, E.EIO), "open_tree": ROOM, "openat": (*ROOM, E.EIO),
    "pidfd_send_signal": (E.EPERM,), "pipe2": ROOM, "poll": (E.EINTR, E.ENOMEM), "prctl": (E.EPERM,), "pread": (E.EIO,),
    "process_vm_readv": (E.EFAULT, E.ENOMEM), "pwrite": FILE, "read": (E.EIO, E.EINTR), "readlinkat": (E.EIO,),
    "recv": (E.ENOMEM, E.EINTR), "recvmsg": (E.ENOMEM, E.EINTR), "renameat": FILE, "renameat2": FILE, "rmdir": (E.EBUSY,),
    "send": (E.ENOBUFS, E.EAGAIN), "sendfile": FILE, "sendmsg": (E.ENOBUFS, E.EAGAIN, E.ETOOMANYREFS), "sendto": (E.ENOBUFS,),
    "setgroups": (E.ENOMEM,), "sethostname": (E.EPERM,), "setns": GIVEN, "setpriority": (E.EPERM,),
    "setresgid": (E.EAGAIN,), "setresuid": (E.EAGAIN,), "setrlimit": (E.EPERM,), "setsockopt": (E.ENOBUFS,),
    "signalfd": ROOM, "socket": (E.EMFILE, E.ENOBUFS), "socketpair": ROOM, "stat": (E.EIO,), "statx": (E.EIO,),
    "symlink": FILE, "symlinkat": FILE, "syncfs": (E.EIO,), "timerfd_create": ROOM,
    "unlink": (E.EIO,), "unlinkat": (E.EIO, E.EBUSY), "unshare": GIVEN, "write": (E.EIO, E.ENOSPC, E.EINTR),
    "cap_set_proc": (E.EPERM,), "cap_drop_bound": (E.EPERM,), "syscall": (E.ENOMEM, E.EPERM), "malloc": GIVEN,
    "calloc": GIVEN, "realloc": GIVEN, "fdopendir": GIVEN, "fopen": (E.EMFILE,),
}


class Orders(Shared):
    """struct orders of one ebbd."""

    def __init__(self, pid):
        super().__init__(pid, 8192)

    def get(self, field):
        return self.number(FIELDS.index(field))

    def put(self, **fields):
        for field, value in fields.items():
            self.set_number(FIELDS.index(field), value)

    def order(self, call, error, after, who, times=1):
        self.put(times=0)
        self.put(call=CALLS.index(call), error=error, after=after, who=who, failed=0)
        self.put(times=times)

    def seen(self, who):
        at = 8 * (len(FIELDS) + who * len(CALLS))
        return dict(zip(CALLS, struct.unpack_from(f"<{len(CALLS)}Q", self.map, at)))


class Host:
    """One ebbd; one that an error has spoilt is replaced."""

    def __init__(self):
        self.ebb = None
        self.cases, self.faults, self.refusals = 0, [], {}
        self.start()

    def start(self):
        self.ebb = Ebb(gateways=1, settings={"libexec_dir": BIN, "armed": ARMED})
        self.ebb.program = PROGRAM
        self.ebb.start()
        self.orders = Orders(self.ebb.process.pid)
        self.ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        for name in ("probe", "cold"):
            self.ebb.deploy(name, "probe", "--max", 1)
        assert self.ebb.get("probe").status == 200
        self.ebb.wait_frozen("probe")
        self.ebb.wait_armed()
        self.held = self.holdings()
        self.read_to = len(leaks.read(self.ebb.log_path))

    def stop(self):
        try:
            self.orders.close()
            self.ebb.stop()
        finally:
            self.ebb.kill()
            self.ebb.remove()

    # --- asking --------------------------------------------------------------------------------------
    def get(self, name, **more):
        with honest():
            return self.ebb.get(name, timeout=20, **more)
        return None

    def rest(self, method, path, document=None, **more):
        with honest():
            return self.ebb.rest(method, path, document, timeout=20, **more)
        return None

    def said(self):
        return leaks.read(self.ebb.log_path)[self.read_to:]

    # --- one error -------------------------------------------------------------------------------------
    def learn(self, step):
        """The calls that a step makes when all goes well: {(EBBD or CHILDREN, call): how often}"""
        before = {who: self.orders.seen(who) for who in (EBBD, CHILDREN)}
        assert step(self), f"{step.__name__} goes wrong by itself\n{self.said()[-3000:]}"
        self.settle()
        return {(who, call): count - before[who][call] for who in (EBBD, CHILDREN)
                for call, count in self.orders.seen(who).items() if count > before[who][call]}

    def settle(self):
        """Waits until the stock of sandboxes is full. The sandbox that is prepared for a service may be missing: after
        an error ebbd prepares none for that service until one is needed."""
        wait_for(lambda: len(self.ebb.programs("ebb:parked")) >= 2 * ARMED, 20, "all sandboxes to be prepared")

    def holdings(self):
        """The numbers that errors may not raise: descriptors, mounts, cgroups, processes."""
        pid = self.ebb.process.pid
        mounts = leaks.read(f"/proc/{self.ebb.ebbd_pid}/mountinfo").splitlines()
        return {"descriptors": self.ebb.fd_count(), "mounts": len(mounts),
                "cgroups": len(leaks.cgroup_dirs(self.ebb.config["cgroup"])),
                "processes": len(leaks.descendants(pid)),
                "stages": len(os.listdir(os.path.join(self.ebb.root, "images/pieces")))}

    def try_error(self, step, who, call, error, after):
        """Runs a step with one error. True if the step made the call that was to fail."""
        self.cases += 1
        what = f"{step.__name__}: {'ebbd' if who == EBBD else 'a child of ebbd'}, {call} {E.errorcode[error]} after {after}"
        self.orders.order(call, error, after, who)
        fault = None
        try:
            step(self)
        except AssertionError as problem:
            fault = f"{what}: {problem}"
        met = self.orders.get("failed")
        self.orders.put(times=0)
        fault = fault or (met and self.judge(what, step))
        if fault:
            self.faults.append(f"{fault}\n{self.said()[-2500:]}")
            print(self.faults[-1], flush=True)
            self.replace()
        self.read_to = len(leaks.read(self.ebb.log_path))
        return bool(met)

    def judge(self, what, step):
        """None if all is well again, else a sentence that says what is not."""
        if self.ebb.process.poll() is not None or self.ebb.log_lines("event=ebbd_died "):
            return f"{what}: ebbd is gone"
        try:
            wait_for(lambda: step(self), 30, "all to be well again")
        except AssertionError as problem:
            return f"{what}: {problem}"
        found = FAULTS.search(self.said())
        return f"{what}: {found[0]}" if found else None

    def leaked(self):
        """{name: (before, now)} of the holdings that have grown."""
        def more():
            now = self.holdings()
            return {name: (self.held[name], now[name]) for name in now if now[name] > self.held[name]}
        try:
            wait_for(lambda: not more(), 5)
        except AssertionError:
            return more()
        return {}

    def replace(self):
        try:
            self.stop()
        except AssertionError as problem:
            self.faults.append(str(problem))
        self.start()


# --- requests: true when all went well, false for an honest error ----------------------------------
def ends(host, name):
    found = host.rest("GET", f"/v1/instances?service={name}")
    for one in found.json["instances"] if found and found.status == 200 else []:
        host.rest("POST", f"/v1/instances/{one['id']}/stop")
    wait_for(lambda: (r := host.rest("GET", f"/v1/instances?service={name}")) and r.status == 200 and not r.json["instances"], 20,
             "its end")


def starts(host):
    """From a prepared sandbox to an answer, and to its end; the stock fills again."""
    reply = host.get("cold")
    if reply is not None and reply.status != 200:
        assert reply.status in (502, 503), reply
        host.refusals.setdefault(reply.text.split('"message":"')[-1].split('"')[0], reply.status)
    ends(host, "cold")
    host.settle()
    return reply is not None and reply.status == 200


def freezes(host):
    reply = host.get("probe")
    assert reply is None or reply.status in (200, 502, 503), reply
    host.ebb.wait_frozen("probe", 20)
    return reply is not None and reply.status == 200


def reads(host):
    pages = ["/v1/instances", "/v1/usage?service=probe", "/metrics", "/v1/node", "/v1/instances?service=probe"]
    replies = [host.rest("GET", page) for page in pages]
    for one in host.ebb.instances("probe"):
        replies.append(host.rest("GET", f"/v1/instances/{one['id']}/why"))
    return all(r is not None and r.status == 200 for r in replies)


def imports(host):
    made = host.rest("POST", "/v1/images?format=oci-archive&name=again", body=small_archive())
    gone = host.rest("DELETE", "/v1/images/again")
    return bool(made and made.status < 300 and gone and gone.status < 300)


def restarts(host):
    """A program dies and comes back: the last gateway, as others wait ever longer when they die often."""
    host.ebb.end_program("ebb-gateway")
    return wait_for(lambda: (r := host.get("probe")) and r.status == 200, 20, "an answer")


def revives(host):
    host.ebb.end_program("ebbd:zygote")
    wait_for(lambda: (r := host.rest("GET", "/readyz")) and r.status == 200, 20, "to be ready")
    return starts(host)


STEPS = [starts, freezes, reads, imports, restarts, revives]
