# SPDX-License-Identifier: Apache-2.0
"""ebb.ioUring: one restricted ring, for images of ebb's own runtimes, where the kernel can."""
import os
import re

import pytest

import leaks
import pictures
from waiting import wait_for

# The same limit as sandbox_ring_probe: rings whose buffer ring is the kernel's memory.
HAS_RING = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 4)


def rings_of(instance):
    """Rings that its function holds open: the function is the child of the instance's PID 1."""
    found = []
    for pid in leaks.read(f"/proc/{instance['pid']}/task/{instance['pid']}/children").split():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            found += [fd] * (os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:[io_uring]")
    return found


@pytest.fixture(scope="module")
def own(module_probe):
    module_probe.import_image("oci-archive:" + pictures.own_archive(), "own")
    return module_probe


def put(at, name, image, ring, ok=False):
    return at.apply({name: {"runtime": "container", "entrypoint": image, "maxInstances": 1,
                             "ebb": {"ioUring": ring}}}, ok=ok)


@pytest.mark.skipif(not HAS_RING, reason="needs Linux 6.4")
def test_a_function_that_asks_gets_one_ring_and_others_none(own):
    put(own, "ring", "own", True, ok=True)
    put(own, "noring", "own", False, ok=True)
    env = own.get("ring", "/env").text.split()
    assert "EBB_RING_FD=4" in env and "EBB_RING_BUFFERS=256" in env
    assert any(re.fullmatch(r"EBB_RING_PARAMS=[0-9a-f]{240}", e) for e in env)
    assert own.get("ring", "/link?path=/proc/self/fd/4").text.startswith("anon_inode:[io_uring]")
    assert "EBB_RING" not in own.get("noring", "/env").text
    own.wait_frozen("ring")
    assert own.get("ring").start == "thaw"


@pytest.mark.skipif(not HAS_RING, reason="needs Linux 6.4")
def test_more_instances_than_are_kept_ready_get_theirs(own):
    own.apply({"rings": {"runtime": "container", "entrypoint": "own", "minInstances": 6,
                          "maxInstances": 6, "ebb": {"ioUring": True}}})
    wait_for(lambda: [i["state"] for i in own.instances("rings")] == ["frozen"] * 6, 30)
    assert [rings_of(i) for i in own.instances("rings")] == [["4"]] * 6
    own.cli("rm", "rings")


@pytest.mark.skipif(HAS_RING, reason="this kernel has them")
def test_an_older_kernel_refuses_it_with_the_reason(own):
    refused = put(own, "ring", "own", True)
    assert refused.code != 0 and "needs Linux 6.4" in refused.err, refused


def test_a_foreign_image_is_refused_it(own):
    refused = put(own, "foreignring", "probe", True)
    assert refused.code != 0
    assert "ebb.ioUring: true needs an image made for a runtime of ebb" in refused.err, refused
