# SPDX-License-Identifier: Apache-2.0
"""
The records of runtime/wire, read from its headers: the types, the sender and the receiver of each, and the layout of
a record. For tests that speak in the place of one of ebb's programs.
"""
import ctypes
import os
import re
import select
import socket
import struct

from ebb import PROJECT

SYS_PIDFD_GETFD = 438
HEAD = struct.Struct("<II")

def _text(name):
    with open(os.path.join(PROJECT, "runtime/wire", name)) as f:
        return f.read()


TEXT = "".join(map(_text, ["records.h", *sorted(n for n in os.listdir(os.path.join(PROJECT, "runtime/wire"))
                                                if n.endswith("_records.h"))]))

_LIST = re.search(r"#define WIRE_TYPES\(X\)(.*?)/\* clang-format on", TEXT, re.S)[1]
TYPES = re.findall(r"X\((\w+)\)", _LIST)
# {"gateway -> ebbd": ["GATEWAY_READY", ...], ...}
SAID = {title: re.findall(r"X\((\w+)\)", names)
        for title, names in re.findall(r"/\* (.*?) \*/(.*?)(?=/\*|$)", _LIST, re.S)}
CHOICES = re.findall(r"X\((\w+)\)", re.search(r"#define WIRE_CHOICES\(X\)(.*)", TEXT)[1])

_NUMBERS = {name: int(value) for name, value in re.findall(r"#define (\w+)\s+(\d+)\b", TEXT)}
_NUMBERS["WIRE_CHOICE_COUNT"] = len(CHOICES)
_SIZES = {"char": 1, "unsigned char": 1, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8}
_BODIES = dict(re.findall(r"struct wire_(\w+) {\n(.*?)\n};", re.sub(r"/\*.*?\*/", "", TEXT, flags=re.S), re.S))
_FIELD = re.compile(r"(?:struct wire_(\w+)|(unsigned char|u?int\d+_t|char))\s+([^;]+);")


class Layout:
    """Where the fields of one record are: fields = {name: (offset, bytes of one, bytes of all)}."""

    def __init__(self, name):
        self.fields, self.size, self.align, self.inner = {}, 0, 1, {}
        for nested, plain, names in _FIELD.findall(_BODIES[name]):
            of = Layout(nested) if nested else None
            one, align = (of.size, of.align) if of else (_SIZES[plain],) * 2
            for word in re.split(r",\s*(?![^\[]*\])", names):
                self._add(word.strip(), one, align, of)
        self.size = -(-self.size // self.align) * self.align

    def _add(self, word, one, align, of):
        count = 1
        for length in re.findall(r"\[(\w+)\]", word):
            count *= int(length) if length.isdigit() else _NUMBERS[length]
        at, word = -(-self.size // align) * align, word.split("[")[0].strip()
        self.fields[word] = (at, one, one * count)
        self.inner[word] = of
        self.size, self.align = at + one * count, max(self.align, align)

    def put(self, record, **values):
        """Numbers, lists of numbers, bytes, or {field: value} of a struct inside."""
        for name, value in values.items():
            at, one, whole = self.fields[name]
            if isinstance(value, dict):
                part = bytearray(record[at:at + whole])
                self.inner[name].put(part, **value)
                value = bytes(part)
            elif not isinstance(value, bytes):
                numbers = value if isinstance(value, list) else [value]
                value = b"".join((n % (1 << 8 * one)).to_bytes(one, "little") for n in numbers)
            assert len(value) <= whole, name
            record[at:at + len(value)] = value


_NAMES = {"IMAGE_CANCEL": "meter_flush", "API_SETTLED": "meter_flush",  # a cookie alone
          "INSTANCE_COMMAND": "instance_command_record", "DNS_OPEN": "net_open", "DNS_OPENED": "net_opened"}


def _name(kind):
    return _NAMES.get(kind, kind.lower())


def layout(kind):
    return Layout(_name(kind))


def body(kind, **values):
    """The record of this type, zeros but for these fields."""
    if _name(kind) not in _BODIES:
        return b""  # it has no record, or another's
    at = layout(kind)
    record = bytearray(at.size)
    at.put(record, **values)
    return bytes(record)


def datagram(kind, record=b"", size=None):
    return HEAD.pack(TYPES.index(kind) if isinstance(kind, str) else kind,
                     len(record) if size is None else size) + record


def steal(pid, number):
    """A copy of a descriptor of another process."""
    pidfd = os.pidfd_open(pid)
    try:
        fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return fd
    finally:
        os.close(pidfd)


def channel(pid, number=3):
    """The channel of one of ebb's programs to ebbd, or another of its sockets."""
    return socket.socket(fileno=steal(pid, number))


def send(stolen, bytes_, fds=()):
    """The channel belongs to a program that does not block, so it does not."""
    while True:
        try:
            return socket.send_fds(stolen, [bytes_], list(fds))
        except BlockingIOError:
            select.select([], [stolen], [])
