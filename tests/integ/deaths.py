# SPDX-License-Identifier: Apache-2.0
"""
Deaths of ebb's programs and instances under load: one ebbd, lanes of clients, and rounds. In a round some processes get
SIGKILL while all lanes are busy; then the lanes rest, and nothing may be lost, doubled, left or unbilled but for the
victims' own.
"""
import collections
import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time

import leaks
import oci
import pictures
import tars
import web
from test_edge_websockets import Socket, service
from waiting import pass_time, slow, wait_for

# Lane -> service. `mortal` is the only one whose instances are killed.
SERVICES = ("count", "long", "upload", "timers", "held", "mortal", "deployed")
PROGRAMS = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick", "ebbd:zygote")
KINDS = (*PROGRAMS, "ebb-unpack", "instance", "several")
# A ring that its gateway left behind takes connections for so long still (io_uring's own work behind its exit).
RING_LEAVES_S = 0.3
RUNS_UNSEEN_MAX = 12  # of the 20 that are listed when they are over (runtime/flow/inside.h)
NOISE_BYTES = 8 << 20
LOST = (OSError, EOFError, AssertionError, http.client.HTTPException, TypeError)


class Refused(Exception):
    """An answer that a client does not want."""


class Fault:
    def __init__(self, lane, begun, error):
        self.lane, self.begun, self.error = lane, begun, error

    @property
    def status(self):
        return self.error.args[0] if isinstance(self.error, Refused) else 0

    def __repr__(self):
        return f"{self.lane}: {type(self.error).__name__} {str(self.error)[:200]}"


class Lanes:
    """Clients that ask again and again, each from a thread of its own, and rest when they are told to."""

    def __init__(self, ebb, rng):
        self.ebb, self.rng = ebb, rng
        self.asked = collections.Counter()  # requests with an answer, by service
        self.lost = collections.Counter()   # requests with none, by service
        self.faults, self.put_mb, self.runs = [], {128}, []
        self.go, self.ended, self.lock = threading.Event(), threading.Event(), threading.Condition()
        self.working, self.numbers, self.threads = 0, iter(range(1, 1 << 20)), []
        self.sockets, self.opened = {}, {}  # WebSockets, and when they were opened, by lane

    # --- one request of each kind -----------------------------------------------------------------
    def _ask(self, name, path, connection=None, **more):
        asks = {"Host": f"{name}.localhost"}
        reply = (web.exchange(connection, "GET", path, headers=asks) if connection else
                 self.ebb.get(name, path, timeout=60, **more))
        if reply.status != 200:
            raise Refused(reply.status, f"{name}{path}: {reply.text[:300]}")
        return reply

    def count(self):
        self._ask("count", f"/count?n={next(self.numbers)}")

    def kept(self):
        """Some requests on one connection."""
        with contextlib.closing(http.client.HTTPConnection(*self.ebb.address, timeout=slow(60))) as connection:
            for _ in range(4):
                self._ask("count", f"/count?n={next(self.numbers)}", connection)
                self.asked["count"] += 1

    def long(self):
        self._ask("long", "/sleep?ms=250")

    def upload(self):
        if not web.echo(self.ebb.address, "upload.localhost", 300000, chunked=self.rng.random() < 0.5):
            raise EOFError("the body came back in part")

    def timers(self):
        self._ask("timers", "/timer?kind=absolute&ms=150")

    def held(self):
        self._ask("held", "/background?ms=100")

    def mortal(self):
        self._ask("mortal", "/work?us=200&ms=10", method="POST", body=b"x")

    def deployed(self):
        wanted = self.rng.randrange(128, 192)
        self.put_mb.add(wanted)
        reply = self.ebb.rest("PUT", "/v1/services/deployed", {"image": "probe", "memory": wanted, "maxInstances": 1})
        if reply.status not in (200, 201):
            raise Refused(reply.status, reply.text[:300])
        self.put_mb = {wanted}
        self._ask("deployed", "/")

    def scheduled(self):
        """A run that is acknowledged is promised: Rounds looks how it ended. So none may leave the list unseen."""
        if len(self.runs) >= RUNS_UNSEEN_MAX:
            return
        reply = self.ebb.rest("POST", "/v1/schedules/run?name=tidy&service=ticks")
        if reply.status != 202:
            raise Refused(reply.status, reply.text[:300])
        self.runs.append(reply.json["run"])

    def _talk(self, name):
        if name not in self.sockets:
            self.opened.pop(name, None)
            self.sockets[name] = Socket(self.ebb, "ws")
            self.opened[name] = time.monotonic()
        try:
            said = str(self.rng.random())
            self.sockets[name].say(said)
            heard = self.sockets[name].hear_message()
            if said not in str(heard):
                raise EOFError(f"{heard} in place of {said}")
        except BaseException:
            self.sockets.pop(name).close()
            raise

    def talk(self):
        self._talk("talk")

    def whisper(self):
        """Its instance sleeps in between."""
        self._talk("whisper")

    # --- all of them ------------------------------------------------------------------------------
    PLAN = (("count", 0.01), ("kept", 0.02), ("long", 0.01), ("upload", 0.05), ("timers", 0.1), ("held", 0.1),
            ("mortal", 0.01), ("mortal", 0.01), ("deployed", 0.4), ("talk", 0.03), ("whisper", 0.7),
            ("scheduled", 0.3))

    def _turn(self, name, every_s):
        while not self.ended.is_set():
            self.go.wait()
            with self.lock:
                if not self.go.is_set():
                    continue
                self.working += 1
            begun = time.monotonic()
            try:
                getattr(self, name)()
                self.asked[name] += 1
            except (*LOST, Refused) as error:
                self.lost[name] += 1
                self.faults.append(Fault(name, self.opened.pop(name, begun), error))
            finally:
                with self.lock:
                    self.working -= 1
                    self.lock.notify_all()
            self.ended.wait(every_s * (0.5 + self.rng.random()))

    def start(self):
        for name, every_s in self.PLAN:
            self.threads.append(threading.Thread(target=self._turn, args=(name, every_s), daemon=True))
            self.threads[-1].start()
        self.go.set()

    def rest(self):
        """Returns when nothing is on its way: the faults since the last rest."""
        self.go.clear()
        with self.lock:
            assert self.lock.wait_for(lambda: self.working == 0, slow(90)), "a request hangs"
        faults, self.faults = self.faults, []
        return faults

    def stop(self):
        self.ended.set()
        self.go.set()
        for thread in self.threads:
            thread.join(90)
        for socket in self.sockets.values():
            socket.close()


def prepare(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.import_image("oci-archive:" + pictures.apps_archive("ws-node"), "ws-node")
    own = {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "memory": 128,
           "maxConcurrency": 50, "ebb": {"freezeAfter": 20}}
    reply = ebb.rest("PUT", "/v1/services/ticks", {"image": "probe", "maxInstances": 1, "memory": 128, "ebb": {"freezeAfter": 20},
                                                   "schedules": {"tidy": {"schedule": "0 0 1 1 *", "path": "/work?us=200&ms=20"}}})
    assert reply.status == 201, reply.text
    ebb.apply({**{name: own for name in SERVICES}, "ws": {**service("ws-node", concurrency=50), "memory": 256}})


class Rounds:
    """Kinds of death, and the state to which ebb comes back behind each."""

    def __init__(self, ebb, seed):
        self.ebb, self.rng = ebb, random.Random(seed)
        self.lanes = Lanes(ebb, random.Random(seed + 1))
        self.table = {kind: collections.Counter() for kind in KINDS}
        self.present = [name for name in PROGRAMS if ebb.programs(name)]
        self.base, self.living, self.noise, self.failures = None, None, None, []

    def begin(self):
        noise = tars.end(tars.member("noise", os.urandom(NOISE_BYTES)))  # takes a while to unpack
        self.noise = oci.Image([noise], zip_layers=False).write_dir(self.ebb.root + "/noise")
        self.lanes.start()
        pass_time(0.5)
        self._settle("the beginning")
        self.base, self.living = self._stocks(), self._untouched()
        self.lanes.go.set()

    # --- deaths -----------------------------------------------------------------------------------
    def _pids(self, kind):
        if kind == "instance":
            return [i["pid"] for i in self.ebb.instances("mortal")]
        return [p for p in leaks.children(self.ebb.ebbd_pid) if leaks.read(f"/proc/{p}/comm").strip() == kind[:15]]

    def _kill(self, kind):
        found = self._pids(kind)
        for pid in self.rng.sample(found, min(1, len(found))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()[:1] in ([], ["Z"]), 10)
                return True
        return False

    def _kill_unpacker(self):
        """In the middle of an import, which says so; the next one goes well."""
        done = []
        importing = threading.Thread(target=lambda: done.append(
            self.ebb.import_image("oci:" + self.noise, "passing", ok=False)))
        importing.start()
        ends = time.monotonic() + slow(20)
        while not done and not self._pids("ebb-unpack") and time.monotonic() < ends:
            pass
        pass_time(self.rng.random() * 0.02)
        hit = self._kill("ebb-unpack")
        importing.join(120)
        assert done and (done[0].code == 0 or hit), done
        if done[0].code:
            assert "ebb-unpack" in done[0].err or "unpack" in done[0].err or "signal" in done[0].err, done
        assert self.ebb.import_image("oci:" + self.noise, "passing").code == 0
        self.ebb.cli("image", "rm", "passing")
        self.ebb.cli("image", "gc")
        return hit

    def _die(self, kind):
        """The kinds that died."""
        if kind == "ebb-unpack":  # some imports are over before anybody sees the unpacker
            return {kind} if any(self._kill_unpacker() for _ in range(10)) else set()
        if kind != "several":
            return {kind} if self._kill(kind) else set()
        chosen = self.rng.sample([*self.present, "instance"], self.rng.randrange(2, 5))
        return {one for one in chosen if self._kill(one)}

    # --- afterwards -------------------------------------------------------------------------------
    def _whole(self):
        now = {name: len(self.ebb.programs(name)) for name in self.present}
        return self.base is None or now == self.base["programs"]

    def _serves(self):
        try:
            return self.ebb.rest("GET", "/readyz").status == 200
        except LOST:
            return False

    def _stocks(self):
        pid = self.ebb.ebbd_pid
        mine = [pid, *leaks.descendants(self.ebb.process.pid)]
        found = {"programs": {name: len(self.ebb.programs(name)) for name in self.present},
                 "cgroups": len(leaks.cgroup_dirs(self.ebb.config["cgroup"])), "processes": len(mine),
                 "mounts": len(leaks.read(f"/proc/{pid}/mountinfo").splitlines()),
                 "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                 "files below run": sum(len(names) for _, _, names in os.walk(self.ebb.root + "/run")),
                 "files of images": sum(len(names) for _, _, names in os.walk(self.ebb.root + "/images"))}
        for kind in ("net", "mnt", "user"):
            found[kind + " namespaces"] = len({leaks.link(f"/proc/{p}/ns/{kind}") for p in mine} - {""})
        return found

    def _quiet(self):
        found = self.ebb.instances()
        return found and all(i["state"] == "frozen" and i["tickets"] == 0 for i in found) and (
            sorted(i["service"] for i in found) == sorted([*SERVICES, "ticks", "ws"]))

    def _sockets(self):
        """Each WebSocket that was open is open still."""
        for name in list(self.lanes.sockets):
            try:
                self.lanes._talk(name)
            except LOST as error:
                yield Fault(name, self.lanes.opened.pop(name, 0), error)

    def _settle(self, what):
        """All programs are there, all instances stand still without work, and the stocks are as at the beginning."""
        wait_for(lambda: self._whole() and self._serves(), 60, f"all programs after {what}")
        faults = self.lanes.rest() + list(self._sockets())
        for name in ("deployed", "mortal"):
            wait_for(lambda name=name: self.ebb.get(name, timeout=60).status == 200)
            self.lanes.asked[name] += 1
        wait_for(self._quiet, 60, f"rest after {what}: {self.ebb.instances()}")
        self.ebb.wait_armed()
        return faults

    def _left(self):
        now = self._stocks()
        return {name: (self.base[name], value) for name, value in now.items()
                if name not in ("programs", "descriptors") and value > self.base[name]
                or name == "descriptors" and value > self.base[name] + 4}

    def _bill(self):
        """Invocations are requests; the CPU time is what the counters of the living instance say."""
        rows = {row["service"]: row for row in self.ebb.rest("GET", "/v1/usage").json["services"]}
        for name in ("count", "long", "upload", "timers", "held"):
            asked, lost = self.lanes.asked[name], self.lanes.lost[name]
            lost += self.lanes.lost["kept"] if name == "count" else 0
            row, instance = rows[name], self.ebb.instance(name)
            if not asked <= row["invocations"] <= asked + lost or row["active_cpu_us"] != instance["cpu_us"]:
                yield f"{name}: {row} {instance['cpu_us']} us, asked {asked}, lost {lost}"

    def _counted(self):
        counts = self.lanes._ask("count", "/counts").json
        fired = len(self.lanes._ask("timers", "/fired").json)
        for name in ("count", "timers"):
            self.lanes.asked[name] += 1
        return counts["twice"], fired

    def _untouched(self):
        """The instances that live through all deaths: of all services but those whose instances are replaced."""
        return {i["id"] for i in self.ebb.instances() if i["service"] not in ("mortal", "deployed")}

    def _runs(self):
        """Runs that were acknowledged and are not done. ebb keeps the last 100, more than there are in a round."""
        found = {r["id"]: r["state"] for r in self.ebb.rest("GET", "/v1/runs?service=ticks").json["runs"]}
        self.lanes.runs = [run for run in self.lanes.runs if found.get(run) != "done"]
        return [(run, found.get(run)) for run in self.lanes.runs]

    def _put(self):
        memory = self.ebb.rest("GET", "/v1/services/deployed").json["memory"]
        return memory in self.lanes.put_mb

    # --- a round ----------------------------------------------------------------------------------
    def _own(self, fault, victims, killed, gone):
        """Whether a fault is one that this death may cause."""
        if "ebb-gateway" in victims and not fault.status and fault.begun < gone + RING_LEAVES_S:
            return True
        if fault.lane == "mortal" and "instance" in victims and fault.begun < gone + 0.05 and (
                fault.status == 502 or isinstance(fault.error, http.client.IncompleteRead)):  # before, or in its answer
            return True
        if fault.lane == "scheduled":
            return bool(victims & {"ebb-api", "ebb-flow"}) and fault.status in (0, 503)
        return fault.lane == "deployed" and "ebb-api" in victims and fault.status in (0, 503)

    def round(self, kind):
        tally, name = self.table[kind], f"the death of {kind}"
        pass_time(0.1 + self.rng.random() * 0.2)
        killed = time.monotonic()
        victims = self._die(kind)
        gone = time.monotonic()
        wait_for(lambda: self._whole() and self._serves(), 60, f"all programs after {name}")
        tally["rounds"] += bool(victims)
        tally["back ms"] = max(tally["back ms"], int((time.monotonic() - gone) * 1000))
        pass_time(0.1)
        faults = self._settle(name)
        own = [f for f in faults if self._own(f, victims, killed, gone)]
        tally["lost, its own"] += len(own)
        wrong = [f for f in faults if f not in own]
        tally["lost, of others"] += len(wrong)
        twice, _ = self._counted()
        tally["doubled"] += len(twice)
        for fact, what in ((lambda: not self._left(), self._left), (lambda: not list(self._bill()), lambda: list(self._bill())),
                           (self._put, lambda: self.lanes.put_mb), (lambda: not self._runs(), self._runs),
                           (lambda: self._untouched() == self.living, self._untouched)):
            self._hold(fact, name, what)
        if wrong or twice:
            self.failures.append(f"{name} ({victims}): {wrong} {twice}")
        self.lanes.go.set()

    def _hold(self, fact, name, what):
        """The rounds go on from what is there now, so that a fault is told once."""
        with contextlib.suppress(AssertionError):
            wait_for(fact, 40)  # a replaced instance has a grace, and a new sandbox is prepared behind it
            return
        self.failures.append(f"after {name}: {what()}")
        self.base, self.living = self._stocks(), self._untouched()
        for row in self.ebb.rest("GET", "/v1/usage").json["services"]:
            self.lanes.asked[row["service"]] = row["invocations"]
            self.lanes.lost[row["service"]] = 0
        self.lanes.lost["kept"] = 0

    def says(self):
        columns = ("rounds", "lost, its own", "lost, of others", "doubled", "back ms")
        yield "killed | " + " | ".join(columns)
        for kind, tally in self.table.items():
            if tally["rounds"]:
                yield f"{kind} | " + " | ".join(str(tally[c]) for c in columns)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"table": self.table, "failures": self.failures}, f, indent=1)
