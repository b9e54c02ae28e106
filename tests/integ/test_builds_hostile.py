# SPDX-License-Identifier: Apache-2.0
"""
Builds of directories written by an attacker: they get nothing of the builder and leave nothing.

Each row builds one directory by `ebb build -o` and says how the build must end. The project's code says TRIED for each
attempt and GOT for each that succeeded. After every build the host's settings are as they were, no process has an id of
a build's range, and the archive has none of the builder's secrets.
"""
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading

import pytest

import leaks
from ebb import BIN, CACHE, LIBEXEC, PROJECT
from waiting import slow, wait_for

SECRET = "canary-3f9a1c-of-the-builder"
RANGES = range(0xf1000000, 0xf1000000 + 64 * 65536)
SETTINGS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/modprobe",
            "/proc/sys/vm/overcommit_memory"]
pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1",
                                reason="the guest has neither compiler, npm nor bases")
JS = """
import fs from 'node:fs'; import net from 'node:net'; import cp from 'node:child_process';
const attempt = (name, work) => { console.error('TRIED ' + name);
  try { const got = work(); if (got !== undefined && got !== false) console.error('GOT ' + name, String(got).slice(0, 80)); }
  catch (error) { console.error('no: ' + error.code); } };
const place = process.argv[1];
%s
setTimeout(() => process.exit(%d), %d);
"""  # It never listens: the words of a program that does are not shown.
C = '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n'


class Outside:
    """The attacker's aims."""

    def __init__(self, path):
        self.path = str(path)
        self.canary = os.path.join(self.path, "canary")
        self.source = os.path.join(self.path, "function")
        self.output = os.path.join(self.path, "image.tar")
        self.before = self.state()
        os.mkdir(self.source)
        with open(self.canary, "w") as f:
            f.write(SECRET + "\n")
        os.chmod(self.canary, 0o600)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0ebb-hostile-{self.port}")
        self.abstract.listen()
        self.abstract.setblocking(False)

    @staticmethod
    def state():
        return [leaks.read(p) for p in SETTINGS]

    def put(self, name, content="", mode=0o644):
        path = os.path.join(os.fsencode(self.source), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)

    def build(self, runtime, entrypoint, before=(), **env):
        words = [*before, os.path.join(BIN, "ebb"), "build", self.source, "-o", self.output]
        words += ["--runtime", runtime] if runtime else []
        words += ["--entrypoint", entrypoint] if entrypoint else []
        return subprocess.run(words, capture_output=True, timeout=slow(120), check=False, env={
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC,
            "EBB_BUILDERS_OWN": SECRET, **env})

    def assert_untouched(self):
        assert self.state() == self.before
        with open(self.canary) as f:
            assert f.read() == SECRET + "\n"
        assert sorted(os.listdir(self.path)) in (["canary", "function"], ["canary", "function", "image.tar"])
        for listener in (self.listener, self.abstract):
            with pytest.raises(BlockingIOError):
                listener.accept()
        leaks.reap_orphans(set())
        assert not [p for p in leaks.descendants(os.getpid()) if owner(f"/proc/{p}") in RANGES]
        assert not glob.glob(os.path.join(CACHE, "work-*", "scratch", "*"))
        if os.path.exists(self.output):
            with open(self.output, "rb") as f:
                data = f.read()
            assert SECRET.encode() not in data
            shadow = leaks.read("/etc/shadow").splitlines()
            assert not shadow or shadow[0].encode() not in data

    def close(self):
        self.listener.close()
        self.abstract.close()

    def files(self):
        """name -> TarInfo of the function's own layer."""
        found = {}
        with tarfile.open(self.output) as image:
            for member in image:
                if member.name.startswith("blobs/") and member.size >= 1024:
                    blob = image.extractfile(member)
                    head = blob.read(512)
                    blob.seek(0)
                    if head[257:262] == b"ustar":
                        with tarfile.open(fileobj=blob) as layer:
                            found |= {m.name: m for m in layer if m.name.split("/")[0] == "app" and m.name != "app"}
        return found


def owner(path):
    try:
        return os.stat(path).st_uid
    except OSError:
        return 0


@pytest.fixture
def outside():
    """Below /tmp itself: every pytest that starts shuts the directory of its temporary ones to other users."""
    one = Outside(tempfile.mkdtemp(prefix="ebb-outside-"))
    yield one
    one.close()
    shutil.rmtree(one.path, ignore_errors=True)


def said(done):
    return done.stderr.decode("utf-8", "replace")


# --- a function's own code, which baking runs --------------------------------------------------------------
NODE = {
    "core_pattern": "attempt('x', () => (fs.writeFileSync('/proc/sys/kernel/core_pattern', '|/x'), 1));",
    "hostname": "attempt('x', () => (fs.writeFileSync('/proc/sys/kernel/hostname', 'mine'), 1));",
    "modprobe": "attempt('x', () => (fs.writeFileSync('/proc/sys/kernel/modprobe', '/x'), 1));",
    "sysrq": "attempt('x', () => (fs.writeFileSync('/proc/sysrq-trigger', 'h'), 1));",
    "own oom_score_adj below": "attempt('x', () => (fs.writeFileSync('/proc/self/oom_score_adj', '-900'), 1));",
    "canary is read": "attempt('x', () => fs.readFileSync('%(canary)s', 'utf8'));",
    "canary is written": "attempt('x', () => (fs.writeFileSync('%(canary)s', 'x'), 1));",
    "canary through /proc/1/root": "attempt('x', () => fs.readFileSync('/proc/1/root%(canary)s', 'utf8'));",
    "environment of others": "attempt('x', () => fs.readFileSync('/proc/1/environ', 'utf8'));",
    "environment of its own": "attempt('x', () => process.env.EBB_BUILDERS_OWN);",
    "shadow": "attempt('x', () => fs.readFileSync('/etc/shadow', 'utf8'));",
    "its base": "attempt('x', () => (fs.writeFileSync('/usr/bin/node', 'x'), 1));",
    "its base's root": "attempt('x', () => (fs.writeFileSync('/new', 'x'), 1));",
    "devices": "attempt('x', () => fs.readdirSync('/dev').filter(n => /^(sd|vd|mem|kmsg|fuse|loop|tty|kvm)/.test(n))[0]);",
    "control groups": "attempt('x', () => fs.readdirSync('/sys/fs/cgroup')[0]);",
    "another id": "attempt('x', () => (process.setuid(0), 1));",
    "descriptors": "attempt('x', () => fs.readdirSync('/proc/self/fd').map(n => { try { return fs.readlinkSync("
                   "'/proc/self/fd/' + n); } catch { return ''; } }).find(n => n.includes('%(path)s') || n.includes('work-')));",
    "signals to everybody": "attempt('x', () => { try { process.kill(1, 'SIGKILL'); } catch {} return false; });",
    "who is there": "attempt('x', () => fs.readdirSync('/proc').filter(n => +n > 20)[0]);",
    "the kernel's log": "attempt('x', () => fs.readFileSync('/proc/kmsg', 'utf8').length || undefined);",
    "kernel addresses": "attempt('x', () => fs.readFileSync('/proc/kallsyms', 'utf8').length || undefined);",
    "a listener of the host": "attempt('x', () => false); net.connect(%(port)d, '127.0.0.1').on('error', () => 0)"
                              ".on('connect', () => console.error('GOT x'));",
    "an abstract socket": "attempt('x', () => false); net.connect('\\0ebb-hostile-%(port)d').on('error', () => 0)"
                          ".on('connect', () => console.error('GOT x'));",
    "a child that stays": "attempt('x', () => { cp.spawn('/usr/bin/node', ['-e', 'setInterval(() => 0, 1e6)'],"
                          " {detached: true, stdio: 'ignore'}).unref(); return false; });",
    "a limit for core files that starts programs": "attempt('x', () => !/^Max core file size +1 +1 /m.test("
                                                   "fs.readFileSync('/proc/self/limits', 'utf8')));",
    "a link among the code": "attempt('x', () => (fs.symlinkSync('/etc/shadow', '/usr/lib/ebb/code/x'), false));",
    "a link to its own fd": "attempt('x', () => (fs.symlinkSync('/proc/self/fd/5', '/app/late'), false));",
}


@pytest.mark.parametrize("name", NODE)
def test_a_functions_code_gets_nothing_when_it_is_baked(outside, name):
    words = {"canary": outside.canary, "path": outside.path, "port": outside.port}
    outside.put("index.mjs", JS % (NODE[name] % words, 3, 50))  # 3: so that its words are shown
    done = outside.build("node", "index.mjs")
    assert done.returncode == 0, said(done)
    assert "TRIED" in said(done) and "GOT" not in said(done), said(done)
    outside.assert_untouched()


GREEDY = {
    "memory": ("const all = []; for (;;) all.push(Buffer.alloc(1 << 24, 1));", {"EBB_BUILD_MEMORY_MB": "192"}),
    "forks": ("for (;;) { try { cp.spawn('/usr/bin/node', ['-e', '1'], {stdio: 'ignore'}).on('error', () => 0); } "
              "catch { break; } if (++globalThis.n > 400) break; globalThis.n ??= 0; }", {"EBB_BUILD_PIDS": "40"}),
    "its disk": ("try { for (let i = 0;; i++) fs.writeFileSync('/app/f' + i, Buffer.alloc(1 << 22, 1)); } catch {}",
                 {"EBB_BUILD_SIZE_MB": "32"}),
    "files": ("try { for (let i = 0;; i++) fs.writeFileSync('/tmp/f' + i, ''); } catch {}", {"EBB_BUILD_FILES": "500"}),
    "time": ("for (;;) ;", {}),
    "words": ("for (let i = 0; i < 200; i++) fs.writeSync(2, 'x'.repeat(1 << 17) + '\\n');", {}),
}


@pytest.mark.parametrize("what", GREEDY)
def test_a_functions_code_is_bounded_when_it_is_baked(outside, what):
    code, env = GREEDY[what]
    outside.put("index.mjs", JS % (code, 3, 50))
    done = outside.build("node", "index.mjs", **{"EBB_BAKE_SECONDS": "3", **env})
    assert done.returncode == 0 and len(done.stderr) < 40000, said(done)[-2000:]
    outside.assert_untouched()


def test_a_terminal_obeys_no_word_of_a_project(outside):
    outside.put("index.mjs", "console.error('\\x1b]0;mine\\x07\\x1b[2J\\u009b31m'); process.exit(3)")
    outside.put("\x1b[2Jname", "")
    os.symlink("/etc/passwd", os.path.join(outside.source, "\x1b[31mlink"))
    done = outside.build("node", "index.mjs")
    assert done.returncode == 1 and b"\x1b" not in done.stderr and b"?[31mlink is a link out" in done.stderr, said(done)
    os.unlink(os.path.join(outside.source, "\x1b[31mlink"))
    done = outside.build("node", "index.mjs")
    assert done.returncode == 0 and b"\x1b" not in done.stderr and b"\xc2\x9b" not in done.stderr, said(done)
    outside.assert_untouched()


# --- Python --------------------------------------------------------------------------------------------------
PYTHON = {
    "a module in the way": {"compileall.py": "print('GOT')", "sitecustomize.py": "print('GOT')", "py_compile.py": "print('GOT')"},
    "names that are options": {"-c.py": "x = 1", "--help.py": "x = 1", "-f": ""},
    "depth": {"deep.py": "x = " + "(" * 5000 + ")" * 5000},
    "endless constants": {"big.py": "x = " + "+".join(["'a' * 4096 * 4096"] * 50)},
    "null bytes": {"zero.py": b"x = 1\0\n"},
    "odd names": {b"\xff\xfe.py": "x = 1", "a\nb.py": "x = 1", "$(touch canary).py": "x = 1", "a'\"b.py": "x = 1"},
}


@pytest.mark.parametrize("name", PYTHON)
def test_compiling_python_runs_nothing_of_it(outside, name):
    outside.put("main.py", "async def app(scope, receive, send): pass\n")
    for path, text in PYTHON[name].items():
        outside.put(path, text)
    done = outside.build("python", "main:app")
    assert done.returncode == 0 and "GOT" not in said(done), said(done)
    assert all(os.fsdecode(b"app/" + os.fsencode(p)) in outside.files() for p in PYTHON[name])
    outside.assert_untouched()


# --- C -------------------------------------------------------------------------------------------------------
NAMES = ["main.o -wrapper sh,-c,touch${IFS}canary,x -DX.c", "-wrapper.c", "@options.c", "-fplugin=x.so.c",
         "$(touch canary).c", "a;touch canary;.c", "a\nb.c", "`id`.c", "'.c", b"\xff.c", "--help.c", "%s%n.c"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_c_file_is_a_name(outside, name):
    outside.put(name, C)
    outside.put("options", "-wrapper sh,-c,id\n")
    done = outside.build("native", "srv")
    assert done.returncode == 0, said(done)
    assert outside.files()["app/srv"].mode == 0o755
    outside.assert_untouched()


READS = {
    "incbin": '__asm__(".incbin \\"%(canary)s\\"");\n' + C,
    "incbin shadow": '__asm__(".incbin \\"/etc/shadow\\"");\n' + C,
    "include": '#include "%(canary)s"\n' + C,
    "include relative": '#include "../canary"\n' + C,
    "include environment": '#include "/proc/self/environ"\n' + C,
    "include of a parent's": '#include "/proc/1/environ"\n' + C,
    "a plugin by pragma": '#pragma GCC optimize ("-fplugin=%(canary)s")\n#include "none.h"\n' + C,
}


@pytest.mark.parametrize("what", READS)
def test_the_compiler_sees_nothing_of_the_builder(outside, what):
    outside.put("main.c", READS[what] % {"canary": outside.canary})
    done = outside.build("native", "srv")
    assert SECRET not in said(done), said(done)
    assert done.returncode == 1 and "| " in said(done) or what == "include environment", said(done)  # its own
    outside.assert_untouched()


def test_the_compiler_is_bounded(outside):
    outside.put("main.c", '__asm__(".rept 2000000000\\n.quad 1\\n.endr");\n' + C)
    done = outside.build("native", "srv", EBB_BUILD_SECONDS="20", EBB_BUILD_MEMORY_MB="128")
    assert done.returncode == 1 and ("out of memory" in said(done) or "its time was up" in said(done)), said(done)
    outside.assert_untouched()


@pytest.mark.parametrize("entry", ["../../x", "/tmp/x", "a/../../x", "-x", "a\nb", ".", "..", "a//b", "a\x1bb"])
@pytest.mark.parametrize("runtime", ["native", "node", "python"])
def test_an_entry_point_stays_inside(outside, runtime, entry):
    outside.put("main.c", C)
    done = outside.build(runtime, entry)
    assert done.returncode == 1 and ("inside the directory" in said(done) or "no such file" in said(done)), said(done)
    outside.assert_untouched()


PROGRAMS = {
    "dynamic": ("cp", "wants the loader /lib64/ld-linux-x86-64.so.2"),
    "script": (b"#!/bin/sh\necho\n", "is a script for /bin/sh"),
    "CRLF": (b"#!/bin/sh\r\necho\r\n", "CR LF"),
    "text": (b"hello\n", "is no program"),
    "cut": (b"\x7fELF\x02\x01\x01" + bytes(40), "is no program"),
    "no more than a sign": (b"\x7fELF", "is no program"),
    "lying": (b"\x7fELF\x02\x01\x01" + b"\xff" * 200, "is no program"),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_what_the_native_image_cannot_run_is_told(outside, what):
    content, words = PROGRAMS[what]
    if content == "cp":
        with open("/bin/true", "rb") as f:
            content = f.read()
    outside.put("srv", content, 0o755)
    done = outside.build("native", "srv")
    assert done.returncode == 1 and words in said(done), said(done)
    outside.assert_untouched()


# --- the directory -------------------------------------------------------------------------------------------
def fifo(o):
    os.mkfifo(o.source + "/pipe")


def unix_socket(o):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(o.source + "/sock")


def device(o):
    os.mknod(o.source + "/disk", 0o600 | 0o060000, os.makedev(8, 0))


def link(name, target):
    def make(o):
        os.makedirs(os.path.dirname(os.path.join(o.source, name)), exist_ok=True)
        os.symlink(target, os.path.join(o.source, name))
    return make


def chain(o):
    os.mkdir(o.source + "/d")
    os.symlink(".", o.source + "/d/here")
    os.symlink("d/here/../../..", o.source + "/up")


def sparse(o):
    with open(o.source + "/big", "wb") as f:
        f.truncate(1 << 40)


def many(o):
    for i in range(300):
        o.put(f"f{i}")


def deep(o):
    os.makedirs(o.source + "/d" * 140)


DIRECTORIES = {
    "fifo": (fifo, "pipe is a fifo", {}), "socket": (unix_socket, "sock is a socket", {}),
    "device": (device, "disk is a device", {}),
    "link to shadow": (link("a", "/etc/shadow"), "a is a link out of the directory, to /etc/shadow", {}),
    "link up": (link("a", "../canary"), "a is a link out", {}),
    "link of a workspace": (link("node_modules/b", "../../b"), "node_modules/b is a link out", {}),
    "link by links": (chain, "is a link out", {}), "link to itself": (link("a", "a"), "a is a link out", {}),
    "size": (sparse, "more than 1024 MB", {}), "count": (many, "more than 200 files", {"EBB_BUILD_FILES": "200"}),
    "depth": (deep, "directories in each other", {}),
    "a setting": (lambda o: None, "a number from", {"EBB_BUILD_FILES": "many"}),
}


@pytest.mark.parametrize("what", DIRECTORIES)
def test_what_no_image_may_hold_is_refused_by_name(outside, what):
    make, words, env = DIRECTORIES[what]
    outside.put("main.py", "async def app(scope, receive, send): pass\n")
    make(outside)
    done = outside.build("python", "main:app", **env)
    assert done.returncode == 1 and words in said(done), said(done)
    outside.assert_untouched()


def test_a_directory_of_any_mode_and_owner_builds(outside):
    outside.put("main.py", "async def app(scope, receive, send): pass\n", 0o600)
    outside.put("lib/secret.py", "x = 1\n", 0o400)
    outside.put("run", "x", 0o700)
    os.chown(outside.source + "/lib/secret.py", 12345, 12345)
    os.chmod(outside.source + "/lib", 0o500)
    os.chmod(outside.source, 0o700)
    done = outside.build("python", "main:app")
    assert done.returncode == 0, said(done)
    found = outside.files()
    assert {n: (m.mode, m.uid, m.gid) for n, m in found.items() if "pycache" not in n} == {
        "app/main.py": (0o644, 1000, 1000), "app/lib": (0o755, 1000, 1000),
        "app/lib/secret.py": (0o644, 1000, 1000), "app/run": (0o755, 1000, 1000)}
    assert "app/lib/__pycache__/secret.cpython-311.pyc" in found
    outside.assert_untouched()


# --- npm -----------------------------------------------------------------------------------------------------
SCRIPT = "node -e \\\"require('fs').writeSync(2, 'GOT ' + (process.env.EBB_BUILDERS_OWN || ''))\\\""
LOCK = """{"name": "a", "lockfileVersion": 3, "requires": true, "packages": {"": {"dependencies": {"b": "1.0.0"}},
 "node_modules/b": {"version": "1.0.0", "resolved": "%s"}}}"""
NPM = {
    "a script": ({"package.json": '{"scripts": {"preinstall": "%s", "postinstall": "%s"}}' % (SCRIPT, SCRIPT)}, 0, ""),
    "a tarball of the host": ({"package.json": '{"dependencies": {"b": "1.0.0"}}',
                               "package-lock.json": LOCK % "http://127.0.0.1:%(port)d/b.tgz"}, 1, "npm ci failed"),
    "a tarball of a file": ({"package.json": '{"dependencies": {"b": "1.0.0"}}',
                             "package-lock.json": LOCK % "file:///%(canary)s"}, 1, "npm ci failed"),
    "metadata of a cloud": ({"package.json": '{"dependencies": {"b": "http://169.254.169.254/x.tgz"}}'}, 1, "npm install failed"),
    "git": ({"package.json": '{"dependencies": {"b": "git+file:///%(path)s"}}'}, 1, "npm install failed"),
    "a registry of its own": ({"package.json": "{}", ".npmrc": "registry=http://127.0.0.1:%(port)d/\nscript-shell=/tmp/x\n"}, 0, ""),
    "no JSON": ({"package.json": "{", "package-lock.json": "]"}, 1, "is no JSON"),
    "a link out": ({"package.json": '{"dependencies": {"b": "file:../../canary"}}'}, 1, ""),
}


@pytest.mark.parametrize("what", NPM)
def test_npm_gets_no_further_than_its_registry(outside, what):
    files, code, words = NPM[what]
    outside.put("index.mjs", "process.exit(0)")
    for path, text in files.items():
        outside.put(path, text.replace("%(port)d", str(outside.port)).replace("%(canary)s", outside.canary)
                    .replace("%(path)s", outside.path))
    done = outside.build("node", "index.mjs")
    assert done.returncode == code and words in said(done) and "GOT" not in said(done), said(done)
    assert "app/.npmrc" not in (outside.files() if code == 0 else {})
    outside.assert_untouched()


@pytest.mark.parametrize("head", ["GET http://registry.test/x HTTP/1.1", "CONNECT registry.test:80 HTTP/1.1"])
def test_behind_a_proxy_npm_gets_no_further_either(head):
    """The second request on a connection that was judged by its first one reaches the registry, and not the proxy."""
    sys.path.insert(0, os.path.join(PROJECT, "images/build"))
    try:
        import relay
    finally:
        sys.path.pop(0)
    proxy, (inside, outside_end) = socket.create_server(("127.0.0.1", 0)), socket.socketpair()
    upstream, room = f"127.0.0.1:{proxy.getsockname()[1]}", threading.Semaphore()
    thread = threading.Thread(target=relay.guard, daemon=True, args=(outside_end, upstream, {"registry.test:80"}, room))
    thread.start()
    with proxy, inside:
        inside.sendall(f"{head}\r\n\r\nGET http://169.254.169.254/x HTTP/1.1\r\n\r\n".encode())
        seen, _ = proxy.accept()
        with seen:
            seen.settimeout(slow(10))
            asked = seen.recv(65536)
            assert asked == b"CONNECT registry.test:80 HTTP/1.1\r\nHost: registry.test:80\r\n\r\n", asked
            seen.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            assert b"169.254" in seen.recv(65536)  # the rest is for the registry
    thread.join(slow(10))


def test_install_scripts_have_no_network_and_no_builder(outside):
    outside.put("package.json", '{"dependencies": {"b": "file:./b"}}')
    outside.put("b/package.json", '{"name": "b", "version": "1.0.0", "scripts": {"install": "node run.js"}}')
    outside.put("b/run.js", "")
    outside.put("index.mjs", "process.exit(0)")
    done = outside.build("node", "index.mjs", EBB_NPM_SCRIPTS="1")
    assert SECRET not in said(done)
    outside.assert_untouched()


# --- files that the command itself reads --------------------------------------------------------------------------
def test_the_command_reads_no_file_outside(outside):
    outside.put("main.c", C)
    for make in (link("ebb.json", "/etc/shadow"), link("ebb.json", outside.canary),
                 lambda o: os.mkfifo(o.source + "/ebb.json"), link("package.json", outside.canary),
                 lambda o: os.mkfifo(o.source + "/package.json")):
        make(outside)
        done = outside.build(None, None)
        assert done.returncode != 0 and SECRET not in said(done) and "root:" not in said(done), said(done)
        outside.assert_untouched()
        for name in ("ebb.json", "package.json"):
            if os.path.lexists(outside.source + "/" + name):
                os.unlink(outside.source + "/" + name)


ROOTS = ["/etc", "/", "..", "../..", "a/../..", "a/../../function", "out", "a/out", "out/ssl", "./a/./out/..", "self/cwd"]


@pytest.mark.parametrize("root", ROOTS)
def test_the_sources_of_a_service_are_beside_the_file_that_names_them(outside, root):
    """The author of an ebb.json must not choose which other files of its reader go into an image."""
    outside.put("a/main.py", "async def app(scope, receive, send): pass\n")
    for name, target in (("out", "/etc"), ("a/out", "../.."), ("self", "/proc/self")):
        os.symlink(target, os.path.join(outside.source, name))
    outside.put("ebb.json", json.dumps({"services": {"a": {"root": root, "runtime": "python", "entrypoint": "main:app"}}}))
    for file, cwd in ((os.path.join(outside.source, "ebb.json"), "/"), ("ebb.json", outside.source)):
        done = subprocess.run([os.path.join(BIN, "ebb"), "deploy", "-f", file], capture_output=True, cwd=cwd, check=False,
                              timeout=slow(60), env={**os.environ, "EBB_SOCKET": outside.path + "/none", "EBB_CACHE": CACHE})
        assert done.returncode == 2 and "leads out of the directory" in said(done), (done.returncode, said(done))
    outside.assert_untouched()


def test_a_cache_is_of_one_user(outside):
    outside.put("main.c", C)
    cache = outside.source + "/.ebb"
    os.mkdir(cache, 0o755)
    assert outside.build("native", "srv", EBB_CACHE=cache).returncode == 0
    assert os.stat(cache).st_mode & 0o777 == 0o700
    os.chown(cache, 12345, 12345)
    done = outside.build("native", "srv", EBB_CACHE=cache)
    assert done.returncode == 1 and "belongs to somebody else" in said(done), said(done)
    outside.assert_untouched()


BEGINS = """
import sys
sys.path.insert(0, sys.argv[1])
import builder, os
for _ in range(150):
    with builder.work_directory(sys.argv[2]) as work:
        os.listdir(work)
"""


def test_builds_that_begin_at_once_do_not_take_each_others_folders(outside):
    """A folder that was made and not yet locked is no leftover."""
    cache = outside.source + "/.ebb"
    os.mkdir(cache, 0o700)
    many = [subprocess.Popen([sys.executable, "-IBc", BEGINS, os.path.join(PROJECT, "images/build"), cache],
                             stderr=subprocess.PIPE) for _ in range(4)]
    assert [one.communicate(timeout=slow(60))[1] for one in many] == [b""] * 4
    assert os.listdir(cache) == []


def test_builds_with_other_locks_have_other_ids_and_groups(outside):
    """Two containers see the same control groups and have a /run of their own each: no build ends the other's."""
    outside.put("index.mjs", "for (;;) ;")
    command = f"mount -t tmpfs none /run && exec {os.path.join(BIN, 'ebb')} build {outside.source} -o"
    env = {**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC, "EBB_BAKE_SECONDS": str(int(slow(3)))}

    def begin(number):
        return subprocess.Popen(["unshare", "--mount", "sh", "-c", f"{command} {outside.source}/{number}.tar --runtime node "
                                 "--entrypoint index.mjs"], stderr=subprocess.PIPE, env=env)

    def owners():
        return {owner(f"/proc/{p}") // 65536 for p in leaks.descendants(os.getpid()) if owner(f"/proc/{p}") in RANGES}
    builds = [begin(0)]
    try:
        wait_for(lambda: len(owners()) == 1, 30)
        builds.append(begin(1))
        wait_for(lambda: len(owners()) == 2, 30)
        ends = [(one.wait(slow(60)), one.stderr.read()) for one in builds]
        assert [code for code, _ in ends] == [0, 0], ends
    finally:
        for one in builds:
            one.kill()
            one.wait()
            one.stderr.close()
    for number in range(2):
        os.unlink(f"{outside.source}/{number}.tar")
    outside.assert_untouched()


def test_a_killed_build_leaves_nothing(outside):
    outside.put("index.mjs", "for (;;) ;")
    process = subprocess.Popen([os.path.join(BIN, "ebb"), "build", outside.source, "-o", outside.output, "--runtime", "node",
                                "--entrypoint", "index.mjs"], stderr=subprocess.DEVNULL,
                               env={**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})
    try:
        inside = lambda: [p for p in leaks.descendants(os.getpid()) if owner(f"/proc/{p}") in RANGES]
        wait_for(inside, 30)
        os.kill(leaks.children(process.pid)[0], 9)
        assert process.wait(slow(30)) != 0
        wait_for(lambda: not inside(), 10)
    finally:
        process.kill()
        process.wait()
        wait_for(lambda: leaks.reap_orphans(set()) or not leaks.orphans({process.pid}), 10)
    outside.assert_untouched()
