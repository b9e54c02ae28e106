# SPDX-License-Identifier: Apache-2.0
"""
Words of a hostile program: messages over IPC and bytes on its streams, broken in every way. Each harms its own
connection or its own log only; a hold, a line and an answer of the neighbour are as before, and so is the bill.
"""
import json
import os
import random
import re
import socket

import pytest

import counts
import pictures
import web
from waiting import wait_for

ID, NEIGHBOURS = "00112233445566778899aabbccddeeff", "a" * 32
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def message(kind, request=ID, **payload):
    payload["context"] = {"invocationId": request}
    return json.dumps({"type": kind, "payload": payload}).encode() + b"\0"


def say(ebb, body, service="attacker", wait=0):
    """Sends these bytes from inside; whether the host closed the connection within wait ms."""
    reply = ebb.get(service, f"/ipc?wait={wait}", method="POST", body=body, timeout=60)
    assert reply.status == 200, reply
    return reply.json["closed"]


def metric(ebb, name, of):
    text = ebb.rest("GET", "/metrics").text
    return sum(map(float, re.findall(rf'^{name}\{{[^}}]*"{of}-\d+"[^}}]*\}} ([\d.]+)', text, re.M)))


@pytest.fixture(scope="module")
def host(module_ebb):
    """The neighbour has a hold open, which must outlive everything that is said here."""
    ebb = module_ebb
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("attacker", "neighbour"):
        ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "maxDuration": 600,
                          "memory": 256}})
        assert ebb.get(name).status == 200
    say(ebb, message("hold", NEIGHBOURS), "neighbour")
    wait_for(lambda: ebb.instance("neighbour")["holds"] == 1)
    yield ebb
    say(ebb, message("end", NEIGHBOURS), "neighbour")
    say(ebb, message("end"))
    wait_for(lambda: not any(i["holds"] for i in ebb.instances()))
    assert ebb.cli("ledger", "verify").code == 0


class Sound:
    """The neighbour, and ebb's own programs, before and after."""

    NAMES = ("ebb-ipc", "ebb-api", "ebb-ledger", "ebb-gateway")

    def __init__(self, ebb):
        self.ebb, self.before = ebb, self.look(ebb)

    def look(self, ebb):
        instance = ebb.instance("neighbour")
        return [ebb.programs(name) for name in self.NAMES], instance["pid"], instance["holds"]

    def check(self):
        assert self.ebb.process.poll() is None
        assert self.ebb.get("neighbour").status == 200 and self.ebb.get("attacker").status == 200
        assert self.look(self.ebb) == self.before
        assert self.ebb.rest("POST", "/v1/ledger/verify").json["bad_row"] in (None, 0)


# --- messages -------------------------------------------------------------------------------------
def payload_of(kind, text):
    return b'{"type":"%s","payload":%s}\0' % (kind, text)


CONTEXT = b'"context":{"invocationId":"' + ID.encode() + b'"}'
REFUSED = {  # the connection is closed and counted
    "nothing": b"\0",
    "two NULs": b"\0\0",
    "a space": b" \0",
    "a byte order mark": b"\xef\xbb\xbf" + message("end"),
    "UTF-16": message("end").decode().encode("utf-16"),
    "a number": b"1\0",
    "a string": b'"end"\0',
    "a list": b'["end"]\0',
    "null": b"null\0",
    "a type that is a number": b'{"type":1}\0',
    "a type that is null": b'{"type":null}\0',
    "a type that is a list": b'{"type":["end"]}\0',
    "a type that is an object": b'{"type":{"type":"end"}}\0',
    "no type but a payload": b'{"payload":{"type":"end"}}\0',
    "a comma too many": b'{"type":"end",}\0',
    "no comma": b'{"type":"end" "payload":{}}\0',
    "single quotes": b"{'type':'end'}\0",
    "no quotes": b"{type:end}\0",
    "a comment": b'{"type":"end"/* */}\0',
    "NaN": b'{"type":"end","payload":NaN}\0',
    "a number of its own": b'{"type":"end","payload":0x10}\0',
    "two objects": b'{"type":"end"}{"type":"end"}\0',
    "something behind it": b'{"type":"end"}x\0',
    "half a word": b'{"type":"end","payload":tru\0',
    "a newline in a string": b'{"type":"en\nd"}\0',
    "an escape there is not": b'{"type":"\\x65nd"}\0',
    "half an escape": b'{"type":"end\\u00"}\0',
    "invalid UTF-8": b'{"type":"end","x":"\xff\xfe"}\0',
    "overlong UTF-8": b'{"type":"end","x":"\xc0\xaf"}\0',
    "a surrogate in UTF-8": b'{"type":"end","x":"\xed\xa0\x80"}\0',
    "a NUL in a string": b'{"type":"end","x":"a\0b"}\0',
    "seventeen lists deep": b'{"type":"end","x":' + b"[" * 17 + b"]" * 17 + b"}\0",
    "objects without end": b'{"a":' * 10000 + b"\0",
    "64 KiB and one": b'{"type":"' + b"x" * 65526 + b'"}\0',
    "a hold of nobody": payload_of(b"hold", b"{}"),
    "a hold of a list": payload_of(b"hold", b"[]"),
    "a hold of a string": payload_of(b"hold", b'"x"'),
    "a hold of a number": payload_of(b"hold", b'{"context":{"invocationId":5}}'),
    "31 digits": message("hold", ID[:31]),
    "33 digits": message("hold", ID + "0"),
    "digits in upper case": message("hold", ID.upper()),
    "no digits": message("hold", "x" * 32),
    "a NUL in an id": message("hold", "\0" + ID[1:]),
    "a context that is a list": payload_of(b"hold", b'{"context":["' + ID.encode() + b'"]}'),
    "a time before all times": message("hold", deadline=-1),
    "a time that is a string": message("hold", deadline="5"),
    "a time that is a list": message("hold", deadline=[5]),
    "a time that is true": message("hold", deadline=True),
    "half a millisecond": payload_of(b"hold", b'{"deadline":0.5,' + CONTEXT + b"}"),
    "a time without end": payload_of(b"hold", b'{"deadline":1e400,' + CONTEXT + b"}"),
    "a time of 2^63": payload_of(b"hold", b'{"deadline":9223372036854775808,' + CONTEXT + b"}"),
    "a time of 400 digits": payload_of(b"hold", b'{"deadline":' + b"9" * 400 + b"," + CONTEXT + b"}"),
    "a log of nothing": message("log"),
    "a log of a number": message("log", message=5),
    "a log of a list": message("log", message=["x"]),
    "base64 of three letters": message("log", message="abc=d", encoding="base64"),
    "base64 of another alphabet": message("log", message="a-_b", encoding="base64"),
    "base64 with a NUL": message("log", message="AA\0A", encoding="base64"),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\0",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(1, 256)) + b"\0",
    "random bytes": random.Random(75).randbytes(60000) + b"\0",
    "random JSON": "".join(random.Random(76).choices('{}[]",:0123456789eE+-.\\utrfalsn ', k=60000)).encode() + b"\0",
    "a NUL in a type": b'{"type":"end\\u0000x"}\0',
    "a type twice": b'{"type":"hold","type":"metric"}\0',
    "keys twice": payload_of(b"end", b'{"context":{},"context":{"invocationId":"x"},' + CONTEXT + b"}"),
    "a number of 60,000 digits": b'{"type":"end","x":' + b"9" * 60000 + b"}\0",
    "a log of NULs": message("log", message="\0" * 100),
    "4,097 holds": b"".join(message("hold", f"{n:032x}") for n in range(4097)),
}
TAKEN = {  # they change nothing
    "a type of tomorrow": b'{"type":"x","payload":{"deep":[[[[1]]]]}}\0',
    "an empty type": b'{"type":""}\0',
    "half a surrogate pair": b'{"type":"end","x":"\\ud800"}\0',
    "5,000 keys": b'{"type":"end",' + b",".join(b'"k%d":0' % n for n in range(5000)) + b"}\0",
    "a key of 60,000 bytes": b'{"type":"end","' + b"k" * 60000 + b'":0}\0',
    "an end that nobody awaits": message("end", "f" * 32),
    "an end of nothing": b'{"type":"end"}\0',
    "the end of the neighbour's hold": message("end", NEIGHBOURS),
    "a hold that is over": message("hold", deadline=1),
    "a hold in the neighbour's name": message("hold", NEIGHBOURS, deadline=1),
    "an empty log": message("log", message=""),
    "a log of terminal escapes": message("log", message="\33[2J\33]0;title\7\x9b1m"),
    "a log in the neighbour's name": message("log", NEIGHBOURS, message="forged by IPC"),
    "a log that begins another": message("log", message=f"\n\x1e{NEIGHBOURS} forged by a tag"),
    "a stream of another name": message("log", message="x", stream={"fd": 3}),
    "an encoding that is a number": message("log", message="x", encoding=64),
    "ends without end": message("end") * 3000,
    "holds that end at once": (message("hold") + message("end")) * 2000,
}


def answer(host, body):
    """(closed, counted as refused)"""
    before = metric(host, "ebb_instance_ipc_refused_total", "attacker")
    closed = say(host, body, wait=5000 if body in REFUSED.values() else 50)
    return closed, metric(host, "ebb_instance_ipc_refused_total", "attacker") - before


def over(host):
    """No hold of the attacker's is left for the next one."""
    if host.instance("attacker")["holds"]:
        say(host, b"".join(message("end", f"{n:032x}") for n in range(4098)) + message("end"))
        wait_for(lambda: host.instance("attacker")["holds"] == 0)


@pytest.mark.parametrize("what", REFUSED)
def test_message_that_is_none_closes_its_connection_and_is_counted(host, what):
    sound = Sound(host)
    closed, counted = answer(host, REFUSED[what])
    assert closed and counted == 1
    sound.check()
    over(host)


@pytest.mark.parametrize("what", TAKEN)
def test_message_that_means_nothing_changes_nothing(host, what):
    sound = Sound(host)
    closed, counted = answer(host, TAKEN[what])
    assert not closed and counted == 0
    sound.check()
    wait_for(lambda: host.instance("attacker")["holds"] == 0)
    assert not lines_of(host, "neighbour", "--request", NEIGHBOURS)


def test_connections_that_come_and_go_leave_nothing(host):
    """Two hundred at once: half a message, and gone; the host's own descriptors are as many as before."""
    sound = Sound(host)
    (pid,) = host.programs("ebb-ipc")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    web.many(200, lambda i: say(host, b'{"type":"end"' if i % 2 else b""))
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before)
    sound.check()


# --- streams --------------------------------------------------------------------------------------
DATE = b"2026-01-01T00:00:00.000000Z"
STREAMS = {
    "nothing": b"",
    "one newline": b"\n",
    "a thousand newlines": b"\n" * 1000,
    "no newline": b"without an end",
    "a line of 10 MB": b"x" * 10_000_000 + b"\n",
    "10 MB of short lines": b"y\n" * 5_000_000,
    "10 MB without a newline": b"z" * 10_000_000,
    "lines of a buffer, and one less and more": b"".join(b"l" * n + b"\n" for n in range(4060, 4130)),
    "NULs": b"a\0b\0\0\n" * 100,
    "NULs without a newline": b"\0" * 70000,
    "a cleared screen": b"\33[2J\33[H\33[3J\n",
    "a title and a clipboard": b"\33]0;title\7\33]52;c;ZXZpbA==\7\n",
    "an answerback": b"\33[c\33[6n\33Z\5\n",
    "overwriting": b"level=error\rlevel=info all is well\n",
    "backspaces": b"secret\b\b\b\b\b\bpublic\n",
    "eight-bit controls": b"\x9b2J\x9d0;x\x9c\n",
    "controls in UTF-8": "\x9b2J\x85next\n".encode(),
    "every byte": bytes(range(256)) * 100,
    "random bytes": random.Random(77).randbytes(1_000_000),
    "invalid UTF-8": b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\x80\x80\x80\n",
    "half a character": b"\xf0\x9f\x98\n\x80\n",
    "characters across every cut": "\U0001f600".encode() * 30000 + b"\n",
    "right to left": "\u202egnp.exe\u2066\n".encode(),
    "line separators": "one\u2028two\u2029three\x85four\x0bfive\x0csix\n".encode(),
    "the neighbour's tag": b"\x1e" + NEIGHBOURS.encode() + b" forged by a tag\n",
    "half a tag": b"\x1e" + NEIGHBOURS.encode() + b"\n\x1e\n\x1e \n",
    "tags in a line": b"x\x1e" + NEIGHBOURS.encode() + b" forged by a tag\x1e\n",
    "a line of the log's own": DATE + b" forged by a date\n" + DATE + b"+forged by a date\n",
    "a word of ebb's": b"ebb: 5 lines (5 bytes) were dropped here: more than 1024 KiB/s of log\n",
    "a line of ebbd's log": b"ts=" + DATE + b" level=error prog=ebbd event=forged\n",
    "JSON": b'{"time":"x","instance":"neighbour-1","line":"forged"}\n"\n}\n',
    "formats": b"%s%s%n%n%99999d\n",
    "carriage returns": b"one\r\ntwo\r\n\r\n\r",
    "quotes and backslashes": b'\\"\\\\"\'`$(reboot)\n' * 50,
    "markup": b"<script>alert(1)</script><!--\n",
}


def lines_of(ebb, service, *options):
    done = ebb.cli("logs", "--json", *options, service, ok=False)
    assert done.code == 0, done
    return done.json


def emit(ebb, body, **options):
    query = "&".join(f"{k}={v}" for k, v in options.items())
    reply = ebb.get("attacker", f"/emit?{query}", method="POST", body=body, timeout=120)
    assert reply.status == 200, reply


def streams_are_sound(host, marker):
    """The attacker's log is read by all three ways; the neighbour's has its own lines and no other."""
    for one in lines_of(host, "attacker"):
        assert one["instance"].startswith("attacker-") and re.match(r"20\d\d-\d\d-\d\dT", one["time"]), one
    assert not [line for line in host.cli("logs", "attacker").out.splitlines() if CONTROL.search(line)]
    assert host.rest("GET", "/v1/services/attacker/logs").status == 200
    host.get("neighbour", f"/log?text={marker}")
    wait_for(lambda: [x for x in lines_of(host, "neighbour") if x["line"] == marker])
    assert not [x for x in lines_of(host, "neighbour") if not re.fullmatch(r"heard-\d+", x["line"])]


@pytest.mark.parametrize("number", range(len(STREAMS)), ids=list(STREAMS))
def test_bytes_on_a_stream_are_lines_of_their_own_service_only(host, number):
    sound, body = Sound(host), list(STREAMS.values())[number]
    emit(host, body, to=number % 2 + 1)
    streams_are_sound(host, f"heard-{number}")
    sound.check()


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_both_streams_by_many_writers_at_once(host, piece):
    sound = Sound(host)
    body = ("\x1b[1m\U0001f600 \x1e" + ID + " half a line and\n").encode() * (20 if piece == 1 else 500)
    web.many(8, lambda i: emit(host, body, to=12, piece=piece))
    streams_are_sound(host, f"heard-{1000 + piece}")
    sound.check()


def test_a_reader_that_follows_does_not_stop_the_others(host):
    """Somebody follows the attacker's log and does not read."""
    sound = Sound(host)
    with socket.socket(socket.AF_UNIX) as reader:
        reader.connect(host.socket)
        reader.send(b"GET /v1/services/attacker/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        emit(host, b"followed\n" * 300_000)
        streams_are_sound(host, "heard-2000")
    sound.check()


def test_counts():
    counts.note(f"hostile words: {len(REFUSED)} messages refused, {len(TAKEN)} taken without effect, "
                f"{len(STREAMS) + 4} ways to write on a stream")
    assert len(REFUSED) + len(TAKEN) + len(STREAMS) > 100
