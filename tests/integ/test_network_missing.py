# SPDX-License-Identifier: Apache-2.0
"""
Hosts that lack something that a network needs: `ebb doctor` says what and how to mend it, a deployment that needs it is
refused with the same sentence, and services without ebb.egress go on. Each in a host and a world of the test's own.
"""
import os
import subprocess

import pytest

import pictures
import worlds
from ebb import BIN, Ebb
from networks import put

INTERNET, NAMES = "internet", {"allow": ["api.example.com"]}
NO_RESOLVER = "[ ! -e /etc/resolv.conf ] || mount --bind /dev/null /etc/resolv.conf; exec"
HOSTS = {  # (options of its world, route of somebody else, how programs start, egress, row of the doctor, sentence, mend)
    "no default route": ({"default_route": False}, None, "exec", INTERNET, "default-route", "this host has no default route",
                         "give it one (ip route add default via GATEWAY)"),
    "no resolver": ({}, None, NO_RESOLVER, NAMES, "resolver", "this host has no resolver for names",
                    "name an IPv4 one in /etc/resolv.conf or with egress_resolver"),
    "no addresses": ({}, "198.18.0.0/15", "exec", INTERNET, "addresses", "are in use: this host has a route to 198.18.0.0",
                     "give ebbd another network with net_pool=NETWORK/20"),
}


def wrapped(start, *words):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", start + ' "$@"', "sh", *words]


def starter(folder, start):
    """A program that is ebbd in that environment."""
    path = os.path.join(folder, "ebbd")
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in wrapped(start, os.path.join(BIN, "ebbd"))) + ' "$@"\n')
    os.chmod(path, 0o755)
    return path


def doctor(start, socket="/nonexistent"):
    """Its warnings."""
    told = subprocess.run(wrapped(start, os.path.join(BIN, "ebb"), "doctor"), capture_output=True, text=True,
                          env={**os.environ, "EBB_SOCKET": socket}).stdout
    return told.split("\nwarn ")[1:]


def test_a_host_without_nf_tables_is_told_by_the_doctor():
    """Without the right to it, as in a container: the same answer of the kernel as without the module, but for the errno."""
    (found,) = [one for one in doctor("exec setpriv --bounding-set=-net_admin") if one.split()[0] == "network"]
    assert "cannot write into nf_tables: Operation not permitted" in found
    assert "load what is missing (modprobe -a nf_tables nft_ct nft_masq veth)" in found


def test_a_host_without_bpf_is_told_by_the_doctor():
    (found,) = [one for one in doctor("exec setpriv --bounding-set=-bpf,-sys_admin") if one.split()[0] == "wakes"]
    assert "data cannot wake a frozen instance" in found and "Operation not permitted" in found, found
    assert "allow ebbd bpf(2)" in found, found


@pytest.mark.parametrize("lacks", HOSTS)
def test_what_a_host_lacks_is_told_by_the_doctor_and_by_the_deployment_that_needs_it(tmp_path, lacks):
    options, route, start, egress, row, sentence, mend = HOSTS[lacks]
    with worlds.World(**options) as world:
        if route:
            world.ip(world.host, "route", "add", route, "dev", "lo")
        ebb = Ebb(settings={"egress_default": None})
        ebb.program = starter(str(tmp_path), start)
        try:
            ebb.start()
            ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
            found = [one for one in doctor(start, ebb.socket) if one.split()[0] == row]
            assert len(found) == 1 and sentence in found[0] and mend in found[0], found
            reply = put(ebb, "needs", egress, status=422)
            assert sentence in reply.text and mend in reply.text, reply
            for name, word in (("closed", "none"), ("unsaid", None)):
                said = put(ebb, name, word).json
                assert ebb.get(name).status == 200
                assert not said.get("warnings") or name == "unsaid" and sentence in said["warnings"][0], said
                assert (said["ebb"]["egress"] == "none") == (word == "none" or egress == INTERNET), said
            ebb.stop()
        finally:
            ebb.kill()
            ebb.remove()
        world.assert_nothing_left()
