# SPDX-License-Identifier: Apache-2.0
"""The use of the network by an instance: bytes and connections, in the bill, in /metrics and in the ledger; and its open
connections. Bytes are those of IP packets: a datagram counts with 28 bytes of heads (IPv6: 48), a TCP segment with at most
60 (80), and the first of a connection the same."""
import contextlib
import csv
import io
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest

import worlds
from ebbd_deaths import kill_ebbd
from name_server import packed
from networks import REFUSED, Names, dial, file_inside, host_internal, probes, put, reaches
from waiting import wait_for
from worlds import DATABASE4, HOST4, HOST6, PUBLIC4, PUBLIC6

HEADS = {PUBLIC4: 28, PUBLIC6: 48}  # of a datagram: IP and UDP
HOSTS = {PUBLIC4: HOST4, PUBLIC6: HOST6}
KEYS = ("net_out_bytes", "net_in_bytes", "net_connections")
MUTE = 7777  # takes connections and says nothing
NAME = "api.example.com"


@pytest.fixture(scope="module")
def world():
    with worlds.World() as one:
        yield one


@pytest.fixture(scope="module")
def ebb(world, tmp_path_factory):
    Names(world, str(tmp_path_factory.mktemp("names")), {NAME: {"A": [PUBLIC4]}})
    mute(world)
    with probes(world, settings={"egress_resolver": worlds.ROUTER4}) as one:
        put(one, "first", "internet")
        wait_for(lambda: one.get("first").status == 200, 60)  # an emulated guest is not in time with its first wire
        yield one


def mute(world):
    script = f"import socket; s = socket.create_server(('{PUBLIC4}', {MUTE})); print('ready', flush=True); input()"
    process = subprocess.Popen(world.inside(world.world, sys.executable, "-B", "-c", script), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    world.servers.append(process)
    assert process.stdout.readline() == "ready\n"


def used(ebb, name):
    row = ebb.usage(name)
    return tuple(row.get(key, 0) for key in KEYS)


def more(ebb, name, before):
    return tuple(now - then for now, then in zip(used(ebb, name), before))


def ledger(ebb, name):
    """(reason, out, in, connections) of each reading, in their order."""
    with contextlib.closing(sqlite3.connect(f"file:{ebb.root}/ledger/ledger.db?mode=ro", uri=True)) as db:
        return db.execute("select reason, net_out_bytes, net_in_bytes, net_connections from meter where service = ?"
                          " order by id", (name,)).fetchall()


def datagram(ebb, name, to, size, **more):
    """(out, in, connections) that it has to cost."""
    said = dial(ebb, name, to, kind="udp", size=size, **more)
    assert said == f"got {to} says hello to {HOSTS[to]}", said
    return size + HEADS[to], len(said) - len("got ") + HEADS[to], 1


def sent_again(ebb, name):
    """TCP segments of its network namespace that were sent once more: on a busy machine an answer may come late."""
    keys, values = (line.split() for line in file_inside(ebb, name, "/proc/net/snmp").splitlines() if line.startswith("Tcp:"))
    return int(values[keys.index("RetransSegs")])


def total(costs):
    return tuple(map(sum, zip(*costs)))


def test_a_datagram_counts_to_the_byte(ebb):
    put(ebb, "exact", "internet")
    assert ebb.get("exact", "/").status == 200
    assert used(ebb, "exact") == (0, 0, 0), "the wire carried something before the program did"
    costs = [datagram(ebb, "exact", to, size) for to in HEADS for size in (4, 100, 1400)]
    assert used(ebb, "exact") == total(costs)
    shown = ebb.instance("exact")
    assert tuple(shown[key] for key in KEYS) == total(costs)


@pytest.mark.parametrize("to", HEADS)
def test_tcp_counts_its_bytes_and_its_heads(ebb, to):
    put(ebb, "stream", "internet")
    assert ebb.get("stream", "/").status == 200
    before, size = used(ebb, "stream"), 30000
    assert dial(ebb, "stream", to, size=size).startswith("got ")
    # The server speaks first, so its words may be there before all of the client's have gone.
    wait_for(lambda: more(ebb, "stream", before)[0] >= size + 3 * 40 and more(ebb, "stream", before)[2] == 1)
    sent, came, made = more(ebb, "stream", before)
    head = HEADS[to] + 52  # IP, TCP and the most options
    again = sent_again(ebb, "stream")
    segments = size // 1300 + 12 + again  # data at the smallest, acknowledgements, the first, the last
    assert sent <= size + segments * head + again * 1500, (sent, segments, again)
    assert 60 < came < 60 + segments * head, (came, segments)
    assert made == 1


def test_a_refused_attempt_is_no_connection_and_a_name_neither(ebb):
    put(ebb, "counted", {"allow": [NAME]})
    for kind in ("tcp", "udp"):
        assert dial(ebb, "counted", DATABASE4, kind=kind) in REFUSED
    sent, came, made = used(ebb, "counted")
    assert sent > 0 and came > 0 and made == 0
    message = b"\0\7\1\0\0\1\0\0\0\0\0\0" + packed(NAME) + b"\0\1\0\1"
    asked = ebb.get("counted", f"/ask?kind=udp&to={host_internal(ebb, 'counted')}&data={message.hex()}&ms=8000")
    assert asked.status == 200 and socket.inet_aton(PUBLIC4).hex() in asked.text, asked
    assert used(ebb, "counted")[2] == 0
    assert reaches(ebb, "counted", PUBLIC4)
    assert used(ebb, "counted")[2] == 1


def test_the_metrics_and_the_table_say_the_same(ebb):
    put(ebb, "shown", "internet")
    cost = datagram(ebb, "shown", PUBLIC4, 500)
    assert used(ebb, "shown") == cost  # which writes it into the ledger
    text = ebb.rest("GET", "/metrics").text
    for key, wanted in zip(KEYS, cost):
        assert f'ebb_{key}_total{{service="shown"}} {wanted}\n' in text
        assert f'ebb_instance_{key}_total{{service="shown",instance="{ebb.instance("shown")["id"]}"}} {wanted}\n' in text
    assert "NET OUT" in ebb.cli("usage").out and "CONNECTIONS" in ebb.cli("usage").out


def test_focus_has_bytes_with_the_prices_that_were_asked_for(ebb):
    put(ebb, "priced", "internet")
    sent, came, _ = total([datagram(ebb, "priced", PUBLIC4, 1400) for _ in range(3)])
    asked = "/v1/usage?format=focus&service=priced&gb_out=900&gb_in=0.5"
    rows = [row for row in csv.DictReader(io.StringIO(ebb.rest("GET", asked).text)) if row["ServiceCategory"] == "Networking"]
    found = {kind: [row for row in rows if row["ChargeDescription"] == kind] for kind in ("Bytes sent", "Bytes received")}
    for kind, size, price in (("Bytes sent", sent, 900), ("Bytes received", came, 0.5)):  # an hour may end in between
        assert sum(int(row["ConsumedQuantity"]) for row in found[kind]) == size
        assert sum(float(row["BilledCost"]) for row in found[kind]) == pytest.approx(size * price / 1e9, abs=2e-9)
        assert {(row["ConsumedUnit"], row["PricingUnit"]) for row in found[kind]} == {("Bytes", "GB")}
    free = csv.DictReader(io.StringIO(ebb.cli("usage", "--service", "priced", "--format", "focus").out))
    assert {row["BilledCost"] for row in free if row["ServiceCategory"] == "Networking"} == {"0.000000000"}
    dear = ebb.cli("usage", "--service", "priced", "--format", "focus", "--price", "gb_out=900", "--price", "currency=EUR").out
    dear = [row for row in csv.DictReader(io.StringIO(dear)) if row["ChargeDescription"] == "Bytes sent"]
    assert sum(float(row["BilledCost"]) for row in dear) == pytest.approx(sent * 900 / 1e9, abs=2e-9)
    assert {row["BillingCurrency"] for row in dear} == {"EUR"}
    for wrong, words in (("gb_out=much", "gb_out: \"much\" is not a price"), ("900", "cannot use --price 900"),
                         ("gb_up=1", "gb_up")):
        done = ebb.cli("usage", "--format", "focus", "--price", wrong, ok=False)
        assert done.code != 0 and words in done.err, done


def test_a_freeze_is_a_reading_and_the_counters_go_on_behind_it(ebb):
    put(ebb, "sleepy", "internet")
    costs = []
    for _ in range(3):
        costs.append(datagram(ebb, "sleepy", PUBLIC4, 200))
        ebb.wait_frozen("sleepy")
        wait_for(lambda: (1, *total(costs)) in ledger(ebb, "sleepy"), 10, lambda: ledger(ebb, "sleepy"))
    assert used(ebb, "sleepy") == total(costs)


def test_the_last_reading_has_all_of_it(ebb):
    put(ebb, "ends", "internet")
    costs = [datagram(ebb, "ends", PUBLIC6, 300) for _ in range(3)]
    ebb.cli("rm", "ends")
    wait_for(lambda: not ebb.instances("ends"))
    wait_for(lambda: ledger(ebb, "ends")[-1:] == [(4, *total(costs))], 10, lambda: ledger(ebb, "ends"))
    assert "the ledger holds" in ebb.cli("ledger", "verify").out


def test_a_service_without_a_network_has_none_of_it(ebb):
    put(ebb, "closed", "none")
    assert ebb.get("closed", "/").status == 200
    assert used(ebb, "closed") == (0, 0, 0)
    one = ebb.rest("GET", f"/v1/instances/{ebb.instance('closed')['id']}").json
    assert one["addresses"] == [] and "open_connections" not in one
    assert ebb.cli("net", one["id"], "--json").json == []


def test_open_connections_are_shown(ebb):
    put(ebb, "open", "internet")
    assert ebb.get("open", "/").status == 200
    name = ebb.instance("open")["id"]
    assert ebb.cli("net", name, "--json").json == []
    waits = threading.Thread(target=dial, args=(ebb, "open", PUBLIC4, MUTE), kwargs={"ms": 5000}, daemon=True)
    waits.start()
    peers = wait_for(lambda: [c for c in ebb.cli("net", name, "--json").json if c["state"] != "SYN-SENT"])
    one = ebb.cli("inspect", name).json
    local = one["addresses"][0]
    assert [(c["protocol"], c["state"], c["peer"], c["local"].rsplit(":", 1)[0]) for c in peers] == [
        ("tcp", "ESTAB", f"{PUBLIC4}:{MUTE}", local)]
    assert one["open_connections"] == 1 and len(one["addresses"]) == 2
    wide = next(row for row in ebb.cli("ps", "--wide", "--service", "open", "--json").json if row["id"] == name)
    assert wide["open_connections"] == 1 and wide["addresses"] == one["addresses"]
    assert local in ebb.cli("ps", "--wide").out
    assert f"{PUBLIC4}:{MUTE}" in ebb.cli("net", name).out
    everything = ebb.cli("net", "--all", name, "--json").json
    assert any(c["state"] == "LISTEN" for c in everything) and len(everything) > len(peers)
    ebb.cli("stop", name)
    waits.join()


def test_sockets_of_nobody_are_an_error_with_a_name(ebb):
    assert ebb.rest("GET", "/v1/instances/nobody-1/connections").status == 404
    assert ebb.cli("net", "nobody-1", ok=False).code != 0
    assert ebb.cli("inspect", "nobody-1", ok=False).code != 0


@pytest.mark.parametrize("program", ["ebb-net", "ebb-ledger", "ebb-api"])
def test_a_death_of_a_program_loses_and_doubles_nothing(ebb, program):
    name = program.replace("ebb-", "after-")
    put(ebb, name, "internet")
    costs = [datagram(ebb, name, PUBLIC4, 100)]
    ebb.end_program(program)
    wait_for(lambda: ebb.programs(program))
    costs += [datagram(ebb, name, PUBLIC4, 200), datagram(ebb, name, PUBLIC6, 300)]
    wait_for(lambda: used_or_none(ebb, name) == total(costs), 20, lambda: used_or_none(ebb, name))
    assert len(ebb.instances(name)) == 1


def used_or_none(ebb, name):
    done = ebb.cli("usage", "--json", "--service", name, ok=False)
    return used(ebb, name) if done.code == 0 else None


def test_the_next_ebbd_counts_on(ebb):
    """Also what its predecessor did not read: the counters are the kernel's."""
    put(ebb, "handed", "internet")
    costs = [datagram(ebb, "handed", PUBLIC4, 100)]
    name = ebb.instance("handed")["id"]
    kill_ebbd(ebb)
    costs += [datagram(ebb, "handed", PUBLIC4, 200), datagram(ebb, "handed", PUBLIC6, 300)]
    wait_for(lambda: used_or_none(ebb, "handed") == total(costs), 20, lambda: used_or_none(ebb, "handed"))
    assert [i["id"] for i in ebb.instances("handed")] == [name]


def test_a_death_of_ebbd_loses_nothing_that_was_read():
    with worlds.World() as world, probes(world) as ebb:
        put(ebb, "survives", "internet")
        first = datagram(ebb, "survives", PUBLIC4, 100)
        assert used(ebb, "survives") == first  # it was read, and is in the ledger
        os.kill(ebb.process.pid, signal.SIGKILL)
        ebb.process.wait()
        world.assert_nothing_left()
        ebb.process = None
        ebb.start()
        second = datagram(ebb, "survives", PUBLIC4, 200)
        assert used(ebb, "survives") == total([first, second])
        assert "the ledger holds" in ebb.cli("ledger", "verify").out


def test_a_reading_while_a_packet_is_on_its_way_misses_no_connection(ebb):
    put(ebb, "raced", "internet")
    made, answers, over = [], [], threading.Event()

    def read():
        while not over.is_set():
            answers.append(ebb.rest("GET", "/v1/usage?service=raced").status)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for one in readers:
        one.start()
    for port in range(20000, 20300):  # by chance two of so many would be one connection
        datagram(ebb, "raced", PUBLIC4, 100, **{"from": "0.0.0.0", "from_port": port})
        made.append(ebb.rest("GET", "/v1/usage?service=raced").json["services"][0]["net_connections"])
    over.set()
    for one in readers:
        one.join()
    assert made == list(range(1, 301)) and set(answers) == {200}
