# SPDX-License-Identifier: Apache-2.0
"""
The content of an image store, without ebb's help: every piece is mounted read-only, in a mount namespace of this
program's own, and listed.

As a program it reads paths of pieces, one a line, and answers each with one line of JSON.
"""
import base64
import ctypes
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 1, 2, 4, 0x4000, 1 << 18
MNT_DETACH = 2
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
         stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFSOCK: "socket"}
HASHED_BYTES = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


def text(name):
    return name.decode("utf-8", "backslashreplace")


def describe(path):
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    found = {"kind": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid,
             "size": st.st_size if kind == "file" else 0, "links": st.st_nlink, "inode": st.st_ino,
             "mtime": st.st_mtime_ns, "rdev": st.st_rdev}
    if kind == "link":
        found["target"] = text(os.readlink(path))
    if kind == "file" and st.st_size <= HASHED_BYTES:
        with open(path, "rb") as f:
            found["sha256"] = hashlib.sha256(f.read()).hexdigest()
    names = os.listxattr(path, follow_symlinks=False)
    if names:
        found["xattrs"] = {n: base64.b64encode(os.getxattr(path, n, follow_symlinks=False)).decode()
                           for n in names}
    return found


def listing(top):
    """{path below top: facts}; "." is top. Paths below may have the greatest length, so they are relative."""
    os.chdir(top)
    try:
        found, todo = {".": describe(b".")}, [b""]
        while todo:
            where = todo.pop()
            for name in os.listdir(where or b"."):
                path = where + b"/" + name if where else name
                what = found[text(path)] = describe(path)
                if what["kind"] == "dir":
                    todo.append(path)
        return found
    finally:
        os.chdir("/")


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def list_piece(piece, where):
    if os.path.isdir(piece):
        return listing(piece)
    check(LIBC.mount(piece.encode(), where.encode(), b"erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, b""),
          f"mount {piece}")
    try:
        return listing(where)
    finally:
        check(LIBC.umount2(where.encode(), MNT_DETACH), "umount")


def main():
    check(LIBC.unshare(CLONE_NEWNS), "unshare")
    check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate")
    with tempfile.TemporaryDirectory() as where:
        check(LIBC.mount(b"none", where.encode(), b"tmpfs", 0, b""), "mount tmpfs")
        os.mkdir(where + "/piece")
        for line in sys.stdin:
            try:
                answer = list_piece(line.rstrip("\n"), where + "/piece")
            except (OSError, ValueError) as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)
        check(LIBC.umount2(where.encode(), MNT_DETACH), "umount")


class Inspector:
    """Begins before the ebbd whose leaks are looked for, and ends behind it."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-B", __file__], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def piece(self, path):
        self.process.stdin.write(path + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


if __name__ == "__main__":
    main()
