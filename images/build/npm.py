# SPDX-License-Identifier: Apache-2.0
"""Installs npm's packages into a layer of their own, which the cache keeps as long as the files that name the
packages stay the same.

npm runs in a sandbox whose network has nothing but one listener (127.0.0.1:3128). relay.py, in another sandbox,
accepts from that listener and connects to the registry and to no other host.
"""
import contextlib
import os
import shutil
import socket
import subprocess
import tarfile
import urllib.parse

import base
import collect
import oci
from sandbox import Run, Sandbox, end, pack, script, show, unpack, verdict
from words import Refused, name, say

MANIFESTS = ("package.json", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock",
             "bun.lockb")
PROXY = "http://127.0.0.1:3128"
SILENT = ("npm_config_update_notifier=false", "npm_config_cache=/tmp/npm", "npm_config_userconfig=/tmp/none",
          "npm_config_globalconfig=/tmp/none2")
NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf")


def npm_words():
    """The words that start npm: Node and npm's program. Both must be below /usr, which a sandbox sees."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Refused("npm is missing: install the Debian package npm")
    found = [os.path.realpath(node), os.path.realpath(npm)]
    if not all(path.startswith("/usr/") for path in found):
        raise Refused(f"{found[1]} is not below /usr, so no sandbox can run it: install the Debian package npm")
    return found


def configured(key):
    """A setting of npm as the caller configured it. npm runs in /, so no file of the project is read."""
    done = subprocess.run(["npm", "config", "get", key], cwd="/", stdout=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    value = done.stdout.strip()
    return "" if value in ("null", "undefined") or done.returncode else value


def allowed(registry):
    """The hosts that the relay connects to: the registry, and the hosts of EBB_NPM_HOSTS="HOST[:PORT] ..."."""
    url = urllib.parse.urlsplit(registry)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Refused(f"npm's registry {name(registry)} is no http address")
    hosts = [f"{url.hostname}:{url.port or (443 if url.scheme == 'https' else 80)}"]
    for word in os.environ.get("EBB_NPM_HOSTS", "").split():
        hosts.append(word if ":" in word else word + ":443")
    return hosts


def manifests(build):
    """A tar of the files that name the project's packages. The same files make the same bytes."""
    path = build.path("manifests.tar")
    with tarfile.open(build.function, "r:", errors="surrogateescape") as whole, oci.open_tar(path) as tar:
        for member in whole:
            parts = member.name.split("/")
            if "node_modules" in parts or parts[-1] not in MANIFESTS:
                continue
            member.mtime = 0
            tar.addfile(member, whole.extractfile(member) if member.isreg() else None)
    return path


def look(build):
    """Refuses a project whose package.json or lock files ask for something that the image will not have."""
    if build.tree.kind(b"package.json") != "file":
        return
    vendored = build.tree.kind(b"node_modules") == "directory"
    with open(manifests(build), "rb") as tar:
        build.sandbox.need(f"{name(build.source)} cannot run on the node runtime", unpack(tar.fileno(), "/app"),
                           Run("host", script("look.py", "node", base.node_version(), "yes" if vendored else "no")))


def environment(registry):
    pairs = {"registry": registry, "cache": "/tmp/npm", "userconfig": "/tmp/none", "globalconfig": "/tmp/none2",
             "proxy": PROXY, "https_proxy": PROXY, "noproxy": "", "ignore_scripts": "true", "audit": "false",
             "fund": "false", "update_notifier": "false", "cafile": base.CERTIFICATES, "loglevel": "error",
             "fetch_retries": "1"}
    return [f"npm_config_{key}={value}" for key, value in pairs.items()]


def layer(build, dev=False):
    """The layer of node_modules, or None where there is nothing to install. dev: with the packages that only a build
    needs."""
    tree = build.tree
    if tree.kind(b"package.json") != "file" or tree.kind(b"node_modules") == "directory":
        return None
    wanted, words, registry = manifests(build), npm_words(), configured("registry")
    scripts = os.environ.get("EBB_NPM_SCRIPTS", "0") not in ("", "0")
    key = oci.key_of(oci.digest_file(wanted), build.base.key, registry, " ".join(allowed(registry)), scripts,
                 build.date, *words, *(["dev"] if dev else []))
    return build.kept("npm", key, lambda out: install(build, wanted, words, registry, scripts, out, dev))


def install(build, wanted, words, registry, scripts, out, dev):
    say("installing npm packages, once")
    locked = any(build.tree.kind(one) == "file" for one in (b"package-lock.json", b"npm-shrinkwrap.json"))
    verb = "ci" if locked else "install"
    env = environment(registry)
    with network(build, registry) as net, open(wanted, "rb") as tar:
        runs = [unpack(tar.fileno(), "/app"),
                Run("host", [*words, verb, *([] if dev else ["--omit=dev"]), "--ignore-scripts"], cwd="/app", env=env,
                    net=net)]
        if scripts:
            runs.append(Run("host", [*words, "rebuild", "--ignore-scripts=false"], cwd="/app", env=env))
        # npm does not make the directory when there is nothing to install.
        runs.append(Run("host", ["/usr/bin/mkdir", "-p", "/app/node_modules"], cwd="/app", env=env))
        runs.append(pack(out.fileno(), "/app", "app", collect.APP_ID, "node_modules", build.date))
        code, tail = build.sandbox.run(runs, scratch=("/app", "/tmp"), binds=[base.CERTIFICATES])
    if code:
        show(tail)
        raise Refused(f"npm {verb} failed in {name(build.source)}: {verdict(code)}")


@contextlib.contextmanager
def network(build, registry):
    """A descriptor for a run's network: its listener leads to the registry and to no other host."""
    inner, outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with inner, outer:
        relay = start_relay(build, outer, allowed(registry))
        try:
            yield inner.fileno()
        finally:
            end(relay)


def start_relay(build, channel, hosts):
    place = build.path("relay")
    os.makedirs(place, exist_ok=True)
    upstream = configured("https-proxy")
    relay = Sandbox(build.sandbox.step, place)
    run = Run("host", script("relay.py", str(channel.fileno()), upstream, *hosts), keep=[channel.fileno()],
              net="host", seconds=86400)
    return relay.start([run], scratch=["/tmp"], binds=[f for f in NETWORK_FILES if os.path.exists(f)])
