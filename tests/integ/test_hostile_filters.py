# SPDX-License-Identifier: Apache-2.0
"""
Each of ebb's filtered programs in an attacker's hands at the moment when it loads its filter (hijacked_calls.c): the
real programs, started by a real ebbd. The result of each attempt is held against the text of the program's policy, so a rule
that is added to a policy shows here as well.
"""
import os
import re
import socket
import subprocess

import pytest

import counts
import pictures
from ebb import BIN, PROJECT, Ebb
from libexec import libexec

DAEMONS = ("api", "dns", "flow", "gateway", "ipc", "ledger", "net", "tick")
POLICIES = {"ebb-unpack": "images/unpack/seccomp.policy",
            **{f"ebb-{name}": f"runtime/{name}/seccomp.policy" for name in DAEMONS}}
NOT_TRIED = {"exit", "exit_group", "rt_sigreturn"}  # they end the process
# {program: rights that confinement leaves to it}: CAP_NET_ADMIN; the host's network is its work, and no socket(2) follows.
CONFINED = {"ebb-net": {"capability", "host_socket"}}
# {program: arguments that its filter lets through}: questions to the host's resolvers; the socket of the gateways, by its path.
ARGUMENTS = {"ebb-dns": {"socket_inet"}, "ebb-flow": {"socket_unix", "socket_unix_high"}}
ATTEMPTS = re.compile(r"prog=(ebb-[a-z]+)\S* .*event=attempts group=(\w+) tried=(\d+) got=(\S+)")


def hijacked(name):
    return os.path.join(BIN, "tests/hijacked", name)


@pytest.fixture(scope="module")
def attempts(tmp_path_factory):
    """{program: {group: (how many were tried, names of those that got something)}}, of an ebbd that works as ever."""
    place = libexec(tmp_path_factory.mktemp("libexec"), {name: hijacked(name) for name in POLICIES})
    witness = socket.socket(socket.AF_UNIX)
    witness.bind("\0ebb-hijack-witness")
    witness.listen()
    ebb = Ebb(settings={"libexec_dir": place}).start()
    try:
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe")
        assert ebb.get("probe").status == 200
        said = ebb.log_lines(" event=attempts ")
        assert not ebb.log_lines("event=program_died")
    finally:
        ebb.stop()
        ebb.remove()
        witness.close()
    # ebb-unpack's words are nobody's while it works, so it is started by hand.
    alone = subprocess.run([hijacked("ebb-unpack"), "--rehearse", "all"], stderr=subprocess.PIPE, text=True,
                           errors="replace", check=False)
    said += [f"prog=ebb-unpack {line}" for line in alone.stderr.splitlines() if "event=attempts" in line]
    found = {}
    for line in said:
        program, group, tried, got = ATTEMPTS.search(line).groups()
        one = (int(tried), set() if got == "nothing" else set(got.split(",")))
        assert found.setdefault(program, {}).setdefault(group, one) == one, f"two threads differ: {line}"
    return found


def rules(program):
    """(calls that the policy allows with any arguments, calls that it allows with some)"""
    with open(os.path.join(PROJECT, POLICIES[program])) as f:
        allowed = re.findall(r"^(?:optional )?allow (\w+)(.*?)#", f.read(), re.M)
    return {name for name, more in allowed if not more.strip()}, {name for name, more in allowed if more.strip()}


@pytest.mark.parametrize("program", POLICIES)
def test_every_call_that_its_policy_does_not_name_is_refused(attempts, program):
    always, sometimes = rules(program)
    tried, got = attempts[program]["number"]
    assert tried > 500
    assert got - always - sometimes == set()
    assert always - NOT_TRIED - got == set(), "the table of attempts reached these"
    counts.note(f"{program} in an attacker's hands: {tried - len(got)} system calls of {tried} refused")


@pytest.mark.parametrize("program", POLICIES)
def test_no_argument_of_an_attacker_passes_its_filter(attempts, program):
    tried, got = attempts[program]["argument"]
    assert tried >= 38 and got == ARGUMENTS.get(program, set())


@pytest.mark.parametrize("program", [f"ebb-{name}" for name in DAEMONS])
def test_its_place_and_what_it_may_call_reach_nothing_of_the_host(attempts, program):
    tried, got = attempts[program]["confined"]
    assert tried >= 19 and got == CONFINED.get(program, set())
    tried, got = attempts[program]["reach"]
    assert tried > 130 and got == set()
