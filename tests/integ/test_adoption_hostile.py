# SPDX-License-Identifier: Apache-2.0
"""
Enemies of adoption, at work while no ebbd lives. A hijacked gateway writes on the board and fills its
channel, instances and programs die, and the next ebbd takes over what it finds there.
"""
import contextlib
import os
import random
import signal
import struct
import subprocess

import pytest

import leaks
import pictures
from ebbd_deaths import works
from records import channel
from test_hostile_gateway import HEADER_BYTES, SLOT_BYTES, SLOTS, blame, datagram, open_board, scribble, serves, words_of
from waiting import wait_for

ROUNDS = int(os.environ.get("EBB_KILLS", "2"))


@contextlib.contextmanager
def without_ebbd(ebb):
    """No ebbd lives inside; behind it the next one works."""
    wait_for(lambda: works(ebb), 30)
    before, old = len(ebb.log_lines("event=ready listen=")), ebb.ebbd_pid
    os.kill(ebb.process.pid, signal.SIGSTOP)  # the keeper makes no other one
    try:
        os.kill(old, signal.SIGKILL)
        ebb.deaths += 1
        wait_for(lambda: leaks.read(f"/proc/{old}/stat").rpartition(")")[2].split()[:1] == ["Z"])
        yield
    finally:
        os.kill(ebb.process.pid, signal.SIGCONT)
    wait_for(lambda: len(ebb.log_lines("event=ready listen=")) > before or ebb.process.poll() is not None, 30)
    assert ebb.process.poll() is None and len(ebb.log_lines("event=ebbd_died ")) == ebb.deaths, ebb.log()


@pytest.fixture
def two(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("probe", "other"):
        ebb.deploy(name, "probe", "--min", 1, "--max", 2)
        assert ebb.get(name).status == 200
    return ebb


WORDS = SLOT_BYTES // 8
NUMBERS = (0, 1, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)


def used(board):
    """(slot, its word) of each instance."""
    words = ((slot, struct.unpack_from("<Q", board, HEADER_BYTES + slot * SLOT_BYTES)[0]) for slot in range(SLOTS))
    return [(slot, word) for slot, word in words if word >> 32 & 0xf]


def lie(board, rng):
    """Every number of every instance is another one, under its right generation mostly."""
    for slot, word in used(board):
        for n in range(1, WORDS):
            if rng.random() < 0.5:
                struct.pack_into("<Q", board, HEADER_BYTES + slot * SLOT_BYTES + 8 * n, rng.choice((*NUMBERS, rng.getrandbits(64))))
        generation = word >> 36 if rng.random() < 0.8 else rng.getrandbits(28)
        said = generation << 36 | rng.randrange(8) << 32 | rng.choice((0, 0, 1, 0xffff)) << 16 | rng.choice((0, 0, 1, 0xffff))
        struct.pack_into("<Q", board, HEADER_BYTES + slot * SLOT_BYTES, said)


def recovers(ebb, board):
    """The attacker is gone. The meters are in order, and what is deployed then serves."""
    for at in range(HEADER_BYTES, len(board)):
        board[at] = 0
    for info in ebb.instances():
        ebb.cli("stop", info["id"], ok=False)
    ebb.deploy("new", "probe", "--max", 1)
    assert wait_for(lambda: ebb.get("new"), 30).status == 200
    ebb.cli("ledger", "verify")


@pytest.mark.parametrize("spoil", [lie, scribble])
def test_a_board_that_was_spoiled_meanwhile_ends_no_ebbd(two, spoil):
    """ROUNDS times; the next ebbd finds it at every step of taking over."""
    rng = random.Random(int(os.environ.get("SEED", "7")))
    with open_board(two) as board:
        for n in range(ROUNDS):
            with without_ebbd(two):
                spoil(board, rng)
            two.instances()  # reads every meter
            two.cli("usage", "--json", ok=False)
            spoil(board, rng)
            assert works(two)
        recovers(two, board)


def random_record(rng):
    def number():
        return rng.choice((0, 1, 63, 1023, 4094, 4095, 0x7fffffff, 0xffffffff, rng.getrandbits(32)))
    kind = rng.choice(("NEED_INSTANCE", "NEED_SOCKETS", "INSTANCE_SUSPECT", "QUEUE_GET", "BLAME"))
    if kind == "BLAME":
        return datagram(kind, blame(number() % 1024, number(), number(), [rng.getrandbits(3) for _ in range(rng.randint(0, 8))]))
    words = [number() for _ in range(words_of(kind))]
    if kind == "NEED_INSTANCE":
        words[0] |= 0x400  # no service of this host: to start those is a gateway's right
    elif kind == "NEED_SOCKETS":
        words[2] = rng.randint(1, 64)
    return datagram(kind, struct.pack(f"<{len(words)}I", *words))


def fill(pid, rng):
    """How many records the channel of this gateway took; nobody reads them."""
    sent = 0
    with channel(pid) as stolen:
        stolen.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for sent in range(10000):
                stolen.send(random_record(rng))
    return sent


def test_a_channel_that_was_filled_meanwhile_hurts_nobody(two):
    victim, other = two.programs("ebb-gateway")
    before = {name: two.instances(name)[0]["pid"] for name in ("probe", "other")}
    os.kill(victim, signal.SIGSTOP)  # it would speak itself
    try:
        with without_ebbd(two):
            assert fill(victim, random.Random(9)) > 10
    finally:
        os.kill(victim, signal.SIGCONT)
    assert wait_for(lambda: serves(two), 30).status == 200
    assert {name: two.instances(name)[0]["pid"] for name in before} == before
    assert victim in two.programs("ebb-gateway") and other in two.programs("ebb-gateway")


@pytest.mark.parametrize("kind", ["GATEWAY_READY", "SHUTDOWN", "METER", "SERVICE_PUT"])
def test_a_rule_that_was_broken_meanwhile_ends_that_gateway_alone(two, kind):
    victim, other = two.programs("ebb-gateway")
    pid = two.instances("probe")[0]["pid"]
    with without_ebbd(two), channel(victim) as stolen:
        for _ in range(2):  # one READY may come: an adopted gateway may have begun a moment ago
            stolen.send(datagram(kind))
    wait_for(lambda: victim not in two.programs("ebb-gateway"))
    wait_for(lambda: len(two.programs("ebb-gateway")) == 2)
    assert other in two.programs("ebb-gateway")
    assert wait_for(lambda: serves(two), 30).status == 200
    assert two.instances("probe")[0]["pid"] == pid


# --- deaths while no ebbd lives -------------------------------------------------------------------

def test_instances_that_died_meanwhile_are_billed_once_and_replaced(two):
    """One was frozen, one runs; both are killed while nobody watches."""
    two.get("probe", "/burn?ms=50")
    two.wait_frozen("probe")
    dead = {name: two.instances(name)[0] for name in ("probe", "other")}
    with without_ebbd(two):
        for info in dead.values():
            os.kill(info["pid"], signal.SIGKILL)
    for name, info in dead.items():
        assert wait_for(lambda n=name: (r := two.get(n)).status == 200 and r, 30).instance != info["id"]
    wait_for(lambda: not [i for i in two.instances() if i["id"] in {d["id"] for d in dead.values()}])

    def rows():
        return {name: (two.usage(name)["invocations"], two.usage(name)["active_cpu_us"]) for name in dead}
    with without_ebbd(two):
        pass
    two.wait_frozen("probe")
    two.wait_frozen("other")
    first = rows()
    with without_ebbd(two):  # all that was said is said again
        pass
    two.wait_frozen("probe")
    two.wait_frozen("other")
    again = rows()
    assert {n: v[0] for n, v in again.items()} == {n: v[0] for n, v in first.items()}
    assert all(again[n][1] - first[n][1] < 20000 for n in dead), (first, again)
    two.cli("ledger", "verify")


def test_gateways_that_died_meanwhile_are_replaced_and_their_tickets_return(two):
    with without_ebbd(two):
        for pid in two.programs("ebb-gateway"):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(two.programs("ebb-gateway")) == 2)
    assert wait_for(lambda: serves(two), 30).status == 200
    two.wait_frozen("probe")


def test_a_second_ebbd_on_the_same_host_is_refused_also_while_none_lives(two):
    with without_ebbd(two):
        done = subprocess.run(two.command(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and "use another --root" in done.stderr, done
    assert two.get("probe").status == 200


def test_a_keeper_that_dies_while_no_ebbd_lives_leaves_what_the_next_start_removes(two):
    old, ids = two.ebbd_pid, {i["id"] for i in two.instances()}
    for pid, how in ((two.process.pid, signal.SIGSTOP), (old, signal.SIGKILL), (two.process.pid, signal.SIGKILL)):
        os.kill(pid, how)
    two.process.wait()
    two.deaths = 0
    two.start()
    assert wait_for(lambda: serves(two), 30).status == 200
    assert not ids & {i["id"] for i in two.instances()}
    two.cli("ledger", "verify")
