# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox with the host's network. Connects npm's sandbox to the registry, and to no other host.

relay.py FD UPSTREAM HOST:PORT...: receives a listening socket from the socket FD. A client names its target as it would
to a proxy (CONNECT, RFC 9110 section 9.3.6, or an absolute URL). Only listed targets are connected, directly or through
UPSTREAM, the caller's own proxy. Bytes pass unchanged.
"""
import array
import re
import selectors
import socket
import sys
import threading
import urllib.parse

HEAD_MAX, IDLE_S, AT_ONCE = 65536, 60, 64
OPENED = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")
LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")


def take_listener(fd):
    channel = socket.socket(fileno=fd)
    _, parts, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    for level, kind, data in parts:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return socket.socket(fileno=array.array("i", data[:4])[0])
    sys.exit("no listener came")


def read_head(client):
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
        data = client.recv(8192)
        if not data:
            return b""
        head += data
    return head


def target(head):
    """The target of a head: (whether it is CONNECT, "host:port"), or None for a head that is neither form."""
    line = LINE.match(head)
    if not line:
        return None
    if line[1] == b"CONNECT":
        return True, line[2].decode("latin-1").lower()
    try:
        url = urllib.parse.urlsplit(line[2].decode("latin-1"))
        return (False, f"{url.hostname}:{url.port or 80}") if url.scheme == "http" else None
    except ValueError:
        return None


def pump(one, other):
    """Passes bytes both ways until both sides have ended, or neither has sent anything for IDLE_S."""
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while ready.get_map():
            events = ready.select(IDLE_S)
            if not events:
                return
            for key, _ in events:
                data = key.fileobj.recv(65536)
                if data:
                    key.data.sendall(data)
                    continue
                ready.unregister(key.fileobj)
                key.data.shutdown(socket.SHUT_WR)


def open_tunnel(server, wanted):
    """Asks the caller's own proxy for one target. A later request on this connection can then name no other one."""
    server.settimeout(IDLE_S)
    server.sendall(f"CONNECT {wanted} HTTP/1.1\r\nHost: {wanted}\r\n\r\n".encode("latin-1"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and len(answer) < HEAD_MAX:
        data = server.recv(1)
        if not data:
            break
        answer += data
    if not OPENED.match(answer):
        raise OSError(f"the proxy opens no connection to {wanted}")


def serve(client, upstream, hosts):
    with client:
        client.settimeout(IDLE_S)
        head = read_head(client)
        wish = target(head)
        if wish is None or wish[1] not in hosts:
            print(f"refused: {wish[1] if wish else 'no proxy request'} is not npm's registry "
                  "(EBB_NPM_HOSTS allows more)", file=sys.stderr, flush=True)
            client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        host, _, port = (upstream or wish[1]).rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), IDLE_S) as server:
            if upstream:
                open_tunnel(server, wish[1])
            if wish[0]:
                head = head.partition(b"\r\n\r\n")[2]
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            server.sendall(head)
            pump(client, server)


def guard(client, upstream, hosts, room):
    try:
        serve(client, upstream, hosts)
    except OSError as error:
        print(f"relay: {error}", file=sys.stderr, flush=True)
    finally:
        room.release()


def main():
    upstream = ""
    if sys.argv[2]:
        url = urllib.parse.urlsplit(sys.argv[2])
        upstream = f"{url.hostname}:{url.port or 3128}"
    listener, hosts, room = take_listener(int(sys.argv[1])), set(sys.argv[3:]), threading.Semaphore(AT_ONCE)
    while True:
        room.acquire()
        client, _ = listener.accept()
        threading.Thread(target=guard, args=(client, upstream, hosts, room), daemon=True).start()


if __name__ == "__main__":
    main()
