# SPDX-License-Identifier: Apache-2.0
"""Attacks of a program inside on ebb's own processes: floods of output and of messages, and messages that are made to
break ebb-ipc. Each harms its own instance only; other instances, their work and ebbd go on."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import time

import pytest

import leaks
import pictures
from waiting import slow, wait_for

ID = "00112233445566778899aabbccddeeff"
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def box(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("attacker", "neighbour"):
        module_ebb.apply({name: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "maxDuration": 60}})
        assert module_ebb.get(name).status == 200
    return module_ebb


def cpu_s(ebb, program):
    fields = [leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split() for pid in ebb.programs(program)]
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS


def log_bytes(ebb, service):
    at = os.path.join(ebb.config["log_dir"], service)
    return sum(os.path.getsize(os.path.join(at, name)) for name in os.listdir(at))


def metric(ebb, name, of):
    text = ebb.rest("GET", "/metrics").text
    found = re.findall(rf'^{name}\{{[^}}]*"{of}"[^}}]*\}} ([\d.]+)', text, re.M)
    return sum(map(float, found))


def message(kind, request=ID, **payload):
    payload["context"] = {"invocationId": request}
    return json.dumps({"type": kind, "payload": payload}).encode() + b"\0"


def say(ebb, service, body, wait=0):
    reply = ebb.get(service, f"/ipc?wait={wait}", method="POST", body=body, timeout=120)
    assert reply.status == 200, reply
    return reply.json["closed"]


def told(ebb, service, text):
    """Lines with this text in the log files: `ebb logs` shows the last ones only."""
    at = os.path.join(ebb.config["log_dir"], service)
    names = sorted(os.listdir(at)) if os.path.isdir(at) else []  # made with the first line
    lines = [line for name in names for line in leaks.read(os.path.join(at, name)).splitlines()]
    return [line[28:] for line in lines if text in line]


# --- floods of output -----------------------------------------------------------------------------
@pytest.mark.parametrize("line,slow_writer", [(0, 0), (79, 0), (4000, 0), (0, 1), (20, 1)])
def test_flood_of_output_is_cut_counted_and_said(box, line, slow_writer):
    before = {k: metric(box, f"ebb_log_{k}_total", "attacker") for k in ("bytes", "dropped_lines", "lines")}
    ipc_s, api_s = cpu_s(box, "ebb-ipc"), cpu_s(box, "ebb-api")
    written = box.get("attacker", f"/flood?ms=3000&line={line}&slow={slow_writer}", timeout=90).json["written"]
    used_s = cpu_s(box, "ebb-api") - api_s
    kept = metric(box, "ebb_log_bytes_total", "attacker") - before["bytes"]
    print(f"line={line} slow={slow_writer}: {written} bytes written, {kept:.0f} kept, ebb-api used {used_s:.2f} s")
    # 8 MiB at once and 1 MiB for each second, however long that was on this machine.
    assert kept < (8 << 20) + slow(10) * (1 << 20)
    assert log_bytes(box, "attacker") <= 2 * (8 << 20) + (1 << 20)
    assert cpu_s(box, "ebb-ipc") - ipc_s <= 0.1
    # half a second at once and 5 % from then on
    assert used_s < 1.5
    if metric(box, "ebb_log_dropped_lines_total", "attacker") > before["dropped_lines"]:
        wait_for(lambda: told(box, "attacker", "were dropped here: more than 1024 KiB/s"))
    assert box.get("neighbour", "/log?text=heard-" + str(line)).status == 200
    wait_for(lambda: told(box, "neighbour", f"heard-{line}"))


def test_after_a_flood_lines_are_kept_again(box):
    box.get("attacker", "/flood?ms=1000", timeout=90)

    def heard():
        box.get("attacker", "/log?text=back-again")
        return told(box, "attacker", "back-again")
    wait_for(heard, 30)


def test_dropping_is_said_also_when_nothing_follows(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    ebb.get("probe", "/flood?ms=1500", timeout=90)
    (line, *_) = wait_for(lambda: told(ebb, "probe", "were dropped here"))
    assert re.match(r"ebb: \d+ lines \(\d+ bytes\) were dropped here: more than 1024 KiB/s of log", line)
    assert ebb.log_lines("event=log_lines_dropped instance=probe-")


def test_flood_that_ends_by_a_death_says_what_was_lost(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    ebb.get("probe", "/flood?ms=1500", timeout=90)
    assert ebb.get("probe", "/exit?code=3", method="POST").status == 502
    wait_for(lambda: told(ebb, "probe", "were dropped here"))


# --- floods of messages ---------------------------------------------------------------------------
NEWLINES = message("log", message="\n" * 30000)
FLOODS = {
    "newlines for a request": NEWLINES * 100,
    "newlines for nobody": json.dumps({"type": "log", "payload": {"message": "\n" * 30000}}).encode() + b"\0",
    "base64 newlines": message("log", message="CgoK" * 12000, encoding="base64") * 100,
    "ends": message("end") * 30000,
    "unknown ones": b'{"type":"x"}\0' * 200000,
    "wide objects": (b'{"type":"metric","payload":{' + b",".join(b'"%d":0' % n for n in range(6000)) + b"}}\0") * 60,
    "deep ones": (b'{"type":"metric","payload":' + b"[" * 12 + b"]" * 12 + b"}\0") * 30000,
}


@pytest.mark.parametrize("what", FLOODS)
def test_flood_of_messages_costs_its_own_instance_only(box, what):
    """Ten percent of a CPU beyond the first half second: the rest waits in the flooder's own socket. The first half second
    comes in turns: a quarter of a CPU."""
    began, begun_s, work = time.monotonic(), cpu_s(box, "ebb-ipc"), metric(
        box, "ebb_instance_ipc_work_seconds_total", "attacker")
    pid, kept = box.programs("ebb-ipc"), metric(box, "ebb_log_bytes_total", "attacker")
    say(box, "attacker", FLOODS[what])
    used_s, took_s = cpu_s(box, "ebb-ipc") - begun_s, time.monotonic() - began
    print(f"{what}: {len(FLOODS[what])} bytes cost ebb-ipc {used_s:.2f} s in {took_s:.2f} s")
    assert used_s < 0.3 * took_s + 0.05
    assert box.programs("ebb-ipc") == pid
    assert metric(box, "ebb_instance_ipc_work_seconds_total", "attacker") > work
    assert metric(box, "ebb_log_bytes_total", "attacker") - kept < (8 << 20) + slow(10) * (1 << 20)
    # A neighbour's hold is heard at once and kept.
    request = box.get("neighbour", "/background?ms=300").headers["x-ebb-id"]
    wait_for(lambda: [x for x in box.cli("logs", "--json", "--request", request, "neighbour").json])


# --- a program that connects to itself -------------------------------------------------------------
def can_choose_ports():
    with socket.socket() as one:
        try:
            one.setsockopt(socket.IPPROTO_IP, 51, struct.pack("I", 0))  # IP_LOCAL_PORT_RANGE
        except OSError:
            return False
    return True


def gateway_ports(ebb, service):
    """Local ports of connections to the server of this instance, from /proc/PID/net/tcp."""
    rows = [row.split() for row in leaks.read(f"/proc/{ebb.instances(service)[0]['pid']}/net/tcp").splitlines()[1:]]
    return [int(row[1].split(":")[1], 16) for row in rows if row[2].endswith(f":{8080:04X}") and row[3] == "01"]


def upload(ebb, service):
    """A request whose last byte is still to come."""
    sock = socket.create_connection(ebb.address, slow(30))
    sock.sendall(f"POST /sink HTTP/1.1\r\nHost: {service}.localhost\r\nContent-Length: 1\r\n\r\n".encode())
    return sock


@pytest.mark.skipif(not can_choose_ports(), reason="IP_LOCAL_PORT_RANGE came with Linux 6.3: chance alone would find a port")
def test_no_program_gets_the_port_of_a_gateways_connection(box):
    """Both connections would have the same addresses and ports, and the end of the program's would be that of a request."""
    with contextlib.ExitStack() as uploads:
        asked = [uploads.enter_context(upload(box, "attacker")) for _ in range(8)]
        wait_for(lambda: box.instances("attacker")[0]["tickets"] == 8)
        ports = wait_for(lambda: len(found := gateway_ports(box, "attacker")) >= 8 and found)
        said = {port: box.get("attacker", f"/dial?kind=tcp&to=127.0.0.1&port=8080&only_port={port}&ms=100").json["result"]
                for port in ports}
        held = set(gateway_ports(box, "attacker"))  # an idle one may have been closed since
        assert {said[port] for port in ports if port in held} == {"EADDRNOTAVAIL"}, said
        for sock in asked:
            sock.sendall(b"x")
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
