# SPDX-License-Identifier: Apache-2.0
"""Hostile layers, continued: names, places of the system, types that change, and numbers of entries."""
from hostile_layers import ANY, REFUSED, TAKEN, UP
from tars import CHAR, FIFO, folder, link, member, pax, symlink


def strange_names(_):
    for what, name in {"newline": "a\nb", "tab": "a\tb", "escape": "\x1b[2J\x1b]0;evil\x07", "delete": "\x7f",
                       "rtl": "\u202egpj.exe",
                       "space": " ", "dots": "...", "trailing": "x. ", "con": "CON", "stream": "f:evil", "star": "*",
                       "option": "-rf",
                       "dollar": "$(reboot)", "quote": "'\";`reboot`", "percent": "%s%n%00", "unicode": "\U0001f4a9",
                       "zero_width": "a\u200bb"}.items():
        yield "name_is_" + what, [pax(("path", name)) + member("x", b"1")], TAKEN
    for what, name in {"latin1": b"caf\xe9", "half_utf8": b"a\xc3", "overlong": b"\xc0\xae\xc0\xae/evil",
                       "surrogate": b"\xed\xa0\x80"}.items():
        yield "name_bytes_" + what, [member(name, b"1")], ANY
        yield "link_bytes_" + what, [symlink("l", name)], ANY
    yield "case", [member("File", b"1") + member("fILE", b"2") + folder("DIR") + member("dir", b"3")], TAKEN
    yield "case_link", [symlink("Lib", "/etc") + member("lib/evil", b"1")], TAKEN
    yield "composed", [member("caf\u00e9", b"1") + member("cafe\u0301", b"2")], TAKEN
    for length in (254, 255, 256, 4095):
        yield f"name_of_{length}", [pax(("path", "n" * length))
                                    + member("x", b"1")], TAKEN if length == 254 else ANY if length == 255 else REFUSED
    for depth in (100, 1000, 1900):
        yield f"deep_{depth}", [pax(("path", "d/" * depth + "f")) + member("x", b"1")], ANY
    yield "path_of_100000", [pax(("path", "a/" * 50000)) + folder("x")], REFUSED
    yield "path_of_4095", [pax(("path", "a/" * 2048)) + folder("x")], REFUSED
    yield "deep_by_links", [pax(("path", "a/" * 1000)) + folder("x") + pax(("linkpath", "a/" * 1000), ("path", "l"))
                            + symlink("x", "x")
                            + pax(("path", "l/" + "b/" * 1040)) + folder("x")], ANY
    for length in (0, 1, 4095, 4096, 70000):
        yield f"target_of_{length}", [pax(("linkpath", "t" * length))
                                      + symlink("l", "x")], TAKEN if length == 1 else ANY
    yield "target_newline", [pax(("linkpath", "a\nb")) + symlink("l", "x")], TAKEN


def system_places(victim):
    """Files that an instance gets from ebb, brought by the image (CVE-2026-41579 is a /dev that is a link)."""
    for top in ("dev", "proc", "sys", "tmp", "run", "etc"):
        yield f"{top}_is_a_link", [symlink(top, victim)], TAKEN
        yield f"{top}_is_a_link_up", [symlink(top, UP + victim.lstrip("/"))], TAKEN
        yield f"{top}_is_a_file", [member(top, b"evil")], TAKEN
        yield f"{top}_is_a_fifo", [member(top, kind=FIFO)], TAKEN
        yield f"{top}_through_a_link", [symlink(top, victim) + member(top + "/ptmx", b"evil")], ANY
        yield f"{top}_through_a_link_of_the_layer_below", [symlink(top, victim), member(top + "/ptmx", b"evil")], ANY
        yield f"{top}_hides_through_a_link", [symlink(top, victim), member(top + "/.wh.secret")], ANY
        yield f"{top}_replaced", [folder(top) + member(top + "/x", b"1"), member(".wh." + top),
                                  symlink(top, victim)], ANY
    for place in ("dev/null", "dev/shm", "dev/pts", "dev/ptmx", "dev/ebb", "proc/self", "proc/1/root", "sys/fs/cgroup",
                  "etc/hosts",
                  "etc/hostname", "etc/resolv.conf", "etc/passwd", "etc/group", "var/run"):
        yield "place_link_" + place.replace("/", "_"), [symlink(place, victim + "/secret")], TAKEN
    for place in ("dev/null", "dev/zero", "dev/console", "dev/kmsg", "dev/mem"):
        yield "place_device_" + place[4:], [member(place, kind=CHAR, major=1, minor=3)], ANY
    yield "place_fd", [symlink("dev/fd", "/proc/self/fd") + member("dev/fd/0", b"evil")], ANY
    yield "place_loader", [symlink("lib64/ld-linux-x86-64.so.2", UP + "lib64/ld-linux-x86-64.so.2")], TAKEN


def passwd(victim):
    """ebb looks a user's name up in the image's own files: these lead elsewhere, or never end."""
    texts = {"link": symlink("etc/passwd", victim + "/secret"), "up": symlink("etc/passwd", UP + "etc/passwd"),
             "fifo": member("etc/passwd", kind=FIFO),
             "dir": folder("etc/passwd"), "loop": symlink("etc/passwd", "passwd"),
             "huge": member("etc/passwd", b"x:" * (4 << 20)),
             "nul": member("etc/passwd", b"app:x:1\0:1::/:\n"),
             "numbers": member("etc/passwd", b"app:x:99999999999:-1::/:\n"),
             "over": member("etc/passwd", b"app:x:65536:65536::/:\n"),
             "minus": member("etc/passwd", b"app:x:-1:-1::/:\n"),
             "fields": member("etc/passwd", b"app\napp:\napp::\n:::::::\n"),
             "proc": symlink("etc/passwd", "/proc/self/environ"),
             "long": member("etc/passwd", b"app" * 100000 + b":x:1:1::/:\n"),
             "dir_link": symlink("etc", "/proc/self/root/etc")}
    for what, entry in texts.items():
        yield "passwd_" + what, [entry], REFUSED


def changing(victim):
    kinds = {"file": member("x", b"1"), "dir": folder("x"), "full": folder("x") + member("x/y", b"1"),
             "link": symlink("x", victim),
             "fifo": member("x", kind=FIFO)}
    for first, a in kinds.items():
        for second, b in kinds.items():
            if first != second:
                yield f"{first}_then_{second}", [a + b], ANY
                yield f"{first}_under_{second}", [a, b], TAKEN
    yield "file_then_inside", [member("x", b"1") + member("x/y", b"2")], ANY
    yield "file_under_inside", [member("x", b"1"), member("x/y", b"2")], ANY
    yield "link_chain", [b"".join(symlink(f"l{n}", f"l{n + 1}") for n in range(100)) + member("l0/x", b"1")], ANY
    yield "hundred_times", [member("x", b"1") * 100 + folder("x") * 100], ANY


def many(_):
    yield "entries_over_the_limit", [b"".join(member(f"{n}") for n in range(2100))], REFUSED
    yield "entries_of_one_name", [member("same") * 2100], REFUSED
    yield "entries_over_layers", [b"".join(member(f"{n}") for n in range(1100)),
                                  b"".join(member(f"x{n}") for n in range(1100))], REFUSED
    yield "links_many", [member("f", b"1") + b"".join(link(f"l{n}", "f") for n in range(500))], ANY
    yield "bytes_over_the_limit", [member("f", bytes(33 << 20))], REFUSED
    yield "bytes_over_layers", [member("f", bytes(25 << 20)), member("g", bytes(25 << 20)),
                                member("h", bytes(25 << 20))], REFUSED
    yield "directories_many", [b"".join(folder(f"{n}") for n in range(500))], TAKEN
    yield "layers_one_too_many", [member(f"{n}") for n in range(600)], ANY
