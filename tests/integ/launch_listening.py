#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Opens listening sockets and executes a program with them, as systemd does (sd_listen_fds(3)).

usage: launch_listening.py NAME=[udp/|sctp/]ADDRESS:PORT... -- PROGRAM ARGUMENT...
(NAME=/FILE: a file that is no socket; NAME=@OTHER: one more socket with the address of OTHER)
"""
import os
import socket
import sys

FIRST = 3


def open_socket(family, protocol):
    if protocol == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP if protocol == "sctp" else 0)
    if protocol != "sctp":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return one


def main(words):
    end = words.index("--")
    names, sockets = [], []
    for word in words[:end]:
        name, address = word.split("=")
        names.append(name)
        if address.startswith("/"):
            sockets.append(open(address, "rb"))  # pylint: disable=consider-using-with
            continue
        if address.startswith("@"):
            address = "%s:%d" % sockets[names.index(address[1:])].getsockname()
        protocol, _, address = address.rpartition("/")
        host, port = address.rsplit(":", 1)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        one = open_socket(family, protocol)
        one.bind((host.strip("[]"), int(port)))
        if protocol != "udp":
            one.listen(4096)
        sockets.append(one)
    for n, one in enumerate(sockets):  # out of the way of each other first
        os.dup2(one.fileno(), 100 + n)
    for n in range(len(sockets)):
        os.dup2(100 + n, FIRST + n)
    os.closerange(FIRST + len(sockets), 200)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names))
    os.execv(words[end + 1], words[end + 1:])


main(sys.argv[1:])
