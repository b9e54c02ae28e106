# SPDX-License-Identifier: Apache-2.0
"""WebSocket frames, byte by byte, for tests that need more than a library lets them say."""
import base64
import hashlib
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16))).decode()


def accept_of(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def handshake(path="/ws", host="any", fields="", key=KEY):
    return (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{fields}\r\n").encode()


def frame(opcode, payload=b"", fin=True, masked=False, length_bytes=None):
    """length_bytes: 0, 2 or 8, where it is not to be the shortest."""
    if length_bytes is None:
        length_bytes = 0 if len(payload) < 126 else 2 if len(payload) < 65536 else 8
    first, bit = opcode | (0x80 if fin else 0), 0x80 if masked else 0
    head = {0: lambda: struct.pack(">BB", first, bit | len(payload)),
            2: lambda: struct.pack(">BBH", first, bit | 126, len(payload)),
            8: lambda: struct.pack(">BBQ", first, bit | 127, len(payload))}[length_bytes]()
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def close(code, masked=False):
    return frame(CLOSE, struct.pack(">H", code), masked=masked)


def read_frame(reader):
    """(opcode, payload) of the next frame, unmasked; None at the end."""
    try:
        first, second = reader.exactly(2)
    except EOFError:
        return None
    size = second & 127
    if size == 126:
        (size,) = struct.unpack(">H", reader.exactly(2))
    elif size == 127:
        (size,) = struct.unpack(">Q", reader.exactly(8))
    mask = reader.exactly(4) if second & 128 else bytes(4)
    payload = reader.exactly(size)
    return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
