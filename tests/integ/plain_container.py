# SPDX-License-Identifier: Apache-2.0
"""A container as engines make it, to compare with: a network namespace behind a bridge of a world's host, translated by
the host, with the capabilities that Docker gives. runc runs the probe in it."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import pictures
import web
import worlds
from waiting import wait_for

NETWORK4, NETWORK6 = "172.31.255.", "fd00:b::"
BRIDGE4, CONTAINER4 = NETWORK4 + "1", NETWORK4 + "2"
PORT = 8080
RIGHTS = ["CAP_" + name for name in ("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID",
                                     "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE")]
RULES = f"""table inet bridged {{
    chain post {{
        type nat hook postrouting priority 100;
        ip saddr {NETWORK4}0/24 oifname != "bridge0" masquerade
        ip6 saddr {NETWORK6}/64 oifname != "bridge0" masquerade
    }}
}}
"""


@contextlib.contextmanager
def bridged(world):
    """The name of a namespace behind a bridge of the world's host."""
    name, spare = world.host + "c", world.spare
    worlds.run("ip", "netns", "add", name)
    try:
        world.spare = (*spare, "bridge0", "bridge0p")
        world.ip(world.host, "link", "add", "bridge0", "type", "bridge")
        world.ip(world.host, "link", "set", "bridge0", "up")
        world.ip(world.host, "link", "add", "bridge0p", "type", "veth", "peer", "name", "eth0", "netns", name)
        world.ip(world.host, "link", "set", "bridge0p", "master", "bridge0", "up")
        world.ip(name, "link", "set", "eth0", "up")
        for where, device, number in ((world.host, "bridge0", 1), (name, "eth0", 2)):
            world.ip(where, "addr", "add", f"{NETWORK4}{number}/24", "dev", device)
            world.ip(where, "addr", "add", f"{NETWORK6}{number}/64", "dev", device, "nodad")
        for network in (NETWORK4, NETWORK6):
            world.ip(name, "route", "add", "default", "via", network + "1")
        world.sysctl("net/ipv4/ip_forward", "1")
        worlds.run(*world.inside(world.host, "nft", "-f", "-"), input=RULES)
        yield name
    finally:
        for words in (world.inside(world.host, "nft", "delete", "table", "inet", "bridged"), ["ip", "netns", "del", name],
                      ["ip", "-n", world.host, "link", "del", "bridge0"]):
            subprocess.run(words, check=False, capture_output=True)
        world.sysctl("net/ipv4/ip_forward", "0")
        world.spare = spare


def write_bundle(folder, name):
    os.makedirs(folder + "/rootfs/srv")
    shutil.copyfile(pictures.probe_program(), folder + "/rootfs/srv/probe")
    os.chmod(folder + "/rootfs/srv/probe", 0o755)
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    with open(folder + "/config.json") as f:
        spec = json.load(f)
    spec["process"].update(terminal=False, args=["/srv/probe"], env=[f"PORT={PORT}"])
    spec["process"]["capabilities"] = {kind: RIGHTS for kind in ("bounding", "effective", "permitted")}
    spec["linux"]["cgroupsPath"] = "/" + name
    for one in spec["linux"]["namespaces"]:
        if one["type"] == "network":
            one["path"] = f"/run/netns/{name}"
    with open(folder + "/config.json", "w") as f:
        json.dump(spec, f)


@contextlib.contextmanager
def container(world):
    """The probe in a plain container; yields its address, for this process, which is in the world's host."""
    folder = tempfile.mkdtemp(prefix="ebb-plain-")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        name = stack.enter_context(bridged(world))
        runc = ["runc", "--root", folder + "/state"]
        write_bundle(folder, name)
        stack.callback(subprocess.run, [*runc, "delete", "--force", name], stdin=subprocess.DEVNULL, capture_output=True)
        subprocess.run([*runc, "run", "--detach", name], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: answers((CONTAINER4, PORT)), 20, "the plain container to listen")
        yield (CONTAINER4, PORT)


def answers(address):
    """It listens, and its neighbours of IPv6 have found each other."""
    try:
        return web.request(address, f"/dial?kind=tcp&to={worlds.PUBLIC6}&port=80&ms=500").json["result"].startswith("got ")
    except OSError:
        return False
