# SPDX-License-Identifier: Apache-2.0
"""A tree of the Build Output API, which the builders of frameworks leave in .vercel/output, becomes the layer that the
Node runtime's output.cjs serves. output_build.cjs reads the tree, in a sandbox with the Node of the base."""
import collect
from sandbox import Run, lines, pack, show, unpack, verdict
from words import Refused, name, say

ENTRY = "/usr/lib/ebb/node/output.cjs"
OUT_IN_BASE = "/usr/lib/ebb/code"  # a place that each base has
LIMITS = {"EBB_BUILD_MEMORY_MB": 4096, "EBB_BUILD_SIZE_MB": 2048}


def is_output(tree):
    return any(tree.kind(one) == "file" for one in (b"config.json", b".vercel/output/config.json"))


def layer(build, strict):
    """Replaces the collected files by what is served of them."""
    path = build.path("output.layer")
    build.sandbox.limits.update(LIMITS)
    with open(path, "w+b") as out, open(build.function, "rb") as source:
        runs = [unpack(source.fileno(), "/app"),
                Run(build.base.root, ["/usr/bin/node", "/usr/lib/ebb/node/output_build.cjs", OUT_IN_BASE,
                                      "strict" if strict else "lenient"], cwd="/app"),
                pack(out.fileno(), "/out", "app", collect.APP_ID, date=build.date)]
        code, tail = build.sandbox.run(runs, scratch=("/app", "/tmp", OUT_IN_BASE + "=/out"))
    if code:
        show(tail)
        raise Refused(f"{name(build.source)} cannot be served: {verdict(code)}")
    for line in lines(tail):
        say(line)
    build.function = path
