# SPDX-License-Identifier: Apache-2.0
"""
Power cuts, replayed: every write, truncation, rename, removal and flush of a program is recorded (by injector.py, which
sees each call before it is made), and for any moment the disk is rebuilt as a cut could leave it. Bytes that were flushed are
there; others may be there, or only some of their sectors, or none.
"""
import os
import struct

import leaks

SECTOR = 512
AT_FDCWD, O_CREAT, O_TRUNC, O_APPEND = 0xFFFFFF9C, 0o100, 0o1000, 0o2000
TEXT_MAX = 4096


def _memory(pid, at, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as f:
        f.seek(at)
        return f.read(size)


def _text(pid, at):
    size = TEXT_MAX - at % TEXT_MAX
    found = _memory(pid, at, size)
    if b"\0" not in found:
        found += _memory(pid, at + size, TEXT_MAX)
    return found.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _inode(path):
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None


class Recorder:
    """Calls of one program (by name) below one directory; calls() is the Injector's witness."""

    def __init__(self, program, top):
        self.program, self.top = program, top
        self.ops = []       # tuples, see Disk.apply
        self.pending = None  # a name that the last call may have made
        self.on = False
        self.at_call = {}   # call -> function(self): further marks

    def start(self):
        self.disk = Disk.of(self.top)
        self.on = True
        return self

    def mark(self, what):
        self.ops.append(("mark", what))

    def _place(self, pid, dir_fd, path):
        """(inode of the directory, name) as this process names it."""
        if path.startswith("/"):
            whole = f"/proc/{pid}/root{path}"
        else:
            whole = f"/proc/{pid}/" + ("cwd" if dir_fd & 0xFFFFFFFF == AT_FDCWD else f"fd/{dir_fd}") + "/" + path
        parent, name = os.path.split(whole)
        return _inode(parent + "/."), name, whole

    def _settle(self):
        """The call before this one may have made a file: its inode is known now."""
        if not self.pending:
            return
        directory, name, whole, before, kind = self.pending
        self.pending, now = None, _inode(whole)
        if now and now != before:
            self.ops.append((kind, directory, name, now))

    def calls(self, process, call, arguments):
        if not self.on or process.name != self.program:
            return
        self._settle()
        take = getattr(self, "_" + call, None)
        if take:
            take(process.pid, *arguments)
        if call in self.at_call:
            self.at_call[call](self)

    def _file(self, pid, fd):
        try:
            return os.stat(f"/proc/{pid}/fd/{fd & 0xFFFFFFFF}").st_ino
        except OSError:
            return None

    # --- calls ----------------------------------------------------------------------------------------
    def _openat(self, pid, dir_fd, path, flags, *_):
        if flags & (O_CREAT | O_TRUNC):
            directory, name, whole = self._place(pid, dir_fd, _text(pid, path))
            before = _inode(whole)
            if before and flags & O_TRUNC:
                self.ops.append(("truncate", before, 0))
            self.pending = directory, name, whole, before, "create"

    def _open(self, pid, path, flags, *rest):
        self._openat(pid, AT_FDCWD, path, flags, *rest)

    def _mkdirat(self, pid, dir_fd, path, *_):
        directory, name, whole = self._place(pid, dir_fd, _text(pid, path))
        self.pending = directory, name, whole, _inode(whole), "mkdir"

    def _write(self, pid, fd, at, size, *_):
        about = dict(line.split(":\t") for line in leaks.read(f"/proc/{pid}/fdinfo/{fd}").splitlines() if ":\t" in line)
        append = int(about["flags"], 8) & O_APPEND
        self.ops.append(("write", self._file(pid, fd), None if append else int(about["pos"]), _memory(pid, at, size)))

    def _pwrite64(self, pid, fd, at, size, offset, *_):
        self.ops.append(("write", self._file(pid, fd), offset, _memory(pid, at, size)))

    def _ftruncate(self, pid, fd, size, *_):
        self.ops.append(("truncate", self._file(pid, fd), size))

    def _fsync(self, pid, fd, *_):
        self.ops.append(("sync", self._file(pid, fd)))

    _fdatasync = _fsync

    def _renameat(self, pid, from_fd, from_path, to_fd, to_path, *_):
        directory, name, _ = self._place(pid, from_fd, _text(pid, from_path))
        to_directory, to_name, _ = self._place(pid, to_fd, _text(pid, to_path))
        self.ops.append(("rename", directory, name, to_directory, to_name))

    def _unlinkat(self, pid, dir_fd, path, *_):
        directory, name, _ = self._place(pid, dir_fd, _text(pid, path))
        self.ops.append(("remove", directory, name))

    def _unlink(self, pid, path, *_):
        self._unlinkat(pid, AT_FDCWD, path)


class File:
    """Bytes that are on the disk for sure, and changes that no flush has followed."""

    def __init__(self, data=b""):
        self.data, self.pending = bytearray(data), []

    @staticmethod
    def change(data, change):
        kind, at, new = change
        if kind == "truncate":
            del data[at:]
            data.extend(bytes(at - len(data)))
            return
        at = len(data) if at is None else at
        data.extend(bytes(max(0, at - len(data))))
        data[at:at + len(new)] = new

    def sync(self):
        for change in self.pending:
            self.change(self.data, change)
        self.pending = []

    def after_cut(self, pick):
        """pick(): 0 nothing of a change, 1 all of it, 2 some sectors."""
        data = bytearray(self.data)
        for kind, at, new in self.pending:
            fate = pick()
            if fate == 1:
                self.change(data, (kind, at, new))
            elif fate == 2 and kind == "write":
                begin = len(data) if at is None else at
                for off in range(0, len(new), SECTOR):
                    if pick() % 2:
                        self.change(data, ("write", begin + off, new[off:off + SECTOR]))
        return bytes(data)


class Folder:
    def __init__(self, names=None):
        self.names, self.pending = dict(names or {}), []

    @staticmethod
    def change(names, change):
        kind, name, value = change
        if kind == "put":
            names[name] = value
        elif kind == "rename" and name in names:
            names[value] = names.pop(name)
        elif kind == "take":
            names.pop(name, None)

    def sync(self):
        for change in self.pending:
            self.change(self.names, change)
        self.pending = []

    def after_cut(self, count):
        """With the first `count` of its changes, as a journal keeps their order."""
        names = dict(self.names)
        for change in self.pending[:count]:
            self.change(names, change)
        return names


class Disk:
    def __init__(self, top):
        self.top, self.inodes = top, {}

    @classmethod
    def of(cls, path):
        disk = cls(_inode(path + "/."))
        for where, folders, files in os.walk(path):
            disk.inodes[_inode(where)] = Folder({n: _inode(os.path.join(where, n)) for n in folders + files
                                                 if n in folders or os.path.isfile(os.path.join(where, n))})
            for name in files:
                whole = os.path.join(where, name)
                if not os.path.isfile(whole):
                    continue  # a socket has no bytes
                with open(whole, "rb") as f:
                    disk.inodes[_inode(whole)] = File(f.read())
        return disk

    def apply(self, op):
        kind, inode, *rest = op
        if kind == "mark" or (kind not in ("create", "mkdir") and inode not in self.inodes):
            return  # below another directory
        if kind in ("create", "mkdir"):
            name, made = rest
            if inode in self.inodes:
                self.inodes[made] = File() if kind == "create" else Folder()
                self.inodes[inode].pending.append(("put", name, made))
        elif kind == "write":
            self.inodes[inode].pending.append(("write", rest[0], rest[1]))
        elif kind == "truncate":
            self.inodes[inode].pending.append(("truncate", rest[0], b""))
        elif kind == "sync":
            self.inodes[inode].sync()
        elif kind == "remove":
            self.inodes[inode].pending.append(("take", rest[0], None))
        elif kind == "rename":
            name, directory, new_name = rest
            assert directory == inode, "renames stay in their directory"
            self.inodes[inode].pending.append(("rename", name, new_name))

    def write(self, path, rng, how):
        """The tree as a cut now could leave it: how is "none", "all" or "some" of what was not flushed."""
        pick = {"none": lambda: 0, "all": lambda: 1, "some": lambda: rng.randrange(3)}[how]

        def put(inode, where):
            thing = self.inodes[inode]
            if isinstance(thing, File):
                with open(where, "wb") as f:
                    f.write(thing.after_cut(pick))
                return
            os.makedirs(where, exist_ok=True)
            pending = len(thing.pending)
            count = {"none": 0, "all": pending, "some": rng.randrange(pending + 1)}[how]
            for name, below in thing.after_cut(count).items():
                if below in self.inodes:
                    put(below, os.path.join(where, name))
        put(self.top, path)


def cuts(recorder):
    """(number of the call, disk, last mark before, first mark behind) at every moment between two calls."""
    marks = [(n, op[1]) for n, op in enumerate(recorder.ops) if op[0] == "mark"]
    disk = recorder.disk
    for n, op in enumerate(recorder.ops):
        before = [what for at, what in marks if at <= n]
        behind = [what for at, what in marks if at > n]
        yield n, disk, before[-1] if before else None, behind[0] if behind else None
        disk.apply(op)
