# SPDX-License-Identifier: Apache-2.0
"""
A setting that changes at run time has its effect at once, and not only another value: for each of them a question
whose answer is no with the settings of the start, and yes after SIGHUP.
"""
import functools
import grp
import os
import re
import signal
import socket
import threading

import pytest

import oci
import pictures
import web
from ebb import hold_port
from test_edge_access_log import access
from test_images_limits import erofs, slow_image
from test_service_reload import LIVE, Reloadable, answers, names
from waiting import slow, wait_for

START = {"log_level": "info", "memory_reserve_mb": "0"}
MB = 1 << 20


# --- asking -------------------------------------------------------------------------------------------
def hears(ebb, data, word, seconds=1.0):
    """Whether a connection that sends this and then nothing hears the word, or (b"") its end, within this time."""
    with web.Raw(ebb.address) as raw:
        raw.send(data)
        raw.sock.settimeout(slow(seconds))
        try:
            while not (word and word in raw.got):
                piece = raw.sock.recv(65536)
                if not piece:
                    return not word
                raw.got += piece
        except (socket.timeout, ConnectionResetError):
            return False
        return True


def statuses(ebb, count, path):
    """Of so many requests at once to a service that serves one at a time."""
    return {reply.status for reply in web.many(count, lambda i: ebb.get("one", path))}


def end(ebb, service):
    for instance in ebb.instances(service):
        ebb.cli("stop", instance["id"], ok=False)
    wait_for(lambda: not ebb.instances(service), 10, f"no instance of {service}")


def evicted(ebb):
    return [event["text"] for event in ebb.cli("events", "--json", "--kind", "instance_evicted").json]


def makes_room(setting, ebb, _):
    """Another service starts while one is frozen: that one goes, for this setting."""
    end(ebb, "one")
    assert ebb.get("probe", "/alloc?mb=40&keep=1").status == 200
    ebb.wait_frozen("probe")
    before = len(evicted(ebb))
    ebb.get("one")
    return any(setting in text for text in evicted(ebb)[before:])


def has_header(field, value, path="/"):
    return lambda ebb, _: ebb.get("probe", path).headers.get(field) == value


def refused_import(setting, ebb, tmp_path):
    path = str(tmp_path / "image.tar")
    new = os.urandom(16)  # a layer that is known is not unpacked
    oci.Image([oci.layer(oci.entry("a", b"1" * 3 * MB), oci.entry("b", new))], {}).write_archive(path)
    return setting in ebb.cli("image", "import", f"oci-archive:{path}", "--tag", "two", ok=False).err


def slow_import(ebb, tmp_path):
    return "import_step_s" in ebb.cli("image", "import", slow_image(tmp_path), "-t", "slow", ok=False).err


def second_is_refused(ebb, _):
    with web.Raw(ebb.address) as first:
        first.send(b"GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        first.read_until(b"\r\n\r\n")
        return web.raw_status(ebb.address, b"GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n") == 503


def files_of_a_new_one(ebb, _):
    end(ebb, "one")
    assert ebb.get("one").status == 200
    pid = ebb.instance("one")["pid"]
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        (child,) = f.read().split()
    with open(f"/proc/{child}/limits") as f:
        return int(re.search(r"^Max open files +\d+ +(\d+)", f.read(), re.M)[1]) == 77


def ledger_debugs(ebb, _):
    before = len(ebb.log_lines("level=debug prog=ebb-ledger"))
    assert ebb.get("probe").status == 200
    ebb.wait_frozen("probe")
    ebb.cli("usage")
    return len(ebb.log_lines("level=debug prog=ebb-ledger")) > before


def writes_access(ebb, _):
    before = len(access(ebb))
    ebb.get("probe")
    ebb.cli("node")
    return len(access(ebb)) > before


HALF = b"GET / HTTP/1.1\r\nHost: probe.localhost\r\nX"
ONE_BYTE = b"POST /sink HTTP/1.1\r\nHost: probe.localhost\r\nContent-Length: 100\r\n\r\nx"
def cuts_who_is_idle(ebb, _):
    """Behind an upgrade the gateway before keeps idle connections for so long. The binaries are the same ones."""
    before = len(ebb.log_lines("event=upgraded"))
    with web.Raw(ebb.address) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        raw.read_until(b"\r\n\r\n")
        ebb.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: len(ebb.log_lines("event=upgraded")) > before, 30, "the next ebbd")
        raw.sock.settimeout(slow(3))
        try:
            while raw.sock.recv(65536):
                pass
        except socket.timeout:
            return False
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == 1, 20)
    return True


# {setting: (value, the question)}; {port} is another port. drain_ms has a test of its own, for it ends an ebbd.
EFFECTS = {
    "listen": ("127.0.0.1:{port}", None),
    "trusted": ("127.0.0.0/8", lambda ebb, _: "192.0.2.9" in ebb.get("probe", "/head", headers={"X-Real-IP": "192.0.2.9"}).text),
    "domain": ("example.test", lambda ebb, _: ebb.http(host="probe.example.test").status == 200),
    "api_group": ("daemon", lambda ebb, _: os.stat(ebb.socket).st_gid == grp.getgrnam("daemon").gr_gid),
    "log_level": ("debug", ledger_debugs),
    "armed": ("6", lambda ebb, _: len(ebb.programs("ebb:parked")) >= 12),
    "instances_max": ("1", functools.partial(makes_room, "instances_max")),
    "queue_max": ("1", lambda ebb, _: statuses(ebb, 6, "/sleep?ms=100") == {200, 503}),
    "queue_age_ms": ("100", lambda ebb, _: statuses(ebb, 2, "/sleep?ms=600") == {200, 503}),
    "head_fields_max": ("20", lambda ebb, _: ebb.get("probe", headers={f"x-{n}": "1" for n in range(30)}).status == 431),
    "target_bytes_max": ("64", lambda ebb, _: ebb.get("probe", "/?" + "x" * 80).status == 414),
    "head_timeout_ms": ("100", lambda ebb, _: hears(ebb, HALF, b" 408 ")),
    "idle_timeout_ms": ("100", lambda ebb, _: hears(ebb, b"", b"")),
    "access_log": ("1", writes_access),
    "body_bytes_max": ("10", lambda ebb, _: ebb.get("probe", "/size", method="POST", body=b"x" * 11).status == 413),
    "body_rate_min": ("1000", lambda ebb, _: hears(ebb, ONE_BYTE, b"BODY_TOO_SLOW")),
    "body_window_ms": ("100", lambda ebb, _: hears(ebb, ONE_BYTE, b"BODY_TOO_SLOW")),
    "address_connections_max": ("1", second_is_refused),
    "connection_requests_max": ("1", has_header("connection", "close")),
    "nofile_max": ("77", files_of_a_new_one),
    "memory_max_mb": ("40", functools.partial(makes_room, "memory_max_mb")),
    "memory_reserve_mb": (str(1 << 22), functools.partial(makes_room, "memory_reserve_mb")),
    "image_max_mb": ("2", functools.partial(refused_import, "image_max_mb")),
    "image_file_max_mb": ("2", functools.partial(refused_import, "image_file_max_mb")),
    "image_entries_max": ("1", functools.partial(refused_import, "image_entries_max")),
    "import_step_s": ("1", slow_import),
    "upgrade_drain_ms": ("100", cuts_who_is_idle),
}
# Other settings that the question needs: at the start, too.
BESIDE = {"body_rate_min": {"body_window_ms": "200", "body_rate_min": "0"}}


@pytest.fixture(scope="module")
def host():
    one = Reloadable(gateways=1)
    try:
        one.start()
        one.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        one.deploy("probe", "probe", "--max", 1)
        one.deploy("one", "probe", "--max", 1, "--concurrency", 1)
        yield one
        one.stop()
    finally:
        one.kill()
        one.remove()


def test_each_that_changes_at_run_time_has_a_question():
    assert set(EFFECTS) | {"drain_ms"} == set(LIVE)


@pytest.mark.parametrize("name", EFFECTS)
def test_a_changed_setting_has_its_effect(host, tmp_path, name):
    value, question = EFFECTS[name]
    if name == "import_step_s" and not erofs(host):
        pytest.skip("this kernel mounts no erofs from a file: mkfs.erofs is not run")
    with hold_port() as holder:
        port = holder.getsockname()[1]
    question = question or (lambda *_: answers(port))
    before = {**START, **BESIDE.get(name, {})}
    host.reload(before)
    assert host.get("one").status == 200
    if name != "import_step_s":  # without the limit it takes a minute
        assert not question(host, tmp_path)
    said = host.reload({**before, name: value.format(port=port)})
    assert names(said, "now") == {name}, said
    wait_for(lambda: question(host, tmp_path), 10, f"the effect of {name} = {value}")
    host.reload(START)


def test_the_time_for_open_requests_when_ebbd_stops(made):
    ebb = Reloadable(gateways=1)
    made.append(ebb.start())
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    assert ebb.get("probe").status == 200
    ebb.reload({"drain_ms": "200"})
    with web.Raw(ebb.address, timeout=slow(60)) as raw:
        raw.send(b"GET /sleep?ms=60000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: ebb.instance("probe")["tickets"] == 1)
        ended = threading.Event()
        threading.Thread(target=lambda: (raw.read_to_end(), ended.set()), daemon=True).start()
        ebb.process.send_signal(signal.SIGTERM)
        assert ended.wait(slow(8)), "the request was not cut after 200 ms, nor within 8 s; the default is 10 s"
    ebb.process.wait(slow(20))
