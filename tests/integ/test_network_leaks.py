# SPDX-License-Identifier: Apache-2.0
"""The corpus of leaks: attempts from inside to reach addresses that an instance with `ebb.egress: "internet"` must not
reach. A server waits at every target, so an attempt that gets through is answered; a counter in the world sees packets
that get through without an answer. Each attempt is a row."""
from concurrent.futures import ThreadPoolExecutor

import pytest

import counts
import pictures
import plain_container
import web
import worlds
from networks import REFUSED, attempt, file_inside, host_internal, probes, put
from worlds import DATABASE4, DATABASE6, HOST4, HOST6, PUBLIC4, PUBLIC6

# Of every range that is not public one address, at which the world serves.
RANGES4 = {
    "private-10": "10.0.0.5", "private-10-last": "10.255.255.254", "private-172": "172.16.0.1",
    "private-172-last": "172.31.255.254", "private-192": "192.168.0.1", "private-192-last": "192.168.255.254",
    "shared": "100.64.0.1", "shared-last": "100.127.255.254", "link-local": "169.254.1.1",
    "metadata": "169.254.169.254", "metadata-ecs": "169.254.170.2", "metadata-alibaba": "100.100.100.200",
    "metadata-oracle": "192.0.0.192", "metadata-azure": "168.63.129.16", "protocol-assignments": "192.0.0.1",
    "6to4-relay": "192.88.99.1", "benchmarking": "198.18.200.200", "benchmarking-last": "198.19.255.254",
}
RANGES6 = {
    "unique-local": "fd00:1::5", "unique-local-fc": "fc00::1", "metadata-v6": "fd00:ec2::254", "v6-compatible": "::a00:5",
    "nat64": "64:ff9b::a00:5", "nat64-local": "64:ff9b:1::a00:5", "6to4": "2002:a00:5::1", "teredo": "2001::a00:5",
    "discard": "100::1", "v6-benchmarking": "2001:2::1", "orchid": "2001:20::1", "site-local": "fec0::1",
    "segment-routing": "5f00::1", "v4-translated": "::ffff:0:a00:5",
}
# Without a server: nobody can have these, or nobody answers from them.
SILENT = {
    "this-network": "0.1.2.3", "reserved": "240.0.0.1", "broadcast": "255.255.255.255", "broadcast-of-the-host": "192.0.2.255",
    "multicast": "224.0.0.1", "multicast-global": "233.252.0.1", "multicast-v6-link": "ff02::1%eth0",
    "multicast-v6-global": "ff0e::101",
}
HOST_EXTRA4, HOST_EXTRA6 = "203.0.113.200", "2001:db8:9::9"  # public ones of the host, on another interface
SHORT = 300  # ms to wait where nothing may come


def rows():
    """(name, what is tried). PLACEHOLDERS stand for what is known only while it runs."""
    for name, to in {**RANGES4, **RANGES6}.items():
        yield f"tcp-{name}", {"to": to}
    for name in ("private-10", "shared", "metadata", "unique-local", "nat64", "6to4", "metadata-v6"):
        yield f"udp-{name}", {"to": {**RANGES4, **RANGES6}[name], "kind": "udp"}
    for name in ("private-10", "metadata", "unique-local"):
        yield f"ping-{name}", {"to": {**RANGES4, **RANGES6}[name], "kind": "ping", "ms": SHORT}
        yield f"dns-{name}", {"to": {**RANGES4, **RANGES6}[name], "kind": "udp", "port": 53}
        yield f"fragments-{name}", {"to": {**RANGES4, **RANGES6}[name], "kind": "udp", "size": 9000, "ms": SHORT}
    for name, to in SILENT.items():
        yield f"udp-{name}", {"to": to.split("%")[0], "kind": "udp", "ms": SHORT}
    yield "mapped-private", {"to": "::ffff:10.0.0.5"}
    yield "mapped-metadata", {"to": "::ffff:169.254.169.254"}
    yield "mapped-host", {"to": f"::ffff:{HOST4}"}
    for name, to in (("host-4", HOST4), ("host-6", HOST6), ("host-extra-4", HOST_EXTRA4), ("host-extra-6", HOST_EXTRA6),
                     ("host-internal", "HOST_INTERNAL"), ("other-instance", "OTHER4"), ("other-instance-6", "OTHER6"),
                     ("gateway-own-address", "OWN4")):
        yield f"tcp-{name}", {"to": to}
        yield f"udp-{name}", {"to": to, "kind": "udp", "ms": SHORT}
    yield "gateways-listener-4", {"to": HOST4, "port": "GATEWAY"}
    yield "gateways-listener-extra", {"to": HOST_EXTRA4, "port": "GATEWAY"}
    yield "gateways-listener-6", {"to": HOST6, "port": "GATEWAY"}
    yield "gateways-listener-internal", {"to": "HOST_INTERNAL", "port": "GATEWAY"}
    for name, of in (("host", HOST4), ("other-instance", "OTHER4"), ("public", PUBLIC4), ("loopback", "127.0.0.1")):
        yield f"spoofed-{name}", {"to": PUBLIC4, "from": of, "kind": "udp", "ms": SHORT}
    for name, of in (("host-6", HOST6), ("other-instance-6", "OTHER6")):
        yield f"spoofed-{name}", {"to": PUBLIC6, "from": of, "kind": "udp", "ms": SHORT}
    for kind in ("raw", "packet"):
        yield f"{kind}-socket", {"to": PUBLIC4, "kind": kind}
        yield f"{kind}-socket-6", {"to": PUBLIC6, "kind": kind}


ROWS = dict(rows())
KNOBS = {
    "ipv4/ip_forward": "0", "ipv4/conf/eth0/accept_redirects": "0", "ipv4/conf/all/accept_redirects": "0",
    "ipv4/conf/all/rp_filter": "1", "ipv4/conf/eth0/accept_source_route": "0", "ipv6/conf/eth0/accept_ra": "0",
    "ipv6/conf/eth0/autoconf": "0", "ipv6/conf/eth0/accept_redirects": "0", "ipv6/conf/all/forwarding": "0",
}


@pytest.fixture(scope="module")
def world():
    addresses = [*RANGES4.values(), *RANGES6.values()]
    addresses = [a for a in addresses if a not in (DATABASE4, DATABASE6)]
    with worlds.World(addresses, ports=(53, 80)) as one:
        one.ip(one.host, "link", "add", "extra0", "type", "veth", "peer", "name", "extra1")
        one.spare = ("extra0", "extra1")
        for address in (f"{HOST_EXTRA4}/24", f"{HOST_EXTRA6}/64"):
            one.ip(one.host, "addr", "add", address, "dev", "extra0", *(["nodad"] if ":" in address else []))
        one.ip(one.host, "link", "set", "extra0", "up")
        one.ip(one.host, "link", "set", "extra1", "up")
        one.serve(one.host, "0.0.0.0", "::", ports=(80,))
        yield one


def count_in_the_world(world):
    """Packets that came from the host to where nothing may."""
    four, six = ", ".join(sorted(RANGES4.values())), ", ".join(sorted(RANGES6.values()))
    return f"""table inet seen {{
        counter seen {{
        }}
        chain arrivals {{
            type filter hook prerouting priority -300;
            iifname eth0 ip daddr {{ {four} }} counter name seen
            iifname eth0 ip6 daddr {{ {six} }} counter name seen
        }}
    }}
    """


@pytest.fixture(scope="module")
def ebb(world):
    worlds.run(*world.inside(world.world, "nft", "-f", "-"), input=count_in_the_world(world))
    with probes(world) as one:
        put(one, "inner", "internet")
        put(one, "neighbour", "internet")
        one.known = known(one, world)
        yield one


def known(ebb, world):
    """The values of the placeholders."""
    tables = [file_inside(ebb, name, path) for name in ("inner", "neighbour")
              for path in ("/proc/net/fib_trie", "/proc/net/if_inet6")]
    def four(text):
        return next(line.split()[-1] for line in text.splitlines() if line.split()[-1].startswith("198."))
    def six(text):
        raw = next(line.split()[0] for line in text.splitlines() if line.startswith("fd"))
        return ":".join(raw[n:n + 4] for n in range(0, 32, 4))
    return {"HOST_INTERNAL": host_internal(ebb, "inner"), "GATEWAY": ebb.port, "OWN4": HOST4,
            "OTHER4": four(tables[2]), "OTHER6": six(tables[3])}


@pytest.mark.parametrize("name", ROWS)
def test_does_not_get_through(ebb, name):
    row = {key: ebb.known.get(value, value) for key, value in ROWS[name].items()}
    result, took_ms = attempt(ebb, "inner", **{"ms": 2000, **row})
    assert not result.startswith("got ") and result != "connected", (name, row, result)
    if row.get("kind", "tcp") == "tcp":  # at once, and not by waiting
        assert result in (*REFUSED, "EINVAL", "EADDRNOTAVAIL") and took_ms < 1500, (name, row, result, took_ms)


def test_the_corpus_is_large_and_its_servers_answer(ebb, world):
    assert len(ROWS) >= 80
    for to in (PUBLIC4, PUBLIC6):
        for kind in ("tcp", "udp"):
            assert attempt(ebb, "inner", to, 80, kind)[0].startswith("got "), (to, kind)
    for to in ["10.0.0.5", "169.254.169.254", "64:ff9b::a00:5", "fd00:ec2::254"]:
        done = worlds.run(*world.inside(world.world, "/usr/bin/python3", "-c",
                                        f"import socket; print(socket.create_connection(('{to}', 80), 2).recv(99))"))
        assert "says hello" in done


@pytest.mark.parametrize("name", KNOBS)
def test_the_network_inside_is_nobodys_router_and_takes_no_advice(ebb, name):
    assert file_inside(ebb, "inner", f"/proc/sys/net/{name}").strip() == KNOBS[name]


def test_nothing_arrived_where_nothing_may(ebb, world):
    """The last of the file: the packets of all attempts above, answered or not."""
    out = worlds.run(*world.inside(world.world, "nft", "list", "counter", "inet", "seen", "seen"))
    assert "packets 0 bytes 0" in out, out


@pytest.mark.skipif(pictures.IN_VM, reason="there is no runc in the guest")
def test_a_plain_container_lets_many_of_them_through(ebb, world):
    """The same attempts from a container of runc behind a bridge, printed beside ours; behind the count above, because
    its packets arrive. One that nothing gets out of would be no comparison."""
    known_there = {**ebb.known, "HOST_INTERNAL": plain_container.BRIDGE4}
    with plain_container.container(world) as address:
        def got_through(name):
            row = {key: known_there.get(value, value) for key, value in {"kind": "tcp", "port": 80, "ms": 2000, **ROWS[name]}.items()}
            result = web.request(address, "/dial?" + "&".join(f"{key}={value}" for key, value in row.items())).json["result"]
            return result.startswith("got ") or result == "connected"
        with ThreadPoolExecutor(4) as four:  # the world's servers take one after the other
            found = list(four.map(got_through, ROWS))
    through = [name for name, got in zip(ROWS, found) if got]
    counts.note(f"leaks: {len(ROWS)} attempts; through: 0 from an instance, {len(through)} from a container of runc behind a "
                f"bridge: {' '.join(through)}")
    assert {"tcp-metadata", "tcp-private-10", "tcp-host-4", "tcp-unique-local"} <= set(through), found
