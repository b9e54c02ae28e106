# SPDX-License-Identifier: Apache-2.0
"""
Images of many shapes of layers (layer_shapes.py), and listings of the trees that umoci unpacks from them. Both are
kept in EBB_CACHE, because the guest has no umoci.
"""
import json
import os
import subprocess
import tempfile
import time

import layer_shapes
import oci
import pictures
import tars

PARTS = 4
HAND_AND_DICE = {**layer_shapes.SHAPES, **layer_shapes.RANDOM}
GROUPS = {f"part-{n}": {name: HAND_AND_DICE[name] for name in list(HAND_AND_DICE)[n::PARTS]} for n in range(PARTS)}
GROUPS.update({name: {name: shape} for name, shape in layer_shapes.ALONE.items()})
SOURCES = [__file__, layer_shapes.__file__, tars.__file__, oci.__file__, pictures.FUNCTIONS + "/*.[ch]"]


def image_of(shapes):
    """One image of them, each below its own name but for one that is alone."""
    made = {name: shape(layer_shapes.Maker("" if len(shapes) == 1 else name)) for name, shape in shapes.items()}
    depth = max(len(layers) for layers in made.values())
    below = [b"".join(tars.folder(name, mtime=7) for name in made)] if len(shapes) > 1 else []
    layers = [b"".join(b"".join(layers[n]) for layers in made.values() if n < len(layers)) for n in range(depth)]
    above = [tars.folder("srv", mtime=5) + tars.member("srv/probe", pictures.probe_binary(), mode=0o755, mtime=5)]
    layers = below + layers + above  # the program highest: nothing may hide it
    return oci.Image([tars.end(layer) for layer in layers], {"Entrypoint": ["/srv/probe"]}, zip_layers=False)


def parse(line):
    mode, uid, gid, size, mtime, inode, content, path, target, *attributes = line.split()

    def plain(text):
        return "" if text == "-" else bytes.fromhex(text).decode("utf-8", "backslashreplace")
    return plain(path), {"mode": oct(int(mode, 8)), "owner": f"{uid}:{gid}", "size": int(size), "mtime": mtime,
                         "inode": inode, "content": content,
                         "target": plain(target),
                         "attributes": {plain(n): v for n, v in (a.split("=") for a in attributes)}}


def listing(text):
    """{path: facts}; names of one file are told by the first of them, instead of by an inode."""
    found = dict(parse(line) for line in text.splitlines())
    first = {}
    for path in sorted(found):
        inode = found[path].pop("inode")
        if found[path]["mode"].startswith("0o10"):  # files
            found[path]["same as"] = first.setdefault(inode, path)
    return found


def umoci(shapes, work):
    image_of(shapes).write_dir(work + "/layout")
    return subprocess.run(["umoci", "raw", "unpack", "--image", work + "/layout:latest", work + "/rootfs"], check=False,
                          capture_output=True, text=True)


def unpack(group):
    """The tree that umoci unpacks. A time that umoci took from the clock, as no entry says one, becomes None."""
    began = time.time() - 2
    with tempfile.TemporaryDirectory() as work:
        done = umoci(GROUPS[group], work)
        assert done.returncode == 0, done
        print_tree = subprocess.run([pictures.probe_program(), "tree", work + "/rootfs"], check=True,
                                    stdout=subprocess.PIPE)
    found = listing(print_tree.stdout.decode())
    for what in found.values():
        if began <= float(what["mtime"]) <= time.time():
            what["mtime"] = None
    return found


def archive(group):
    return pictures.make_once(f"shapes-{group}.oci.tar", SOURCES,
                              lambda path: image_of(GROUPS[group]).write_archive(path))


def kept(name, find_out):
    """The answer of find_out, from the cache."""
    def make(path):
        with open(path, "w", encoding="utf-8") as f:
            json.dump(find_out(), f)
    with open(pictures.make_once(f"shapes-{name}.json", SOURCES, make), encoding="utf-8") as f:
        return json.load(f)


def tree(group):
    return kept(group, lambda: unpack(group))


def takes():
    """{name: whether umoci takes it} of those that ebb refuses."""
    def find_out():
        answers = {}
        for name, shape in layer_shapes.REFUSED.items():
            with tempfile.TemporaryDirectory() as work:
                answers[name] = umoci({name: shape}, work).returncode == 0
        return answers
    return kept("refused", find_out)


def prepare():
    """The work of make prebuild."""
    takes()
    for group in GROUPS:
        tree(group)
        yield archive(group)
