# SPDX-License-Identifier: Apache-2.0
"""Packs the function's directory into a tar, byte for byte.

This runs as the caller of `ebb build`, who may be root, so it only lists, opens and copies: each step opens one name
below a descriptor and follows no link, and no content is parsed. In the tar all files belong to the function's user
(uid 1000) and are readable. Links that lead out of the directory, devices, pipes and sockets are refused.
"""
import os
import stat
import tarfile

from words import Refused, name, say

APP_ID = 1000
DEPTH_MAX, PATH_MAX, LINKS_MAX = 128, 4000, 40
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
KINDS = {stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
         stat.S_IFBLK: "a device"}


class Tree:
    """The files of a project: path (bytes, relative) -> "file", "directory" or the target of a link."""

    def __init__(self):
        self.found = {b"": "directory"}
        self.programs = set()

    def resolve(self, path):
        """Follows the links of a path by the rules of path_resolution(7) and returns the path without links.
        Raises Refused if the path leaves the directory."""
        todo, here, links = path.split(b"/")[::-1], [], 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                if not here:
                    raise Refused("out")
                here.pop()
                continue
            what = self.found.get(b"/".join([*here, part]))
            if what is None:
                # Nothing is there yet; the rest of the path must still not lead out.
                here.append(part)
                continue
            if isinstance(what, bytes):
                links += 1
                if what.startswith(b"/") or links > LINKS_MAX:
                    raise Refused("out")
                todo += what.split(b"/")[::-1]
                continue
            here.append(part)
        return b"/".join(here)

    def kind(self, path):
        """The kind of the file that the path leads to: "file", "directory" or None."""
        try:
            return self.found.get(self.resolve(path))
        except Refused:
            return None


class Collector:
    def __init__(self, tar, limits, date, without=frozenset()):
        self.tar, self.date, self.without = tar, date, without
        self.bytes_max, self.files_max = limits
        self.tree = Tree()
        self.bytes = 0

    def left_out(self, path, found):
        """Whether a file stays out of the image: names without use there, and .npmrc, where npm keeps secrets."""
        last = path.rpartition(b"/")[2]
        return (path in (b".git", b".ebb", b"ebb.json", b"vercel.json") or path in self.without or last in (b"__pycache__", b".npmrc")
                or last.endswith(b".oci.tar") and stat.S_ISREG(found.st_mode))

    def header(self, path, found, kind):
        info = tarfile.TarInfo(os.fsdecode(b"app/" + path if path else b"app"))
        info.type = kind
        info.mtime = max(0, int(found.st_mtime)) if self.date is None else self.date
        info.uid = info.gid = APP_ID
        info.mode = 0o755 if kind == tarfile.DIRTYPE or found.st_mode & 0o111 else 0o644
        return info

    def names(self, fd):
        """The names in a directory; no more of them are read than may be in the image."""
        found = []
        with os.scandir(fd) as entries:
            for entry in entries:
                found.append(os.fsencode(entry.name))
                if len(found) > self.files_max:
                    self.too_many()
        return found

    def too_many(self):
        raise Refused(f"more than {self.files_max} files (EBB_BUILD_FILES raises the limit)")

    def count(self, path, size):
        self.bytes += size
        if len(self.tree.found) > self.files_max:
            self.too_many()
        if self.bytes > self.bytes_max:
            raise Refused(f"more than {self.bytes_max >> 20} MB, at {name(path)} (EBB_BUILD_SIZE_MB raises "
                          "the limit)")
        if len(path) > PATH_MAX:
            raise Refused(f"{name(path)}: a path longer than {PATH_MAX} bytes")

    def link(self, parent_fd, entry, path, found):
        target = os.fsencode(os.readlink(entry, dir_fd=parent_fd))
        self.tree.found[path] = target
        info = self.header(path, found, tarfile.SYMTYPE)
        info.mode, info.linkname = 0o777, os.fsdecode(target)
        self.tar.addfile(info)

    def file(self, parent_fd, entry, path, found):
        self.count(path, found.st_size)
        with open(os.open(entry, OPEN, dir_fd=parent_fd), "rb") as file:
            now = os.fstat(file.fileno())
            if not stat.S_ISREG(now.st_mode) or now.st_size != found.st_size:
                raise Refused(f"{name(path)} changed while it was read")
            info = self.header(path, now, tarfile.REGTYPE)
            info.size = now.st_size
            try:
                self.tar.addfile(info, file)
            except OSError as error:
                raise Refused(f"{name(path)} cannot be read whole: {error.strerror or error}") from None
        self.tree.found[path] = "file"
        if now.st_mode & 0o111:
            self.tree.programs.add(path)

    def entry(self, parent_fd, entry, path, depth):
        found = os.stat(entry, dir_fd=parent_fd, follow_symlinks=False)
        if self.left_out(path, found):
            return
        self.count(path, 0)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            self.directory(parent_fd, entry, path, depth)
        elif kind == stat.S_IFREG:
            self.file(parent_fd, entry, path, found)
        elif kind == stat.S_IFLNK:
            self.link(parent_fd, entry, path, found)
        else:
            raise Refused(f"{name(path)} is {KINDS.get(kind, 'no file')}: an image holds files, directories "
                          "and links")

    def directory(self, parent_fd, entry, path, depth):
        if depth > DEPTH_MAX:
            raise Refused(f"{name(path)}: more than {DEPTH_MAX} directories in each other")
        fd = os.open(entry, OPEN | os.O_DIRECTORY, dir_fd=parent_fd)
        try:
            inside = sorted(self.names(fd))
            if path and b"pyvenv.cfg" in inside:
                say(f"{name(path)} is a virtual environment of this machine: it is left out")
                return
            self.tar.addfile(self.header(path, os.fstat(fd), tarfile.DIRTYPE))
            self.tree.found[path] = "directory"
            for entry_name in inside:
                below = path + b"/" + entry_name if path else entry_name
                try:
                    self.entry(fd, entry_name, below, depth + 1)
                except OSError as error:
                    raise Refused(f"cannot read {name(below)}: {error.strerror}") from None
        finally:
            os.close(fd)

    def check_links(self):
        for path, target in self.tree.found.items():
            if not isinstance(target, bytes):
                continue
            try:
                self.tree.resolve(path)
            except Refused:
                raise Refused(
                    f"{name(path)} is a link out of the directory, to {name(target)}: it would lead nowhere "
                    "in the image. Copy what it shows to its place (npm workspaces: build the "
                    "workspaces' root, or install with --install-links)") from None


def collect(source, out, limits, date, without=frozenset()):
    """Writes the tar of a directory to out and returns its Tree. without: paths (bytes) that stay out."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8",
                      errors="surrogateescape") as tar:
        collector = Collector(tar, limits, date, without)
        try:
            root_fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Refused(f"cannot read {name(source)}: {error.strerror}") from None
        try:
            collector.directory(root_fd, b".", b"", 0)
        finally:
            os.close(root_fd)
        collector.check_links()
    return collector.tree
