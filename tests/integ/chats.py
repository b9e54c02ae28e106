# SPDX-License-Identifier: Apache-2.0
"""
Chats with a model through a function: a model server in the world, and the clients, in one loop. The model says its
next token only when the client has read the one before. So a token that is buffered on its way ends the test, however
slow the machine is.
"""
import asyncio
import re
import socket
import threading

import worlds
from waiting import slow

ASKED = re.compile(rb"POST /v1/chat\?n=(\d+) HTTP/1.1\r\n")
WAIT_S = 150  # the first chat may start the instance
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def listener_in(world, address, port):
    """A listening socket of the world's namespace: it belongs to the namespace in which it was made."""
    made = []

    def make():
        worlds.enter(f"/run/netns/{world.world}")
        made.append(socket.create_server((address, port), backlog=256))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Chats:
    """count chats of `tokens` tokens each, with a pause of pause_s between two tokens of one."""

    def __init__(self, count, tokens, pause_s):
        self.tokens, self.pause_s = tokens, pause_s
        self.read = [asyncio.Queue() for _ in range(count)]  # the numbers of tokens that the client has read
        self.instances, self.open, self.most = set(), 0, 0
        self.all_open = asyncio.Event()

    async def model(self, reader, writer):
        try:
            number = int(ASKED.match(await reader.readuntil(b"\r\n\r\n")).group(1))
            await self.meet()
            writer.write(HEAD)
            for token in range(self.tokens):
                data = b"data: token %d of chat %d\n\n" % (token, number)
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
                assert await asyncio.wait_for(self.read[number].get(), slow(WAIT_S)) == token
                await asyncio.sleep(self.pause_s)
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        finally:
            writer.close()

    async def meet(self):
        """Waits until all chats have reached the model: they are at once."""
        self.open += 1
        if self.open == len(self.read):
            self.all_open.set()
        await asyncio.wait_for(self.all_open.wait(), slow(WAIT_S))

    async def client(self, address, host, number):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(f"GET /?n={number} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), slow(WAIT_S))
            assert head.startswith(b"HTTP/1.1 200 "), head
            self.instances.add(re.search(rb"(?i)\r\nx-ebb-instance: (\S+)", head).group(1))
            for token in range(self.tokens):
                wanted = b"data: token %d of chat %d\n\n" % (token, number)
                got = await asyncio.wait_for(reader.readuntil(b"\n\n"), slow(WAIT_S))
                assert got.endswith(wanted), (got, wanted)
                self.read[number].put_nowait(token)
            return await asyncio.wait_for(reader.read(), slow(WAIT_S))
        finally:
            writer.close()

    async def run(self, listener, address, host):
        server = await asyncio.start_server(self.model, sock=listener)
        async with server:
            await asyncio.gather(*(self.client(address, host, n) for n in range(len(self.read))))


def hold(world, address, port, ebb, service, **shape):
    """All of them at once; the Chats, which know the instances that answered."""
    async def run():
        chats = Chats(**shape)
        await chats.run(listener_in(world, address, port), ebb.address, f"{service}.localhost")
        return chats
    return asyncio.run(run())
