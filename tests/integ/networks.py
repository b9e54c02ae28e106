# SPDX-License-Identifier: Apache-2.0
"""Shared by the families of the network: an ebbd in a world of the test's own, and attempts from inside."""
import contextlib

import pictures
from conftest import running

REFUSED = ("ECONNREFUSED", "EHOSTUNREACH", "EACCES", "ENETUNREACH")


@contextlib.contextmanager
def probes(world, **options):
    """An ebbd of this world with the probe's image; behind it the world's host is as it was."""
    try:
        with running(**options) as ebb:
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
