# SPDX-License-Identifier: Apache-2.0
"""Shared by the families of the network: an ebbd in a world of the test's own, and attempts from inside."""
import contextlib
import json
import os
import subprocess
import sys

import pictures
import worlds
from conftest import running

REFUSED = ("ECONNREFUSED", "EHOSTUNREACH", "EACCES", "ENETUNREACH")


@contextlib.contextmanager
def probes(world, settings=None, **options):
    """An ebbd of this world, with the default of ebb.egress that people have, and the probe's image; behind it the
    world's host is as it was."""
    try:
        with running(settings={"egress_default": None, **(settings or {})}, **options) as ebb:
            ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            yield ebb
    except BaseException:
        world.clear()  # the harness killed them all: their leftovers are not the next test's
        raise
    world.assert_nothing_left()


def put(ebb, name, egress, status=(200, 201), **more):
    ebb_part = {} if egress is None else {"egress": egress}
    reply = ebb.rest("PUT", f"/v1/services/{name}", {"image": "probe", "ebb": ebb_part, **more})
    assert reply.status in (status if isinstance(status, tuple) else (status,)), reply
    return reply


def attempt(ebb, name, to, port=80, kind="tcp", **more):
    """Its result, and how long it took in ms."""
    words = "".join(f"&{key}={value}" for key, value in more.items())
    reply = ebb.get(name, f"/dial?kind={kind}&to={to}&port={port}{words}")
    assert reply.status == 200, f"{reply}\n{ebb.log()}"
    return reply.json["result"], reply.json["ms"]


def dial(ebb, name, to, port=80, kind="tcp", **more):
    return attempt(ebb, name, to, port, kind, **more)[0]


def reaches(ebb, name, to, port=80, kind="tcp"):
    found = dial(ebb, name, to, port, kind)
    assert found.startswith("got ") or found in REFUSED, found
    return found.startswith("got ")


def file_inside(ebb, name, path):
    reply = ebb.get(name, f"/file?path={path}")
    assert reply.status == 200, reply
    return reply.text


def host_internal(ebb, name):
    """Its address, as the instance's /etc/hosts has it."""
    lines = [line.split() for line in file_inside(ebb, name, "/etc/hosts").splitlines()]
    return next(words[0] for words in lines if "host.internal" in words[1:])


class Names:
    """A resolver of a world (name_server.py). zone: its names."""

    def __init__(self, world, folder, zone, address=worlds.ROUTER4, where=None):
        self.zone, self.log = os.path.join(folder, "zone"), os.path.join(folder, "asked")
        self.write(zone)
        open(self.log, "w").close()
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "name_server.py")
        process = subprocess.Popen(world.inside(where or world.world, sys.executable, "-B", script, address, self.zone,
                                                self.log), stdout=subprocess.PIPE, text=True)
        world.servers.append(process)
        assert process.stdout.readline() == "ready\n"

    def write(self, zone):
        with open(self.zone + ".new", "w") as f:
            json.dump(zone, f)
        os.rename(self.zone + ".new", self.zone)

    def asked(self):
        """(transport, by whom, name) of each question."""
        with open(self.log) as f:
            return [tuple(line.split()) for line in f]
