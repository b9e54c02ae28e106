#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the hash chain of an ebb ledger without any of ebb's code: verify_ledger.py ledger.db"""
import hashlib
import sqlite3
import struct
import sys

COLUMNS = ("boot_us instance service revision cgroup_id seq reason read_us lived_us cpu_us cpu_user_us"
           " cpu_system_us cpu_init_us awake_us frozen_us invocations memory_mb").split()
LATER = {2: "net_out_bytes net_in_bytes net_connections".split(), 3: "wakes wake_us".split()}  # NULL in older rows


def encode(prev_hash, row_id, values):
    format_, length = 1, len(COLUMNS)
    while format_ + 1 in LATER and any(value is not None for value in values[length:]):
        format_, length = format_ + 1, length + len(LATER[format_ + 1])
    out = b"ebb" + bytes([format_]) + prev_hash + struct.pack("<Q", row_id)
    for value in values[:length]:
        if isinstance(value, str):
            text = value.encode()
            out += struct.pack("<Q", len(text)) + text
        else:
            out += struct.pack("<Q", value)
    return out


def main(path):
    db = sqlite3.connect(path)
    prev, count = bytes(32), 0
    there = {row[1] for row in db.execute("PRAGMA table_info(meter)")}
    columns = COLUMNS + [name for names in LATER.values() for name in names if name in there]
    for row_id, prev_hash, hash_, *values in db.execute(
            f"SELECT id, prev_hash, hash, {', '.join(columns)} FROM meter ORDER BY id"):
        count += 1
        if row_id != count or prev_hash != prev:
            sys.exit(f"row {count}: missing, or not chained to the row before")
        if hashlib.sha256(encode(prev, row_id, values)).digest() != hash_:
            sys.exit(f"row {row_id}: the hash is not that of its content")
        prev = hash_
    if count and db.execute("SELECT id, hash FROM head").fetchone() != (count, prev):
        sys.exit(f"row {count}: is the last one, but not the head")
    print(f"{count} rows, head {prev.hex()}")


main(sys.argv[1])
