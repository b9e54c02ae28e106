# SPDX-License-Identifier: Apache-2.0
"""
Records of programs in an attacker's hands: every type from every sender, broken in every way, and well-formed records
that lie. A program that sends a forbidden record is ended and named. A lie in an allowed record hurts nobody: ebbd, the
neighbour's instance, the other programs and the bill are as before.
"""
import contextlib
import json
import os
import random
import re
import shutil
import socket
import tempfile

import pytest

import counts
import pictures
from ebb import Ebb
from records import SAID, TYPES, body, channel, datagram, layout, send
from test_service_survival import serves
from waiting import wait_for

SENDERS = ("gateway", "api", "ledger", "ipc", "net", "dns", "tick", "flow")
# A program that dies again and again is started ever later: a few rounds for each of some ebbds at once.
HOSTS, ROUNDS, GATEWAYS = 4, 4, 4
READY = {sender: f"{sender}_ready".upper() for sender in SENDERS}
U32, U64 = (1 << 32) - 1, (1 << 64) - 1


# --- records that nobody may send: (name, datagram, maker of descriptors) ----------------------------------
def null():
    return os.open("/dev/null", os.O_RDONLY)


def archive():
    return os.memfd_create("archive")


def pipe_end(number):
    ends = os.pipe()
    os.close(ends[1 - number])
    return ends[number]


SOURCES = {  # descriptors that are no archive
    "a device": lambda: os.open("/dev/zero", os.O_RDONLY),
    "a directory": lambda: os.open("/", os.O_RDONLY | os.O_DIRECTORY),
    "a path only": lambda: os.open("/etc/passwd", os.O_PATH),
    "a file for writing": lambda: os.open("/tmp", os.O_TMPFILE | os.O_WRONLY),
    "a process": lambda: os.pidfd_open(os.getpid()),
    "a pipe": lambda: pipe_end(0),
    "the end of a pipe for writing": lambda: pipe_end(1),
    "a socket": lambda: socket.socket(socket.AF_UNIX).detach(),
}


def foreign(sender):
    """All types that are somebody else's, the right size and content as far as zeros are that."""
    for kind in TYPES:
        if kind not in SAID[f"{sender} -> ebbd"]:
            yield kind, datagram(kind, body(kind)), []


def shapes(sender):
    ready = READY[sender]
    yield "ready twice", datagram(ready), []
    yield "ready with a body", datagram(ready, b"x" * 8), []
    yield "ready with a descriptor", datagram(ready), [null]
    yield "a type behind the table", datagram(len(TYPES)), []
    yield "a type of all ones", datagram(U32), []
    yield "half a head", b"\1\0", []
    yield "a head without its record", datagram(ready, b"", size=64), []
    yield "more than it says", datagram(ready, b"x" * 64, size=0), []
    yield "a size of all ones", datagram(ready, b"", size=U32), []
    yield "a whole 64 KiB", datagram(ready, b"x" * 65536), []
    yield "more than 64 KiB", datagram(ready, b"x" * 70000), []
    yield "random bytes", random.Random(74).randbytes(4000), []
    for kind in SAID[f"{sender} -> ebbd"]:
        record = body(kind)
        if record:
            yield f"{kind} that is too short", datagram(kind, record[:-1]), []
            yield f"{kind} that is too long", datagram(kind, record + b"\0" * 8), []
            yield f"{kind} with ten descriptors", datagram(kind, record), [null] * 10


def contents(sender):
    """The right type and size, and in it what no rule allows."""
    long = b"x" * 64
    if sender == "gateway":
        yield "no sockets", datagram("NEED_SOCKETS", body("NEED_SOCKETS")), []
        yield "65 sockets", datagram("NEED_SOCKETS", body("NEED_SOCKETS", count=65)), []
        yield "nine kinds", datagram("BLAME", body("BLAME", count=9)), []
        yield "a label without an end", datagram("BLAME", body("BLAME", count=1, labels=long)), []
        yield "a choice for no reason there is", datagram("CHOICE", body("CHOICE", reason=U32)), []
    elif sender == "api":
        for kind in ("SERVICE_DEL", "SERVICE_START"):
            yield f"{kind} of no name", datagram(kind, body(kind)), []
            yield f"{kind} of a name without an end", datagram(kind, body(kind, name=long)), []
        yield "an import of no format", datagram("IMAGE_IMPORT", body("IMAGE_IMPORT", format=3)), [archive]
        yield "a reference without an end", datagram("IMAGE_IMPORT", body("IMAGE_IMPORT", reference=long * 4)), [archive]
        for source, make in SOURCES.items():
            yield f"an import of {source}", datagram("IMAGE_IMPORT", body("IMAGE_IMPORT")), [make]
        yield "an import of nothing", datagram("IMAGE_IMPORT", body("IMAGE_IMPORT")), []
        for command in (3, U32):
            yield f"command {command}", datagram("INSTANCE_COMMAND", body("INSTANCE_COMMAND", command=command)), []
        yield "the flush of ebbd's own end", datagram("METER_FLUSH", body("METER_FLUSH", cookie=U64)), []
        for kind in ("INSTANCE_COMMAND", "SOCKETS_GET"):
            yield f"{kind} of an id without an end", datagram(kind, body(kind, id=b"x" * 96)), []
    elif sender == "ledger":
        for seq in (U64, 1 << 63):
            yield f"all up to {seq} is safe", datagram("METER_ACK", body("METER_ACK", seq=seq)), []
            yield f"{seq} and an error", datagram("METER_ACK", body("METER_ACK", seq=seq, err=28)), []
        for err in (-1, -28, 4096, 0x7fffffff, -0x80000000):
            yield f"error {err}", datagram("METER_ACK", body("METER_ACK", err=err)), []
    elif sender == "ipc":
        for what, text in {"an end": b"x" * 512, "an escape": b"\33[2J", "a line": b"two\nlines",
                           "UTF-8": "é".encode(), "a rubout": b"\x7f", "Latin 1": b"\xe9"}.items():
            yield f"text with{'out' if what == 'an end' else ''} {what}", \
                datagram("IPC_RETIRE", body("IPC_RETIRE", text=text)), []
    elif sender == "net":
        for wrong in ({"range": 4096}, {"range": U32}, {"reason": 64}, {"reason": U32}, {"port": 65536}, {"port": U32}):
            yield f"a refusal with {wrong}", datagram("NET_REFUSED", body("NET_REFUSED", **wrong)), []
    elif sender == "dns":
        for wrong in ({"range": 4096}, {"range": U32}, {"count": 17}, {"count": U32}, {"port": 65536}, {"port": U32},
                      {"ttl_s": 0}, {"ttl_s": 3601}, {"ttl_s": U32}):
            yield f"addresses with {wrong}", datagram("DNS_OPEN", body("DNS_OPEN", **{"count": 1, "ttl_s": 1, **wrong})), []
        for wrong in ({"reason": 3}, {"reason": U32}, {"name": b"x" * 256}, {"name": b"\33[2J"}, {"name": b"a\nb"},
                      {"name": b"\xff"}):
            yield f"a refusal with {wrong}", datagram("DNS_REFUSED", body("DNS_REFUSED", **wrong)), []


FORBIDDEN = {sender: [*foreign(sender), *shapes(sender), *contents(sender)] for sender in SENDERS}
BATCHES = -(-max(map(len, FORBIDDEN.values())) // (ROUNDS * HOSTS))


def prepare(place):
    """The neighbour and the attacker stand in the API's state from now on."""
    ebb = Ebb(root=place)
    try:
        ebb.start()
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        for name in ("attacker", "neighbour"):
            ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "minInstances": 1, "maxInstances": 1}})
        ebb.stop()
    finally:
        ebb.kill()


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    places = [str(tmp_path_factory.mktemp(f"records-{n}")) for n in range(HOSTS)]
    for place in places:
        prepare(place)
    yield places
    for place in places:
        shutil.rmtree(place)


@contextlib.contextmanager
def begun(root, gateways):
    """An ebbd with both instances up, which ends well."""
    ebb = Ebb(root=root, gateways=gateways)
    try:
        ebb.start()
        wait_for(lambda: serves(ebb, "neighbour"))
        wait_for(lambda: {i["service"] for i in ebb.instances()} == {"attacker", "neighbour"})
        yield ebb
        ebb.stop()
    finally:
        ebb.kill()
        ebb.holder.close()


class Sound:
    """Facts that must be as before: ebbd, the neighbour's instance, the bill."""

    def __init__(self, ebb):
        self.ebb, self.process, self.pid = ebb, ebb.process, ebb.instance("neighbour")["pid"]

    def check(self):
        assert self.ebb.process is self.process and self.process.poll() is None, self.ebb.log()
        assert wait_for(lambda: serves(self.ebb, "neighbour")).status == 200

    def check_all(self):
        self.check()
        wait_for(lambda: self.ebb.cli("ledger", "verify", ok=False).code == 0, 20)
        assert self.ebb.instance("neighbour")["pid"] == self.pid
        stalls = re.findall(r"event=loop_stalled text=.* and used (\d+) ms of CPU", self.ebb.log())
        assert not [ms for ms in stalls if int(ms) >= 50]


def say(pid, bytes_, makers=(), number=3):
    fds = [make() for make in makers]
    try:
        with channel(pid, number) as stolen:
            send(stolen, bytes_, fds)
    finally:
        for fd in fds:
            os.close(fd)


def say_all(ebb, number):
    """Each sender says its forbidden thing with this number; [(program, pid, what)]."""
    said = []
    for sender in SENDERS:
        if number >= len(FORBIDDEN[sender]):
            continue
        what, bytes_, makers = FORBIDDEN[sender][number]
        pids = wait_for(lambda s=sender: ebb.programs(f"ebb-{s}"), 20)
        pid = pids[number % len(pids)]
        say(pid, bytes_, makers)
        said.append((f"ebb-{sender}", pid, what))
    return said


def ended_and_named(ebb, program, pid):
    return (pid not in ebb.programs(program) and
            ebb.log_lines(rf"event=peer_ended program={program}(-\d+)? pid={pid} cause=\"it sent "
                          r"(a record that no rule allows \(\S+\)|what is no record)\""))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_who_says_what_he_must_not_is_ended_and_named_and_nothing_else_ends(roots, batch):
    with contextlib.ExitStack() as stack:
        sounds = [Sound(stack.enter_context(begun(root, GATEWAYS))) for root in roots]
        for number in range(batch * ROUNDS * HOSTS, (batch + 1) * ROUNDS * HOSTS, HOSTS):
            said = [(sound, *one) for n, sound in enumerate(sounds) for one in say_all(sound.ebb, number + n)]
            for sound, program, pid, what in said:
                wait_for(lambda e=sound.ebb, p=program, i=pid: ended_and_named(e, p, i), 10, f"{program}: {what}")
            for sound in sounds:
                sound.check()
        for sound in sounds:
            sound.check_all()


def test_every_sender_said_more_than_sixty_things():
    for sender, cases in FORBIDDEN.items():
        counts.note(f"hostile records: ebb-{sender} said {len(cases)} things that no rule allows, and was ended by each")
        assert len(cases) > 60


# --- lies that a program may tell -----------------------------------------------------------------
@pytest.fixture(scope="module")
def host(roots):
    with begun(roots[0], 2) as ebb:
        yield ebb


def layer_of(ebb):
    """The layers of its only image, as the API keeps them."""
    at = os.path.join(ebb.config["state_dir"], "images")
    (name,) = [n for n in os.listdir(at) if n.endswith(".json")]
    with open(os.path.join(at, name)) as f:
        return b"".join(bytes.fromhex(digest.split(":")[-1]) for digest in json.load(f)["layers"])


def put(ebb, changes=None, **exec_changes):
    """A service that would be taken, but for these changes."""
    layers = layer_of(ebb)
    values = dict(
        revision=1, memory_mb=128, pids_max=64, scratch_mb=16, max_duration_ms=1000, init_timeout_ms=1000,
        stop_grace_ms=100, concurrency_max=1, instances_max=1, layer_count=len(layers) // 32, layers=layers,
        name=b"evil", exec={"argc": 1, "argv": b"/srv/probe", "cwd": b"/", "port": 8080, "stop_signal": 15,
                            **exec_changes})
    return datagram("SERVICE_PUT", body("SERVICE_PUT", **{**values, **(changes or {})}))


def put_lies():
    """Changes of a service that root must refuse."""
    for name, low, high in [("memory_mb", 63, 1048577), ("cpu_milli", None, 1024001), ("pids_max", 3, 65537),
                            ("scratch_mb", 0, 65537), ("max_duration_ms", 999, 86400001),
                            ("init_timeout_ms", 99, 600001), ("stop_grace_ms", None, 600001),
                            ("freeze_after_ms", None, 3600001), ("hibernate_ms", None, 3600001),
                            ("concurrency_max", 0, 10001), ("instances_min", None, 1001), ("instances_max", 0, 1001),
                            ("timers", None, 3), ("upstream", None, 3), ("share_permille", None, 1001),
                            ("body_kb_max", None, 1073741825),
                            ("layer_count", 0, 128)]:
        yield from (({name: value}, {}) for value in (low, high, U32) if value is not None)
    for text in (b"\0", b"UPPER\0", b"-evil\0", b"e/vil\0", b"../evil\0", b"x" * 64):
        yield {"name": text.ljust(64, b"\0") if text[-1:] == b"\0" else text}, {}
    yield {"host_count": 33}, {}  # SERVICE_HOSTS_MAX and one
    yield {"host_count": U32}, {}
    yield {"host_count": 1, "hosts": b"h" * 256}, {}
    for prefix in (b"x", b"/x/", b"//x", b"/x y", b"/\xff", b"/x\33", b"/" + b"x" * 255):
        yield {"prefix": prefix}, {}
    for bit in (7, 16, 31):
        yield {"flags": 1 << bit}, {}
    for count in (1, 9, U32):  # of bindings to services without a name
        yield {"binding_count": count}, {}
    yield {"flags": 2}, {}  # a ring, and the image is no runtime of ebb
    yield {"layer_count": 1, "layers": b"\0" * 32}, {}
    yield {"layer_count": 127, "layers": b"\xff" * 32 * 127}, {}
    for lie in ({"uid": 65536}, {"gid": 65536}, {"uid": U32}, {"group_count": 33}, {"argc": 0}, {"argc": 2},
                {"argc": 1025}, {"argc": 65535}, {"argv": b""}, {"argv": b"x" * 8192}, {"envc": 1}, {"envc": 4097},
                {"envc": 65535}, {"envc": 1, "env": b"x" * 24576}, {"port": 0}, {"stop_signal": 0},
                {"stop_signal": 65}, {"capabilities": 1 << 15}, {"uid": 1, "capabilities": 1}, {"cwd": b""},
                {"cwd": b"srv\0"}, {"cwd": b"/" + b"x" * 511}):
        yield {}, lie


def test_no_lie_about_a_service_is_taken(host):
    sound, lies = Sound(host), list(put_lies())
    (pid,) = host.programs("ebb-api")
    for changes, exec_changes in lies:
        say(pid, put(host, changes, **exec_changes))
    rng = random.Random(7)
    at, whole = layout("SERVICE_PUT"), bytearray(put(host)[8:])
    for _ in range(500):
        record = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            where = rng.randrange(0, 80) if rng.random() < 0.5 else rng.randrange(at.fields["exec"][0], at.size)
            record[where] = rng.getrandbits(8)
        at.put(record, name=b"evil" + b"\0" * 60, memory_mb=0)  # one thing at least is wrong
        say(pid, datagram("SERVICE_PUT", bytes(record)))
    assert host.get("evil").status == 404 and host.programs("ebb-api") == [pid]
    sound.check_all()
    # The same record without a lie is taken, so the records before were refused for their lies.
    say(pid, put(host))
    wait_for(lambda: host.get("evil").status == 200)
    assert len(host.log_lines("event=service_up service=evil")) == 1
    say(pid, datagram("SERVICE_DEL", body("SERVICE_DEL", name=b"evil")))
    wait_for(lambda: host.get("evil").status == 404)
    counts.note(f"hostile records: {len(lies)} lies about a service, and 500 more at random, were refused")


def odd_records():
    """(sender, what, datagram, how often): well formed, and about what there is not, was before, or is another's."""
    for name in (b"nobody", b"../../etc", b"x" * 63, b"\33[2J", b"evil\n"):
        for kind in ("SERVICE_DEL", "SERVICE_START"):
            yield "api", f"{kind} of {name[:9]}", datagram(kind, body(kind, name=name)), 3
    yield "api", "a variant that is not", datagram("SERVICE_DEL", body("SERVICE_DEL", name=b"neighbour", variant=9)), 1
    for cookie in (0, 1, U64 - 1):
        for kind in ("INSTANCES_GET", "IMAGE_CANCEL"):
            yield "api", f"{kind} {cookie}", datagram(kind, body(kind, cookie=cookie)), 50
        yield "api", f"counted {cookie}", datagram("INSTANCES_GET", body("INSTANCES_GET", cookie=cookie, counted=U32)), 20
        yield "api", f"flush {cookie}", datagram("METER_FLUSH", body("METER_FLUSH", cookie=cookie)), 100
    for layer in (b"\0" * 32, b"\xff" * 32, b"../../../../etc/passwd\0\0"):
        yield "api", "a layer that is not", datagram("IMAGE_DEL", body("IMAGE_DEL", layer=layer)), 1
    for name in (b"", b"nobody-1", b"../1", b"x" * 95):
        yield "api", f"sockets of {name[:9]}", datagram("SOCKETS_GET", body("SOCKETS_GET", id=name)), 20
        for command in range(3):
            record = body("INSTANCE_COMMAND", command=command, id=name)
            yield "api", f"command {command} for {name[:9]}", datagram("INSTANCE_COMMAND", record), 1
    yield "api", "settled again", datagram("API_SETTLED", body("API_SETTLED", cookie=U64)), 20
    for seq in (0, 1, 1 << 40):
        yield "ledger", f"{seq} is safe", datagram("METER_ACK", body("METER_ACK", seq=seq)), 100
    for slot, generation in ((0, 0), (4094, 1), (4095, 1), (U32, U32), (0, U32), (1, U32), (0x80000000, 1)):
        for failed in (0, 1):
            record = body("IPC_RETIRE", slot=slot, generation=generation, failed=failed, text=b"x" * 511)
            yield "ipc", f"retire {slot}, {generation}", datagram("IPC_RETIRE", record), 20
        where = dict(slot=slot, generation=generation)
        for kind, more in (("NEED_SOCKETS", {"count": 64}), ("QUEUE_GET", {"waited_ms": U32}),
                           ("INSTANCE_SUSPECT", {"error": -0x80000000})):
            yield "gateway", f"{kind} {slot}, {generation}", datagram(kind, body(kind, **where, **more)), 20
    for number in (0, 1, 4095, 4096, U32, 0x80000000):
        for err in (0, 1, -1, 0x7fffffff, -0x80000000):
            yield "net", f"range {number} is wired, {err}", datagram("NET_ARMED", body(
                "NET_ARMED", range=number, err=err, step=number)), 5
            yield "net", f"slot {number} has its rules, {err}", datagram("NET_ASSIGNED", body(
                "NET_ASSIGNED", slot=number, generation=number, err=err, step=number)), 5
        yield "net", f"range {number % 4096} was refused", datagram("NET_REFUSED", body(
            "NET_REFUSED", range=number % 4096, protocol=U32, port=65535, address=b"\xff" * 16)), 50
        for port in (0, 80, 65535):
            yield "dns", f"range {number % 4096} may reach port {port}", datagram("DNS_OPEN", body(
                "DNS_OPEN", cookie=U64 - number, range=number % 4096, generation=number, count=16, ttl_s=3600, port=port,
                addresses=b"\xff" * 256)), 20
        yield "dns", f"a name of range {number} was refused", datagram("DNS_REFUSED", body(
            "DNS_REFUSED", range=number, generation=number, reason=number % 3, name=b"x" * 255)), 50
    for service in (2, 1023, 1024, U32):
        yield "gateway", f"need of {service}", datagram("NEED_INSTANCE", body(
            "NEED_INSTANCE", service=service, queued=U32, ups=U32, refused_full=U32, refused_late=U32)), 20
        yield "gateway", f"blame in {service % 1024}", datagram("BLAME", body(
            "BLAME", service=service % 1024, slot=U32, generation=U32, count=8, more=U32)), 20
        yield "gateway", f"cleared in {service}", datagram("CLEARED", body(
            "CLEARED", service=service)), 20


def test_well_formed_lies_hurt_nobody(host):
    sound, cases = Sound(host), list(odd_records())
    pids = {sender: host.programs(f"ebb-{sender}") for sender in SENDERS}
    for sender, what, bytes_, often in cases:
        with channel(pids[sender][0]) as stolen:
            for _ in range(often):
                send(stolen, bytes_)
        assert host.get("neighbour").status == 200, what
        assert host.programs(f"ebb-{sender}") == pids[sender], what
    sound.check_all()
    assert {s: host.programs(f"ebb-{s}") for s in SENDERS} == pids
    counts.note(f"hostile records: {len(cases)} well-formed lies, {sum(c[3] for c in cases)} records, hurt nobody")


def test_imports_of_nothing_end_soon_and_leave_no_trace(host):
    """More than there may be at once, of files without an archive in them."""
    sound = Sound(host)
    (pid,) = host.programs("ebb-api")
    layers = os.path.join(host.config["image_dir"], "pieces")
    before = os.listdir(layers)
    contents_ = [b"", b"\0" * 65536, random.Random(3).randbytes(65536), b"\x1f\x8b\x08" + b"\xff" * 999]
    for form in range(3):
        for number, content in enumerate(contents_ * 2):
            with tempfile.TemporaryFile() as file, channel(pid) as stolen:
                file.write(content)
                file.flush()
                cookie = U64 - 100 * form - number
                send(stolen, datagram("IMAGE_IMPORT", body("IMAGE_IMPORT", cookie=cookie, format=form)), [file.fileno()])
        assert host.get("neighbour").status == 200
    # One more is taken: none of those has kept its place.
    wait_for(lambda: host.import_image("oci-archive:" + pictures.probe_archive(), "probe", ok=False).code == 0, 30)
    assert set(os.listdir(layers)) >= set(before)
    wait_for(lambda: os.listdir(os.path.join(host.config["image_dir"], "staging")) == [], 30)
    assert host.programs("ebb-api") == [pid]
    sound.check_all()


def test_ebb_ipc_may_have_an_instance_replaced_and_no_more(host):
    """Again and again, of every slot and generation that may be in use."""
    sound = Sound(host)
    (pid,) = host.programs("ebb-ipc")
    with channel(pid) as stolen:
        for slot in range(8):
            for generation in range(1, 40):
                said = body("IPC_RETIRE", slot=slot, generation=generation, text=b"replaced")
                send(stolen, datagram("IPC_RETIRE", said))
    for name in ("attacker", "neighbour"):
        assert wait_for(lambda n=name: serves(host, n)).status == 200
    sound.check()
    assert host.programs("ebb-ipc") == [pid]
    wait_for(lambda: all(len(host.instances(n)) == 1 for n in ("attacker", "neighbour")), 20)


# --- between ebb-api and ebb-ledger -------------------------------------------------------------------
def other_channel(pid):
    """The number of its socket to the other one: the only other of this kind."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        if name != "3" and os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            with channel(pid, int(name)) as s:
                if s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_SEQPACKET:
                    return int(name)
    return None


def usage_works(ebb):
    return ebb.cli("usage", "--json", ok=False).code == 0


def questions():
    """(name, datagram, how often) of a hijacked ebb-api: allowed, with any content."""
    for name, more in {"from behind to": {"from_us": 2, "to_us": 1}, "all time": {"to_us": U64},
                       "a row a microsecond": {"to_us": U64, "bucket_us": 1},
                       "one wide bucket": {"to_us": U64, "bucket_us": U64},
                       "a name without an end": {"to_us": U64, "service": b"x" * 64},
                       "SQL": {"to_us": U64, "service": b"'; DROP TABLE readings; --"}}.items():
        yield name, datagram("USAGE_GET", body("USAGE_GET", cookie=U64, **more)), 20
    yield "verify", datagram("LEDGER_VERIFY", body("LEDGER_VERIFY", cookie=U64)), 100
    yield "cookie 0", datagram("LEDGER_VERIFY", body("LEDGER_VERIFY")), 5


def answers():
    """The same of a hijacked ebb-ledger: to questions that nobody asked."""
    for cookie in (0, 1, U64):
        for more in ({"last": 1}, {"err": 5}, {"last": 1, "err": -0x80000000}, {"service": b"neighbour"},
                     {"service": b"neighbour", "invocations": U64, "active_cpu_us": U64}):
            yield f"row {cookie} {more}", datagram("USAGE_ROW", body("USAGE_ROW", cookie=U64 - cookie, **more)), 20
        yield f"verdict {cookie}", datagram("LEDGER_VERDICT", body(
            "LEDGER_VERDICT", cookie=U64 - cookie, bad_row=U64, err=-1, text=b"\33[2J\xff")), 20


def test_questions_and_answers_that_nobody_asked_for_hurt_nobody(host):
    sound, count = Sound(host), 0
    for program, cases in (("ebb-api", list(questions())), ("ebb-ledger", list(answers()))):
        (pid,) = host.programs(program)
        with channel(pid, other_channel(pid)) as stolen:
            for _, bytes_, often in cases:
                for _ in range(often):
                    send(stolen, bytes_)
        wait_for(lambda: usage_works(host), 20)
        assert host.programs(program) == [pid]
        count += len(cases)
    sound.check_all()
    counts.note(f"hostile records: {count} odd questions and answers between ebb-api and ebb-ledger hurt nobody")


def broken(allowed):
    for kind in TYPES:
        if kind not in allowed:
            yield kind, datagram(kind, body(kind)), []
    for kind in allowed:
        yield f"{kind} too short", datagram(kind, body(kind)[:-1]), []
        yield f"{kind} too long", datagram(kind, body(kind) + b"\0" * 8), []
        yield f"{kind} with a descriptor", datagram(kind, body(kind)), [null]
    yield "random bytes", random.Random(5).randbytes(500), []
    yield "half a head", b"\1\0", []


@pytest.mark.parametrize("program,allowed,said", [
    ("ebb-api", ["USAGE_GET", "LEDGER_VERIFY"], "event=api_dropped"),
    ("ebb-ledger", ["USAGE_ROW", "LEDGER_VERDICT"], "event=ledger_lost err=\"(?!closed)")])
def test_between_the_two_a_broken_record_ends_the_channel_and_a_new_program_gets_a_new_one(roots, program, allowed, said):
    """The one that was lied to drops the channel and says so; the next process of the liar's kind has another."""
    cases = list(broken(allowed))
    sample = random.Random(9).sample(cases, 5)  # each kills; all of them are told apart by size and type alone
    with begun(roots[1], 1) as ebb:
        sound = Sound(ebb)
        for number, (what, bytes_, makers) in enumerate(sample):
            (pid,) = wait_for(lambda: ebb.programs(program), 20)
            say(pid, bytes_, makers, other_channel(pid))
            wait_for(lambda n=number: len(ebb.log_lines(said)) > n, 10, what)
            assert not usage_works(ebb)
            sound.check()
            ebb.end_program(program)
            wait_for(lambda: usage_works(ebb), 30)
        sound.check_all()
