# SPDX-License-Identifier: Apache-2.0
"""
Hostile layers: tables of (name, layers, verdict). The layers try to reach `victim`, a directory of the host with
a file `secret`, or ask for anything else that a tar can hold. The verdict says whether the image must be REFUSED or
TAKEN; with ANY both are right, and only the content of the store is judged.
"""
import gzip
import io
import random
import zipfile
import zlib

import tars
from tars import (CHAR, DEVICE, FIFO, FILE, FOLDER, GNU, LINK, SYMLINK, base256, end, folder, header,
                  link, long_name, member, pax, symlink)

REFUSED, TAKEN, ANY = "refused", "taken", "any"
UP = "../" * 12


def traversals(victim):
    """Names that lead out, or would if somebody followed them."""
    out = victim.lstrip("/")
    names = {"dotdot": UP + out + "/evil", "dotdot_deep": "a/b/c/../../../" + UP + out + "/evil",
             "one_up": "../evil", "up_and_back": "a/../../evil", "dot_dotdot": "./../evil",
             "only_dotdot": "..", "dotdot_slash": "../", "root_dotdot": "/../evil", "ends_dotdot": "a/..",
             "hidden_dotdot": "a/b/../../../evil", "double_slash_dotdot": "a//..//../evil"}
    for what, name in names.items():
        yield "name_" + what, [member(name, b"evil")], REFUSED
        yield "name_dir_" + what, [folder(name)], REFUSED
        yield "name_pax_" + what, [pax(("path", name)) + member("x", b"evil")], REFUSED
        yield "name_gnu_" + what, [long_name(name) + member("x", b"evil", magic=GNU)], REFUSED
    yield "name_prefix", [member("evil", b"evil", prefix=UP + out)], REFUSED
    yield "name_symlink", [symlink("../evil", "x")], REFUSED
    yield "name_fifo", [member("../evil", kind=FIFO)], REFUSED
    for what, name in {"absolute": victim + "/evil", "slashes": "//" + out + "/evil", "dots": "....//evil",
                       "backslash": "..\\..\\evil", "dot_inside": "a/./b", "empty_part": "a///b"}.items():
        yield "name_inside_" + what, [member(name, b"evil")], TAKEN
    for what, name in {"empty": "", "slash": "/", "dot": ".", "dot_slash": "./"}.items():
        yield "name_root_file_" + what, [member(name, b"evil")], ANY
        yield "name_root_link_" + what, [symlink(name, victim)], ANY


def through_links(victim):
    """A link out, and then something that goes through it: in the same layer, and in the next."""
    targets = {"absolute": victim, "relative": UP + victim.lstrip("/"), "root": "/", "proc_root": "/proc/self/root",
               "proc_1": "/proc/1/root" + victim, "cwd": "/proc/self/cwd", "fd": "/proc/self/fd/3", "loop": "l"}
    through = {"file": member("l/evil", b"evil"), "dir": folder("l/evil"), "link": symlink("l/evil", "secret"),
               "hard": link("evil", "l/secret"), "whiteout": member("l/.wh.secret"),
               "opaque": member("l/.wh..wh..opq"), "fifo": member("l/evil", kind=FIFO)}
    for to, target in targets.items():
        for what, entry in through.items():
            if to in ("absolute", "relative"):
                yield f"through_{to}_{what}_next_layer", [symlink("l", target), entry], ANY
            yield f"through_{to}_{what}", [symlink("l", target) + entry], ANY
    yield "through_two", [symlink("a", victim) + symlink("b", "a") + member("b/evil", b"evil")], ANY
    yield "through_swapped", [folder("l") + symlink("l", victim) + member("l/evil", b"evil")], ANY
    yield "through_parent", [folder("d") + symlink("d/l", UP + victim[1:]) + member("d/l/evil", b"e")], ANY


def hard_links(victim):
    for what, target in {"dotdot": UP + victim.lstrip("/") + "/secret", "up": "../secret", "parent": "..",
                         "inner": "a/../../x"}.items():
        yield "hard_" + what, [link("evil", target)], REFUSED
        yield "hard_pax_" + what, [pax(("linkpath", target)) + link("evil", "x")], REFUSED
        yield "hard_gnu_" + what, [long_name(target, b"K") + link("evil", "x", magic=GNU)], REFUSED
    yield "hard_missing", [link("evil", "not/there")], REFUSED
    yield "hard_empty", [link("evil", "")], REFUSED
    yield "hard_absolute", [link("evil", victim + "/secret")], REFUSED
    yield "hard_proc", [link("evil", "/proc/self/exe")], REFUSED
    yield "hard_self", [link("evil", "evil")], REFUSED
    yield "hard_circle", [link("a", "b") + link("b", "a")], REFUSED
    yield "hard_dir", [folder("d") + link("evil", "d")], REFUSED
    yield "hard_to_link", [symlink("l", victim + "/secret") + link("evil", "l")], ANY
    yield "hard_with_data", [symlink("l", victim + "/secret") + member("l", b"evil", kind=LINK, link="l")], ANY
    yield "hard_data_over_link", [symlink("l", victim + "/secret") + link("e", "l") + member("e", b"evil")], ANY
    yield "hard_own_data", [member("f", b"1") + member("e", b"evil", kind=LINK, link="f")], ANY


def whiteouts(_):
    names = [".wh.", ".wh..", ".wh...", ".wh....", ".wh..wh.", ".wh..wh..opq", ".wh..wh..opq/x", ".wh..wh.plnk",
             ".wh..wh.aufs", ".wh..wh..wh..opq", ".wh.x/y", "d/.wh.", "d/.wh..", "d/.wh...", "d/.wh..wh..opq",
             "d/.wh." + "n" * 251, "d/.wh.x/.wh.y", ".wh./x", "d/.wh.\n", "f/.wh.x", "f/.wh..wh..opq", ".wh..wh..opq/"]
    for n, name in enumerate(names):
        lower = folder("d") + member("d/x", b"1") + member("f", b"1")
        yield f"whiteout_name_{n}", [lower, member(name)], ANY
    for kind in (LINK, SYMLINK, CHAR, DEVICE, FOLDER, FIFO):
        yield f"whiteout_kind_{kind.decode()}", [member("x", b"1"),
                                                 member(".wh.x", kind=kind, link="x", major=1, minor=3)], ANY
    yield "whiteout_dotdot", [folder("d"), member("d/../../.wh.x")], REFUSED
    yield "whiteout_with_data", [member("x"), member(".wh.x", b"data" * 1000)], ANY
    yield "whiteout_link_target", [link("evil", ".wh.x")], REFUSED
    yield "whiteout_of_nothing", [member(".wh.never")], TAKEN
    yield "whiteout_of_all", [folder("d") + member("d/x", b"1"), member(".wh..wh..opq")], ANY
    yield "whiteout_many", [b"".join(member(f".wh.{n}") for n in range(300))], TAKEN
    for name in ("dev", "proc", "sys", "etc", "tmp"):
        yield "whiteout_of_" + name, [member(".wh." + name)], TAKEN
    yield "whiteout_device", [member("x", b"1"), member("x", kind=CHAR)], ANY
    yield "whiteout_device_dots", [member("d/..", kind=CHAR)], REFUSED


XATTRS = [
    "trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.whiteout",
    "trusted.overlay.origin", "trusted.overlay.upper", "trusted.overlay.protattr", "trusted.x",
    "user.overlay.opaque", "user.overlay.redirect", "user.overlay.metacopy", "user.overlay.whiteout",
    "user.overlay.whiteouts", "user.overlay.origin", "user.overlay.upper", "user.overlay.impure",
    "user.overlay.overlay.opaque", "security.capability", "security.selinux", "security.ima", "security.evm",
    "security.apparmor", "system.posix_acl_access", "system.posix_acl_default", "system.nfs4_acl", "btrfs.x",
    "user.", "user.a", "nothing", "", "user." + "n" * 300, "user.a=b", "user.\n"]


def xattrs(_):
    for n, name in enumerate(XATTRS):
        value = b"/" + UP.encode() + b"etc" if "redirect" in name else b"x"  # an overlay would write y
        for what, kind in (("file", FILE), ("dir", FOLDER), ("link", SYMLINK)):
            if what == "file" or "overlay" in name:
                yield f"xattr_{n}_{what}", [pax(("SCHILY.xattr." + name, value))
                                            + member("x", kind=kind, link="y")], ANY
    yield "xattr_libarchive", [pax(("LIBARCHIVE.xattr.trusted.overlay.opaque", b"eQ==")) + folder("d")], ANY
    yield "xattr_libarchive_bad", [pax(("LIBARCHIVE.xattr.user.%zz%00", b"!!!!")) + folder("d")], ANY
    yield "xattr_huge", [pax(("SCHILY.xattr.user.a", b"v" * 70000)) + member("x")], ANY
    yield "xattr_many", [pax(*((f"SCHILY.xattr.user.a{n}", b"v" * 50) for n in range(2000))) + member("x")], ANY
    yield "xattr_nul", [pax((b"SCHILY.xattr.user.a\0b", b"v\0w")) + member("x")], ANY
    yield "xattr_star_acl", [pax(("SCHILY.acl.access", "user::rwx,user:root:rwx"), ("SCHILY.acl.default", "x" * 9999))
                             + folder("d")], ANY
    yield "xattr_flags", [pax(("SCHILY.fflags", "immutable,append")) + member("x")], ANY
    yield "xattr_selinux", [pax(("RHT.security.selinux", "system_u:object_r:shadow_t:s0")) + member("x")], ANY


def special(_):
    for major, minor in ((1, 3), (8, 0), (0, 1), (10, 200), (0o7777777, 0o7777777)):
        for kind, what in ((CHAR, "char"), (DEVICE, "block")):
            yield f"device_{what}_{major}_{minor}", [member("disk", kind=kind, major=major, minor=minor)], REFUSED
            yield f"device_dev_{what}_{major}_{minor}", [member("dev/disk", kind=kind, major=major, minor=minor)], ANY
    yield "device_block_0_0", [member("disk", kind=DEVICE)], REFUSED
    yield "device_through_link", [symlink("dev", "etc") + member("dev/disk", kind=DEVICE, major=8)], ANY
    yield "device_dotdot", [member("dev/../disk", kind=DEVICE, major=8)], REFUSED
    yield "device_sealed", [pax(("SCHILY.devmajor", "8"), ("SCHILY.devminor", "0")) + member("d", kind=CHAR)], ANY
    yield "fifo", [member("pipe", kind=FIFO)], TAKEN
    for kind in b"789ADIMNSVXZsx\x01\x80\xff":
        yield f"kind_{kind:02x}", [member("strange", b"data", kind=bytes([kind]))], ANY
    yield "kind_nul_slash", [member("d/", b"", kind=b"\0")], ANY
    yield "dir_with_data", [member("d", b"x" * 600, kind=FOLDER) + member("after", b"1")], ANY
    yield "link_with_data", [member("l", b"x" * 600, kind=SYMLINK, link="y") + member("after", b"1")], ANY
    yield "fifo_with_data", [member("p", b"x" * 600, kind=FIFO) + member("after", b"1")], ANY
    yield "setuid", [member("su", b"x", mode=0o6755) + folder("sg", mode=0o7777)], TAKEN


def numbers(_):
    sizes = {"negative": base256(-1, 12), "most_negative": base256(-(1 << 63), 12), "max": base256((1 << 63) - 1, 12),
             "over": base256(1 << 64, 12), "claim": b"77777777777\0", "nonsense": b"hello world\0",
             "octal_8": b"00000000008\0",
             "spaces": b"            ", "half": base256(1 << 62, 12), "minus": b"-0000000001\0"}
    for what, size in sizes.items():
        yield "size_" + what, [member("f", b"x", size=size)], ANY if what in ("octal_8", "spaces", "nonsense",
                                                                              "minus") else REFUSED
    for what, value in {"negative": "-1", "huge": "9" * 30, "2_63": str(1 << 63), "empty": "", "words": "many",
                        "hex": "0x10", "space": " 1", "8_gib": str(8 << 30)}.items():
        yield "pax_size_" + what, [pax(("size", value)) + member("f", b"x")], ANY
    yield "pax_size_twice", [pax(("size", "1"), ("size", "512")) + member("f", b"x" * 512)], ANY
    for what, owner in {"65536": 65536, "2_31": base256(1 << 31, 8), "2_32": base256(1 << 32, 8),
                        "2_32_1": base256((1 << 32) + 1, 8), "negative": base256(-1, 8),
                        "2_55": base256((1 << 55) - 1, 8)}.items():
        yield "uid_" + what, [member("f", uid=owner)], REFUSED
        yield "gid_" + what, [folder("d", gid=owner)], REFUSED
    for what, owner in {"minus": "-1", "65536": "65536", "huge": "9" * 40, "words": "root"}.items():
        yield "pax_uid_" + what, [pax(("uid", owner), ("gid", owner)) + member("f")], ANY
    for what, time in {"negative": base256(-1, 12), "max": base256((1 << 63) - 1, 12),
                       "min": base256(-(1 << 63), 12)}.items():
        yield "mtime_" + what, [member("f", b"x", mtime=time)], ANY
    for what, time in {"nan": "nan", "exp": "1e308", "digits": "1." + "9" * 400, "huge": "9" * 25, "minus": "-9"
                       + "9" * 17}.items():
        yield "pax_mtime_" + what, [pax(("mtime", time), ("atime", time), ("ctime", time)) + member("f", b"x")], ANY
    yield "mode_all", [member("f", b"x", mode=b"7777777\0")], ANY
    yield "mode_negative", [member("f", b"x", mode=base256(-1, 8))], ANY
    yield "major_huge", [member("x", kind=CHAR, major=base256(1 << 40, 8), minor=base256(-1, 8))], ANY


def pax_headers(_):
    bad = {"zero": b"0 path=x\n", "short": b"5 path=x\n", "long": b"99 path=x\n", "endless": b"9" * 60 + b" path=x\n",
           "negative": b"-10 path=x\n", "letters": b"ten path=x\n", "no_newline": b"9 path=xy",
           "no_equals": b"9 pathx\n\n",
           "no_key": b"5 =x\n\n", "no_space": b"9path=xx\n", "empty": b"", "spaces": b"     \n"}
    for what, text in bad.items():
        yield "pax_" + what, [pax(text) + member("f", b"x")], ANY
    yield "pax_nul_path", [pax(("path", b"a\0/../../evil")) + member("f", b"x")], ANY
    yield "pax_newline_path", [pax(("path", "a\nb\x1b[31m\rc")) + member("f", b"x")], ANY
    yield "pax_empty_path", [pax(("path", "")) + member("f", b"x")], ANY
    yield "pax_latin1", [pax(("path", b"\xff\xfe\xe9")) + member("f", b"x")], ANY
    yield "pax_binary", [pax(("hdrcharset", "BINARY"), ("path", b"\xff\xfe")) + member("f", b"x")], ANY
    yield "pax_charset", [pax(("hdrcharset", "EBCDIC"), ("path", "x")) + member("f", b"x")], ANY
    yield "pax_path_1_mb", [pax(("path", "p" * (1 << 20))) + member("f", b"x")], REFUSED
    yield "pax_linkpath_1_mb", [pax(("linkpath", "p" * (1 << 20))) + symlink("l", "x")], REFUSED
    yield "pax_comment_8_mb", [pax(("comment", "c" * (8 << 20))) + member("f", b"x")], ANY
    yield "pax_claims_4_gib", [header("PaxHeaders/x", kind=b"x", size=base256(4 << 30, 12)) + b"10 path=x\n"], REFUSED
    yield "pax_claims_all", [header("PaxHeaders/x", kind=b"x", size=base256((1 << 63) - 1, 12))
                             + b"10 path=x\n"], REFUSED
    yield "pax_negative", [header("PaxHeaders/x", kind=b"x", size=base256(-512, 12)) + member("f")], REFUSED
    yield "pax_nested", [pax(("path", "a")) + pax(("path", "b")) + pax(("path", "c")) + member("f", b"x")], ANY
    yield "pax_1000_in_a_row", [pax(("path", "a")) * 1000 + member("f", b"x")], ANY
    yield "pax_last", [pax(("path", "a"))], ANY
    yield "pax_global_path", [pax(("path", "../evil"), kind=b"g") + member("f", b"x")], ANY
    yield "pax_global_size", [pax(("size", "0"), kind=b"g") + member("f", b"x")], ANY
    yield "pax_global_last", [pax(("comment", "x"), kind=b"g")], ANY
    yield "pax_old_solaris", [pax(("path", "../evil"), kind=b"X") + member("f", b"x")], ANY
    yield "pax_dotdot_wins", [pax(("path", "fine"), ("path", "../evil")) + member("f", b"x")], REFUSED
    yield "pax_10000_records", [pax(*(("comment", n) for n in range(10000))) + member("f", b"x")], ANY
    yield "pax_random", [pax(random.Random(7).randbytes(3000)) + member("f", b"x")], ANY


def gnu(_):
    yield "gnu_name_empty", [member("././@LongLink", b"", kind=b"L", magic=GNU) + member("f", b"x")], ANY
    yield "gnu_name_last", [long_name("n" * 200)], ANY
    yield "gnu_name_twice", [long_name("a") + long_name("../evil") + member("f", b"x", magic=GNU)], ANY
    yield "gnu_name_nul", [long_name(b"a\0../evil") + member("f", b"x", magic=GNU)], ANY
    yield "gnu_name_1_mb", [long_name("n" * (1 << 20)) + member("f", b"x", magic=GNU)], REFUSED
    yield "gnu_name_2_mb", [long_name("n" * (2 << 20)) + member("f", b"x", magic=GNU)], REFUSED
    yield "gnu_name_claims", [header("L", kind=b"L", size=base256(1 << 40, 12), magic=GNU) + b"x"], REFUSED
    yield "gnu_name_negative", [header("L", kind=b"L", size=base256(-5, 12), magic=GNU) + member("f")], REFUSED
    yield "gnu_link_1_mb", [long_name("n" * (1 << 20), b"K") + symlink("l", "x", magic=GNU)], REFUSED
    yield "gnu_500_in_a_row", [long_name("n") * 500 + member("f", b"x", magic=GNU)], ANY
    yield "gnu_dumpdir", [member("d", b"Yfile\0Nother\0\0", kind=b"D", magic=GNU)], ANY
    yield "gnu_multivolume", [member("f", b"data", kind=b"M", magic=GNU)], ANY
    yield "gnu_volume", [member("label", kind=b"V", magic=GNU) + member("f", b"x")], ANY
    yield "gnu_old_names", [member("x", b"Rename ../a to ../b\n", kind=b"N", magic=GNU)], ANY


def old_sparse(pairs, real, data=b"", extended=0):
    """GNU's old format: four (offset, length) in the header, then blocks of 21."""
    raw = {}
    for n, (offset, length) in enumerate(pairs[:4]):
        raw[386 + 24 * n] = tars.field(offset, 12) + tars.field(length, 12)
    raw[482] = bytes([extended])
    raw[483] = tars.field(real, 12)
    return member("f", data, kind=b"S", magic=GNU, raw=raw)


def sparse(_):
    yield "sparse_old_fine", [old_sparse([(0, 1)], 4096, b"x")], ANY
    yield "sparse_old_negative", [old_sparse([(base256(-1, 12), 1)], 4096, b"x")], ANY
    yield "sparse_old_negative_length", [old_sparse([(0, base256(-1, 12))], 4096, b"x")], ANY
    yield "sparse_old_overlap", [old_sparse([(0, 512), (256, 512)], 4096, b"x" * 1024)], ANY
    yield "sparse_old_backwards", [old_sparse([(2048, 512), (0, 512)], 4096, b"x" * 1024)], ANY
    yield "sparse_old_beyond", [old_sparse([(8192, 512)], 4096, b"x" * 512)], ANY
    yield "sparse_old_more_than_data", [old_sparse([(0, 1 << 20)], 1 << 20, b"x")], ANY
    yield "sparse_old_real_max", [old_sparse([(0, 1)], base256((1 << 63) - 1, 12), b"x")], REFUSED
    yield "sparse_old_real_negative", [old_sparse([(0, 1)], base256(-1, 12), b"x")], ANY
    yield "sparse_old_offset_max", [old_sparse([(base256((1 << 63) - 2, 12), 1)], 4096, b"x")], ANY
    yield "sparse_old_extended_missing", [old_sparse([(0, 1)], 4096, b"", extended=1)], ANY
    yield "sparse_old_extended_loop", [old_sparse([(0, 1)], 4096, (bytes(504) + b"\1").ljust(512, b"\0") * 3000,
                                                  1)], ANY

    def new(version, real, text, data=b"x"):
        major, minor = version
        records = [("GNU.sparse.major", major), ("GNU.sparse.minor", minor), ("GNU.sparse.name", "f"),
                   ("GNU.sparse.realsize", real)]
        return [pax(*records) + member("GNUSparseFile.0/f", tars.padded(text) + data)]
    maps = {"fine": "1\n0\n1\n", "negative": "1\n-1\n1\n", "many": "99999999999\n0\n1\n", "short": "5\n0\n1\n",
            "empty": "",
            "letters": "one\n", "endless": "9" * 4000, "overlap": "2\n0\n2\n1\n2\n", "beyond": "1\n9999999\n1\n",
            "newlines": "\n" * 600,
            "max": f"1\n{(1 << 63) - 1}\n{(1 << 63) - 1}\n"}
    for what, text in maps.items():
        yield "sparse_1_0_" + what, new((1, 0), 4096, text.encode()), ANY
    for what, real in {"negative": -1, "max": (1 << 63) - 1, "over": 1 << 64, "words": "big"}.items():
        yield "sparse_1_0_real_" + what, new((1, 0), real, b"1\n0\n1\n"), ANY
    yield "sparse_9_9", new((9, 9), 4096, b"1\n0\n1\n"), ANY
    for what, text in {"fine": "0,1", "odd": "0", "negative": "-5,1", "commas": ",,,,", "letters": "a,b",
                       "max": f"{1 << 62},{1 << 62}",
                       "long": ",".join("0" for _ in range(50000))}.items():
        yield "sparse_0_1_" + what, [pax(("GNU.sparse.size", 4096), ("GNU.sparse.numblocks", 1),
                                         ("GNU.sparse.map", text),
                                         ("GNU.sparse.name", "f")) + member("f", b"x")], ANY
    pairs = [p for n in range(3000) for p in (("GNU.sparse.offset", n), ("GNU.sparse.numbytes", 1))]
    yield "sparse_0_0_many", [pax(("GNU.sparse.size", 4096), ("GNU.sparse.numblocks", 3000), *pairs)
                              + member("f", b"x")], ANY
    yield "sparse_0_0_unpaired", [pax(("GNU.sparse.size", 4096), ("GNU.sparse.numbytes", 1)) + member("f", b"x")], ANY
    yield "sparse_name_dotdot", [pax(("GNU.sparse.major", 1), ("GNU.sparse.minor", 0), ("GNU.sparse.name", "../evil"),
                                     ("GNU.sparse.realsize", 1))
                                     + member("f", tars.padded(b"1\n0\n1\n") + b"x")], REFUSED


def cuts(_):
    whole = folder("d") + member("d/f", b"data" * 400) + member("g", b"1")
    for at in (1, 100, 511, 513, 1000, 1025, 2000, len(whole) - 1):
        yield f"cut_at_{at}", [Raw(whole[:at])], ANY
    yield "cut_no_end", [Raw(whole)], TAKEN
    yield "cut_one_zero_block", [Raw(whole + bytes(512))], TAKEN
    yield "cut_then_more", [Raw(end(whole) + whole)], ANY
    yield "cut_garbage_behind", [Raw(end(whole) + b"garbage" * 1000)], ANY
    yield "cut_garbage_between", [Raw(whole + b"\xff" * 512 + end(whole))], ANY
    yield "nothing", [Raw(b"")], ANY
    yield "zeros", [Raw(bytes(10240))], ANY
    yield "ones", [Raw(b"\xff" * 10240)], REFUSED
    yield "checksum", [member("f", b"x", checksum=b"000000\0 ")], REFUSED
    yield "checksum_second", [member("f", b"x") + member("g", b"x", checksum=b"777777\0 ")], REFUSED
    yield "magic_missing", [member("f", b"x", magic=bytes(8))], ANY
    yield "magic_wrong", [member("f", b"x", magic=b"vstar\x0000")], ANY
    for n in range(6):
        noise = random.Random(n)
        yield f"random_{n}", [Raw(noise.randbytes(5000))], REFUSED
        spoiled = bytearray(end(whole))
        for _ in range(10):
            spoiled[noise.randrange(len(spoiled))] = noise.randrange(256)
        yield f"random_bytes_{n}", [Raw(bytes(spoiled))], ANY
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as z:
        z.writestr("../evil", "evil")
    for what, data in {"zip": box.getvalue(), "ar": b"!<arch>\n../evil         0 0 0 644 4 `\nevil",
                       "mtree": b"#mtree\n/set type=file\n../evil mode=0777\n",
                       "cpio": b"070701" + b"0" * 104 + b"../evil\0", "shell": b"#!/bin/sh\nrm -rf /\n",
                       "elf": b"\x7fELF" * 300,
                       "7z": b"7z\xbc\xaf\x27\x1c" + bytes(600), "rar": b"Rar!\x1a\x07\x00" + bytes(600),
                       "xar": b"xar!" + bytes(600),
                       "warc": b"WARC/1.0\r\nWARC-Type: resource\r\n\r\n", "lha": b"\x20\x20-lh5-"
                       + bytes(600)}.items():
        yield "not_a_tar_" + what, [Raw(data)], REFUSED


class Raw(bytes):
    """A layer as it stands, not to be ended with zeros."""


class Zipped(bytes):
    """Compressed already; the promised diff_id is that of `inner`."""
    inner = b""


def zipped(data, inner):
    made = Zipped(data)
    made.inner = inner
    return made


def compressed(_):
    good = end(member("f", b"fine"))
    packed = gzip.compress(good, mtime=0)
    bomb = end(member("f", bytes(30 << 20))) + bytes(50 << 20)
    yield "gzip_bomb", [zipped(gzip.compress(bomb, 9, mtime=0), bomb)], REFUSED
    yield "gzip_cut", [zipped(packed[:-9], good)], REFUSED
    yield "gzip_crc", [zipped(packed[:-8] + b"\0\0\0\0" + packed[-4:], good)], ANY
    yield "gzip_length", [zipped(packed[:-4] + b"\xff\xff\xff\xff", good)], ANY
    yield "gzip_two_members", [zipped(gzip.compress(good[:512], mtime=0) + gzip.compress(good[512:], mtime=0),
                                      good)], TAKEN
    yield "gzip_garbage_behind", [zipped(packed + b"garbage", good)], ANY
    yield "gzip_twice", [zipped(gzip.compress(packed, mtime=0), good)], ANY
    yield "gzip_forty_times", [zipped(many_times(good, 40), good)], REFUSED
    yield "gzip_name", [zipped(packed[:3] + b"\x08" + packed[4:10] + b"../../evil\0" + packed[10:], good)], TAKEN
    yield "gzip_name_endless", [zipped(packed[:3] + b"\x08" + packed[4:10] + b"n" * 300000, good)], REFUSED
    yield "gzip_extra", [zipped(packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + b"e" * 65535 + packed[10:],
                                good)], ANY
    yield "gzip_empty", [zipped(gzip.compress(b"", mtime=0), b"")], ANY
    yield "gzip_stored", [zipped(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\x01\xff\xff\0\0" + bytes(100), good)], REFUSED
    yield "zlib", [zipped(zlib.compress(good), good)], REFUSED
    frame = b"\x28\xb5\x2f\xfd"
    yield "zstd_window", [zipped(frame + b"\x00\xf8" + bytes(20), good)], REFUSED
    yield "zstd_claims", [zipped(frame + b"\xe0" + b"\xff" * 8 + b"\x01\0\0", good)], REFUSED
    yield "zstd_bomb", [zipped(frame + b"\xa0" + (96 << 20).to_bytes(4, "little") + zstd_zeros(96 << 20),
                               good)], REFUSED
    yield "zstd_dictionary", [zipped(frame + b"\x03" + b"\xff" * 12, good)], REFUSED
    yield "zstd_skippable_only", [zipped(b"\x50\x2a\x4d\x18\x04\0\0\0junk", good)], REFUSED
    yield "zstd_skippable_huge", [zipped(b"\x50\x2a\x4d\x18\xff\xff\xff\xffjunk", good)], REFUSED
    for what, magic in {"xz": b"\xfd7zXZ\0", "bzip2": b"BZh9", "lz4": b"\x04\x22\x4d\x18", "compress": b"\x1f\x9d\x90",
                        "lzop": b"\x89LZO\0\r\n\x1a\n",
                        "lrzip": b"LRZI", "uu": b"begin 644 x\n", "rpm": b"\xed\xab\xee\xdb"}.items():
        yield "unknown_filter_" + what, [zipped(magic + bytes(600), good)], REFUSED


def zstd_zeros(total):
    """Blocks of RFC 8878 section 3.1.1.2 that say: so many zeros."""
    out = b""
    while total:
        size = min(total, 128 << 10)
        total -= size
        out += (size << 3 | 1 << 1 | (total == 0)).to_bytes(3, "little") + b"\0"
    return out


def many_times(data, count):
    for _ in range(count):
        data = gzip.compress(data, mtime=0)
    return data
