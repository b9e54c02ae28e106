# SPDX-License-Identifier: Apache-2.0
"""
Connection pools over freezes: the same programs behind ebb, where they freeze after each request, and plainly, where
they never do. Both are asked at the same moments, against one PostgreSQL that ends idle sessions and is restarted.
"""
import contextlib
import os
import socket
import subprocess

import databases
import pictures
import web
from waiting import pass_time, wait_for

DATABASE4 = "10.0.0.7"  # a database of their own
KINDS = {"pg": "node", "postgres": "node", "asyncpg": "python", "psycopg2": "python", "psycopg": "python"}
CYCLES = int(os.environ.get("POOL_CYCLES", "50"))
IDLE_S, KEEP_ALIVE_S = int(os.environ.get("POOL_IDLE_S", "3")), int(os.environ.get("POOL_KEEP_ALIVE_S", "1"))
SETTINGS = {"idle_session_timeout": f"{IDLE_S}s", "tcp_keepalives_idle": KEEP_ALIVE_S, "tcp_keepalives_interval": 1}
ENV = {"DATABASE_URL": databases.url(DATABASE4), "PYTHONUNBUFFERED": "1", "KEEP_ALIVE_MS": str(1000 * KEEP_ALIVE_S)}


def service_of(runtime):
    return "pool-" + runtime


def commands():
    """{runtime: (command, where)}. To be called before a world is entered: npm may ask its registry."""
    folder = pictures.npm_installed(os.path.join(pictures.FUNCTIONS, "net-node"))
    return {"node": (["node", "pools.mjs"], folder),
            "python": (["/usr/bin/python3", "-B", "clients.py"], os.path.join(pictures.FUNCTIONS, "net-python"))}


@contextlib.contextmanager
def plainly(commands):
    """{runtime: address} of the programs, which never freeze; in this process's network."""
    with contextlib.ExitStack() as stack:
        found = {}
        for runtime, (command, folder) in commands.items():
            with socket.create_server(("127.0.0.1", 0)) as free:
                found[runtime] = free.getsockname()
            program = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True,
                                       env={**os.environ, **ENV, "PORT": str(found[runtime][1])})
            stack.callback(program.stdout.close)
            stack.callback(program.wait)
            stack.callback(program.kill)
            assert program.stdout.readline() == "listens\n"
        yield found


class Run:
    """Errors of both sides: (moment, kind, answer)."""

    def __init__(self, ebb, plain, database):
        self.ebb, self.plain, self.database = ebb, plain, database
        self.moment, self.errors, self.asked = 0, {"frozen": [], "plain": []}, 0

    def _ask(self, side, kind):
        if side == "frozen":
            return self.ebb.get(service_of(KINDS[kind]), "/" + kind, timeout=120)
        return web.request(self.plain[KINDS[kind]], "/" + kind)

    def ask(self):
        """Each client of both sides, once, at the same time."""
        self.moment += 1
        asked = [(side, kind) for kind in KINDS for side in self.errors]
        for (side, kind), reply in zip(asked, web.many(len(asked), lambda n: self._ask(*asked[n]))):
            if reply.status != 200:
                self.errors[side].append((self.moment, kind, f"{reply.status} {reply.text[:200]}"))
        self.asked += len(asked) // 2

    def freeze(self):
        for runtime in set(KINDS.values()):
            try:
                self.ebb.wait_frozen(service_of(runtime), 30)
            except AssertionError as error:
                (one,) = self.ebb.instances(service_of(runtime))
                raise AssertionError(self.ebb.cli("why", one["id"]).out) from error

    def cycles(self, count):
        for _ in range(count):
            self.ask()
            self.freeze()

    def rest(self):
        """Until the database has ended all sessions. Its last words wake the instances; else a driver (npm postgres)
        would send the query of its next request before it has read that the session is over."""
        pass_time(IDLE_S)
        wait_for(lambda: self.database.sessions() == 0, 30, "the database to end idle sessions")

    def restart(self):
        self.database.stop()
        self.ask()
        self.freeze()
        self.database.start()

    def whole(self, cycles, rests=1):
        """Cycles with rests between, and a restart of the database in the middle."""
        for part in range(2 * rests):
            self.cycles(cycles // (2 * rests))
            self.rest()
            self.cycles(1)
            if part == rests - 1:
                self.restart()
        return self

    def moments(self, side):
        return {(moment, kind) for moment, kind, _ in self.errors[side]}

    def assert_freezing_costs_no_error(self):
        more = self.moments("frozen") - self.moments("plain")
        assert not more, [error for error in self.errors["frozen"] if error[:2] in more]


def freezes(ebb):
    return sum(one["freezes"] for runtime in set(KINDS.values()) for one in ebb.instances(service_of(runtime)))
