# SPDX-License-Identifier: Apache-2.0
"""A server of a test's world: `talk_server.py PORT ADDRESS...`, over TCP and UDP. Prints "ready".

    GET /slow?ms=N    answered after N ms; the connection stays open
    hello             "hi"
    mute              nothing, ever
    sub NAME          "ok"; then the lines of the test for NAME
Lines of the test, on its input: "say NAME WORDS" (a line to each), "close NAME" (FIN), "reset NAME" (RST).
"""
import asyncio
import re
import socket
import struct
import sys

SUBSCRIBED = {}  # name -> the ends, as functions of a line; None closes, b"" resets


def tcp_end(writer):
    def end(line):
        if line is None:
            writer.close()
        elif line == b"":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.write(line)
    return end


async def http(reader, writer, target):
    while await reader.readline() not in (b"\r\n", b""):
        pass
    await asyncio.sleep(int(re.search(r"ms=(\d+)", target).group(1)) / 1000)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")


async def serve(reader, writer):
    one = writer.get_extra_info("socket")
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a probe a second
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 100)):
        one.setsockopt(socket.IPPROTO_TCP, option, value)
    try:
        while line := (await reader.readline()).decode().split():
            if line[0] == "GET":
                await http(reader, writer, line[1])
            elif line[0] == "hello":
                writer.write(b"hi\n")
            elif line[0] == "pong":
                pass
            elif line[0] == "sub":
                SUBSCRIBED.setdefault(line[1], []).append(tcp_end(writer))
                writer.write(b"ok\n")
    except OSError:
        pass  # the instance is gone


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        words = data.decode().split()
        if words and words[0] == "sub":
            SUBSCRIBED.setdefault(words[1], []).append(lambda line: self.transport.sendto(line, addr))
            self.transport.sendto(b"ok\n", addr)


def obey():
    line = sys.stdin.readline()
    if not line:
        asyncio.get_running_loop().stop()
        return
    order, name, words = (line.rstrip("\n").split(" ", 2) + [""])[:3]
    what = {"say": words.encode() + b"\n", "close": None, "reset": b""}[order]
    for end in SUBSCRIBED.get(name, []):
        end(what)
    print(f"done {len(SUBSCRIBED.get(name, []))}", flush=True)


async def main():
    loop, port = asyncio.get_running_loop(), int(sys.argv[1])
    for address in sys.argv[2:]:
        await asyncio.start_server(serve, address, port)
        await loop.create_datagram_endpoint(Datagrams, (address, port))
    loop.add_reader(sys.stdin.fileno(), obey)
    print("ready", flush=True)
    await asyncio.Event().wait()


try:
    asyncio.run(main())
except RuntimeError:
    pass  # its input has ended
