# SPDX-License-Identifier: Apache-2.0
"""
Shapes of layers for a comparison with another unpacker. A shape is a function: it gets a Maker, which puts all names
below a directory of the shape's own, so that many shapes fit into one image, and returns layers, each a list of
entries. The shapes in ALONE are about the root directory or whole layers and have an image each.
"""
import random

import tars
from tars import FIFO, pax


class Maker:
    def __init__(self, top):
        self.top = top
        self.clock = 1000000000

    def path(self, name):
        return f"{self.top}/{name}" if self.top and name else self.top or name or "./"

    def _more(self, more):
        """Every entry has a time of its own, unless it says one."""
        self.clock += 1
        return {"mtime": self.clock, **more}

    def d(self, name, mode=0o755, **more):
        return tars.folder(self.path(name), mode=mode, **self._more(more))

    def f(self, name, data=b"data", **more):
        return tars.member(self.path(name), data if isinstance(data, bytes) else data.encode(), **self._more(more))

    def l(self, name, target, **more):
        """A symbolic link. A leading / in target means the shape's own top directory."""
        if target.startswith("/"):
            target = "/" + self.path(target.lstrip("/"))
        return tars.symlink(self.path(name), target, **self._more(more))

    def h(self, name, target, **more):
        return tars.link(self.path(name), self.path(target), **self._more(more))

    def p(self, name, **more):
        return tars.member(self.path(name), kind=FIFO, **self._more(more))

    def wh(self, name):
        above, _, last = name.rpartition("/")
        return tars.member(self.path((above + "/" if above else "") + ".wh." + last), **self._more({}))

    def opq(self, name=""):
        return tars.member(self.path(name + "/.wh..wh..opq" if name else ".wh..wh..opq"), **self._more({}))


def base(m):
    """The entries that most shapes begin with."""
    return [m.d("d", 0o750, uid=10, gid=20), m.f("d/f", "one", mode=0o640, uid=11, gid=21), m.d("d/e", 0o1777),
            m.f("d/e/g", "two"),
            m.l("d/l", "f"), m.f("r", "root's")]


def usr(m):
    """A merged /usr, as Debian and Fedora have it."""
    return [m.d("usr"), m.d("usr/lib", 0o751, gid=5), m.f("usr/lib/old", "old"), m.d("usr/bin"), m.l("lib", "usr/lib"),
            m.l("bin", "/usr/bin")]


SHAPES = {
    # names, types, modes, owners, times
    "plain": lambda m: [base(m)],
    "modes": lambda m: [[m.f(f"m{mode:o}", mode=mode) for mode in (0, 0o1, 0o444, 0o600, 0o777, 0o4755, 0o2755, 0o6711,
                                                                   0o1644)]
                        + [m.d(f"d{mode:o}", mode) for mode in (0o700, 0o555, 0o1777, 0o2775, 0o3777, 0)]],
    "owners": lambda m: [[m.f(f"{uid}-{gid}", uid=uid, gid=gid)
                          for uid, gid in ((0, 0), (1, 2), (1000, 1000), (65534, 65534), (65535, 0))]
                         + [m.l("l", "x", uid=7, gid=8), m.d("d", uid=9, gid=10), m.p("p", uid=3, gid=4)]],
    "setuid_and_owner": lambda m: [[m.f("su", mode=0o4755, uid=1000, gid=1000), m.f("sg", mode=0o2755, uid=5, gid=6),
                                    m.d("dg", 0o2770, uid=5, gid=6)]],
    "times": lambda m: [[m.f("zero", mtime=0), m.f("one", mtime=1), m.f("y1980", mtime=315532801),
                         m.f("y2100", mtime=4102444800), m.d("d", mtime=2),
                         m.l("l", "x", mtime=3), m.p("p", mtime=4)]],
    "times_in_parts": lambda m: [[pax(("mtime", "1234567890.123456789")) + m.f("f"), pax(("mtime", "5.5")) + m.d("d"),
                                  pax(("mtime", "6.000000001")) + m.l("l", "x")]],
    "time_of_a_directory_that_is_filled": lambda m: [[m.d("d", mtime=77), m.f("d/f"), m.d("d/e", mtime=78),
                                                      m.f("d/e/g")], [m.f("d/new"), m.f("d/e/new")]],
    "times_of_parents": lambda m: [base(m), [m.f("d/e/new")], [m.wh("d/f")], [m.l("d/e/k", "x")],
                                   [m.h("d/e/hard", "r")]],
    "odd_names": lambda m: [[pax(("path", m.path(name))) + m.f("x") for name in
                             ("a b", "a\nb", "\u00e4\u00f6", "\U0001f4a9", "-rf", "*", "...", "x.", "a\\b", "'\"",
                              ".hidden", "%s", ".wh", ".whx", "wh.x")]],
    "long_names": lambda m: [[pax(("path", m.path("n" * 254))) + m.f("x"),
                              pax(("path", m.path("/".join(["d" * 100] * 20)))) + m.f("x")]],
    "long_target": lambda m: [[pax(("linkpath", "t/" * 1500 + "e")) + m.l("l", "x")]],
    "deep": lambda m: [[m.f("/".join("abcdefghij" * 3))], [m.f("/".join("abcdefghij" * 2) + "/new")]],
    "dots_in_paths": lambda m: [[tars.member("./" + m.path("a/./b"), b"1", mtime=5),
                                 tars.member(m.path("a//c"), b"2", mtime=6),
                                 tars.folder("/" + m.path("abs") + "/", mtime=7)]],
    "fifo": lambda m: [[m.p("p", mode=0o620)], [m.p("q")], [m.wh("p")]],
    "empty_files": lambda m: [[m.f("e", "", mode=0o600), m.f("f", "x" * 5000)], [m.f("f", "")]],
    "big_file": lambda m: [[m.f("big", b"0123456789abcdef" * 8192)], [m.f("big2", b"x" * 70001)]],
    "sparse_file": lambda m: [[pax(("GNU.sparse.major", 1), ("GNU.sparse.minor", 0),
                                   ("GNU.sparse.name", m.path("holes")), ("GNU.sparse.realsize", 100000))
                               + tars.member("x", tars.padded(b"1\n90000\n5\n") + b"12345", mtime=9)]],
    "attributes": lambda m: [[pax(("SCHILY.xattr.user.a", "1"), ("SCHILY.xattr.user.b", b"\0\xff")) + m.f("f"),
                              pax(("SCHILY.xattr.user.d", "dir")) + m.d("d")]],
    "attributes_changed": lambda m: [[pax(("SCHILY.xattr.user.a", "1"), ("SCHILY.xattr.user.b", "2")) + m.f("f"),
                                      pax(("SCHILY.xattr.user.d", "dir")) + m.d("d")],
                                     [pax(("SCHILY.xattr.user.b", "3")) + m.f("f"), m.d("d")], [m.f("d/x")]],
    "attributes_of_a_parent": lambda m: [[pax(("SCHILY.xattr.user.d", "dir")) + m.d("d", 0o711, uid=3)], [m.f("d/x")],
                                         [m.wh("d/x")]],
    "capability": lambda m: [[pax(("SCHILY.xattr.security.capability", b"\1\0\0\2\0\4\0\0" + bytes(12)))
                              + m.f("ping", mode=0o755)]],
    # replacing
    "file_over_file": lambda m: [base(m), [m.f("d/f", "new", mode=0o600)], [m.f("d/f", "newer", uid=5)]],
    "file_over_link": lambda m: [base(m), [m.f("d/l", "no link")]],
    "file_over_directory": lambda m: [base(m), [m.f("d/e", "no directory")]],
    "file_over_fifo": lambda m: [[m.p("x")], [m.f("x")]],
    "file_over_full_tree": lambda m: [base(m), [m.f("d", "no tree")]],
    "directory_over_file": lambda m: [base(m), [m.d("r", 0o700), m.f("r/x")]],
    "directory_over_link": lambda m: [base(m), [m.d("d/l"), m.f("d/l/x")]],
    "directory_over_link_to_directory": lambda m: [usr(m), [m.d("lib"), m.f("lib/x")]],
    "directory_over_fifo": lambda m: [[m.p("x")], [m.d("x"), m.f("x/y")]],
    "directory_over_directory": lambda m: [base(m), [m.d("d", 0o700, uid=1, gid=1)], [m.d("d/e", 0o711)]],
    "link_over_file": lambda m: [base(m), [m.l("d/f", "e/g")]],
    "link_over_directory": lambda m: [base(m), [m.l("d/e", "../r")]],
    "link_over_link": lambda m: [base(m), [m.l("d/l", "e")]],
    "fifo_over_directory": lambda m: [base(m), [m.p("d/e")]],
    "forth_and_back": lambda m: [[m.f("x", "1")], [m.d("x"), m.f("x/y")], [m.l("x", "r")], [m.f("x", "4")],
                                 [m.d("x"), m.f("x/z")]],
    "twice_in_a_layer": lambda m: [[m.f("x", "first", mode=0o600), m.f("x", "second", mode=0o644), m.d("d", 0o700),
                                    m.d("d", 0o755)]],
    "types_twice_in_a_layer": lambda m: [[m.f("x", "1"), m.d("x"), m.f("x/y"), m.l("z", "x"), m.f("z", "2")]],
    "directory_behind_its_files": lambda m: [[m.f("d/x"), m.f("d/e/y"), m.d("d", 0o700, uid=4), m.d("d/e", 0o500)]],
    # links
    "links_of_all_kinds": lambda m: [base(m), [m.l("abs", "/d/f"), m.l("rel", "d/f"), m.l("up",
        "../../../../etc/passwd"), m.l("none", "not/there"), m.l("self", "self"),
                                               m.l("dot", "."), m.l("slash", "d/")]],
    "hard_link": lambda m: [[m.f("a", "1", mode=0o640, uid=3), m.h("b", "a"), m.h("c", "b")]],
    "hard_link_below": lambda m: [base(m), [m.h("h", "d/f")], [m.h("i", "h")]],
    "hard_link_to_link": lambda m: [[m.l("l", "x"), m.h("k", "l")]],
    "hard_link_over": lambda m: [base(m), [m.f("a", "a"), m.h("d/f", "a"), m.h("d/l", "a")]],
    "hard_link_to_itself_above": lambda m: [[m.f("a", "1"), m.h("b", "a")], [m.h("b", "a")]],
    "hard_link_over_directory": lambda m: [base(m), [m.h("d/e", "r")]],
    "hard_link_to_fifo": lambda m: [[m.p("p"), m.h("q", "p")]],
    "hard_link_one_is_replaced": lambda m: [[m.f("a", "1"), m.h("b", "a"), m.f("a", "2")]],
    "hard_link_one_is_removed": lambda m: [[m.f("a", "1"), m.h("b", "a")], [m.wh("a")]],
    "hard_link_through_link": lambda m: [usr(m), [m.h("usr/lib/new", "lib/old")], [m.h("lib/newer", "usr/lib/new")]],
    "hard_link_in_new_directory": lambda m: [base(m), [m.h("n/e/w", "d/f")]],
    # through links
    "through_relative_link": lambda m: [usr(m), [m.f("lib/x")]],
    "through_absolute_link": lambda m: [usr(m), [m.f("bin/x", mode=0o755), m.d("bin/d", 0o700)]],
    "through_link_of_same_layer": lambda m: [[*usr(m), m.f("lib/x"), m.d("lib/d"), m.l("lib/l", "x")]],
    "through_links_to_links": lambda m: [usr(m), [m.l("a", "/b"), m.l("b", "usr/c"), m.l("usr/c", "../lib")],
                                         [m.f("a/deep/x")]],
    "through_link_in_the_middle": lambda m: [[m.d("x"), m.d("x/real"), m.l("x/l", "real")], [m.f("x/l/a/b")]],
    "through_link_up": lambda m: [[m.d("a"), m.d("a/b"), m.d("c"), m.l("a/b/l", "../../c")], [m.f("a/b/l/x")]],
    "through_link_to_nothing": lambda m: [[m.l("data", "srv/data")], [m.f("data/x")]],
    "through_link_that_is_replaced": lambda m: [usr(m), [m.f("lib/a")], [m.d("lib"), m.f("lib/b")]],
    "directory_through_link_again": lambda m: [usr(m), [m.d("lib/d"), m.f("lib/d/x")], [m.d("usr/lib/d", 0o700)],
                                               [m.f("lib/d/y")]],
    "whiteout_through_link": lambda m: [usr(m), [m.f("lib/other")], [m.wh("lib/old")]],
    "opaque_through_link": lambda m: [usr(m), [m.f("lib/other"), m.opq("lib")]],
    "whiteout_of_link": lambda m: [usr(m), [m.wh("lib")], [m.f("lib/x")]],
    "file_over_link_to_directory": lambda m: [usr(m), [m.f("lib", "file")]],
    # whiteouts
    "whiteout": lambda m: [base(m), [m.wh("d/f")], [m.wh("r")]],
    "whiteout_of_directory": lambda m: [base(m), [m.wh("d/e")]],
    "whiteout_of_tree": lambda m: [base(m), [m.wh("d")]],
    "whiteout_of_nothing": lambda m: [base(m), [m.wh("no"), m.wh("d/no")]],
    "whiteout_and_again": lambda m: [base(m), [m.wh("d/f")], [m.f("d/f", "again")]],
    "whiteout_of_tree_and_again": lambda m: [base(m), [m.wh("d")], [m.d("d", 0o700), m.f("d/x")]],
    "whiteout_of_tree_and_implied": lambda m: [base(m), [m.wh("d")], [m.d("d"), m.d("d/e"), m.f("d/e/x")]],
    "whiteout_before_its_file": lambda m: [base(m), [m.wh("d/f"), m.f("d/f", "new")]],
    "whiteout_behind_its_file": lambda m: [base(m), [m.f("d/f", "new"), m.wh("d/f")]],
    "whiteout_before_its_tree": lambda m: [base(m), [m.wh("d"), m.d("d", 0o711), m.f("d/x")]],
    "whiteout_behind_its_tree": lambda m: [base(m), [m.d("d", 0o711), m.f("d/x"), m.wh("d")]],
    "whiteouts_in_every_layer": lambda m: [[m.f("x", "1")], [m.wh("x")], [m.f("x", "2")], [m.wh("x")], [m.f("x", "3")]],
    "whiteout_of_link_target": lambda m: [base(m), [m.wh("d/f")]],
    "whiteout_alone_keeps_its_directory": lambda m: [base(m), [m.wh("d/e/g")]],
    "whiteout_of_a_name_with_wh": lambda m: [[m.f("d/x.wh.y"), m.f("d/wh.x")], [m.wh("d/wh.x")]],
    "whiteout_below_a_whiteout": lambda m: [base(m), [m.wh("d/e/g"), m.wh("d/e")]],
    "opaque": lambda m: [base(m), [m.d("d", 0o700), m.opq("d"), m.f("d/new")]],
    "opaque_behind": lambda m: [base(m), [m.d("d", 0o700), m.f("d/new"), m.d("d/n"), m.f("d/n/x"), m.opq("d")]],
    "opaque_alone": lambda m: [base(m), [m.opq("d")]],
    "opaque_twice": lambda m: [base(m), [m.opq("d"), m.f("d/a")], [m.opq("d"), m.f("d/b")]],
    "opaque_keeps_what_it_brings_again": lambda m: [base(m), [m.opq("d"), m.d("d/e", 0o700), m.f("d/f", "again")]],
    "opaque_and_above": lambda m: [base(m), [m.opq("d"), m.f("d/a")], [m.f("d/b")], [m.wh("d/a")]],
    "opaque_in_opaque": lambda m: [base(m), [m.opq("d"), m.d("d/e"), m.opq("d/e"), m.f("d/e/x")]],
    # parents that are only implied
    "implied_parent": lambda m: [[m.d("tmp", 0o1777)], [m.f("tmp/seed")]],
    "implied_parents": lambda m: [base(m), [m.f("d/e/a/b/c")]],
    "implied_then_said": lambda m: [[m.f("a/b/c")], [m.d("a", 0o700, uid=5), m.d("a/b", 0o710)]],
    "implied_by_link": lambda m: [[m.l("a/b/l", "x")], [m.p("a/c/p")]],
    "implied_by_hard_link": lambda m: [[m.f("f"), m.h("a/b/h", "f")]],
}


def around_the_root(m):
    return [[m.d("", 0o711, uid=0, gid=3), m.f("one")], [m.f("two")], [m.d("", 0o755), m.f("three")]]


ALONE = {
    "root_directory": around_the_root,
    "root_only_implied": lambda m: [[m.f("a")], [m.wh("a"), m.f("b")]],
    "root_opaque": lambda m: [[m.f("a"), m.d("x"), m.f("x/y")], [m.opq(), m.f("srv/own"), m.f("b")], [m.f("x/z")]],
    "same_layer_twice": lambda m: (lambda one: [one, [m.f("x/a", "2"), m.wh("x/b")], one])([tars.folder("x", mtime=5),
        tars.member("x/a", b"1", mtime=6),
                                                                                           tars.member("x/b", b"1", mtime=7)]),
    "same_layers_in_any_order": lambda m: (lambda a, b,
                                           c: [a, b, c, b, a, c, c, a])([tars.member("d/x", b"1", mtime=1),
                                                                         tars.member("d/y", b"1", mtime=1)],
                                                                                     [tars.member("d/.wh.x"), tars.folder("d", mode=0o700, mtime=9)],
                                                                                     [tars.symlink("l", "d", mtime=3),
                                                                                         tars.member("l/z", b"3", mtime=3)]),
    "empty_layers": lambda m: [[], [m.f("a")], [], [], [m.wh("a"), m.f("b")], []],
    "system": lambda m: [[m.d("etc"), m.f("etc/motd", mtime=8), m.d("tmp", 0o1777), m.d("var"), m.l("var/run", "/run"),
                          m.d("run"), m.l("var/lock", "/run/lock")],
                         [m.f("var/run/x"), m.f("var/lock/y"), m.f("tmp/z")]],
}


# Shapes that ebb refuses. Those that umoci takes are among the differences of test_images_umoci.py.
REFUSED = {
    "device": lambda m: [[tars.member("disk", kind=tars.DEVICE, major=8)]],
    "character_device": lambda m: [[tars.member("null", kind=tars.CHAR, major=1, minor=3)]],
    "owner_over_65535": lambda m: [[m.f("f", uid=65536)]],
    "name_of_255": lambda m: [[pax(("path", "n" * 255)) + m.f("x")]],
    "dotdot": lambda m: [[m.d("d"), tars.member("d/../../x", b"1")]],
    "dotdot_in_hard_link": lambda m: [[m.f("x"), m.h("d/y", "../x")]],
    "whiteout_dotdot": lambda m: [[m.d("d")], [tars.member("d/../.wh.d")]],
    "hard_link_to_nothing": lambda m: [[m.h("h", "nothing")]],
    "hard_link_to_directory": lambda m: [[m.d("d"), m.h("h", "d")]],
    "hard_link_to_what_comes_later": lambda m: [[m.h("h", "f"), m.f("f")]],
    "hard_link_to_what_was_taken_away": lambda m: [[m.f("f")], [m.wh("f"), m.h("h", "f")]],
    "through_a_loop": lambda m: [[m.l("a", "b"), m.l("b", "a")], [m.f("a/x")]],
    "through_a_file": lambda m: [[m.f("f")], [m.f("f/x")]],
    "root_as_a_file": lambda m: [[tars.member("./", b"1", kind=tars.FILE)]],
    "root_as_a_link": lambda m: [[tars.symlink(".", "etc")]],
}


# --- at random ------------------------------------------------------------------------------------
class Random:
    """Layers at random that mean something: no path goes through a file, hard links have a file."""
    NAMES = ["a", "b", "c"]

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def layers(self, m):
        self.m, self.have = m, {}  # path: (kind, layer)
        return [[entry for _ in range(self.dice.randrange(1, 7)) for entry in [self.entry(layer)] if entry]
                for layer in range(self.dice.randrange(2, 6))]

    def pick(self):
        for _ in range(20):
            path = "/".join(self.dice.choices(self.NAMES, k=self.dice.randrange(1, 4)))
            above = [path[:n] for n in range(len(path)) if path[n] == "/"]
            if all(self.have.get(p, ("dir",))[0] == "dir" for p in above):
                return path, above
        return "z", []

    def set(self, path, above, kind, layer):
        if kind != "dir" or self.have.get(path, ("dir",))[0] != "dir":
            self.have = {p: x for p, x in self.have.items() if p != path and not p.startswith(path + "/")}
        for p in above:
            self.have.setdefault(p, ("dir", layer))
            self.have[p] = ("dir", layer)
        self.have[path] = (kind, layer)

    def hide(self, path, layer, itself=True):
        self.have = {p: x for p, x in self.have.items()
                     if x[1] == layer or not (p.startswith(path + "/") or (itself and p == path))}

    def entry(self, layer):
        path, above = self.pick()
        mode, kind = self.dice.choice([0o755, 0o700, 0o1777]), self.dice.choice(["dir", "file", "file", "link", "hard",
            "wh", "wh", "opq"])
        files = [p for p, x in self.have.items() if x[0] == "file" and p != path]
        if kind == "hard" and not files:
            kind = "file"
        if kind == "wh":
            if path not in self.have or self.have[path][1] == layer:
                return None
            self.hide(path, layer)
            return self.m.wh(path)
        if kind == "opq":
            if self.have.get(path, ("", 0))[0] != "dir":
                return None
            self.hide(path, layer, itself=False)
            return self.m.opq(path)
        self.set(path, above, "file" if kind == "hard" else kind, layer)
        if kind == "dir":
            return self.m.d(path, mode, uid=self.dice.randrange(9))
        if kind == "link":
            return self.m.l(path, self.dice.choice(["a", "/b", "../c", "x/y"]))
        if kind == "hard":
            target = self.dice.choice([p for p in files if p in self.have] or ["-"])
            return self.m.h(path, target) if target != "-" else self.m.f(path, "instead")
        return self.m.f(path, str(self.dice.random()), mode=mode & 0o777, gid=self.dice.randrange(9))


RANDOM = {f"random_{seed}": (lambda m, seed=seed: Random(seed).layers(m)) for seed in range(120)}
