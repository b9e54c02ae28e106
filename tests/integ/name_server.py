# SPDX-License-Identifier: Apache-2.0
"""A resolver of a test's world: `name_server.py ADDRESS ZONE LOG`. ZONE is a file of JSON, read again for each question:
name -> {"A": [...], "AAAA": [...], "CNAME": name, "ttl": s, "how": one of HOW}. Each question is a line of LOG. Prints
"ready" and serves UDP and TCP until it is ended."""
import ipaddress
import json
import os
import selectors
import socket
import struct
import sys

TYPES = {"A": 1, "CNAME": 5, "TXT": 16, "AAAA": 28}
NXDOMAIN, SERVFAIL = 3, 2


def packed(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def read_question(message):
    """(id, flags, name as asked, type, where the question ends)"""
    number, flags = struct.unpack_from(">HH", message)
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("latin1"))
        at += 1 + message[at]
    return number, flags, ".".join(labels), struct.unpack_from(">H", message, at + 1)[0], at + 5


def record(owner, kind, ttl, data):
    return owner + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


def records(zone, name, kind, depth=0):
    """The records that answer, with the whole chain of aliases; None: there is no such name."""
    entry = zone.get(name.lower())
    if entry is None:
        return None
    ttl, owner = entry.get("ttl", 60), packed(name)
    if "CNAME" in entry:
        rest = records(zone, entry["CNAME"], kind, depth + 1) if depth < 8 else []
        return [record(owner, "CNAME", ttl, packed(entry["CNAME"])), *(rest or [])]
    word = next((word for word, number in TYPES.items() if number == kind), None)
    if word in ("A", "AAAA"):
        return [record(owner, word, ttl, ipaddress.ip_address(a).packed) for a in entry.get(word, [])]
    if word == "TXT":
        return [record(owner, word, ttl, bytes([200]) + b"x" * 200) for _ in range(entry.get("TXT", 0))]
    return []


def strange(how, message, number, end):
    """A whole answer that no resolver would give."""
    head = lambda count, flags=0x8180, id=number: struct.pack(">HHHHHH", id, flags, 1, count, 0, 0)
    question = message[12:end]
    address = struct.pack(">HHIH", 1, 1, 60, 4) + bytes([198, 51, 100, 7])
    return {
        "loop": head(1) + question + b"\xc0" + bytes([end]) + address,
        "forward-loop": head(1) + question + b"\xc0" + bytes([end + 2]) + b"\xc0" + bytes([end]) + address,
        "cut-short": (head(1) + question + b"\xc0\x0c" + address)[:-3],
        "count-lies": head(500) + question + b"\xc0\x0c" + address,
        "long-label": head(1) + question + b"\x7f" + b"a" * 20 + b"\0" + address,
        "wrong-id": head(1, id=number ^ 1) + question + b"\xc0\x0c" + address,
        "wrong-name": head(1) + packed("other.example.com") + question[-4:] + b"\xc0\x0c" + address,
        "no-answer-bit": head(1, flags=0x0100) + question + b"\xc0\x0c" + address,
        "no-question": struct.pack(">HHHHHH", number, 0x8180, 0, 1, 0, 0) + b"\xc0\x0c" + address,
        "garbage": os.urandom(300),
        "empty": b"",
        "short-address": head(1) + question + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 3) + b"abc",
    }[how]


def unlike(how, message, number, end):
    """A whole answer of which some parts are for nobody."""
    here, inner, outer = b"\xc0\x0c", bytes([10, 0, 0, 5]), bytes([198, 51, 100, 7])
    address = lambda data, kind=1, class_=1, ttl=60, owner=here: owner + struct.pack(">HHIH", kind, class_, ttl, len(data)) + data
    alias = lambda owner, to: owner + struct.pack(">HHIH", 5, 1, 60, len(to)) + to
    head = lambda *counts: struct.pack(">HHHHHH", number, 0x8180, 1, *counts) + message[12:end]
    names = [packed(f"n{i}.example.com") for i in range(300)]
    # A chain of pointers in a record of no known type, and 6,000 names that begin at its end.
    chain = b"\1x\0" + b"".join(struct.pack(">H", 0xc000 | at) for at in chained(end + 11, 8000 - end))
    last = struct.pack(">H", 0xc000 | end + 11 + len(chain) - 2)
    many = b"".join(address(last, 2, owner=last) for _ in range(3000))
    return {
        "private-beside": head(4, 0, 0) + address(inner) + address(outer) + address(bytes(16), 28) + address(inner, ttl=0xffffffff),
        "other-sections": head(1, 1, 2) + address(outer) + address(inner) + address(inner) + address(inner, owner=packed("other.com")),
        "another-class": head(2, 0, 0) + address(inner, class_=3) + address(outer),
        "far-alias": head(301, 0, 0) + alias(here, names[0]) + b"".join(map(alias, names, names[1:])) + address(inner, owner=names[-1])
        + address(outer, owner=names[-1]),
        "alias-loop": head(3, 0, 0) + alias(here, names[0]) + alias(names[0], names[1]) + alias(names[1], here),
        "alias-inside": head(2, 0, 0) + alias(here, packed("host.internal")) + address(bytes([127, 0, 0, 1]), owner=packed("host.internal")),
        "all-addresses": head(4000, 0, 0) + b"".join(address(struct.pack(">BBH", 203, 0, 0x7101 + i)) if i % 2 else address(inner)
                                                     for i in range(4000)),
        "pointers": head(3001, 0, 0) + b"\0" + struct.pack(">HHIH", 65280, 1, 60, len(chain)) + chain + many,
        "whole": head(1, 0, 0) + address(b"".join(bytes([200]) + b"x" * 200 for _ in range(325)), 16),
    }[how]


def chained(begin, count):
    """Where the pointers of a chain lead: the first one to the name in front of them, each other one to the last."""
    return [begin] + [begin + 3 + 2 * i for i in range(count)]


UNLIKE = ["private-beside", "other-sections", "another-class", "far-alias", "alias-loop", "alias-inside", "all-addresses", "pointers",
          "whole"]
# Over TCP: bytes instead of a message with its length in front.
STREAMS = {
    "tcp-nothing": lambda whole: [b""],
    "tcp-no-length": lambda whole: [whole[:1]],
    "tcp-cut": lambda whole: [whole[:20]],
    "tcp-length-0": lambda whole: [b"\0\0", whole[2:]],
    "tcp-length-lies": lambda whole: [b"\xff\xff" + whole[2:]],
    "tcp-drops": lambda whole: [whole[at:at + 1] for at in range(len(whole))],
    "tcp-twice": lambda whole: [whole + whole],
    "tcp-behind": lambda whole: [whole + bytes(200000)],
}


def answer(message, stream, zone):
    number, flags, name, kind, end = read_question(message)
    entry = zone.get(name.lower(), {})
    how = entry.get("how", "")
    if how == "silent" or (how == "silent-once" and not os.path.exists(sys.argv[2] + ".asked")):
        open(sys.argv[2] + ".asked", "w").close()
        return None
    if how in UNLIKE:
        whole = unlike(how, message, number, end)
        return whole if stream or len(whole) < 60000 else struct.pack(">HHHHHH", number, 0x8380, 1, 0, 0, 0) + message[12:end]
    if how not in ("", "fails", "silent-once", *STREAMS):
        return strange(how, message, number, end)
    found = records(zone, name, kind)
    rcode = SERVFAIL if how == "fails" else NXDOMAIN if found is None else 0
    body = b"".join(found or [])
    if not stream and len(body) > 1000:
        return struct.pack(">HHHHHH", number, 0x8380, 1, 0, 0, 0) + message[12:end]
    return struct.pack(">HHHHHH", number, 0x8180 | rcode, 1, len(found or []), 0, 0) + message[12:end] + body


class Server:
    def __init__(self, address, zone, log):
        self.zone, self.log = zone, log
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for one in (self.datagrams, self.listener):
            one.bind((address, 53))
        self.listener.listen(64)

    def reply(self, message, stream, peer):
        with open(self.log, "a") as f:
            f.write(f"{'tcp' if stream else 'udp'} {peer[0]} {read_question(message)[2]}\n")
        with open(self.zone) as f:
            return answer(message, stream, json.load(f))

    def on_datagram(self):
        message, peer = self.datagrams.recvfrom(65536)
        reply = self.reply(message, False, peer)
        if reply is not None:
            self.datagrams.sendto(reply, peer)

    def send(self, connection, whole):
        with open(self.zone) as f:
            how = json.load(f).get(read_question(whole[2:])[2].lower(), {}).get("how", "")
        for part in STREAMS.get(how, lambda one: [one])(whole):
            connection.sendall(part)

    def on_connection(self):
        connection, peer = self.listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                size = struct.unpack(">H", connection.recv(2, socket.MSG_WAITALL))[0]
                reply = self.reply(connection.recv(size, socket.MSG_WAITALL), True, peer)
                if reply is not None:
                    self.send(connection, struct.pack(">H", len(reply)) + reply)
            except (OSError, struct.error):
                pass

    def run(self):
        waiting = selectors.DefaultSelector()
        waiting.register(self.datagrams, selectors.EVENT_READ, self.on_datagram)
        waiting.register(self.listener, selectors.EVENT_READ, self.on_connection)
        print("ready", flush=True)
        while True:
            for key, _ in waiting.select():
                key.data()


if __name__ == "__main__":
    Server(*sys.argv[1:4]).run()
