# SPDX-License-Identifier: Apache-2.0
"""
An instance sees an image's layers as umoci unpacks them: names, types, contents, modes, owners, times, links and
attributes. Many shapes are in one image, each below a directory of its own.
"""
import pytest

import counts
import layer_shapes
import pictures
import umoci_trees

OWN = ("dev", "proc", "sys", "srv", "etc/hosts", "etc/hostname", "etc/resolv.conf")  # an instance's, and the program

# Where ebb means another thing than umoci. Of these shapes such facts are left out of the comparison:
APART = "a file of a lower layer that gets one more name is copied into that layer with the names it has there, as every overlay does"
DIFFERENCES = {
    "capability": ("security.capability",
                   "file capabilities are rights over the kernel: no_new_privs makes them nothing, so they are not kept"),
    **{name: ("same as", APART) for name in ("hard_link_below", "hard_link_through_link", "random_71", "random_101",
                                             "random_113")},
}
# These umoci takes, and ebb refuses:
REFUSALS = {
    "device": "a device is a right over the host",
    "character_device": "the same",
    "owner_over_65535": "an instance has 65,536 ids",
    "name_of_255": "mkfs.erofs 1.5 cannot keep it",
    "dotdot": "nobody writes such a name but who wants out; umoci takes it for a name below the root",
    "dotdot_in_hard_link": "the same",
    "whiteout_dotdot": "the same",
}


# --- two lists of the same --------------------------------------------------------------------------
def facts(found, top, left_out):
    """Those below top, without what differs on purpose."""
    chosen = {}
    for path, what in found.items():
        if (top and path != top and not path.startswith(top + "/")) or any(path == p or path.startswith(p
            + "/") for p in OWN):
            continue
        what = dict(what, attributes={n: v for n, v in what["attributes"].items() if n != left_out})
        chosen[path] = {key: value for key, value in what.items() if key != left_out}
    return chosen


def differences(ours, theirs):
    for path in sorted(set(ours) | set(theirs)):
        a, b = ours.get(path), theirs.get(path)
        if path == "etc" and not b:
            continue  # made for /etc/hosts
        if a is None or b is None:
            yield f"{path!r}: {'only umoci has it' if a is None else 'only ebb has it'}: {a or b}"
            continue
        for key in b:
            if key == "mtime" and (b[key] is None or path == ""):
                continue  # nobody said it; places for mounts are made in the root
            if a.get(key) != b[key]:
                yield f"{path!r}: {key} is {a.get(key)!r}, umoci: {b[key]!r}"


# --- the tests --------------------------------------------------------------------------------------
def seen_inside(ebb, group):
    ebb.import_image("oci-archive:" + umoci_trees.archive(group), "shapes")
    ebb.deploy("shapes", "shapes", "--memory", "128")
    reply = ebb.get("shapes", "/tree?path=/")
    ebb.cli("rm", "shapes")
    assert reply.status == 200, reply
    return umoci_trees.listing(reply.text)


@pytest.mark.parametrize("group", list(umoci_trees.GROUPS)[::4 if pictures.IN_VM else 1])
def test_an_instance_sees_what_umoci_unpacks(module_ebb, group):
    theirs = umoci_trees.tree(group)
    ours = seen_inside(module_ebb, group)
    shapes = umoci_trees.GROUPS[group]
    faults = []
    for name in shapes:
        left_out = DIFFERENCES.get(name, (None,))[0]
        top = "" if len(shapes) == 1 else name
        faults += [f"{name}: {fault}" for fault in differences(facts(ours, top, left_out),
                                                               facts(theirs, top, left_out))]
    assert not faults, f"{len(faults)} differences:\n" + "\n".join(faults)


@pytest.mark.parametrize("name", list(layer_shapes.REFUSED)[::4 if pictures.IN_VM else 1])
def test_what_is_refused_is_refused_by_umoci_too_or_for_a_reason(module_ebb, tmp_path, name):
    layout = umoci_trees.image_of({name: layer_shapes.REFUSED[name]}).write_dir(str(tmp_path / "layout"))
    done = module_ebb.import_image("oci:" + layout, "refused", ok=False)
    assert done.code == 1 and "layer " in done.err, done
    assert umoci_trees.takes()[name] == (name in REFUSALS)


def test_there_are_enough_shapes():
    written = len(layer_shapes.SHAPES) + len(layer_shapes.ALONE)
    counts.note(f"{written} shapes of layers by hand and {len(layer_shapes.RANDOM)} at random, as umoci unpacks them")
    assert written >= 80
