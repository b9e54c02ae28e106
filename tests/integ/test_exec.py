# SPDX-License-Identifier: Apache-2.0
"""`ebb exec`: a command in an instance, under all that holds its function, and never with more."""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

import leaks
import pictures
import web
from ebb import BIN
from waiting import slow, wait_for


@pytest.fixture(scope="module")
def box(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.shell_archive(), "box")
    module_ebb.cli("deploy", "box", "--image", "box", "--max", "1")
    module_ebb.get("box")
    return module_ebb


@pytest.fixture
def instance(box):
    return box.get("box").instance


def run(ebb, instance, *words, **more):
    return ebb.cli("exec", instance, "--", *words, ok=False, **more)


def begin(ebb, instance, *words, tty=False, **streams):
    return subprocess.Popen([os.path.join(BIN, "ebb"), "exec", *(["-t"] if tty else []), instance, "--", *words],
                            env={**os.environ, "EBB_SOCKET": ebb.socket}, **streams)


def why(ebb, instance):
    return ebb.cli("why", instance).out


# --- streams and codes ----------------------------------------------------------------------------
def test_output_errors_and_exit_codes_are_those_of_the_command(box, instance):
    done = run(box, instance, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out, done.err) == (7, "out\n", "err\n")
    assert run(box, instance, "sh", "-c", "kill -9 $$").code == 128 + signal.SIGKILL
    assert run(box, instance, "sh", "-c", "exit 0").code == 0


def test_input_is_streamed_and_has_an_end(box, instance):
    text = "x" * 300000 + "\n"
    done = run(box, instance, "cat", stdin=text)
    assert done.code == 0 and done.out == text
    assert run(box, instance, "wc", "-c", stdin="").out.strip() == "0"
    # A command that does not read: its input is thrown away, and its code is told.
    assert run(box, instance, "sh", "-c", "exit 3", stdin=text).code == 3


def test_much_output_comes_whole(box, instance):
    done = run(box, instance, "sh", "-c", "yes 0123456789 | head -n 300000")
    assert done.code == 0 and done.out == "0123456789\n" * 300000


def test_what_cannot_run_says_why(box, instance):
    missing = run(box, instance, "no-such-program")
    assert missing.code == 1 and "cannot be executed: No such file" in missing.err, missing
    nobody = run(box, "box-999", "sh")
    assert nobody.code == 1 and "no such instance" in nobody.err, nobody
    plain = box.rest("POST", f"/v1/instances/{instance}/exec", {"command": ["sh"]})
    assert plain.status == 400 and "upgraded" in plain.json["detail"]
    upgrade = {"Connection": "Upgrade", "Upgrade": "ebb-exec"}
    for body in ({}, {"command": []}, {"command": [1]}, {"command": ["x" * 9000]}, {"command": ["sh"], "rows": -1}):
        assert box.rest("POST", f"/v1/instances/{instance}/exec", body, headers=upgrade).status == 422, body


# --- confinement ----------------------------------------------------------------------------------
def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def function_pid(ebb, name):
    init = ebb.instances(name)[0]["pid"]
    with open(f"/proc/{init}/task/{init}/children") as f:
        return int(f.read().split()[0])


@pytest.mark.parametrize("settings", [{}, {"user": "alice"}, {"user": "0", "ebb": {"capabilities": ["CHOWN"]}},
                                      {"ebb": {"seccomp": "strict"}}], ids=["plain", "alice", "capability", "strict"])
def test_a_command_has_what_the_function_has_and_no_more(box, settings):
    document = {"image": "box", "minInstances": 1, **settings}
    assert box.rest("PUT", "/v1/services/same", document).status == 201
    try:
        instance = box.get("same").instance
        done = run(box, instance, "cat", "/proc/self/status")
        assert done.code == 0, done
        inside = status_of(done.out)
        with open(f"/proc/{function_pid(box, 'same')}/status") as f:
            function = status_of(f.read())
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"):
            assert inside[key] == function[key], (key, inside[key], function[key])
        spaces = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
        seen = [run(box, instance, "readlink", f"/proc/self/ns/{n}").out.strip() for n in spaces]
        assert seen == [os.readlink(f"/proc/{function_pid(box, 'same')}/ns/{n}") for n in spaces]
        limits = run(box, instance, "cat", "/proc/self/limits").out
        with open(f"/proc/{function_pid(box, 'same')}/limits") as f:
            assert limits == f.read()
        ids = run(box, instance, "id").out
        assert ("alice" in ids) == (settings.get("user") == "alice"), ids
    finally:
        box.cli("rm", "same")
        wait_for(lambda: not box.instances("same"))


def test_it_has_the_functions_directory_and_environment(box, instance):
    seen = dict(line.split("=", 1) for line in run(box, instance, "env").out.splitlines())
    assert seen["A"] == "b" and seen["EBB_INSTANCE"] == instance
    assert run(box, instance, "readlink", "/proc/self/cwd").out == "/\n"


def test_cve_2024_21626_no_descriptor_of_the_host_comes_along(box, instance):
    links = run(box, instance, "sh", "-c", "for n in /proc/self/fd/*; do echo $n $(readlink $n); done").out.splitlines()
    numbers = {int(re.match(r"/proc/self/fd/(\d+)", line)[1]) for line in links}
    assert {0, 1, 2} <= numbers <= {0, 1, 2, 3, 10}, links  # 3 or 10: the shell's own, of the directory it lists
    streams = [line for line in links if int(re.match(r"/proc/self/fd/(\d+)", line)[1]) < 3]
    assert len(streams) == 3 and all("pipe:" in line for line in streams), links
    for number in range(3, 100):
        done = run(box, instance, "ls", f"/proc/self/fd/{number}/..") if number in (3, 7, 8, 9, 64, 65, 66) else None
        assert done is None or done.code != 0 or number in numbers, done
    assert run(box, instance, "sh", "-c", "cd /proc/self/cwd/../../../..; ls").out.split() == run(
        box, instance, "ls", "/").out.split()


def test_who_waits_for_a_command_is_not_seen_from_inside(box, instance):
    """No process of the host's is in /proc of the instance: PID 1, the function, and the command."""
    script = "for p in /proc/[0-9]*; do echo ${p#/proc/} $(cat $p/comm); done"
    seen = dict(line.split(" ", 1) for line in run(box, instance, "sh", "-c", script).out.splitlines() if " " in line)
    assert set(seen.values()) <= {"memfd:ebb-init", "probe", "sh", "cat"}, seen


@pytest.mark.parametrize("name", pictures.HOSTILE)
def test_cve_2019_5736_a_hostile_image_reaches_no_program_of_the_host(box, instance, name):
    """/proc/self in the first line of a script means the process that ebb made for the command."""
    before = {path: os.stat(path).st_mtime_ns for path in (os.path.join(BIN, n) for n in ("ebbd", "ebb-init", "ebb"))}
    done = run(box, instance, f"/bin/hostile-{name}", timeout=20)
    if name == "exe":  # it runs, confined as any command, and can neither change what it runs as nor leave it
        assert (done.code, done.out) == (42, "write 13\nchange 13\ntruncate 13\nleave 20\n"), done
    else:
        assert done.code == 1 and "cannot be executed" in done.err, done
    assert before == {path: os.stat(path).st_mtime_ns for path in before}
    assert box.get("box").status == 200


def test_a_process_on_its_way_cannot_be_looked_into(box, instance):
    """A loop inside opens /proc/*/exe, mem and fd of all it sees, while commands come and go."""
    script = ("while :; do for p in /proc/[0-9]*; do for f in exe mem environ; do "
              "l=$(readlink $p/exe 2>/dev/null); case \"$l\" in *ebbd*|*memfd*) echo reached $l;; esac; done; done; done")
    looker = begin(box, instance, "sh", "-c", script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        for _ in range(20):
            assert run(box, instance, "sh", "-c", ":").code == 0
    finally:
        looker.kill()
    assert looker.communicate()[0] == b""


def test_a_process_on_its_way_has_not_the_command_line_of_ebbd(box):
    """Any process may read it. A command begins as a copy of the zygote, and shows the same until it executes."""
    (zygote,) = [p for p in leaks.children(box.ebbd_pid) if leaks.read(f"/proc/{p}/comm") == "ebbd:zygote\n"]
    assert BIN in leaks.read(f"/proc/{box.ebbd_pid}/cmdline")
    assert leaks.read(f"/proc/{zygote}/cmdline").rstrip("\0") == "ebbd:zygote"


def test_its_memory_and_processes_are_the_instances(box):
    assert box.rest("PUT", "/v1/services/tight", {"image": "box", "memory": 64, "minInstances": 1,
                                                  "ebb": {"pids": 16}}).status == 201
    try:
        instance = box.get("tight").instance
        many = run(box, instance, "sh", "-c", "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do sleep 5 & done; "
                                              "echo made")
        assert "fork" in many.err, many
    finally:
        box.cli("rm", "tight")
        wait_for(lambda: not box.instances("tight"))


# --- the instance meanwhile -----------------------------------------------------------------------
def test_a_frozen_instance_is_thawed_and_stays_awake_as_long(box):
    box.get("box")
    instance = box.wait_frozen("box")[0]["id"]
    with contextlib.ExitStack() as stack:
        command = begin(box, instance, "sh", "-c", "echo here; cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(command.kill)
        assert command.stdout.readline() == b"here\n"
        assert "1 command of `ebb exec` runs in it" in why(box, instance)
        refused = box.cli("freeze", instance, ok=False)
        assert refused.code == 1, refused
        end = time.monotonic() + slow(1)
        while time.monotonic() < end:  # longer than any grace: the claim is that nothing happens
            assert box.instance("box")["state"] == "running"
        command.stdin.close()
        assert command.wait(slow(10)) == 0
    assert box.wait_frozen("box")


def test_its_cpu_is_billed_to_the_instance(box, instance):
    before = box.instance("box")["cpu_us"]
    assert run(box, instance, "sh", "-c", "n=0; while [ $n -lt 200000 ]; do n=$((n+1)); done").code == 0
    assert box.instance("box")["cpu_us"] - before > 20000


def test_a_client_that_leaves_ends_its_command(box, instance):
    command = begin(box, instance, "sh", "-c", "echo here; sleep 1000", stdout=subprocess.PIPE)
    assert command.stdout.readline() == b"here\n"
    command.kill()
    command.wait()
    command.stdout.close()
    wait_for(lambda: "ebb exec" not in why(box, instance))
    wait_for(lambda: "sleep" not in run(box, instance, "sh", "-c", "cat /proc/[0-9]*/comm").out)


def read_bytes(command, count):
    got = 0
    while got < count:
        ready, _, _ = select.select([command.stdout], [], [], slow(20))
        assert ready, f"it stands still after {got} bytes"
        got += len(os.read(command.stdout.fileno(), 1 << 16))


def test_input_that_nobody_reads_holds_no_output_up(box, instance):
    with open("/dev/zero", "rb") as zeros:
        command = begin(box, instance, "yes", stdin=zeros, stdout=subprocess.PIPE)
        try:
            read_bytes(command, 8 << 20)
        finally:
            command.kill()
            command.communicate()
    wait_for(lambda: "ebb exec" not in why(box, instance))


@pytest.mark.parametrize("size", [1000, 100_000, 300_000, 5_000_000])
def test_a_signal_does_not_wait_behind_input_that_nobody_reads(box, instance, tmp_path, size):
    (tmp_path / "input").write_bytes(bytes(size))
    with open(tmp_path / "input", "rb") as zeros:
        command = begin(box, instance, "sh", "-c", "echo here; exec sleep 1000", stdin=zeros, stdout=subprocess.PIPE)
        assert command.stdout.readline() == b"here\n"
        command.send_signal(signal.SIGTERM)
        assert command.wait(slow(20)) == 128 + signal.SIGTERM
        command.stdout.close()
    wait_for(lambda: "sleep" not in run(box, instance, "sh", "-c", "cat /proc/[0-9]*/comm").out)


def test_signals_reach_the_command(box, instance):
    script = "trap 'echo term; exit 5' TERM; echo here; while :; do sleep 0.05; done"
    command = begin(box, instance, "sh", "-c", script, stdout=subprocess.PIPE)
    assert command.stdout.readline() == b"here\n"
    command.send_signal(signal.SIGTERM)
    assert command.communicate(timeout=slow(10))[0] == b"term\n" and command.returncode == 5


def frame(kind, payload=b"", length=None, zeros=b"\0\0\0"):
    return kind + zeros + struct.pack(">I", len(payload) if length is None else length) + payload


BROKEN = {
    **{f"signal {n}": frame(b"s", bytes([n])) for n in (0, 65, 128, 200, 255)},
    "no signal": frame(b"s"), "two signals": frame(b"s", b"\1\2"), "half a window": frame(b"w", b"\0\1"),
    "an unknown kind": frame(b"q", b"x"), "output": frame(b"o", b"x"), "an end": frame(b"x", bytes(8)),
    "no zeros": frame(b"i", b"x", zeros=b"\0\1\0"), "more than 64 KiB": frame(b"i", b"x", length=65537),
    "four GiB": frame(b"w", b"", length=0xffffffff),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_client_that_breaks_the_protocol_ends_its_own_command_only(box, instance, what):
    """ebbd ends an ebb-api that passes on what no rule allows, and all commands with it."""
    before, body = box.programs("ebb-api"), json.dumps({"command": ["sleep", "1000"]}).encode()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(slow(10))
        sock.connect(box.socket)
        sock.sendall(b"POST /v1/instances/%s/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ebb-exec\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (instance.encode(), len(body), body))
        head = b""
        while b"\r\n\r\n" not in head:
            head += (data := sock.recv(4096))
            assert data, head
        assert head.startswith(b"HTTP/1.1 101"), head
        sock.sendall(BROKEN[what])
        while sock.recv(4096):
            pass
    wait_for(lambda: "ebb exec" not in why(box, instance))
    assert box.programs("ebb-api") == before


def test_a_command_ends_with_its_instance(box):
    assert box.rest("PUT", "/v1/services/brief", {"image": "box"}).status == 201
    instance = box.get("brief").instance
    command = begin(box, instance, "sh", "-c", "echo here; sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout.readline() == b"here\n"
    os.kill(box.instances("brief")[0]["pid"], signal.SIGKILL)
    out, err = command.communicate(timeout=slow(15))
    assert command.returncode in (1, 128 + signal.SIGKILL), (out, err)
    box.cli("rm", "brief")
    wait_for(lambda: not box.instances("brief"))


def test_a_stop_waits_for_the_command_until_its_time(box):
    document = {"image": "box", "maxDuration": 1, "ebb": {"stopGrace": "100ms"}}
    assert box.rest("PUT", "/v1/services/short", document).status == 201
    instance = box.get("short").instance
    command = begin(box, instance, "sh", "-c", "echo here; sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout.readline() == b"here\n"
    box.cli("rm", "short")
    command.communicate(timeout=slow(15))
    wait_for(lambda: not box.instances("short"))


def test_a_dead_ebb_api_takes_its_commands_along(box, instance):
    command = begin(box, instance, "sh", "-c", "echo here; sleep 1000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout.readline() == b"here\n"
    old = box.programs("ebb-api")
    os.kill(old[0], signal.SIGKILL)
    command.communicate(timeout=slow(10))
    assert command.returncode == 1
    wait_for(lambda: box.programs("ebb-api") not in ([], old) and answers(box))
    wait_for(lambda: "ebb exec" not in why(box, instance))


def answers(ebb):
    try:
        return ebb.rest("GET", "/readyz").status == 200
    except OSError:
        return False


# --- a terminal -----------------------------------------------------------------------------------
class Terminal:
    """`ebb exec -t` on a pty of the test's."""

    def __init__(self, ebb, instance, *words, rows=31, columns=77):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.seen = b""
        self.process = begin(ebb, instance, *words, tty=True, stdin=slave, stdout=slave, stderr=slave,
                             start_new_session=True)
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def say(self, text):
        os.write(self.master, text)

    def expect(self, text):
        def found():
            if select.select([self.master], [], [], 0.02)[0]:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.master, 65536)
            return text in self.seen
        wait_for(found, 10, lambda: self.seen)
        self.seen = self.seen.split(text, 1)[1]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_a_terminal_has_its_size_signals_and_end(box, instance):
    with Terminal(box, instance, "sh") as terminal:
        terminal.say(b"stty size; tty\n")
        terminal.expect(b"31 77")
        terminal.expect(b"/dev/pts/")
        terminal.resize(40, 100)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        wait_size(terminal, b"40 100")
        terminal.say(b"sleep 1000\n")
        terminal.expect(b"sleep 1000")
        time_to_run(box, instance)
        terminal.say(b"\x03")
        terminal.say(b"echo status $?\n")
        terminal.expect(b"status 130")
        terminal.say(b"exit 9\n")
        assert terminal.process.wait(slow(10)) == 9


def wait_size(terminal, wanted):
    """The shell reads its window when it is asked; the new size is on its way."""
    for _ in range(100):
        terminal.say(b"stty size; echo end\n")
        terminal.expect(b"\nend")
        terminal.say(b"stty size\n")
        try:
            terminal.expect(wanted)
            return
        except AssertionError:
            continue
    raise AssertionError(terminal.seen)


def time_to_run(ebb, instance):
    wait_for(lambda: "sleep" in run(ebb, instance, "sh", "-c", "cat /proc/[0-9]*/comm").out)


def test_many_commands_at_once_and_none_left(box, instance):
    results = web.many(24, lambda n: run(box, instance, "sh", "-c", f"echo {n}; exit {n}"))
    assert [(r.code, r.out) for r in results] == [(n, f"{n}\n") for n in range(24)]
    wait_for(lambda: "ebb exec" not in why(box, instance))
    assert json.loads(box.cli("ps", "--json").out)
