# SPDX-License-Identifier: Apache-2.0
"""A corpus of ways out (tests/integ/escapes), tried in a real instance: all refused, by a barrier."""
import collections

import pytest

import answers
import counts
import pictures
from waiting import wait_for


@pytest.fixture(scope="module")
def box(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.escapes_archive(), "escapes")
    return module_ebb


@pytest.mark.parametrize("seccomp", ["default", "strict"])
def test_no_way_out_works_and_each_is_refused_by_a_barrier(box, seccomp):
    box.apply({"escapes": {"runtime": "container", "entrypoint": "escapes", "memory": 256,
                           "ebb": {"seccomp": seccomp}}})
    reply = box.get("escapes", timeout=120)
    assert reply.status == 200, reply
    lines = [line.split(" ", 3) for line in reply.text.splitlines()]
    assert all(len(line) == 4 for line in lines), lines[-3:]
    tried = collections.Counter(family for _, family, _, _ in lines)
    passed = [" ".join(rest) for word, *rest in lines if word != "refused"]
    counts.note(f"escapes, {seccomp}: {len(lines)} attempts, {len(lines) - len(passed)} refused; "
                + ", ".join(f"{family} {count}" for family, count in sorted(tried.items())))
    assert not passed, "\n".join(passed)
    # Each by the very answer that its barrier gives: a wrong argument would be no refusal.
    wrong = [answers.wrong(family, answer, what, seccomp == "strict") for _, family, answer, what in lines]
    assert not any(wrong), "\n".join(filter(None, wrong))
    assert len(lines) > 4000 and len(tried) >= 16, tried
    # The instance is as well as before, and ebb too.
    assert box.get("escapes", timeout=120).status == 200
    box.cli("rm", "escapes")


def test_cve_2022_0492_no_release_agent_can_be_reached(box):
    """A cgroup v1 hierarchy, mounted in new user and cgroup namespaces, runs its release_agent as root."""
    box.apply({"escapes": {"runtime": "container", "entrypoint": "escapes", "memory": 256}})
    report = box.get("escapes", timeout=120).text.splitlines()
    for attempt in ("mount cgroup", "mount cgroup2", "fsopen cgroup", "unshare 0x12000000", "clone 0x12000000",
                    "write /sys/fs/cgroup/release_agent", "write /sys/fs/cgroup/memory/release_agent",
                    "mkdir a cgroup"):
        seen = [line for line in report if line.endswith(" " + attempt)]
        assert seen and all(line.startswith("refused ") for line in seen), (attempt, seen)
    box.cli("rm", "escapes")


def filters_of(box):
    """How many filters the function has, as the kernel counts them."""
    init = box.instance("escapes")["pid"]
    with open(f"/proc/{init}/task/{init}/children") as f:
        child = int(f.read().split()[0])
    with open(f"/proc/{child}/status") as f:
        return int(dict(line.split(":") for line in f)["Seccomp_filters"])


def test_strict_is_a_second_filter(box):
    """The zygote's, the function's, and the strict one over both."""
    counts = {}
    wait_for(lambda: not box.instances("escapes"))
    for seccomp in ("default", "strict"):
        box.apply({"escapes": {"runtime": "container", "entrypoint": "escapes", "memory": 256, "minInstances": 1,
                               "ebb": {"seccomp": seccomp}}})
        wait_for(lambda: box.instances("escapes"))
        counts[seccomp] = filters_of(box)
        box.cli("rm", "escapes")
        wait_for(lambda: not box.instances("escapes"))
    assert counts == {"default": 2, "strict": 3}


def test_an_unknown_word_for_seccomp_is_refused(box):
    refused = box.apply({"escapes": {"runtime": "container", "entrypoint": "escapes",
                                     "ebb": {"seccomp": "none"}}}, ok=False)
    assert refused.code != 0 and "seccomp" in refused.err and "strict" in refused.err, refused
