# SPDX-License-Identifier: Apache-2.0
"""A change sends what changed: `ebb build` leaves out the layers that the server's store has."""
import os
import re
import shutil

import pytest

import pictures

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="the guest has no compiler")


@pytest.fixture
def project(tmp_path):
    return shutil.copytree(os.path.join(pictures.PROJECT, "examples/c-hello"), tmp_path / "hello")


def build(ebb, project, name="it"):
    """Builds and imports; the message about layers left out, and how many bytes were sent."""
    done = ebb.cli("build", project, "-t", name, timeout=120, env={"EBB_CACHE": pictures.CACHE})
    amount, unit = re.search(r"sent [\d.]+ \w+ of ([\d.]+) (\w+)", done.err).groups()
    left_out = re.search(r"(\d+) of \d+ layers are in the store", done.err)
    return int(left_out.group(1)) if left_out else 0, float(amount) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit], done


def change(project, text):
    (source,) = project.glob("*.c")
    source.write_text(source.read_text() + f"\n/* {text} */ const char mark_{text}[] = \"{text}\";\n")


def pieces(ebb):
    return set(os.listdir(os.path.join(ebb.root, "images/pieces")))


def test_a_change_does_not_send_what_the_store_has(ebb, project):
    left_out, all_of_it, _ = build(ebb, project)
    assert left_out == 0
    before = pieces(ebb)
    change(project, "one")
    left_out, sent, _ = build(ebb, project)
    assert left_out == 1 and sent < all_of_it
    assert len(pieces(ebb) - before) == 1
    left_out, sent, _ = build(ebb, project, "again")
    assert left_out == 2 and sent < 20e3  # documents alone
    ebb.deploy("it", "again")
    assert ebb.get("it").status == 200


def test_what_the_store_lost_meanwhile_is_sent_after_all(ebb, project):
    """As the list of an image says whose pieces are not in the store any more."""
    build(ebb, project)
    for name in pieces(ebb):
        path = os.path.join(ebb.root, "images/pieces", name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    change(project, "two")
    left_out, _, done = build(ebb, project)
    assert left_out and "trying again with all layers" in done.err, done
    ebb.deploy("it", "it")
    assert ebb.get("it").status == 200


def test_an_archive_that_is_kept_holds_all(ebb, project, tmp_path):
    build(ebb, project)
    path = str(tmp_path / "it.oci.tar")
    ebb.cli("build", project, "-o", path, timeout=120, env={"EBB_CACHE": pictures.CACHE})
    ebb.cli("image", "rm", "it")
    ebb.cli("image", "gc")
    ebb.import_image("oci-archive:" + path, "it")
    ebb.deploy("it", "it")
    assert ebb.get("it").status == 200


def test_a_build_that_fails_is_not_tried_twice(ebb, project):
    build(ebb, project)
    (source,) = project.glob("*.c")
    source.write_text("this is not C\n")
    done = ebb.cli("build", project, "-t", "it", ok=False, timeout=120, env={"EBB_CACHE": pictures.CACHE})
    assert done.code == 1 and "trying again" not in done.err, done
