# SPDX-License-Identifier: Apache-2.0
"""Builds a project of Next.js: its packages (npm.py), then its own build, without network, then the server that
`output: "standalone"` leaves, with its static files beside it. The result is one layer, which the cache keeps as
long as the project stays the same: so the same project has the same keys of server actions and previews.
"""
import contextlib
import os

import collect
import npm
import oci
from sandbox import Run, pack, script, unpack, verdict, show
from words import Refused, name, say

ENTRY = "server.js"
NODE_PLACE = "/node/bin/node"
OLD_BUILDS = frozenset((b".next", b".vercel"))  # of a source: made anew
UNUSED = frozenset((b"node_modules", b".next/cache"))  # of a build that was made elsewhere
# A build of Next.js takes more than the steps of a function do.
LIMITS = {"EBB_BUILD_MEMORY_MB": 4096, "EBB_BUILD_SIZE_MB": 2048, "EBB_BUILD_PIDS": 1024}


def is_server(tree):
    """Whether the tree is what `next build` leaves in .next/standalone."""
    return tree.kind(ENTRY.encode()) == "file" and tree.kind(b".next/BUILD_ID") == "file"


def has_server(tree):
    """Whether the tree is a project with such a folder."""
    return tree.kind(b".next/standalone") == "directory"


def arrange(out):
    """The runs that put the server together in /out and pack it."""
    return [Run("host", script("standalone.py", "arrange")),
            pack(out.fileno(), "/out", "app", collect.APP_ID)]


def take(build, runs, what, binds=()):
    code, tail = build.sandbox.run(runs, scratch=("/app", "/tmp", "/out"), binds=binds)
    if code:
        show(tail)
        raise Refused(f"{what}: {verdict(code)}")


def own_build(build, out):
    """npm's `run build` if package.json has that script, else `next build`; standalone.py says which."""
    say(f"building {name(build.source)} with Next.js")
    node = os.path.join(build.base.root, "usr/bin/node")
    npm_program = npm.npm_words()[1]
    env = ["PATH=/node/bin:/usr/bin:/bin", "NEXT_TELEMETRY_DISABLED=1", "CI=1", "npm_config_update_notifier=false",
           "npm_config_cache=/tmp/npm", "npm_config_userconfig=/tmp/none", "npm_config_globalconfig=/tmp/none2"]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in (build.deps, build.function) if path]
        runs = [*(unpack(file.fileno(), "/app") for file in files),
                Run("host", script("standalone.py", "build", NODE_PLACE, npm_program), cwd="/app", env=env),
                *arrange(out)]
        take(build, runs, f"the build of {name(build.source)} failed", [f"{NODE_PLACE}={node}"])


def from_source(build):
    """Replaces the project's files by the layer of its server."""
    npm.look(build)
    build.deps = npm.layer(build, dev=True)
    key = oci.key_of(build.base.key, oci.digest_file(build.function), build.date,
                     oci.digest_file(build.deps) if build.deps else "",
                     oci.text_of(*(os.path.join(oci.HERE, one) for one in ("nextjs.py", "standalone.py", "pack.py"))))
    build.function = build.kept("next", key, lambda out: own_build(build, out))
    build.deps = None


def from_elsewhere(build):
    """Puts together what `next build` left in a project."""
    path = build.path("next.layer")
    with open(path, "w+b") as out, open(build.function, "rb") as source:
        take(build, [unpack(source.fileno(), "/app"), *arrange(out)],
             f"{name(build.source)} holds no build of Next.js that can be served")
    build.function = path
