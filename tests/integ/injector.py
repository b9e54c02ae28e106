# SPDX-License-Identifier: Apache-2.0
"""
Errors for ebb's own programs, one by one: of system calls, of malloc and of the ring.

When a program of build/MODE/injected (injected.c) starts, `Injector(ebb)` takes its listener and answers all its system
calls: an Order makes some of them fail, all others pass. The calls that a program makes under its own filter are
counted by name.
"""
import fcntl
import mmap
import os
import re
import select
import signal
import struct
import threading
import time

import leaks
import records
from ebb import BIN, PROJECT
from libexec import libexec

INJECTED = os.path.join(BIN, "injected")
PROGRAMS = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick", "ebb-unpack")
RECEIVE, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
SET_FILTER = 1  # SECCOMP_SET_MODE_FILTER
PASSES = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
ASKED = struct.Struct("<QIIiIQ6Q")
ANSWER = struct.Struct("<QqiI")
LOOK_S = 0.005
WAITS = ("epoll_wait", "epoll_pwait", "poll", "io_uring_enter")
FIELDS = ("after", "times", "seen", "failed", "what", "error")


def _calls():
    """{name: number}: the kernel's header, as the Makefile reads it."""
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    with open(os.path.join(os.path.dirname(BIN), os.path.basename(BIN), "gen/call_names.c")) as f:
        found = re.findall(r'^\[(\d+)\] = "(\w+)"', f.read(), re.M)
    assert found, header
    return {name: int(number) for number, name in found}


CALLS = _calls()
NAMES = {number: name for name, number in CALLS.items()}


def policy(program):
    """The calls that a program's filter allows, in its order."""
    where = "images/unpack" if program == "ebb-unpack" else "runtime/" + program[4:]
    with open(os.path.join(PROJECT, where, "seccomp.policy")) as f:
        return list(dict.fromkeys(re.findall(r"^(?:optional )?allow (\w+)", f.read(), re.M)))


class Order:
    """Calls of this name fail with this error: those from number `first` (from 1), `times` of them."""

    def __init__(self, program, call, error, first=1, times=1, only=None):
        self.program, self.call, self.error = program, call, error
        self.first, self.times, self.only = first, times, only
        self.seen = self.failed = 0
        self.process, self.waits = None, 0  # the process whose call failed, and its `waits` then

    def is_over(self):
        """The thread that met the error waits for the next thing again, or is gone. Those of ebb-tick wait for a mix of
        instances, which may be over."""
        return self.program == "ebb-tick" or self.process is None or self.process.gone or self.process.waits > self.waits

    def take(self, process, call, arguments):
        if process.name != self.program or (self.call is not None and call != self.call):
            return 0
        if self.only and not self.only(arguments):
            return 0
        self.seen += 1
        if self.seen < self.first or self.failed >= self.times:
            return 0
        self.failed += 1
        self.process, self.waits = process, process.waits
        return self.error


class Process:
    def __init__(self, pid, name, listener):
        self.pid, self.name, self.listener, self.filtered = pid, name, listener, False
        self.counted = self.gone = False
        self.waits = 0


class Injector:
    def __init__(self, ebb):
        self.ebb, self.processes, self.orders, self.counts = ebb, {}, [], {}
        self.known, self.host = set(), None
        self.at_start = None   # called with each new Process, before its first call
        self.at_filter = None  # called with each Process at its first call under its own filter
        self.witness = None    # called with each call (Process, name, arguments) before it is made
        self.poll = select.poll()
        self.lock, self.ended = threading.Lock(), False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.ended = True
        self.thread.join()

    # --- orders of tests --------------------------------------------------------------------------
    def order(self, *order, **more):
        made = Order(*order, **more)
        with self.lock:
            self.orders = [made]
        return made

    def clear(self):
        with self.lock:
            self.orders = []

    def process(self, name):
        """The Process of this name whose listener is taken, or None."""
        with self.lock:
            return next((p for p in self.processes.values() if p.name == name), None)

    def memory(self, pid):
        """The shared memory of this process: its struct orders (injected.c)."""
        return Commands(pid)

    # --- the answers --------------------------------------------------------------------------------
    def _run(self):
        looked = 0
        while not self.ended:
            if time.monotonic() - looked > LOOK_S:
                self._look()
                looked = time.monotonic()
            for fd, events in self.poll.poll(LOOK_S * 1000):
                if events & select.POLLIN:
                    self._answer(self.processes[fd])
                else:
                    self._forget(fd)
        for fd in list(self.processes):
            self._forget(fd)

    def _look(self):
        self.host = self.ebb.process or self.host  # while it ends it may start programs still
        for pid in leaks.descendants(self.host.pid) if self.host else ():
            if pid not in self.known:
                self._begin(pid)

    def _begin(self, pid):
        name = leaks.read(f"/proc/{pid}/comm").strip()
        if not name.startswith("ebb") and not name.isdigit():
            self.known.add(pid)  # a function
            return
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            return
        for number in numbers:
            if leaks.link(f"/proc/{pid}/fd/{number}") == "anon_inode:seccomp notify":
                self._take(pid, int(number))
                return

    def _take(self, pid, number):
        try:
            listener = records.steal(pid, number)
        except OSError:
            return
        name = os.path.basename(leaks.link(f"/proc/{pid}/exe").split(" (")[0])
        process = Process(pid, name, listener)
        self.known.add(pid)
        if self.at_start:
            self.at_start(process)
        with self.lock:
            self.processes[listener] = process
        self.poll.register(listener, select.POLLIN)

    def _forget(self, fd):
        self.poll.unregister(fd)
        with self.lock:
            process = self.processes.pop(fd)
            self.known.discard(process.pid)
        process.gone = True
        os.close(fd)

    def _answer(self, process):
        asked = bytearray(ASKED.size)
        try:
            fcntl.ioctl(process.listener, RECEIVE, asked)
        except OSError:
            return  # it was interrupted, or is gone
        key, _, _, number, _, _, *arguments = ASKED.unpack(asked)
        error = self._judge(process, NAMES.get(number, str(number)), arguments)
        answer = ANSWER.pack(key, 0, -error, 0 if error else PASSES)
        try:
            fcntl.ioctl(process.listener, SEND, answer)
        except OSError:
            pass

    def _judge(self, process, call, arguments):
        if call == "seccomp" and arguments[0] == SET_FILTER and arguments[2]:  # (libseccomp only asks before)
            process.filtered = True
            return 0
        if not process.filtered:
            return 0
        if self.witness:
            self.witness(process, call, arguments)
        if self.at_filter and not process.counted:
            self.at_filter(process)
        process.counted = True
        with self.lock:
            counts = self.counts.setdefault(process.name, {})
            counts[call] = counts.get(call, 0) + 1
            process.waits += call in WAITS
            for order in self.orders:
                error = order.take(process, call, arguments)
                if error:
                    return error
        return 0


class Shared:
    """Numbers in memory that an injected process shares with its test."""

    def __init__(self, pid, size):
        with open(f"/proc/{pid}/maps") as f:
            where = re.search(r"^([0-9a-f]+-[0-9a-f]+) .* /memfd:ebb-inject", f.read(), re.M)[1]
        fd = os.open(f"/proc/{pid}/map_files/{where}", os.O_RDWR)
        self.map = mmap.mmap(fd, size)
        os.close(fd)

    def number(self, at):
        return struct.unpack_from("<q", self.map, 8 * at)[0]

    def set_number(self, at, value):
        struct.pack_into("<q", self.map, 8 * at, value)

    def close(self):
        self.map.close()


class Commands(Shared):
    """struct orders of injected.c, of one process."""

    def __init__(self, pid):
        super().__init__(pid, 4096)

    def _at(self, kind, field):
        return len(FIELDS) * ("memory", "ring").index(kind) + FIELDS.index(field)

    def get(self, kind, field):
        return self.number(self._at(kind, field))

    def put(self, kind, **fields):
        for field, value in fields.items():
            self.set_number(self._at(kind, field), value)


def injected_libexec(place):
    """A directory of all programs of ebb, the injected ones among them."""
    return libexec(place, {name: os.path.join(INJECTED, name) for name in PROGRAMS
                           if os.path.exists(os.path.join(INJECTED, name))})


def hears(pid):
    """Whether it would take the order, and not die of it."""
    caught = re.search(r"^SigCgt:\t(\w+)", leaks.read(f"/proc/{pid}/status"), re.M)
    return bool(caught and int(caught[1], 16) >> (signal.SIGUSR2 - 1) & 1)


def say_forbidden(pid):
    os.kill(pid, signal.SIGUSR2)
