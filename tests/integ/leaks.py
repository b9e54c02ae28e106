# SPDX-License-Identifier: Apache-2.0
"""
Leftovers of an ebbd: processes, control groups, mounts, network namespaces.

The harness makes itself a subreaper (prctl(2)): a process that outlives its ebbd becomes a child of the harness, and so
is found under any name. Network namespaces are noted while ebbd runs and looked for afterwards, and cgroups are
looked for in ebbd's own tree, so other programs of this host, coming and going, change nothing.
"""
import ctypes
import glob
import os

from waiting import wait_for

PR_SET_CHILD_SUBREAPER = 36
CGROUP_ROOT = "/sys/fs/cgroup"
RUNNING = set()  # the ebbds that the harness started, and waits for elsewhere


def become_subreaper():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as f:
                found += [int(p) for p in f.read().split()]
        except OSError:
            pass
    return found


def descendants(pid, but=frozenset()):
    """Everything below a process, except below one of `but`."""
    found, todo = [], [pid]
    while todo:
        todo += (new := [p for p in children(todo.pop()) if p not in but])
        found += new
    return found


def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def cgroup_of(pid):
    """The cgroup2 directory of a process."""
    below = [line[3:] for line in read(f"/proc/{pid}/cgroup").splitlines()
             if line.startswith("0::")][0]
    top = "/sys/fs/cgroup"
    if not read(top + "/cgroup.controllers"):
        top = "/sys/fs/cgroup/unified"
    return top + below


def describe(pid):
    line = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    return f"{pid} ({read(f'/proc/{pid}/comm').strip()}: {line})"


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def cgroup_dirs(tree):
    """Every directory of this tree in every hierarchy: at its top or below our own cgroup."""
    own = {line.split(":", 2)[2].strip("/") for line in read("/proc/self/cgroup").splitlines()}
    tops = [CGROUP_ROOT] + [p for p in glob.glob(CGROUP_ROOT + "/*") if os.path.ismount(p)]
    found = set()
    for top in tops:
        for below in own | {""}:
            found.update(glob.glob(os.path.join(top, below, tree)))
            found.update(glob.glob(os.path.join(top, below, "*", tree)))
    return [where for path in sorted(found) for where, _, _ in os.walk(path)]


def orphans(known):
    """Our children but those of `known` and the ebbds themselves: adopted ones."""
    return set(children(os.getpid())) - known - RUNNING


def reap_orphans(known):
    """Collects the exit codes of adopted children."""
    for pid in orphans(known):
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


class Witness:
    def __init__(self, tree, root):
        self.tree, self.root = tree, root
        self.namespaces = set()
        self.children_before = set(children(os.getpid()))
        self.own_namespace = link("/proc/self/ns/net")

    def note(self, pid):
        """Remembers the network namespaces of everything below ebbd."""
        for p in descendants(pid) + [pid]:
            name = link(f"/proc/{p}/ns/net")
            if name and name != self.own_namespace:
                self.namespaces.add(name)

    def left(self):
        reap_orphans(self.children_before)
        faults = [f"process {describe(p)}"
                  for p in orphans(self.children_before)]
        faults += [f"cgroup {d}" for d in cgroup_dirs(self.tree)]
        faults += [f"mount {line}" for line in read("/proc/self/mountinfo").splitlines()
                   if f" {self.root}" in line or any(n in line for n in self.namespaces)]
        # Only our descendants: the kernel uses the number of a namespace that is gone again at once.
        faults += [f"network namespace held by {describe(p)}" for p in descendants(os.getpid(), RUNNING)
                   if link(f"/proc/{p}/ns/net") in self.namespaces]
        for path in glob.glob("/proc/[0-9]*"):
            if link(path + "/cwd").startswith(self.root):
                faults.append(f"working directory below the root: {describe(os.path.basename(path))}")
        return faults

    def assert_nothing_left(self):
        try:
            wait_for(lambda: not self.left(), 5)
        except AssertionError:
            raise AssertionError("left behind:\n" + "\n".join(self.left())) from None
