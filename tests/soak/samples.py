# SPDX-License-Identifier: Apache-2.0
"""The stocks of a running ebb: memory, descriptors and threads of each of its programs, and what the kernel holds."""
import os

import leaks

PROGRAMS = ("ebb-keeper", "ebbd", "ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick",
            "ebbd:zygote")


def _status(pid, field):
    for line in leaks.read(f"/proc/{pid}/status").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def _own_kib(pid):
    """Memory that no other process shares: pages of its own, without files and shared memory."""
    return _status(pid, "RssAnon")


def _fds(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _name(pid):
    name = leaks.read(f"/proc/{pid}/comm").strip()
    return next((p for p in PROGRAMS if p[:15] == name), None)


def _disk_kib(root):
    total = 0
    for where, _, names in os.walk(root):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks // 2
            except OSError:
                pass
    return total


def take(ebb):
    """{name: value} of this moment. A program that runs several times is the sum of them."""
    found = {}

    def add(name, value):
        found[name] = found.get(name, 0) + value
    mine = [ebb.process.pid, *leaks.descendants(ebb.process.pid)]
    for pid in mine:
        name = _name(pid)
        if name:
            add(name + " KiB", _own_kib(pid))
            add(name + " descriptors", _fds(pid))
            add(name + " threads", _status(pid, "Threads"))
    found["processes"] = len(mine)
    found["cgroups"] = len(leaks.cgroup_dirs(ebb.config["cgroup"]))
    found["mounts of ebbd"] = len(leaks.read(f"/proc/{ebb.ebbd_pid}/mountinfo").splitlines())
    for kind in ("net", "mnt", "user"):
        found[kind + " namespaces"] = len({leaks.link(f"/proc/{p}/ns/{kind}") for p in mine} - {""})
    found["disk KiB (state)"] = _disk_kib(ebb.root + "/state")
    found["disk KiB (images)"] = _disk_kib(ebb.root + "/images")
    found["disk KiB (logs)"] = _disk_kib(ebb.root + "/log")
    found["disk KiB (ledger)"] = _disk_kib(ebb.root + "/ledger")
    found["files below run"] = sum(len(names) for _, _, names in os.walk(ebb.root + "/run"))
    return found
