# SPDX-License-Identifier: Apache-2.0
"""Requests to each program behind ebb, and plainly beside it."""
import os

import allowed
import pair
import plain

REQUESTS = int(os.environ.get("PAIR", "2000"))
FAST = ("aiohttp", "express", "socat-sh")
FAST_REQUESTS = 200


def count_for(program):
    """How many requests; 0: not in this selection."""
    if program.path is None:
        return 0
    if os.environ.get("APPS", "fast") == "fast":
        return FAST_REQUESTS if program.name in FAST else 0
    return REQUESTS


def paths_of(program):
    """(all, those that read a body)."""
    known = [program.path.format(n=n) for n in (1, 22, 333)]
    odd = known[0] + ("&" if "?" in known[0] else "?") + "a=%20b&c=%C3%A9&d="
    paths = [*known, odd, "/no/such/page", "/no%2fsuch/page?x=1"]
    return paths, ["/echo", "/echo?x=1"] if program.echo else paths


def allowed_for(program):
    kinds = {name: is_it for name, (programs, is_it, _) in allowed.ALLOWED.items()
             if programs is None or program.name in programs}

    def which(*what):
        return next((name for name, is_it in kinds.items() if is_it and is_it(*what)), None)
    return {"allowed": which, "one_by_one": "pipelines" in kinds, "gentle": "gently" in kinds}


def compare(program, address, host, count):
    """(the difference, the pair that was run)."""
    paths, reads = paths_of(program)
    with plain.Plain(program) as beside:
        both = pair.Pair(beside.connect, pair.at(address), host, paths, reads, **allowed_for(program))
        differing = both.run(count)
    if not differing and both.good < both.count / 10:
        differing = [f"of {both.count} requests {both.good} were answered with 200: what was compared says little"]
    return differing, both
