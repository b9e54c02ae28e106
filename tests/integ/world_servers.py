# SPDX-License-Identifier: Apache-2.0
"""Servers of a test's world: `world_servers.py PORT[,PORT] ADDRESS...`. Each tells its own address and the client's:
over TCP as soon as a client connects, over UDP to each datagram. Prints "ready" and serves until it is ended."""
import contextlib
import selectors
import socket
import sys

IPV6_FREEBIND = 78  # <linux/in6.h>


def opened(address, port, kind):
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in address:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)  # the address is not ready until the kernel's worker ran
    one.bind((address, port))
    if kind == socket.SOCK_STREAM:
        one.listen(128)
    return one


def words(address, peer):
    return f"{address} says hello to {peer[0]}".encode()


def answer(one, address):
    if one.type == socket.SOCK_STREAM:
        connection, peer = one.accept()
        with connection:
            connection.sendall(words(address, peer))
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(1)
            said = connection.recv(65536)
            while len(said) > 100 and connection.recv(65536):  # a close in front of words is a reset, which drops them
                pass
    else:
        _, peer = one.recvfrom(65536)
        one.sendto(words(address, peer), peer)


def main():
    waiting = selectors.DefaultSelector()
    for address in sys.argv[2:]:
        for port in map(int, sys.argv[1].split(",")):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                waiting.register(opened(address, port, kind), selectors.EVENT_READ, address)
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            with contextlib.suppress(OSError):  # a client that resets, or a sender that cannot be answered
                answer(key.fileobj, key.data)


main()
