# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox of a build. Unpacks tars into directories, and packs directories into layers.

unpack FD DIR            unpacks the tar that FD holds into DIR, each member without the first part of its name
pack FD DIR PREFIX OWNER ONLY DATE
                         packs DIR into FD as a layer. All names begin with PREFIX; all files belong to OWNER, an id.
                         ONLY: names of directories, separated by "/"; just these are packed, with all that is in them
                         ("" packs everything). DATE: the time of all files, in seconds ("" keeps each file's own).
"""
import os
import stat
import sys
import tarfile


def unpack(fd, into):
    with tarfile.open(fileobj=os.fdopen(int(fd), "rb"), mode="r|", errors="surrogateescape") as tar:
        tar.extraction_filter = lambda member, path: member  # no filter: the sandbox confines this process
        for member in tar:
            member.name = os.path.join(into, member.name.partition("/")[2])
            if member.islnk():
                member.linkname = os.path.join(into, member.linkname.partition("/")[2])
            member.uid, member.gid = os.getuid(), os.getgid()
            member.mode |= 0o700 if member.isdir() else 0o600
            tar.extract(member, "/", set_attrs=not member.issym(), numeric_owner=True)


def wanted(name, only):
    return not only or any(part in only for part in name.split("/"))


def walk(root):
    for folder, folders, files in os.walk(root):
        links = [f for f in folders if os.path.islink(os.path.join(folder, f))]
        folders[:] = sorted(f for f in folders if f not in links)
        yield folder
        for name in sorted([*files, *links]):
            yield os.path.join(folder, name)


def newest(root):
    """The time of each directory below root: the newest time of its content. Its own time is that of unpacking."""
    times = {}
    for folder, _, _ in os.walk(root, topdown=False):
        below = [times[e.path] if e.path in times else e.stat(follow_symlinks=False).st_mtime
                 for e in os.scandir(folder)]
        times[folder] = max(below, default=0)
    return times


def header(path, name, owner, time):
    found = os.lstat(path)
    info = tarfile.TarInfo(name)
    info.mtime = max(0, int(time))
    info.uid = info.gid = owner
    info.mode = 0o755 if found.st_mode & 0o111 else 0o644
    if stat.S_ISLNK(found.st_mode):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)
    elif stat.S_ISDIR(found.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif stat.S_ISREG(found.st_mode):
        info.size = found.st_size
    else:
        return None
    return info


def check_link(path, root):
    """Refuses a link that leads out of the directory: in the image it would lead nowhere."""
    target = os.path.realpath(path)
    if target != root and not target.startswith(root + "/"):
        sys.exit(f"{path} is a link out of the directory, to {os.readlink(path)}")


def pack(fd, root, prefix, owner, only, date, links_too=False):
    only = [o for o in only.split("/") if o]
    times = newest(root)
    with os.fdopen(int(fd), "wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT,
                      encoding="utf-8", errors="surrogateescape") as tar:
        for path in sorted(walk(root)):
            name = os.path.relpath(path, root)
            if name == "." or not wanted(name, only):
                continue
            time = date or times.get(path) or os.lstat(path).st_mtime
            info = header(path, os.path.join(prefix, name), int(owner), time)
            if os.path.islink(path) and not links_too:
                check_link(path, root)
            if info is None:
                print(f"left out {name}: neither file, directory nor link", file=sys.stderr)
            elif info.isreg():
                with open(path, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
        empty = not tar.getmembers()
        tar.close()
        if empty:
            out.truncate(0)


def main(words):
    {"unpack": unpack, "pack": pack}[words[0]](*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
