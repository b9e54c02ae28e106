# SPDX-License-Identifier: Apache-2.0
"""
The powers of a hijacked gateway. First ebbd starts an attacker's program in the place of ebb-gateway, which makes
attempts of every kind (hijacked_gateway.c). Then the test itself plays a running gateway: it speaks over the gateway's
channel, which it takes by pidfd_getfd(2), and writes on the board.
"""
import fcntl
import mmap
import os
import random
import re
import select
import signal
import socket
import struct
import termios

import pytest

import pictures
from ebb import BIN, PROJECT, Ebb
from libexec import libexec
from records import CHOICES, TYPES, channel, datagram
from test_service_survival import serves
from waiting import slow, throughout, wait_for

HIJACKED = os.path.join(BIN, "tests/hijacked_gateway")
SLOTS, SLOT_BYTES, HEADER_BYTES = 4095, 128, 64  # runtime/wire/board.h

with open(os.path.join(PROJECT, "runtime/wire/records.h")) as f:
    RECORDS = f.read()


def words_of(name):
    """How many 32-bit fields the record of this type has; all those used here have no other."""
    body = re.search(r"struct wire_%s {(.*?)\n}" % name.lower(), RECORDS, re.S)[1]
    names = ",".join(re.findall(r"u?int32_t ([^;]+);", body)).split(",")
    return sum(len(CHOICES) if "[WIRE_CHOICE_COUNT]" in name else 1 for name in names)


# --- its code in our hands ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    """{name: result} of everything the attacker's program tried."""
    place = libexec(tmp_path_factory.mktemp("libexec"), {"ebb-gateway": HIJACKED})
    ebb = Ebb(settings={"libexec_dir": place})
    witness = socket.socket(socket.AF_UNIX)
    witness.bind(f"\0ebb-hijack-witness-{ebb.port}")
    witness.listen()
    ebb.start()
    try:
        lines = [re.sub(r"^ts=\S+ level=error prog=ebb-gateway-0 ", "", x) for x in ebb.log_lines(r" attempt=")]
    finally:
        ebb.stop()
        ebb.remove()
        witness.close()
    found = dict(re.fullmatch(r"attempt=(\S+) result=(\S+)", line).groups() for line in lines)
    assert found.pop("all_attempts") == "OVER"
    return found


def results(attempts, group):
    chosen = {name[len(group) + 1:]: result for name, result in attempts.items()
              if name.startswith(group + "_")}
    assert chosen
    return chosen


def test_its_root_is_empty_and_nothing_is_named_from_there(attempts):
    found = results(attempts, "confined")
    yes = ["root_is_empty", "uid_is_own", "no_new_privs", "no_capability", "only_given_descriptors"]
    assert {name: found.pop(name) for name in yes} == dict.fromkeys(yes, "YES")
    assert "DONE" not in found.values(), found
    assert found["connect_host_tcp"] == "ENETUNREACH"  # a network namespace of its own
    assert found["connect_host_abstract"] == "ECONNREFUSED"


def test_its_ring_opens_makes_and_sends_nothing(attempts):
    """Each operation that a proxy does not need is refused by the ring itself."""
    found = results(attempts, "ring")
    assert len(found) > 30
    assert {n: r for n, r in found.items() if r not in ("EACCES", "EINVAL", "EPERM")} == {}
    for name in ("openat", "socket", "sendmsg", "msg_ring", "uring_cmd", "forced_worker"):
        assert found[name] == "EACCES", found


def test_its_filter_ends_it_at_any_other_system_call(attempts):
    found = results(attempts, "call")
    assert len(found) > 50
    assert {n: r for n, r in found.items() if r != "SIGSYS"} == {}


def test_each_line_of_the_policy_has_a_reason():
    with open(os.path.join(PROJECT, "runtime/gateway/seccomp.policy")) as f:
        lines = [line.rstrip("\n") for line in f if line.startswith(("allow", "default"))]
    assert [line for line in lines if not re.search(r"#\s*\S+", line)] == []


# --- its channel in our hands ---------------------------------------------------------------------

def blame(service, slot, generation, kinds, more=0, count=None, label=b"GET /"):
    count = len(kinds) if count is None else count
    kinds = (kinds + [0] * 8)[:8]
    return struct.pack("<6I8Q", service, slot, generation, count, more, 0, *kinds) + label.ljust(64, b"\0") * 8


@pytest.fixture
def many_gateways(new_ebb):
    ebb = new_ebb(gateways=28)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--min", 1, "--max", 2)
    wait_for(lambda: ebb.instances("probe"))
    return ebb


def forbidden_records():
    """Records that no gateway may send: (name, datagram, descriptors)."""
    null = os.open("/dev/null", os.O_RDONLY)
    need = struct.pack(f"<{words_of('NEED_INSTANCE')}I", *[0] * words_of("NEED_INSTANCE"))
    yield "ready twice", datagram("GATEWAY_READY"), []
    yield "ready with a body", datagram("GATEWAY_READY", b"x" * 8), []
    yield "a type beyond the table", datagram(len(TYPES)), []
    yield "a type of all ones", datagram(0xffffffff), []
    yield "half a head", b"\1\0", []
    yield "nothing but a head that promises more", datagram("NEED_INSTANCE", need, size=4096), []
    yield "a record too short", datagram("NEED_INSTANCE", need[:4]), []
    yield "a record too long", datagram("NEED_INSTANCE", need + b"\0" * 8), []
    yield "a descriptor nobody asked for", datagram("NEED_INSTANCE", need), [null]
    yield "sixty-four descriptors", datagram("NEED_SOCKETS", b"\0" * 16), [null] * 64
    yield "no sockets", datagram("NEED_SOCKETS", struct.pack("<IIII", 0, 1, 0, 0)), []
    yield "too many sockets", datagram("NEED_SOCKETS", struct.pack("<IIII", 0, 1, 65, 0)), []
    choice = [0] * words_of("CHOICE")
    choice[3] = len(CHOICES)
    yield "a choice for no reason there is", datagram("CHOICE", struct.pack(f"<{len(choice)}I", *choice)), []
    yield "more kinds than a record has", datagram("BLAME", blame(0, 0, 1, [1] * 8, count=9)), []
    yield "a label without an end", datagram("BLAME", blame(0, 0, 1, [1], label=b"x" * 64)), []
    for name in ("SERVICE_PUT", "SERVICE_DEL", "SERVICE_START", "SHUTDOWN", "INSTANCE_COMMAND", "IMAGE_IMPORT",
                 "METER_ACK", "LEDGER_READY", "API_READY", "UNPACK_DONE", "GATEWAY_CONFIG",
                 "INSTANCE_UP", "METER"):
        yield f"{name}, which is somebody else's", datagram(name, b"\0" * 64), []
    os.close(null)


def test_what_no_rule_allows_ends_that_gateway_and_nothing_else(many_gateways):
    ebb = many_gateways
    before, instance = ebb.ebbd_pid, ebb.instance("probe")
    pids = ebb.programs("ebb-gateway")
    for pid, (what, datagram, fds) in zip(pids, forbidden_records(), strict=True):
        with channel(pid) as stolen:
            socket.send_fds(stolen, [datagram], fds)
        wait_for(lambda p=pid: p not in ebb.programs("ebb-gateway"), 10, f"end after {what}")
    assert ebb.process.poll() is None and ebb.ebbd_pid == before
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == len(pids))
    assert wait_for(lambda: serves(ebb)).status == 200
    assert ebb.instance("probe")["pid"] == instance["pid"]
    assert len(ebb.log_lines("event=peer_ended program=ebb-gateway")) >= len(pids)


def say(stolen, data):
    """The gateway made this socket non-blocking, for us too: a busy ebbd is waited for."""
    while True:
        try:
            stolen.send(data)
            return
        except BlockingIOError:
            assert select.select([], [stolen], [], slow(10))[1], "ebbd reads nothing"


def test_random_numbers_in_allowed_records_hurt_nobody(probe_two):
    """20,000 well-formed records with arbitrary services, slots, generations, counts and errors."""
    ebb = probe_two
    instance = ebb.instance("probe")
    rng = random.Random(45)
    numbers = [0, 1, 2, 63, 1023, 1024, 4094, 4095, 0x7fffffff, 0x80000000, 0xffffffff]

    def number():
        return rng.choice(numbers) if rng.random() < 0.7 else rng.getrandbits(32)
    victim = ebb.programs("ebb-gateway")[0]
    with channel(victim) as stolen:
        for _ in range(20000):
            if rng.random() < 0.3:
                kinds = [rng.getrandbits(3) for _ in range(rng.randint(0, 8))]
                say(stolen, datagram("BLAME", blame(number() % 1024, number(), number(), kinds, more=number())))
                say(stolen, datagram("CLEARED", struct.pack("<QII", rng.getrandbits(3), number(), 0)))
                continue
            kind = rng.choice(("NEED_INSTANCE", "NEED_SOCKETS", "INSTANCE_SUSPECT", "CHOICE"))
            words = [number() for _ in range(words_of(kind))]
            if kind == "NEED_INSTANCE":
                words[0] |= 0x400  # no service of this host: to start those is a gateway's right
            elif kind == "NEED_SOCKETS":
                words[2] = rng.randint(1, 64)
            elif kind == "CHOICE":
                words[0] %= 2  # also the service there is
                words[3] %= len(CHOICES)
            else:
                words[1] |= 0x100  # nor this instance, of which it may say that it is stuck
            body = struct.pack(f"<{len(words)}I", *words)
            try:
                say(stolen, datagram(kind, body))
            except BrokenPipeError:
                pytest.fail("ebbd closed the channel of a gateway that kept to the rules")
    assert wait_for(lambda: serves(ebb)).status == 200
    assert ebb.instance("probe")["pid"] == instance["pid"]
    assert victim in ebb.programs("ebb-gateway")


def unheard(sock):
    """Bytes of this end that the other end has not taken (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]


def test_blame_for_what_did_not_die_or_in_the_name_of_another_is_nothing(probe_two):
    """One gateway says again and again that an instance died under GET /, for two services in turn."""
    ebb = probe_two
    slot, generation = board_slot_of(ebb, None)
    victim = ebb.programs("ebb-gateway")[0]
    with channel(victim) as stolen:
        for n in range(3000):
            kinds = [n * 8 + k for k in range(8)]
            say(stolen, datagram("BLAME", blame(n % 2, slot, generation + n // 1000, kinds)))
        wait_for(lambda: unheard(stolen) == 0, 60)  # behind the death the same words would be true
    assert ebb.get("probe", "/exit", method="POST").status == 502  # a death that is one
    assert wait_for(lambda: serves(ebb)).status == 200
    assert not ebb.events("probe", "request_banned") and victim in ebb.programs("ebb-gateway")


def test_a_wish_from_before_an_instance_came_up_starts_no_other(new_ebb):
    """Records cross: a gateway asks while the instance it will have room on is on its way to it."""
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 3)
    assert ebb.get("probe").status == 200
    victim = ebb.programs("ebb-gateway")[0]

    def wish(ups):
        return datagram("NEED_INSTANCE", struct.pack("<6I", 0, 1, ups, 0, 0, 0))
    os.kill(victim, signal.SIGSTOP)  # it would take its wish back
    try:
        with channel(victim) as stolen:
            stolen.send(wish(0))
            assert all(n == 1 for n in throughout(0.5, lambda: len(ebb.instances("probe"))))
            stolen.send(wish(1))
            wait_for(lambda: len(ebb.instances("probe")) == 2)
    finally:
        os.kill(victim, signal.SIGCONT)
    assert wait_for(lambda: serves(ebb)).status == 200


def test_a_gateway_that_asks_for_sockets_and_never_reads_is_ended(probe_two):
    ebb = probe_two
    victim = ebb.programs("ebb-gateway")[0]
    info = ebb.instance("probe")
    slot, generation = board_slot_of(ebb, info)
    os.kill(victim, signal.SIGSTOP)
    with channel(victim) as stolen:
        stolen.setblocking(False)
        need = datagram("NEED_SOCKETS", struct.pack("<IIII", slot, generation, 64, 0))

        def ended():
            try:
                for _ in range(64):
                    stolen.send(need)
            except BlockingIOError:
                pass
            except OSError:
                return True
            return victim not in ebb.programs("ebb-gateway")
        wait_for(ended, 30, "its end")
    wait_for(lambda: ebb.fd_count() < 1000)
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2)
    assert wait_for(lambda: serves(ebb)).status == 200
    assert ebb.instance("probe")["pid"] == info["pid"]


# --- the board in our hands -----------------------------------------------------------------------

@pytest.fixture
def probe_two(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--min", 1, "--max", 1)
    wait_for(lambda: ebb.instances("probe") and ebb.instance("probe")["state"] in ("running", "frozen"))
    return ebb


def open_board(ebb):
    fd = os.open(os.path.join(ebb.config["run_dir"], "board"), os.O_RDWR)
    try:
        return mmap.mmap(fd, 0)
    finally:
        os.close(fd)


def board_slot_of(ebb, info):
    """(slot, generation) of the only instance: the one slot whose word says that it is used."""
    with open_board(ebb) as board:
        for slot in range(SLOTS):
            word, = struct.unpack_from("<Q", board, HEADER_BYTES + slot * SLOT_BYTES)
            if word >> 32 & 0xf in (2, 3):
                return slot, word >> 36
    raise AssertionError(info)


def scribble(board, rng):
    """Garbage over all of the board but its header."""
    for _ in range(20000):
        at = rng.randrange(HEADER_BYTES, len(board) - 8) & ~7
        value = rng.choice((0, 1, (1 << 64) - 1, rng.getrandbits(64), 0xf << 32, 0xffff))
        struct.pack_into("<Q", board, at, value)


def test_garbage_on_the_board_does_not_end_ebbd(probe_two):
    """The garbage may spoil the work of gateways, but ebbd goes on: it starts new instances, reads the meters,
    outlives the gateway that wrote the garbage, and the ledger takes every row."""
    ebb = probe_two
    rng = random.Random(46)
    with open_board(ebb) as board:
        for round_number in range(3):
            scribble(board, rng)
            ebb.instances()  # reads every meter
            ebb.cli("usage", "--json", ok=False)
            victim = ebb.programs("ebb-gateway")[round_number % 2]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len({*ebb.programs("ebb-gateway")} - {victim}) == 2)
        assert ebb.process.poll() is None, ebb.log()
        for at in range(HEADER_BYTES, len(board)):  # the attacker is gone
            board[at] = 0
    for info in ebb.instances("probe"):
        ebb.cli("stop", info["id"], ok=False)
    ebb.deploy("other", "probe", "--max", 1)
    assert wait_for(lambda: ebb.get("other")).status == 200
    ebb.cli("ledger", "verify")


def test_numbers_no_counter_can_have_do_not_reach_the_ledger(probe_two):
    ebb = probe_two
    assert ebb.get("probe").status == 200
    wait_for(lambda: ebb.usage("probe")["invocations"] == 1)
    slot, _ = board_slot_of(ebb, None)
    with open_board(ebb) as board:
        for value in ((1 << 64) - 1, 1 << 63, 0):  # too large for the ledger; and none ever falls
            struct.pack_into("<Q", board, HEADER_BYTES + slot * SLOT_BYTES + 64, value)
            assert ebb.usage("probe")["invocations"] == 1
    ebb.cli("ledger", "verify")
    assert not ebb.log_lines("refused=[1-9]")
