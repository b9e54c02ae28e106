# SPDX-License-Identifier: Apache-2.0
"""A program behind ebb and the same one plainly beside it answer the same random requests the same."""
import os
import re
import socket
import subprocess
import sys

import pytest

import ebb as harness
import pictures
from waiting import wait_for

sys.path.insert(0, os.path.join(harness.PROJECT, "tests", "programs"))
from pair import Pair  # noqa: E402


@pytest.fixture
def plain():
    port = harness.free_port()
    process = subprocess.Popen([pictures.probe_program()], env={"PORT": str(port)},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield ("127.0.0.1", port)
    process.kill()
    process.wait()


def reachable(address):
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("workers", [0, 3])
def test_the_same_requests_have_the_same_answers(module_probe, plain, workers):
    """workers 3: the ebb side accepts three connections at a time, as small servers do."""
    wait_for(lambda: reachable(plain), 10)
    env = {"PROBE_WORKERS": str(workers)} if workers else {}
    module_probe.apply({"pair": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1, "env": env,
                                 "maxDuration": 5}})  # an early leave may keep its ticket that long
    differing = Pair(plain, module_probe.address, "pair.localhost", ["/echo", "/echo?x=1", "/sleep?ms=3", "/nosuch"],
                     reads=["/echo"],
                     same=lambda body: re.sub(rb'"(instance|served|slept_us|cpu_us)": ?[^,}]*', b"", body)).run(400)
    assert not differing, differing[:3]
