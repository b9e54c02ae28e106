#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Runs a command and notes which basic blocks the filtered programs of a MODE=cov build ran meanwhile, before and under
their filters.

usage: collect.py BIN FILE -- COMMAND...      BIN: where those programs are

Every few milliseconds it looks for new processes of those programs and opens their maps (tests/cov/cover.c); it reads
the map of a process when the process is gone. The findings are added to FILE (for report.py) if FILE is of the same
programs, and else replace FILE. Needs root, for /proc/PID/map_files. Exits with the status of the command.
"""
import hashlib
import os
import pickle
import re
import subprocess
import sys
import time

PROGRAMS = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick", "ebb-unpack")
POLL_S = 0.003
MAP = re.compile(r"^([0-9a-f]+-[0-9a-f]+) .* /memfd:ebb-cover", re.M)


def programs_in(binaries):
    """{(device, inode): name} of the programs of this build: another one may run beside, with other places."""
    found = {}
    for name in [*PROGRAMS, *(f"injected/{name}" for name in PROGRAMS)]:
        there = os.stat(os.path.join(binaries, name))
        found[there.st_dev, there.st_ino] = name
    return found


class Collection:
    def __init__(self, programs):
        self.programs = programs
        self.open, self.known, self.marks, self.processes = {}, set(), {}, {}

    def look(self):
        pids = {name for name in os.listdir("/proc") if name.isdigit()}
        for pid in [pid for pid in self.open if pid not in pids]:
            self.read(pid)
        self.known &= pids
        for pid in pids - self.known - self.open.keys():
            self.begin(pid)

    def begin(self, pid):
        """A process whose name begins with ebb may still execute one of the programs, so it is looked at again."""
        try:
            with open(f"/proc/{pid}/comm") as f:
                name = f.read().strip()
            if name not in PROGRAMS:
                if not name.startswith("ebb"):
                    self.known.add(pid)
                return
            with open(f"/proc/{pid}/maps") as f:
                maps = f.read()
            there = os.stat(f"/proc/{pid}/exe")
            name = self.programs.get((there.st_dev, there.st_ino))
            found = MAP.search(maps)
            if found and name:
                self.open[pid] = (name, os.open(f"/proc/{pid}/map_files/{found[1]}", os.O_RDONLY))
        except OSError:
            pass  # it is gone

    def read(self, pid):
        name, fd = self.open.pop(pid)
        size = os.fstat(fd).st_size
        marks = int.from_bytes(os.pread(fd, size, 0), "little")
        os.close(fd)
        self.marks[name] = self.marks.get(name, 0) | marks
        self.processes[name] = self.processes.get(name, 0) + 1

    def end(self):
        for pid in list(self.open):
            self.read(pid)


def identity(binaries):
    """A digest of the programs as they are linked now: a mark is a place in one of these files."""
    whole = hashlib.sha256()
    for folder in (binaries, os.path.join(binaries, "injected")):
        for name in PROGRAMS:
            with open(os.path.join(folder, name), "rb") as f:
                whole.update(f.read())
    return whole.hexdigest()


def earlier(path, programs):
    """The earlier findings, if they are of the same programs."""
    try:
        with open(path, "rb") as f:
            found = pickle.load(f)
    except OSError:
        return {}, {}
    if found.get("programs") != programs:
        return {}, {}
    return {name: int.from_bytes(marks, "little") for name, marks in found["marks"].items()}, found["processes"]


def main(binaries, path, command):
    found, programs = Collection(programs_in(binaries)), identity(binaries)
    found.marks, found.processes = earlier(path, programs)
    process = subprocess.Popen(command)
    while process.poll() is None:
        found.look()
        time.sleep(POLL_S)
    found.end()
    with open(path, "wb") as f:
        pickle.dump({"programs": programs, "marks": {name: marks.to_bytes((marks.bit_length() + 7) // 8, "little")
                               for name, marks in found.marks.items()}, "processes": found.processes}, f)
    return process.returncode


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[3] != "--":
        sys.exit("usage: collect.py BIN FILE -- COMMAND...")
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[4:]))
