#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the hash chain of an ebb ledger without any of ebb's code: verify_ledger.py ledger.db"""
import hashlib
import sqlite3
import struct
import sys

COLUMNS = ("boot_us instance service revision cgroup_id seq reason read_us lived_us cpu_us cpu_user_us"
           " cpu_system_us cpu_init_us awake_us frozen_us invocations memory_mb").split()


def encode(prev_hash, row_id, values):
    out = b"ebb\x01" + prev_hash + struct.pack("<Q", row_id)
    for value in values:
        if isinstance(value, str):
            text = value.encode()
            out += struct.pack("<Q", len(text)) + text
        else:
            out += struct.pack("<Q", value)
    return out


def main(path):
    db = sqlite3.connect(path)
    prev, count = bytes(32), 0
    for row_id, prev_hash, hash_, *values in db.execute(
            f"SELECT id, prev_hash, hash, {', '.join(COLUMNS)} FROM meter ORDER BY id"):
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
