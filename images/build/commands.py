# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of a file for a project's own build, installCommand and buildCommand, in a sandbox, and takes what they
leave: files (outputDirectory), a program, or a tree of the Build Output API. The result is one layer, which the cache
keeps as long as the project and its commands stay the same. `installCommand` reaches npm's registry and no other host;
`buildCommand` has no network.
"""
import contextlib
import json
import os
import platform

import base
import collect
import npm
import oci
import output
from sandbox import LIMITS_OF_BUILDS, Run, lines, pack, script, show, unpack, verdict
from words import Refused, name, say

OUTPUT = ".vercel/output"  # an entry point that says: the build leaves such a tree
FILES = ("commands.py", "commands_inside.py", "pack.py")
ENV_MAX = 8
VARIABLE = "EBB_BUILD_COMMANDS"
# A command that fails says which one it was: its words may say nothing.
SHELL = '/bin/sh -c "$1" || { code=$?; echo "ebb: $2 ended with status $code" >&2; exit $code; }'


class Commands:
    """The words of the file: each may be None; an `install` of "" installs nothing."""

    def __init__(self, text):
        said = json.loads(text)
        self.install, self.build = said.get("installCommand"), said.get("buildCommand")
        self.output, self.env = said.get("outputDirectory"), said.get("env") or {}
        if len(self.env) > ENV_MAX:
            raise Refused(f"build.env: {len(self.env)} variables are too many (..{ENV_MAX})")

    def words(self):
        return json.dumps([self.install, self.build, self.output, self.env], sort_keys=True)


def read(given):
    """The words of the file, which are in the environment: other users may read a command line."""
    text = os.environ.pop(VARIABLE, "")
    return Commands(text) if given else None


def deployment():
    """The id of the deployment, where the caller gave one: pages of such a build ask for it (skew protection)."""
    said = os.environ.get("EBB_DEPLOYMENT_ID", "")
    return [f"NEXT_DEPLOYMENT_ID={said}"] if said else []


def environment(build):
    given = build.commands.env if build.commands else {}
    own = [f"{word}={value}" for word, value in sorted(given.items())]
    return ["PATH=/app/node_modules/.bin:/node/bin:/usr/bin:/bin", "CI=1", "VERCEL=1", "NEXT_TELEMETRY_DISABLED=1",
            *npm.SILENT, *deployment(), *own]


def node_of(build):
    """Where a sandbox sees the Node of the images: the one that will run what is built."""
    root = (build.base if build.runtime == "node" else base.get(build, "node", platform.machine())).root
    return f"{base.NODE_PLACE}={root}/usr/bin/node"


def shell(command, what, env, net=None):
    return Run("host", ["/bin/sh", "-c", SHELL, "sh", command, what], cwd="/app", env=env, net=net)


def packages(build):
    """The layer of npm's packages, those of the build included, unless the file has a command for it."""
    if build.commands and build.commands.install is not None:
        return None
    npm.look(build)
    return npm.layer(build, dev=True)


@contextlib.contextmanager
def installing(build, env):
    """The run of installCommand, with its network while the sandbox runs."""
    if not build.commands or not build.commands.install:
        yield []
        return
    registry = npm.configured("registry")
    with npm.network(build, registry) as net:
        yield [shell(build.commands.install, "installCommand", [*env, *npm.environment(registry)], net)]


def key(build, deps, *files):
    return oci.key_of(build.base.key, oci.digest_file(build.function), build.date, build.commands.words(), build.entrypoint,
                      build.runtime, *deployment(), oci.digest_file(deps) if deps else "",
                      oci.text_of(*(os.path.join(oci.HERE, one) for one in files)))


def run(build, deps, out, kind):
    """Runs both commands and packs what they leave into out."""
    env, folder = environment(build), "/out" if kind == "files" else "/app"
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in (deps, build.function) if path]
        runs = [unpack(file.fileno(), "/app") for file in files]
        runs += stack.enter_context(installing(build, env))
        if build.commands.build:
            runs.append(shell(build.commands.build, "buildCommand", env))
        what = build.commands.output if kind == "files" else build.entrypoint
        drop = "drop" if build.commands.install is None and build.deps else "keep"
        runs += [Run("host", script("commands_inside.py", kind, what, drop)),
                 pack(out.fileno(), folder, "app", collect.APP_ID, date=build.date)]
        code, tail = build.sandbox.run(runs, scratch=("/app", "/tmp", "/out"),
                                       binds=[node_of(build), base.CERTIFICATES])
    if code:
        show(tail)
        raise Refused(f"the build of {name(build.source)} failed: {verdict(code)}")
    for line in lines(tail):
        if line.startswith("ebb: "):
            say(line)


def kind_of(build):
    if build.runtime == "static":
        return "files"
    return "output" if build.entrypoint == OUTPUT else "program"


def from_source(build):
    """Replaces the project's files by what its own build leaves."""
    build.sandbox.limits.update(LIMITS_OF_BUILDS)
    deps, kind = packages(build), kind_of(build)
    if kind == "program" and build.runtime == "node" and build.commands.install is None:
        build.deps = npm.layer(build)  # without those of the build
    say(f"building {name(build.source)} by its own commands")
    path = build.kept("own", key(build, deps, *FILES), lambda out: run(build, deps, out, kind))
    build.function = path
    if kind == "output":
        output.layer(build, build.strict)
        build.entrypoint = output.ENTRY
