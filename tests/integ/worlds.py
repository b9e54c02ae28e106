# SPDX-License-Identifier: Apache-2.0
"""
A host and the world behind it, as two network namespaces of a test's own.

    instances -- ebbd's host ("host") -- eth0 -- "world": servers at addresses for documentation

The test's process enters "host", and so is in it every ebbd that it starts; the servers run in "world". The names of
both namespaces have the number of this process in them. They are removed at the end of the `with` block, also after an
error.
"""
import contextlib
import ctypes
import itertools
import os
import re
import subprocess
import sys

from waiting import wait_for

CLONE_NEWNET = 0x40000000
NUMBERS = itertools.count()
SERVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "world_servers.py")

# Addresses at both ends of the cable, then addresses of the world's loopback.
ROUTER4, HOST4 = "192.0.2.1", "192.0.2.2"
ROUTER6, HOST6 = "2001:db8:1::1", "2001:db8:1::2"
PUBLIC4, PUBLIC6 = "198.51.100.7", "2001:db8:2::7"
OTHER4 = "203.0.113.9"
DATABASE4, DATABASE6 = "10.0.0.5", "fd00:1::5"


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def enter(path):
    """Moves this thread, and what it makes from now on, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(fd)


class World:
    """addresses: more addresses of the world's side beside its usual ones, each served on all of `ports`."""

    def __init__(self, addresses=(), ports=(80, 5432), default_route=True, v6=True):
        name = f"ebbt{os.getpid()}-{next(NUMBERS)}"
        self.host, self.world = name + "h", name + "w"
        self.addresses = [PUBLIC4, OTHER4, DATABASE4, PUBLIC6, DATABASE6, *addresses]
        self.ports, self.default_route, self.v6 = ports, default_route, v6
        self.servers = []
        self.spare = ()  # interfaces of the host that a test made

    def __enter__(self):
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            self._make()
            enter(f"/run/netns/{self.host}")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        enter(f"/proc/self/fd/{self.home}")
        self._remove()

    def ip(self, where, *words):
        return run("ip", "-n", where, *words)

    def _make(self):
        for name in (self.host, self.world):
            run("ip", "netns", "add", name)
            self.ip(name, "link", "set", "lo", "up")
        self.ip(self.host, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.world)
        for where, four, six in ((self.host, HOST4, HOST6), (self.world, ROUTER4, ROUTER6)):
            self.ip(where, "addr", "add", f"{four}/24", "dev", "eth0")
            self.ip(where, "addr", "add", f"{six}/64", "dev", "eth0", "nodad")
            self.ip(where, "link", "set", "eth0", "up")
        for address in self.addresses:
            self.ip(self.world, "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
        if self.default_route:
            self.ip(self.host, "route", "add", "default", "via", ROUTER4)
            self.ip(self.host, "route", "add", "default", "via", ROUTER6)
        if self.v6:
            self.sysctl("net/ipv6/conf/all/forwarding", "1")
        self.serve(self.world, *self.addresses, ROUTER4, ROUTER6)

    def inside(self, where, *words):
        return ["nsenter", f"--net=/run/netns/{where}", *words]

    def sysctl(self, name, value):
        run(*self.inside(self.host, "sh", "-c", f"echo {value} > /proc/sys/{name}"))

    def serve(self, where, *addresses, ports=None):
        """Servers that say who they are and who asks, over TCP and UDP, until the world ends."""
        process = subprocess.Popen(
            self.inside(where, sys.executable, "-B", SERVERS, ",".join(map(str, ports or self.ports)), *addresses),
            stdout=subprocess.PIPE, text=True)
        self.servers.append(process)
        assert process.stdout.readline() == "ready\n", "a server of the world did not start"

    def links(self, where=None):
        """Names of interfaces."""
        lines = self.ip(where or self.host, "-o", "link").splitlines()
        return [line.split(": ")[1].split("@")[0] for line in lines]

    def tables(self):
        """Names of nf_tables tables of the host."""
        out = run(*self.inside(self.host, "nft", "list", "tables"))
        return [line.split()[-1] for line in out.splitlines()]

    def rules(self):
        return run(*self.inside(self.host, "nft", "-s", "list", "ruleset"))

    def elements(self):
        """{set: its elements} of all sets with any. From the text, as the JSON of nft 1.0.6 is cut behind the flag of
        an owned table, which it has freed by then."""
        sets = re.findall(r"\n\tset (\w+) \{(.*?)\n\t\}", self.rules(), re.S)
        lists = {name: re.search(r"elements = \{(.*?)\}", body, re.S) for name, body in sets}
        return {name: one.group(1).split(",") for name, one in lists.items() if one}

    def assert_nothing_left(self):
        def left():
            return [name for name in self.links() if name not in ("lo", "eth0", *self.spare)] + self.tables()
        wait_for(lambda: not left(), 10, f"the host to be as it was: {left()}")

    def clear(self):
        """Removes what an ebbd left that failed."""
        run(*self.inside(self.host, "nft", "flush", "ruleset"))
        for name in self.links():
            if name not in ("lo", "eth0", *self.spare):
                with contextlib.suppress(subprocess.CalledProcessError):
                    self.ip(self.host, "link", "del", name)

    def _remove(self):
        for process in self.servers:
            process.kill()
            process.wait()
            process.stdout.close()
        for name in (self.host, self.world):
            with contextlib.suppress(subprocess.CalledProcessError):
                run("ip", "netns", "del", name)
        os.close(self.home)
