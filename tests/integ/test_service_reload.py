# SPDX-License-Identifier: Apache-2.0
"""
SIGHUP: ebbd reads its settings again. Those that can change at run time change while requests go on, changes of the
others are named in the log, and wrong settings change nothing.
"""
import grp
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

import oci
import pictures
import web
from ebbd_deaths import kill_ebbd
from ebb import BIN, PROJECT, Ebb, hold_port
from test_edge_access_log import access
from waiting import slow, wait_for

# Another value for each, as it stands in a file; {port} is another port, {other} one more.
LIVE = {
    "listen": "127.0.0.1:{port}", "trusted": "127.0.0.0/8", "domain": "example.test", "api_group": "daemon",
    "log_level": "info", "armed": "2", "instances_max": "50", "queue_max": "500", "queue_age_ms": "20000",
    "head_fields_max": "30", "target_bytes_max": "128", "head_timeout_ms": "15000", "idle_timeout_ms": "60000",
    "access_log": "1", "body_bytes_max": "5000", "body_rate_min": "50", "body_window_ms": "20000",
    "address_connections_max": "5000", "connection_requests_max": "1000", "drain_ms": "9000", "nofile_max": "2048",
    "memory_max_mb": "4096", "memory_reserve_mb": "64", "image_max_mb": "100", "image_file_max_mb": "50",
    "image_entries_max": "5000", "import_step_s": "60", "upgrade_drain_ms": "90000",
}
LATER = {
    "root": "/nonexistent", "run_dir": "/nonexistent/run", "state_dir": "/nonexistent/state",
    "log_dir": "/nonexistent/log", "ledger_dir": "/nonexistent/ledger", "flow_dir": "/nonexistent/flow",
    "image_dir": "/nonexistent/images",
    "libexec_dir": "/nonexistent/bin", "cgroup": "ebb-elsewhere", "seccomp_policy": "/nonexistent/policy",
    "node": "elsewhere", "gateways": "3", "id_base": "1000000000", "connections_max": "100",
    "head_bytes_max": "4096", "h2c_streams": "7", "egress": "off", "egress_default": "internet",
    "egress_resolver": "192.0.2.1", "status_listen": "127.0.0.1:1",
    "net_pool": "198.19.0.0/20", "net_pool6": "fd00:1:2:3::/64", "net_prefix": "other-", "egress_connections": "99",
    "egress_connections_all": "999",
    "secret_key": "/nonexistent/key", "tick_us": "99",
}


class Reloadable(Ebb):
    """An ebbd whose settings are in a file, which may change."""

    def command(self, *more):
        return super().command(*more, "--config", self.conf)

    @property
    def conf(self):
        path = os.path.join(self.root, "ebbd.conf")
        if not os.path.exists(path):
            self.write({})
        return path

    def write(self, settings):
        """Other lines in the file; a value may be a list of them."""
        lines = [f"{key} = {one}\n" for key, value in settings.items()
                 for one in (value if isinstance(value, list) else [value])]
        with open(os.path.join(self.root, "new.conf"), "w", encoding="utf-8") as file:
            file.writelines(lines)
        os.rename(file.name, os.path.join(self.root, "ebbd.conf"))

    def hang_up(self):
        """SIGHUP, and the words of ebbd about it."""
        before = len(self.log_lines("event=settings_"))
        self.process.send_signal(signal.SIGHUP)
        return wait_for(lambda: self.log_lines("event=settings_")[before:], 10, "a word of ebbd about its settings")[0]

    def reload(self, settings):
        self.write(settings)
        return self.hang_up()

    def reload_file(self, content):
        with open(self.conf, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.hang_up()


@pytest.fixture
def reloadable(made):
    def make(gateways=2, **settings):
        made.append(Reloadable(gateways=gateways, settings=settings).start())
        made[-1].import_image("oci-archive:" + pictures.probe_archive(), "probe")
        made[-1].deploy("probe", "probe", "--max", 2)
        return made[-1]

    return make


def other_port():
    with hold_port() as holder:
        return holder.getsockname()[1]


class Load:
    """Requests one after the other, in some threads, each on a connection of its own; all must be answered 200."""

    def __init__(self, ebb, threads=3):
        self.ebb, self.going, self.failed, self.count = ebb, True, [], 0
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while self.going:
            try:
                reply = self.ebb.get("probe", "/sleep?ms=5")
                if reply.status != 200:
                    self.failed.append(reply)
            except OSError as error:
                self.failed.append(error)
            self.count += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        for thread in self.threads:
            thread.join()

    def passes(self, requests=20):
        """So many more requests are over, none of them failed."""
        until = self.count + requests
        wait_for(lambda: self.count >= until or self.failed, 30, "requests")
        assert not self.failed, self.failed[:3]


def told(ebb, kind):
    return [event["text"] for event in ebb.cli("events", "--json", "--kind", kind).json]


def names(line, which):
    return set(re.search(rf'{which}="([^"]*)"', line)[1].split()) - {"none"}


def test_table_says_which_change_at_run_time():
    with open(os.path.join(PROJECT, "docs/reference/ebbd-settings.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| (yes|restart) \|", file.read(), re.M)
    assert {name for name, when in rows if when == "yes"} == set(LIVE)
    assert {name for name, when in rows if when == "restart"} == set(LATER)


def test_each_setting_changes_under_load_and_no_request_fails(reloadable):
    ebb, settings = reloadable(), {}
    with Load(ebb) as load, web.Raw(ebb.address, timeout=slow(60)) as old:
        for name, value in LIVE.items():
            settings[name] = value.format(port=other_port())
            said = ebb.reload(settings)
            assert names(said, "now") == {name} and not names(said, "at_next_start"), said
            load.passes()
        all_back = ebb.reload({})
        load.passes()
        old.send(b"GET / HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\n\r\n")
        assert b" 200 " in old.read_to_end()
    assert names(all_back, "now") == set(LIVE), all_back
    assert len(told(ebb, "settings_changed")) == len(LIVE) + 1


def test_what_waits_for_a_restart_is_named_and_the_rest_changes(reloadable):
    ebb = reloadable(gateways=1)
    said = ebb.reload({**LATER, "body_bytes_max": "10"})
    assert names(said, "at_next_start") == set(LATER) and names(said, "now") == {"body_bytes_max"}, said
    assert ebb.get("probe", "/size", method="POST", body=b"x" * 11).status == 413
    said = ebb.reload({"body_bytes_max": "10"})
    assert not names(said, "at_next_start") and not names(said, "now"), said


def test_listeners_come_and_go_and_connections_stay(reloadable):
    ebb = reloadable()
    first, second = other_port(), other_port()
    ebb.reload({"listen": [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]})
    assert [web.request(("127.0.0.1", port), host="probe.localhost").status for port in (first, second)] == [200, 200]
    with web.Raw(("127.0.0.1", first), timeout=slow(20)) as open_one:
        open_one.send(b"GET /sleep?ms=300 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        ebb.reload({"listen": [f"127.0.0.1:{second}", f"[::ffff:127.0.0.1]:{second}"]})  # one, spelled two ways
        wait_for(lambda: not answers(first), 10, "the end of a listener")
        assert b" 200 " in open_one.read_until(b"\r\n\r\n")
    assert web.request(("127.0.0.1", second), host="probe.localhost").status == 200
    assert f"127.0.0.1:{second}" in ebb.rest("GET", "/v1/node").text
    assert f"127.0.0.1:{first}" not in ebb.rest("GET", "/v1/node").text
    ebb.end_program("ebb-gateway")  # the next one has the listeners of now
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2)
    wait_for(lambda: answers(second), 10, "a new gateway")
    assert not answers(first)


def answers(port):
    try:
        return web.request(("127.0.0.1", port), host="probe.localhost").status == 200
    except OSError:
        return False


def test_a_listener_begins_to_want_the_proxy_protocol(reloadable):
    ebb, port = reloadable(), other_port()
    assert answers(ebb.port)
    ebb.reload({"listen": f"127.0.0.1:{port}"})
    wait_for(lambda: answers(port))
    ebb.reload({"listen": f"127.0.0.1:{port},proxy", "trusted": "127.0.0.1/32"})
    request = b"GET / HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\n\r\n"

    def says(data):
        try:
            with web.Raw(("127.0.0.1", port), timeout=slow(20)) as raw:
                raw.send(data)
                return raw.read_to_end()
        except OSError:
            return b""
    wait_for(lambda: b" 200 " in says(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n" + request))
    wait_for(lambda: b" 200 " not in says(request))


def test_limits_are_in_force(reloadable, tmp_path):
    ebb = reloadable(gateways=1)
    group = grp.getgrnam("daemon").gr_gid
    ebb.reload({"target_bytes_max": "64", "head_fields_max": "10", "body_bytes_max": "10", "access_log": "1",
                "connection_requests_max": "1", "domain": "example.test", "api_group": "daemon", "idle_timeout_ms": "300",
                "image_entries_max": "1"})
    assert os.stat(ebb.socket).st_gid == group
    assert ebb.get("probe", "/" + "x" * 65).status == 414
    assert ebb.get("probe", headers={f"x-{n}": "1" for n in range(11)}).status == 431
    assert ebb.get("probe", "/size", method="POST", body=b"x" * 11).status == 413
    assert ebb.http(host="probe.example.test").headers["connection"] == "close"
    with web.Raw(ebb.address, timeout=slow(20)) as raw:
        assert raw.read_to_end() == b""  # nothing was asked of it for idle_timeout_ms
    wait_for(lambda: any(line.get("host") == "probe.example.test" for line in access(ebb)), 10, "a line of the access log")
    oci.Image([oci.layer(oci.entry("a", b"1"), oci.entry("b", b"2"))], {}).write_archive(str(tmp_path / "two.tar"))
    assert "image_entries_max" in ebb.cli("image", "import", f"oci-archive:{tmp_path}/two.tar", "--tag", "two", ok=False).err


@pytest.mark.parametrize("lines,word", [
    ({"nonsense": "1"}, "nonsense"),
    ({"queue_max": "0"}, "queue_max"),
    ({"listen": "nowhere"}, "nowhere"),
    ({"listen": "127.0.0.1:1,proxy"}, "trusted"),
    ({"listen": "192.0.2.1:8080"}, "192.0.2.1:8080"),
    ({"listen": ["127.0.0.1:1", "127.0.0.1:01,proxy"], "trusted": "127.0.0.1/32"}, "with and without ,proxy"),
    ({"listen": ["127.0.0.1:1", "[::ffff:127.0.0.1]:1,proxy"], "trusted": "127.0.0.1/32"}, "with and without ,proxy"),
    ({"listen": ["[::1]:1", "[0:0:0::1]:1,proxy"], "trusted": "127.0.0.1/32"}, "with and without ,proxy"),
    ({"trusted": "10.0.0.1/8"}, "10.0.0.1/8"),
    ({"api_group": "no-such-group"}, "no-such-group"),
    ({"log_level": "loud"}, "loud"),
])
def test_settings_that_are_wrong_change_nothing(reloadable, lines, word):
    ebb, port = reloadable(gateways=1), other_port()
    good = {"body_bytes_max": "10", "listen": [f"127.0.0.1:{port}"]}
    bad = {**good, **lines}
    if "listen" in lines:
        bad["listen"] = good["listen"] + (more if isinstance(more := lines["listen"], list) else [more])
    said = ebb.reload(bad)
    assert "settings_refused" in said and word in said, said
    assert word in told(ebb, "settings_refused")[-1]
    assert not answers(port)
    assert ebb.get("probe", "/size", method="POST", body=b"x" * 11).status == 200
    assert names(ebb.reload(good), "now") == {"body_bytes_max", "listen"}
    wait_for(lambda: answers(port))


def test_a_port_of_another_program_changes_nothing(reloadable):
    ebb = reloadable()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = ebb.reload({"listen": f"127.0.0.1:{taken.getsockname()[1]}", "queue_max": "5"})
        assert "settings_refused" in said and "another program" in said, said
    assert names(ebb.reload({"queue_max": "5"}), "now") == {"queue_max"}


def test_a_file_that_is_gone_changes_nothing(reloadable):
    ebb = reloadable(gateways=1)
    os.unlink(ebb.conf)
    ebb.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ebb.log_lines("event=settings_refused.*No such file"), 10, "a refusal")
    assert answers(ebb.port)


# --- sockets that a launcher opened (LISTEN_FDS)

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch_listening.py")


class Launched(Reloadable):
    """Started with listening sockets, and told of no other."""
    given = ()

    def command(self, *more):
        words = super().command(*more)
        at = words.index("--listen")
        del words[at:at + 2]
        return words if more else ["/usr/bin/python3", LAUNCHER, *self.given, "--", *words]


@pytest.fixture
def launched(made):
    def make(*names, **settings):
        ebb = Launched(gateways=2, settings=settings)
        ebb.given = [f"{name}=127.0.0.1:{port}" for name, port in zip(names, (ebb.port, other_port()))]
        ebb.ports = [int(word.rsplit(":")[-1]) for word in ebb.given]
        made.append(ebb.start())
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe", "--max", 2)
        return ebb

    return make


def test_given_sockets_take_the_place_of_the_default_listener(launched):
    ebb = launched("http", "other")
    assert ebb.rest("GET", "/v1/node").json["listeners"] == [f"127.0.0.1:{port}" for port in ebb.ports]
    assert all(answers(port) for port in ebb.ports)
    more = other_port()
    assert names(ebb.reload({"listen": f"127.0.0.1:{more}"}), "now") == {"listen"}
    wait_for(lambda: all(answers(port) for port in [*ebb.ports, more]), 10, "three listeners")
    assert names(ebb.reload({"listen": f"127.0.0.1:{ebb.ports[0]}"}), "now") == {"listen"}
    wait_for(lambda: not answers(more), 10, "the end of the third")
    assert all(answers(port) for port in ebb.ports)
    ebb.end_program("ebb-gateway")
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == 2)
    for _ in range(20):  # of both gateways
        assert all(answers(port) for port in ebb.ports)
    kill_ebbd(ebb)
    assert all(answers(port) for port in ebb.ports)
    assert names(ebb.reload({"listen": f"127.0.0.1:{more}"}), "now") == {"listen"}
    wait_for(lambda: all(answers(port) for port in [*ebb.ports, more]), 10, "three listeners")


def test_a_given_socket_may_want_the_proxy_protocol(launched):
    ebb = launched("http", "proxy", trusted="127.0.0.1/32")
    assert answers(ebb.ports[0])
    with web.Raw(("127.0.0.1", ebb.ports[1]), timeout=slow(20)) as raw:
        raw.send(b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: probe.localhost\r\nConnection: close\r\n\r\n")
        assert b" 200 " in raw.read_to_end()
    assert not answers(ebb.ports[1])


def has_sctp():
    """Many kernels have no SCTP; one that has it runs a row more."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("given,word", [
    (["proxy=127.0.0.1:0"], "trusted"), (["file=/dev/null"], "does not listen"),
    (["http=udp/127.0.0.1:0"], "does not listen"), (["http=127.0.0.1:0", "again=@http"], "the address of another"),
    *([(["http=sctp/127.0.0.1:0"], "does not listen")] if has_sctp() else [])])
def test_given_sockets_that_are_wrong_end_the_start(tmp_path, given, word):
    done = subprocess.run(["/usr/bin/python3", LAUNCHER, *given, "--", os.path.join(BIN, "ebbd"), "--root", str(tmp_path)],
                          capture_output=True, text=True, timeout=slow(30), check=False)
    assert done.returncode == 2 and word in done.stderr, done
