# SPDX-License-Identifier: Apache-2.0
"""
Hostile images, and the state of the store and the host after each. The tables are in hostile_*.py, the claims about
every image here: it is refused in one sentence, or the stored part is harmless; the programs that read it did not die,
and left nothing behind.
"""
import collections
import hashlib
import os
import re

import pytest

import counts
import hostile_archives
import hostile_layers
import hostile_names
import leaks
import oci
import pictures
import tars
from conftest import running
from hostile_layers import REFUSED, TAKEN
from store import Inspector
from waiting import wait_for

LAYERS = [hostile_layers.traversals, hostile_layers.through_links, hostile_layers.hard_links, hostile_layers.whiteouts,
          hostile_layers.xattrs, hostile_layers.special, hostile_layers.numbers, hostile_layers.pax_headers,
          hostile_layers.gnu,
          hostile_layers.sparse, hostile_layers.cuts, hostile_layers.compressed, hostile_names.strange_names,
          hostile_names.system_places, hostile_names.passwd, hostile_names.changing, hostile_names.many]
ARCHIVES = [hostile_archives.texts, hostile_archives.twice, hostile_archives.descriptors, hostile_archives.damaged,
            hostile_archives.indexes, hostile_archives.configs, hostile_archives.members, hostile_archives.docker]
LIMITS = {"image_max_mb": 64, "image_file_max_mb": 32, "image_entries_max": 2000, "import_step_s": 60}
SECRET = b"a secret of the host\n"
# Every second one in make check, EBB_HOSTILE_EVERY=1 tries all; emulated, an import takes a second.
EVERY = 12 if pictures.IN_VM else int(os.environ.get("EBB_HOSTILE_EVERY", "2"))
count = collections.Counter()


class Place:
    """An ebbd, the victim beside it, and what both were before."""

    def __init__(self, ebb, inspector, folder):
        self.ebb, self.inspector, self.folder = ebb, inspector, folder
        self.victim = os.path.join(folder, "victim")
        os.mkdir(self.victim, 0o777)
        with open(self.victim + "/secret", "wb") as f:
            f.write(SECRET)
        self.images = os.path.join(ebb.root, "images")
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "first")  # all that ebbd starts is up
        ebb.cli("image", "rm", "first")
        ebb.cli("image", "gc")
        wait_for(lambda: not self.pieces() and not ebb.programs("ebb-unpack"))
        ebb.wait_armed()
        self.before = self.host()

    def pieces(self):
        return set(os.listdir(self.images + "/pieces"))

    def mounted(self):
        """Pieces stay mounted for the next user."""
        return set(os.listdir(self.images + "/mnt"))

    def own_mounts(self):
        """Places of mounts in the namespace of ebbd that the host has not: mounts of the host, such as the network
        namespaces of tests beside this one, come and go there, too."""
        places = [{line.split()[4] for line in leaks.read(f"/proc/{pid}/mountinfo").splitlines()}
                  for pid in (self.ebb.ebbd_pid, "self")]
        return places[0] - places[1]

    def host(self):
        """All that an image could have reached and must not have changed."""
        st = [(name, os.lstat(os.path.join(self.victim, name))) for name in [".", *sorted(os.listdir(self.victim))]]
        beside = [p for p in ("/evil", "/tmp/evil", self.ebb.root + "/evil", self.folder
                              + "/evil") if os.path.lexists(p)]
        mounts = self.own_mounts()
        return {"victim": [(name, s.st_mode, s.st_uid, s.st_nlink, s.st_mtime_ns, s.st_size) for name, s in st],
                "evil": beside,
                "images": {name: sorted(os.listdir(os.path.join(self.images, name)))
                           for name in os.listdir(self.images) if name not in ("pieces", "mnt")},
                "not pieces": {name for name in self.mounted() if name + ".erofs" not in self.pieces()},
                "modes": (os.stat(self.images).st_mode, os.stat(self.images + "/pieces").st_mode),
                "mounts": sorted(place for place in mounts if not place.startswith(self.images + "/mnt/")),
                "programs": sorted(leaks.read(f"/proc/{p}/comm") for p in leaks.descendants(self.ebb.process.pid))}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    inspector = Inspector()
    try:
        with running(settings=LIMITS) as ebb:
            yield Place(ebb, inspector, str(tmp_path_factory.mktemp("hostile")))
    finally:
        inspector.close()


# --- claims about every one -----------------------------------------------------------------------
def answer_faults(done, verdict):
    if done.code not in (0, 1):
        yield f"exit {done.code}"
    if done.code == 0 and verdict == REFUSED:
        yield "was taken"
    if done.code == 1 and verdict == TAKEN:
        yield "was refused"
    if done.code == 1 and not re.search(r"^  why:  .{20,}$", done.err, re.M):
        yield "no sentence says why"
    if re.search(r"killed by signal|ended early|protocol|exit \d", done.err):
        yield "a program of ebb ended by it"
    if re.search(r"[^\n -~\u00a0-\uffff]", done.err.replace("\r\x1b[K", "")):
        yield "control characters on the terminal"


def entry_faults(name, what):
    if what["kind"] not in ("file", "dir", "link", "fifo") and (what["kind"], what["rdev"]) != ("char", 0):
        yield f"{name}: a {what['kind']}"
    if max(what["uid"], what["gid"]) > 65535:
        yield f"{name}: owner {what['uid']}:{what['gid']}"
    if what.get("sha256") == hashlib.sha256(SECRET).hexdigest():
        yield f"{name}: holds the host's secret"
    for key, value in what.get("xattrs", {}).items():
        if not key.startswith("user.") or (key.startswith("user.overlay.") and (key, value) != ("user.overlay.opaque",
            "eQ==")):
            yield f"{name}: attribute {key}"


def stored_faults(place, new):
    for piece in new:
        listing = place.inspector.piece(os.path.join(place.images, "pieces", piece))
        if "error" in listing:
            yield f"piece cannot be listed: {listing['error']}"
            continue
        if not piece.endswith(".erofs"):
            listing["."].get("xattrs", {}).pop("trusted.ebb.bytes", None)  # ebb's own, on the directory itself
        for name, what in listing.items():
            yield from entry_faults(name, what)


def host_faults(place):
    """Cleaning up is behind the answer: leftovers are things that do not go away."""
    try:
        wait_for(lambda: place.host() == place.before, 10)
    except AssertionError:
        now = place.host()
        for key, value in place.before.items():
            if now[key] != value:
                yield f"{key} was {value}, is {now[key]}"


def try_one(place, source, verdict):
    """The faults of one image."""
    had = place.pieces()
    done = place.ebb.cli("image", "import", source, "-t", "evil", ok=False, timeout=100)
    new = place.pieces() - had
    count[done.code] += 1
    faults = list(answer_faults(done, verdict)) + list(stored_faults(place, new)) + list(host_faults(place))
    if done.code == 0:  # a stored image is not read again, so it goes before the next comes
        place.ebb.rest("DELETE", "/v1/images/evil")
        new = place.pieces() - had
    if new:
        faults.append(f"{new} is in the store, {'refused' if done.code else 'and does not go'}")
    return [f"{fault}\n    {done.err.strip()[-300:]}" for fault in faults]


def try_all(place, rows, write):
    """Runs a table; names every row that failed."""
    failed = []
    for name, made, verdict in list(rows(place.victim))[::EVERY]:
        failed += [f"{name}: {fault}" for fault in try_one(place, write(place, name, made), verdict)]
        if place.ebb.process.poll() is not None:
            failed.append(f"{name}: ebbd ended\n{place.ebb.log()}")
        if place.host() != place.before:
            break  # the next one would be blamed for it
    assert not failed, f"{len(failed)} faults:\n" + "\n".join(failed)
    assert not place.pieces() and not place.mounted()


def write_layers(place, name, layers):
    path = os.path.join(place.folder, "image.tar")
    plain = [layer.inner if isinstance(layer, hostile_layers.Zipped) else
             layer if isinstance(layer, hostile_layers.Raw) else tars.end(layer) for layer in layers]
    user = {"User": "app"} if name.startswith("passwd_") else {}
    image = oci.Image(plain, user, zip_layers=False)
    for n, layer in enumerate(layers):
        if isinstance(layer, hostile_layers.Zipped):
            image.manifest["layers"][n] = image._put(oci.LAYER + "+gzip", bytes(layer))
    image.seal()
    return "oci-archive:" + image.write_archive(path)


def write_archive(place, _, made):
    kind, data = made if isinstance(made, tuple) else ("oci-archive", made)
    path = os.path.join(place.folder, "image.tar")
    with open(path, "wb") as f:
        f.write(data)
    return f"{kind}:{path}"


# --- the tests ------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", LAYERS, ids=lambda rows: rows.__name__)
def test_a_hostile_layer_leaves_nothing_but_harmless_files(place, rows):
    try_all(place, rows, write_layers)


@pytest.mark.parametrize("rows", ARCHIVES, ids=lambda rows: rows.__name__)
def test_a_hostile_archive_leaves_nothing_but_harmless_files(place, rows):
    try_all(place, rows, write_archive)


def test_at_least_two_hundred_shapes_were_tried():
    shapes = count[0] + count[1]
    counts.note(f"{shapes} hostile images: {count[1]} refused, {count[0]} taken and found harmless")
    assert shapes >= 200 // EVERY, "run the whole file"
