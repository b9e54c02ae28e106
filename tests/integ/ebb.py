# SPDX-License-Identifier: Apache-2.0
"""One ebbd under a directory of its own, and everything a test wants of it."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import handlers
import leaks
import openapi
import web
from waiting import slow, throughout, wait_for

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("EBB_BIN", os.path.join(PROJECT, "build/release")))
CACHE = os.path.abspath(os.environ.get("EBB_CACHE", os.path.join(PROJECT, "build/cache")))
LIBEXEC = os.environ.get("EBB_LIBEXEC", os.path.join(PROJECT, "images/build"))


def hold_port():
    """A socket bound to a free port: while it is open, the kernel gives that port to no program that asks for any
    port. It does not listen, and has SO_REUSEADDR as ebbd's listener has, so an ebbd can listen there."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def free_port():
    with hold_port() as holder:
        return holder.getsockname()[1]


class Done:
    """A finished `ebb` command."""

    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"<exit {self.code}\nstdout: {self.out[-3000:]}\nstderr: {self.err[-3000:]}>"


class Ebb:
    def __init__(self, gateways=1, settings=None, root=None, port=None):
        """settings: {key: value} of ebbd's configuration (`ebbd -T` lists the keys); None: its default. Services have no
        network unless they say so: most tests are about something else, and the table is the whole host's."""
        self.root = root or tempfile.mkdtemp(prefix="ebb-it-")
        self.holder = None if port else hold_port()
        self.port = port or self.holder.getsockname()[1]
        self.address = ("127.0.0.1", self.port)
        self.gateways = gateways
        self.settings = {"log_level": "debug", "egress_default": "none", **(settings or {})}
        self.socket = os.path.join(self.root, "run/api.sock")
        self.log_path = os.path.join(self.root, "ebbd.log")
        self.program, self.environment = os.path.join(BIN, "ebbd"), {}
        self.ended = None  # the status of one that ended while it started
        self.process = None
        self.witness = None
        self.deaths = 0  # of ebbd, by the test's own hand: another one takes over

    # --- life ---------------------------------------------------------------------------------
    def command(self, *more):
        pairs = [w for k, v in self.settings.items() if v is not None for w in ("--set", f"{k}={v}")]
        return [self.program, "--root", self.root, "--listen",
                f"127.0.0.1:{self.port}", "--gateways", str(self.gateways), *pairs, *more]

    def witness_begin(self):
        out = subprocess.run(self.command("-T"), capture_output=True, text=True, check=True).stdout
        self.config = dict(line.split(" = ", 1) for line in out.splitlines() if " = " in line)
        self.witness = self.witness or leaks.Witness(self.config["cgroup"], self.root)

    def start(self):
        self.witness_begin()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(os.path.join(self.root, "notify"))
        notify.setblocking(False)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                start_new_session=True,  # Ctrl-C is for the harness, which then says SIGTERM
                env={**os.environ, **self.environment, "NOTIFY_SOCKET": os.path.join(self.root, "notify")})
        leaks.RUNNING.add(self.process.pid)
        try:
            wait_for(lambda: self._is_ready(notify), 20, "READY=1 from ebbd")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.log()}") from None
        finally:
            notify.close()
            os.unlink(os.path.join(self.root, "notify"))
        return self

    def refuses_to_start(self, command=None):
        """ebbd must end by itself with 1 and leave nothing; returns its log."""
        self.witness_begin()
        self.process = subprocess.Popen(command or self.command(), stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        leaks.RUNNING.add(self.process.pid)
        try:
            said = self.process.communicate(timeout=slow(30))[1]
            assert self.process.returncode == 1, said
            self.witness.assert_nothing_left()
        finally:
            self.kill()
            self.remove()
        return said

    def _is_ready(self, notify):
        self.ended = self.process.poll()
        if self.ended is not None:
            raise AssertionError(f"ebbd exited with {self.ended}")
        try:
            return b"READY=1" in notify.recv(4096)
        except BlockingIOError:
            return False

    def stop(self, deadline_s=30, code=0):
        """SIGTERM; ebbd must end with this code, leave nothing, and have had no long handler."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            self.witness.note(process.pid)
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(slow(deadline_s))
        except subprocess.TimeoutExpired:
            self._clean_up(process)
            raise AssertionError(f"ebbd did not end after SIGTERM\n{self.log()}") from None
        try:
            assert len(self.log_lines("event=ebbd_died ")) == self.deaths, f"ebbd died\n{self.log()}"
            assert process.returncode == code, f"ebbd ended with {process.returncode}\n{self.log()}"
            self.witness.assert_nothing_left()
        except AssertionError:
            self._clean_up(process)
            raise
        handlers.judge(self.log_path)

    def die(self):
        """SIGKILL to the keeper; ebbd ends with it, a moment later."""
        ebbd = self.ebbd_pid
        self.process.kill()
        self.process.wait()
        wait_for(lambda: leaks.read(f"/proc/{ebbd}/stat").rpartition(")")[2].split()[:1] in ([], ["Z"]))

    def _clean_up(self, process):
        """After a failure: the next test must not pay for this one."""
        for pid in leaks.descendants(process.pid) + [process.pid]:
            if process.poll() is None or pid != process.pid:
                _try_kill(pid)
        process.wait()
        for pid in leaks.orphans(self.witness.children_before):
            _try_kill(pid)
        for path in sorted(leaks.cgroup_dirs(self.config["cgroup"]), key=len, reverse=True):
            for pid in leaks.read(path + "/cgroup.procs").split():
                _try_kill(int(pid))
        for path in sorted(leaks.cgroup_dirs(self.config["cgroup"]), key=len, reverse=True):
            _thaw_and_remove(path)

    def kill(self):
        if self.process is not None:
            process, self.process = self.process, None
            self._clean_up(process)

    def remove(self):
        if self.holder:
            self.holder.close()
        shutil.rmtree(self.root, ignore_errors=True)

    # --- asking -------------------------------------------------------------------------------
    def log(self):
        return leaks.read(self.log_path)[-20000:]

    def log_lines(self, text):
        return [line for line in leaks.read(self.log_path).splitlines() if re.search(text, line)]

    def cli(self, *words, ok=True, stdin=None, timeout=60, env=None):
        process = subprocess.run(
            [os.path.join(BIN, "ebb"), *map(str, words)], capture_output=True, text=True,
            input=stdin, timeout=slow(timeout),
            env={**os.environ, "EBB_SOCKET": self.socket, "EBB_LIBEXEC": LIBEXEC, **(env or {})})
        done = Done(process)
        assert not ok or done.code == 0, f"ebb {' '.join(map(str, words))}: {done}\n{self.log()}"
        return done

    def events(self, of, kind):
        """Events of this kind of a service or an instance."""
        return self.cli("events", "--json", "--kind", kind, of).json

    def told(self, of, kind):
        """Their texts."""
        return [event["text"] for event in self.events(of, kind)]

    def rest(self, method, path, document=None, headers=None, body=None, timeout=60):
        """An answer of the API, which is what docs/openapi.json says of it, or the test fails."""
        connection = web.UnixConnection(self.socket, slow(timeout))
        headers = dict(headers or {})
        if document is not None:
            body, headers["Content-Type"] = json.dumps(document), "application/json"
        try:
            return openapi.hold(method, path, web.exchange(connection, method, path, body, headers))
        finally:
            connection.close()

    def http(self, path="/", host=None, **more):
        return web.request(self.address, path, host=host, **more)

    def get(self, service, path="/", **more):
        return self.http(path, host=f"{service}.localhost", **more)

    def services(self):
        reply = self.rest("GET", "/v1/services")
        assert reply.status == 200, reply
        return reply.json["services"]

    def instances(self, service=None):
        reply = self.rest("GET", "/v1/instances")
        assert reply.status == 200, reply
        found = reply.json
        found = found if isinstance(found, list) else found["instances"]
        return [i for i in found if service in (None, i["service"])]

    def instance(self, service):
        """Its only instance; one that drains does not count beside another."""
        found = self.instances(service)
        found = [i for i in found if i["state"] != "draining"] or found
        assert len(found) == 1, f"{found}\n{self.log()}"
        return found[0]

    def wait_frozen(self, service, deadline_s=10):
        """Until every instance of it is frozen; returns them."""
        def frozen():
            found = self.instances(service)
            return found and all(i["state"] == "frozen" for i in found) and found
        return wait_for(frozen, deadline_s, f"{service} frozen: {self.instances(service)}")

    def usage(self, service):
        rows = self.cli("usage", "--json", "--service", service).json["services"]
        empty = {"invocations": 0, "active_cpu_us": 0, "provisioned_mb_ms": 0, "awake_us": 0}
        return next((r for r in rows if r["service"] == service), empty)

    # --- doing --------------------------------------------------------------------------------
    def import_image(self, source, name, ok=True):
        return self.cli("image", "import", source, "-t", name, ok=ok, timeout=180)

    def deploy(self, name, image, *options, ok=True):
        """Deploys a service and waits until it takes requests. Only a service with --min waits for an instance
        (--wait): for the others the tests measure the first request, which starts one."""
        wait = ["--wait"] if "--min" in options else []
        done = self.cli("deploy", name, "--image", image, *options, *wait, ok=ok, timeout=60)
        if not wait and done.code == 0:
            self.handed_over([name])
        return done

    def apply(self, services, ok=True):
        """Deploys an ebb.json with these services."""
        path = os.path.join(self.root, "ebb.json")
        with open(path, "w") as f:
            json.dump({"services": services}, f)
        wait = ["--wait"] if all(s.get("minInstances") for s in services.values()) else []
        done = self.cli("deploy", "-f", path, *wait, ok=ok)
        if not wait and done.code == 0:
            self.handed_over(services)
        return done

    def handed_over(self, names):
        """The instances to be kept are up, and none of an earlier revision takes requests any more."""
        def over(service, up):
            kept = [service["revision"], *(t["revision"] for t in service.get("traffic", []))]
            return all(r in kept for r in up) and up.count(kept[0]) >= service["minInstances"]

        def all_over():
            up = [(i["service"], i["revision"]) for i in self.instances() if i["state"] in ("running", "frozen")]
            return all(over(s, [revision for name, revision in up if name == s["name"]])
                       for s in self.services() if s["name"] in names)
        wait_for(all_over, 60, f"{', '.join(names)} to take over")

    @property
    def ebbd_pid(self):
        """The ebbd that works; `process` is its keeper."""
        found = [p for p in leaks.children(self.process.pid) if leaks.read(f"/proc/{p}/comm").strip() == "ebbd"]
        assert len(found) == 1, f"{found}\n{self.log()}"
        return found[0]

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait_armed(self):
        """Waits until the stock of prepared sandboxes (two processes each) is full and grows no more. A test that
        compares ebbd's processes, descriptors or namespaces with later ones calls this first: ebbd makes sandboxes
        one after the other, after it has answered, and a few more than `armed` if starts waited for one."""
        def parked():
            return len(self.programs("ebb:parked"))

        def full():
            seen = throughout(0.5, parked, every_s=0.05)
            return seen[0] >= 2 * int(self.config["armed"]) and len(set(seen)) == 1
        wait_for(full, 20, "all sandboxes to be prepared")

    def end_program(self, name):
        """Kills one program of this name and waits until it is gone; its successor may be there already."""
        victim = wait_for(lambda: self.programs(name), 20, name)[0]  # it may be away from another death
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in self.programs(name))

    def programs(self, name):
        """Pids of ebbd's own children of this name (comm is cut to 15 bytes)."""
        return [p for p in leaks.descendants(self.process.pid)
                if leaks.read(f"/proc/{p}/comm").strip() == name[:15]]


def _try_kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _thaw_and_remove(path):
    try:
        with open(path + "/cgroup.freeze", "w") as f:
            f.write("0")
    except OSError:
        pass
    try:
        wait_for(lambda: not leaks.read(path + "/cgroup.procs").strip(), 5)
        os.rmdir(path)
    except (OSError, AssertionError):
        pass
