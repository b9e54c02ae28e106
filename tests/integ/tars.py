# SPDX-License-Identifier: Apache-2.0
"""
tar files byte by byte (POSIX.1-1988 ustar, POSIX.1-2001 pax, GNU), because no library would write the hostile ones.
A number of a header may be given as bytes: they are the whole field then.
"""
BLOCK = 512
FILE, LINK, SYMLINK, CHAR, DEVICE, FOLDER, FIFO = (bytes([c]) for c in b"0123456")
# name, offset, length of the header's fields
FIELDS = {"name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12),
          "mtime": (136, 12), "checksum": (148, 8), "kind": (156, 1), "link": (157, 100),
          "magic": (257, 8), "user": (265, 32), "group": (297, 32), "major": (329, 8),
          "minor": (337, 8), "prefix": (345, 155)}
GNU = b"ustar  \0"


def base256(number, length):
    """A field's binary form: two's complement, the highest bit set."""
    return ((number & ((1 << (8 * length)) - 1)) | 1 << (8 * length - 1)).to_bytes(length, "big")


def field(value, length):
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, int):
        value = b"%0*o" % (length - 1, value)
    return value[:length].ljust(length, b"\0")


def header(name, **more):
    values = {"mode": 0o644, "uid": 0, "gid": 0, "size": 0, "mtime": 0, "kind": FILE,
              "magic": b"ustar\x0000", "major": 0, "minor": 0, **more, "name": name}
    raw = values.pop("raw", {})
    block = bytearray(BLOCK)
    for key, value in values.items():
        at, length = FIELDS[key]
        block[at:at + length] = field(value, length)
    for at, data in raw.items():
        block[at:at + len(data)] = data
    if "checksum" not in values:
        at, length = FIELDS["checksum"]
        block[at:at + length] = b" " * length
        block[at:at + length] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def member(name, data=b"", **more):
    """A file, or an entry of this kind. size says something else than the data's, if given."""
    return header(name, **{"size": len(data), **more}) + padded(data)


def folder(name, **more):
    return member(name, **{"kind": FOLDER, "mode": 0o755, **more})


def symlink(name, target, **more):
    return member(name, **{"kind": SYMLINK, "link": target, "mode": 0o777, **more})


def link(name, target, **more):
    return member(name, kind=LINK, link=target, **more)


def record(key, value):
    """One pax record: its length counts itself."""
    text = b" " + _bytes(key) + b"=" + _bytes(value) + b"\n"
    length = len(text) + 1
    while len(str(length)) + len(text) != length:
        length = len(str(length)) + len(text)
    return str(length).encode() + text


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def pax(*records, kind=b"x", **more):
    """An extended header of (key, value) pairs, or bytes as they stand."""
    data = b"".join(r if isinstance(r, bytes) else record(*r) for r in records)
    return member("PaxHeaders/x", data, kind=kind, **more)


def long_name(name, kind=b"L", **more):
    return member("././@LongLink", _bytes(name) + b"\0", kind=kind, magic=GNU, **more)


def end(*parts):
    return b"".join(parts) + bytes(2 * BLOCK)
