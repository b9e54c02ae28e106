# SPDX-License-Identifier: Apache-2.0
"""Runs inside a sandbox with the host's network. Connects a build to the hosts that it may reach, and to no other.

relay.py FD UPSTREAM HOST:PORT...: receives a listening socket from the socket FD. A client names its target as it would
to a proxy (CONNECT, RFC 9110 section 9.3.6, or an absolute URL). Only listed targets are connected, directly or through
UPSTREAM, the caller's own proxy. Bytes pass unchanged. The word "public" among the targets admits every public address,
as an instance's default rules do: not the host's own, which netns/ranges.c and the kernel's routes tell.
"""
import array
import ipaddress
import re
import selectors
import socket
import sys
import threading
import urllib.parse

HEAD_MAX, IDLE_S, AT_ONCE = 65536, 60, 64
OPENED = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")
LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
# A name below a top domain (RFC 3696 section 2): no spelling of an address, and no name of a single host.
NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+(?!localhost$)[a-z][a-z0-9-]{0,61}[a-z0-9]")
# The ranges of netns/ranges.c, which a test compares.
NOT_PUBLIC = [ipaddress.ip_network(one) for one in """
    169.254.169.254/32 100.100.100.200/32 192.0.0.192/32 168.63.129.16/32 fd00:ec2::254/128 fd20:ce::254/128
    0.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 192.0.0.0/24
    192.88.99.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4 ::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48
    100::/64 2001::/32 2001:2::/48 2001:10::/28 2001:20::/28 2002::/16 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    """.split()]


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


def is_own(family, address):
    """Whether an address is the host's: the kernel then answers from the address itself (ip-route(8), table local)."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False  # no route leads there
        return probe.getsockname()[0] == address[0]


def is_public(address):
    ip = ipaddress.ip_address(address.partition("%")[0])
    return not any(ip in net for net in NOT_PUBLIC if net.version == ip.version)


def public_addresses(wanted, upstream):
    """The addresses of "host:port" where all are public, else none. A name that only the caller's proxy can resolve
    is left to the proxy."""
    host, _, port = wanted.rpartition(":")
    host = host.strip("[]").removesuffix(".")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except socket.gaierror:
        return [None] if upstream and NAME.fullmatch(host) else []
    except ValueError:
        return []
    addresses = [(family, address) for family, _, _, _, address in found]
    if any(not is_public(address[0]) or is_own(family, address) for family, address in addresses):
        return []
    return [address for _, address in addresses]


def ways(wanted, upstream, hosts):
    """The addresses to connect to for a target: none where it is refused."""
    found = [None] if wanted in hosts else public_addresses(wanted, upstream) if "public" in hosts else []
    if not found:
        return []
    host, _, port = (upstream or wanted).rpartition(":")
    named = (host.strip("[]"), int(port))
    return [named if upstream or one is None else one[:2] for one in found]


def connect(addresses):
    for last, address in enumerate(addresses, 1):
        try:
            return socket.create_connection(address, IDLE_S)
        except OSError:
            if last == len(addresses):
                raise
    raise OSError("no address")


def refuse(client, wish, hosts):
    wanted = re.sub(r"[^!-~]", "?", wish[1])[:300] if wish else "no proxy request"
    if "public" in hosts:
        print(f"refused: {wanted} is no public address (EBB_BUILD_HOSTS allows more)", file=sys.stderr, flush=True)
    else:
        print(f"refused: {wanted} is not npm's registry (EBB_NPM_HOSTS allows more)", file=sys.stderr, flush=True)
    client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def serve(client, upstream, hosts):
    with client:
        client.settimeout(IDLE_S)
        head = read_head(client)
        wish = target(head)
        addresses = ways(wish[1], upstream, hosts) if wish else []
        if not addresses:
            refuse(client, wish, hosts)
            return
        with connect(addresses) as server:
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
