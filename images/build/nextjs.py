# SPDX-License-Identifier: Apache-2.0
"""Builds a project of Next.js: its packages (npm.py), then its own build, without network, then the server that
`output: "standalone"` leaves, with its static files beside it. The result is one layer, which the cache keeps as
long as the project stays the same: so the same project has the same keys of server actions and previews.
"""
import contextlib
import glob
import os

import base
import collect
import commands
import npm
import oci
from sandbox import LIMITS_OF_BUILDS, Run, pack, script, unpack, verdict, show
from words import Refused, name, say

ENTRY = "server.js"
HANDLER = "next_cache.cjs"
OLD_BUILDS = frozenset((b".next", b".vercel"))  # of a source: made anew
UNUSED = frozenset((b"node_modules", b".next/cache"))  # of a build that was made elsewhere
CACHE = ".next/cache"
CACHE_MAX = 512 << 20  # bytes of it that are kept for the next build
CACHES_MAX = 8  # folders of which one is kept


def is_server(tree):
    """Whether the tree is what `next build` leaves in .next/standalone."""
    return tree.kind(ENTRY.encode()) == "file" and tree.kind(b".next/BUILD_ID") == "file"


def has_server(tree):
    """Whether the tree is a project with such a folder."""
    return tree.kind(b".next/standalone") == "directory"


def arrange(out):
    """The runs that put the server together in /out and pack it."""
    with open(os.path.join(oci.HERE, HANDLER), encoding="utf-8") as file:
        handler = file.read()
    return [Run("host", script("standalone.py", "arrange", handler)),
            pack(out.fileno(), "/out", "app", collect.APP_ID)]


def take(build, runs, what, binds=()):
    code, tail = build.sandbox.run(runs, scratch=("/app", "/tmp", "/out"), binds=binds)
    if code:
        show(tail)
        raise Refused(f"{what}: {verdict(code)}")


def cache_of(build):
    """Where the cache of earlier builds is kept, which Next.js has in .next/cache: code and answers of those builds are
    in it, so it is for the same folder, name of the image, and files that name the packages."""
    key = oci.key_of(os.path.realpath(build.source), build.name, oci.digest_file(npm.manifests(build)))
    return os.path.join(build.cache, f"next-cache-{key[:32]}.tar")


def keep_cache(build, path):
    if not 0 < os.path.getsize(path) <= CACHE_MAX:
        return
    os.rename(path, cache_of(build))
    kept = sorted(glob.glob(os.path.join(glob.escape(build.cache), "next-cache-*.tar")), key=os.path.getmtime)
    for old in kept[:-CACHES_MAX]:
        with contextlib.suppress(FileNotFoundError):  # another build removed it
            os.unlink(old)


def own_build(build, out):
    """The file's buildCommand, npm's `run build` if package.json has that script, else `next build`; standalone.py says
    which. Next.js finds the cache that it left in the same folder's last build."""
    say(f"building {name(build.source)} with Next.js")
    env, cache = commands.environment(build), build.path("next-cache.tar")
    command = build.commands.build if build.commands else None
    words = ["build", base.NODE_PLACE, npm.npm_words()[1], *([command] if command else [])]
    with contextlib.ExitStack() as stack:
        old = cache_of(build) if os.path.exists(cache_of(build)) else None
        files = [stack.enter_context(open(path, "rb")) for path in (build.deps, build.function, old) if path]
        new = stack.enter_context(open(cache, "w+b"))
        runs = [*(unpack(file.fileno(), "/app") for file in files),
                *stack.enter_context(commands.installing(build, env)),
                Run("host", script("standalone.py", *words), cwd="/app", env=env), *arrange(out),
                pack(new.fileno(), f"/app/{CACHE}", f"app/{CACHE}", 0)]
        take(build, runs, f"the build of {name(build.source)} failed", [commands.node_of(build), base.CERTIFICATES])
    keep_cache(build, cache)


def from_source(build):
    """Replaces the project's files by the layer of its server."""
    build.sandbox.limits.update(LIMITS_OF_BUILDS)
    build.deps = commands.packages(build)
    said = build.commands.words() if build.commands else ""
    key = oci.key_of(build.base.key, oci.digest_file(build.function), build.date, said, *commands.deployment(),
                     oci.digest_file(build.deps) if build.deps else "",
                     oci.text_of(*(os.path.join(oci.HERE, one) for one in ("nextjs.py", "standalone.py", "pack.py", HANDLER))))
    build.function = build.kept("next", key, lambda out: own_build(build, out))
    build.deps = None


def from_elsewhere(build):
    """Puts together what `next build` left in a project."""
    path = build.path("next.layer")
    with open(path, "w+b") as out, open(build.function, "rb") as source:
        take(build, [unpack(source.fileno(), "/app"), *arrange(out)],
             f"{name(build.source)} holds no build of Next.js that can be served")
    build.function = path
