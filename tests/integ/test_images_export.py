# SPDX-License-Identifier: Apache-2.0
"""
Images leave the store as OCI archives: with the files that came in, layer by layer, for ebb, skopeo and umoci; in
bounded memory, with nothing left behind when somebody goes or dies on the way.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import tarfile

import pytest

import leaks
import oci
import pictures
import tars
import umoci_trees
from conftest import running
from ebb import BIN
from store import Inspector
from test_images_umoci import DIFFERENCES, differences, facts
from waiting import wait_for

DIRECTORIES = "plain directories"
CONFIG = {"User": "app", "Env": ["A=1", "B=two words"], "Entrypoint": ["/srv/probe"], "Cmd": ["--x", ""],
          "WorkingDir": "/srv", "StopSignal": "SIGRTMIN+3", "ExposedPorts": {"8123/tcp": {}},
          "Labels": {"not": "kept"}}
PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1234:55:an app:/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:55:\nmore:x:77:app\nothers:x:78:root,app\n"
LONG = "a" * 120


class Place:
    def __init__(self, ebb, inspector, folder):
        self.ebb, self.inspector, self.folder = ebb, inspector, folder

    def file(self, name):
        return os.path.join(self.folder, name)

    def export(self, image, name):
        self.ebb.cli("image", "export", image, "-o", self.file(name), timeout=120)
        return self.file(name)

    def image(self, name):
        reply = self.ebb.rest("GET", "/v1/images/" + name)
        assert reply.status == 200, reply
        return reply.json

    def pieces(self, name):
        """The content of each layer of the store."""
        found = []
        for layer in self.image(name)["layers"]:
            path = f"{self.ebb.root}/images/pieces/{layer.split(':')[1]}"
            path = path if os.path.isdir(path) else path + ".erofs"
            listing = self.inspector.piece(path)
            assert "error" not in listing, listing
            found.append(listing)
        return found

    def empty(self):
        for name in [n for i in self.ebb.cli("image", "ls", "--json").json for n in i["names"]]:
            self.ebb.cli("image", "rm", name, ok=False)


@contextlib.contextmanager
def made(form, folder):
    inspector = Inspector()
    before = os.environ.get("EBB_NO_EROFS")
    if form == DIRECTORIES:
        os.environ["EBB_NO_EROFS"] = "1"
    try:
        with running() as ebb:
            os.environ.pop("EBB_NO_EROFS", None)
            yield Place(ebb, inspector, str(folder))
    finally:
        inspector.close()
        os.environ.pop("EBB_NO_EROFS", None)
        if before is not None:
            os.environ["EBB_NO_EROFS"] = before


@pytest.fixture(scope="module", params=["erofs", DIRECTORIES])
def place(request, tmp_path_factory):
    with made(request.param, tmp_path_factory.mktemp("export")) as one:
        yield one


@pytest.fixture
def archives(place):
    yield place
    place.empty()


def facts_of(listing):
    """The facts of a piece by which two are the same: of files with several names, which names."""
    first, found = {}, {}
    for path in sorted(listing):
        what = dict(listing[path])
        inode, links = what.pop("inode"), what.pop("links")
        if what["kind"] in ("file", "link") and links > 1:
            what["same as"] = first.setdefault(inode, path)
        if what["kind"] == "dir":
            what.pop("size", None)
        what["xattrs"] = {n: v for n, v in what.get("xattrs", {}).items() if not n.startswith("trusted.")}
        found[path] = what
    return found


def hidden(listing):
    """Whiteouts, and directories that hide all below them. A name may be hidden by either."""
    return {p for p, w in listing.items() if w["kind"] == "char"}, {
        p for p, w in listing.items() if "user.overlay.opaque" in w.get("xattrs", {})}


def piece_faults(ours, again):
    (white, opaque), (white_again, opaque_again) = hidden(ours), hidden(again)
    ours, again = facts_of(ours), facts_of(again)
    for path in sorted(set(ours) | set(again)):
        inside = any(path.startswith(o + "/") or o == "." for o in opaque | opaque_again)
        if path in white ^ white_again and inside:
            continue  # below a directory that hides everything
        a, b = ours.get(path), again.get(path)
        if a and b:
            for facts_ in (a, b):
                facts_["xattrs"].pop("user.overlay.opaque", None)
                if facts_["kind"] == "char":
                    facts_.pop("mtime"), facts_.pop("mode"), facts_.pop("uid"), facts_.pop("gid")
        if a != b:
            yield f"{path}: was {a}, is {b}"


def import_back(place, path, name):
    place.ebb.import_image("oci-archive:" + path, name)


# --- content ------------------------------------------------------------------------------------------
GROUPS = list(umoci_trees.GROUPS)


@pytest.mark.parametrize("group", GROUPS[::4 if pictures.IN_VM else 2])
def test_each_layer_comes_back_as_it_was(archives, group):
    place = archives
    place.ebb.import_image("oci-archive:" + umoci_trees.archive(group), "it")
    place.pieces("it")
    path = place.export("it", "it.tar")
    import_back(place, path, "again")
    faults = [f"layer {n + 1}: {fault}" for n, (a, b) in enumerate(zip(place.pieces("it"), place.pieces("again"),
                                                                      strict=True))
              for fault in piece_faults(a, b)]
    assert not faults, f"{len(faults)} differences:\n" + "\n".join(faults[:40])
    assert place.image("again")["config"] == place.image("it")["config"]


def test_the_same_image_gives_the_same_bytes(archives):
    """Whiteouts of what is not there, and of all in a directory, are the only things that an import may say in another
    way; said so, they stay."""
    place = archives
    place.ebb.import_image("oci-archive:" + umoci_trees.archive(GROUPS[1]), "it")
    first, second = [open(place.export("it", name), "rb").read() for name in ("1.tar", "2.tar")]
    assert first == second
    made = []
    for name in ("1.tar", "3.tar"):
        place.ebb.cli("image", "rm", "it")
        import_back(place, place.file(name), "it")
        made.append(open(place.export("it", "3.tar"), "rb").read())
    assert made[0] == made[1], "an exported image, exported again, is another"


def test_settings_owners_long_names_and_odd_times_come_back(archives):
    place = archives
    odd = [tars.pax(("mtime", "1234567890.123456789")), tars.member("frac", b"x", mtime=0),
           tars.pax(("path", f"{LONG}/{LONG}/{LONG}")), tars.member("long", b"deep", mtime=3),
           tars.pax(("path", "l"), ("linkpath", LONG + "/" + LONG)), tars.symlink("l", "x", mtime=4),
           tars.member("setuid", b"s", mode=0o6755, uid=65535, gid=1, mtime=5),
           tars.member("closed", b"c", mode=0, uid=7, gid=8, mtime=6),
           tars.pax(("SCHILY.xattr.user.one", b"v\n\0w"), ("SCHILY.xattr.user.two", b"")),
           tars.member("marked", b"m", mtime=7),
           tars.member(b"not-utf8-\xff\xfe".decode("utf-8", "surrogateescape"), b"n", mtime=8),
           tars.member("fifo", kind=tars.FIFO, mode=0o600, mtime=9),
           tars.member("big", bytes(300000), mtime=10)]
    base = [tars.folder("etc", mtime=1), tars.member("etc/passwd", PASSWD, mtime=1),
            tars.member("etc/group", GROUP, mtime=1), tars.folder("gone", mtime=2),
            tars.member("gone/" + "n" * 250, b"", mtime=2), tars.member("gone/" + "m" * 254, b"", mtime=2)]
    hides = [tars.folder("gone", mtime=2), tars.member("gone/.wh." + "n" * 250), tars.member(".wh.nothing"),
             tars.member("gone/.wh..wh..opq"), tars.member("gone/new", b"", mtime=2)]
    layers = [tars.end(b"".join(base)), tars.end(b"".join(odd)), tars.end(b"".join(hides))]
    place.ebb.import_image("oci:" + oci.Image(layers, CONFIG, zip_layers=False).write_dir(place.file("odd")), "odd")
    path = place.export("odd", "odd.tar")
    import_back(place, path, "again")
    faults = [f"layer {n + 1}: {f}" for n, (a, b) in enumerate(zip(place.pieces("odd"), place.pieces("again"),
                                                                  strict=True)) for f in piece_faults(a, b)]
    assert not faults, "\n".join(faults)
    config = place.image("again")["config"]
    assert config == place.image("odd")["config"]
    assert (config["uid"], config["gid"], config["groups"], config["port"]) == (1234, 55, [77, 78], 8123)


# --- other programs -------------------------------------------------------------------------------------
def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@pytest.mark.skipif(pictures.IN_VM, reason="the guest has neither skopeo nor umoci")
def test_skopeo_and_umoci_take_it_and_find_what_was_there(archives):
    place, group = archives, GROUPS[0]
    place.ebb.import_image("oci-archive:" + umoci_trees.archive(group), "lib/shapes:1")
    path = place.export("lib/shapes:1", "skopeo.tar")
    layout = place.file("skopeo-layout")
    run("skopeo", "copy", "-q", "--insecure-policy", "--preserve-digests", "oci-archive:" + path, f"oci:{layout}:any")
    run("skopeo", "copy", "-q", "--insecure-policy", f"oci-archive:{path}:lib/shapes:1", "dir:" + place.file("dir"))
    told = json.loads(run("skopeo", "inspect", "oci:" + layout + ":any"))
    assert told["Digest"] == json.loads(run("skopeo", "inspect", "oci-archive:" + path))["Digest"]
    run("umoci", "raw", "unpack", "--image", layout + ":any", place.file("rootfs"))
    ours = umoci_trees.listing(run(pictures.probe_program(), "tree", place.file("rootfs")))
    theirs = umoci_trees.tree(group)
    faults = []
    for name in umoci_trees.GROUPS[group]:
        left_out = DIFFERENCES.get(name, (None,))[0]
        faults += [f"{name}: {f}" for f in differences(facts(ours, name, left_out), facts(theirs, name, left_out))]
    assert not faults, f"{len(faults)} differences:\n" + "\n".join(faults[:40])
    place.ebb.import_image("oci:" + layout, "from-skopeo")
    assert place.image("from-skopeo")["layers"] == layers_of(place, path)


def layers_of(place, path):
    import_back(place, path, "layers-of")
    return place.image("layers-of")["layers"]


def test_the_archive_is_what_the_specification_says(archives):
    place = archives
    place.ebb.import_image("oci-archive:" + pictures.probe_archive(), "it")
    with tarfile.open(place.export("it", "spec.tar")) as tar:
        names = tar.getnames()
        read = {name: tar.extractfile(name).read() for name in names if tar.getmember(name).isfile()}
    assert len(set(names)) == len(names)
    assert json.loads(read["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, data in read.items():
        if name.startswith("blobs/"):
            assert oci.sha256(data) == name.removeprefix("blobs/").replace("/", ":")

    def blob(described):
        data = read["blobs/" + described["digest"].replace(":", "/")]
        assert len(data) == described["size"]
        return data
    index = json.loads(read["index.json"])
    assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "it"}
    manifest = json.loads(blob(index["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    assert [oci.sha256(blob(layer)) for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert config["config"]["Entrypoint"] == place.image("it")["config"]["entrypoint"]


# --- ends ---------------------------------------------------------------------------------------------
BIG_BYTES = 16 << 20


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """An image of bytes that cannot be packed."""
    with made(DIRECTORIES, tmp_path_factory.mktemp("big")) as place:
        layer = tars.end(tars.member("noise", os.urandom(BIG_BYTES)))
        place.ebb.import_image("oci:" + oci.Image([layer], zip_layers=False).write_dir(place.file("big")), "big")
        yield place


def packers(place):
    return place.ebb.programs("ebb-unpack")


def start_export(place, *words):
    return subprocess.Popen([os.path.join(BIN, "ebb"), "image", "export", "big", *words],
                            env={**os.environ, "EBB_SOCKET": place.ebb.socket},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def has_all_written(pid):
    """Whether a packer that was told to stand still had written the archive before, or is gone."""
    wait_for(lambda: leaks.read(f"/proc/{pid}/stat").partition(") ")[2][:1] in ("T", "Z", ""))
    written = re.search(r"^wchar: (\d+)$", leaks.read(f"/proc/{pid}/io"), re.M)
    return not written or int(written[1]) > BIG_BYTES


def caught(place, target):
    """(an export into a file that is under way, its packer, which stands still). One that was faster is repeated."""
    for _ in range(100):
        export = start_export(place, "-o", target)
        while export.poll() is None:
            for pid in packers(place):
                os.kill(pid, signal.SIGSTOP)
                wait_for(lambda pid=pid: leaks.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] in ([], ["T"], ["Z"]))
                if not has_all_written(pid):
                    return export, pid
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        export.communicate()
        os.unlink(target)
    raise AssertionError("every export was over before it was seen")


def rss_bytes(pid):
    return int(leaks.read(f"/proc/{pid}/statm").split()[1]) * 4096


def test_a_reader_that_waits_costs_no_memory_and_one_that_leaves_leaves_nothing(big):
    api = big.ebb.programs("ebb-api")[0]
    before = rss_bytes(api)
    reader = start_export(big)
    first = reader.stdout.read(1 << 20)
    assert len(first) == 1 << 20 and packers(big)
    assert rss_bytes(api) - before < 4 << 20
    reader.kill()
    reader.communicate()
    wait_for(lambda: not packers(big), what="the packer ends")
    for _ in range(3):
        whole = subprocess.run([os.path.join(BIN, "ebb"), "image", "export", "big"], check=True, capture_output=True,
                               env={**os.environ, "EBB_SOCKET": big.ebb.socket})
        assert len(whole.stdout) > BIG_BYTES


def test_four_at_once_and_no_fifth(big):
    readers = [start_export(big) for _ in range(4)]
    try:
        for reader in readers:
            assert len(reader.stdout.read(1 << 16)) == 1 << 16
        refused = big.ebb.cli("image", "export", "big", "-o", big.file("fifth"), ok=False)
        assert refused.code == 1 and "too many exports" in refused.err, refused
        assert not os.path.exists(big.file("fifth"))
        gone = big.ebb.cli("image", "rm", "big", ok=False)
        assert gone.code == 1 and "exported" in gone.err, gone
    finally:
        for reader in readers:
            reader.kill()
            reader.communicate()
    wait_for(lambda: not packers(big), what="the packers end")


def test_a_file_stands_there_whole_or_as_it_was(big):
    folder = big.file("dir-of-file")
    target = folder + "/big.tar"
    os.mkdir(folder)
    export, _ = caught(big, target)
    export.kill()
    export.communicate()
    assert os.listdir(folder) == []
    wait_for(lambda: not packers(big), what="the packer ends")
    export, packer = caught(big, target)
    with open(target, "w", encoding="ascii") as f:
        f.write("as it was")
    os.kill(packer, signal.SIGKILL)
    _, err = export.communicate(timeout=60)
    assert export.returncode != 0 and b"ebb: cannot export big" in err, err
    with open(target, encoding="ascii") as f:
        assert f.read() == "as it was" and os.listdir(folder) == ["big.tar"]
    big.ebb.cli("image", "export", "big", "-o", target)
    assert tarfile.is_tarfile(target) and os.listdir(folder) == ["big.tar"]


def test_no_room_for_the_file_is_said_and_nothing_is_left(big, tmp_path):
    small = str(tmp_path / "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=True)
    try:
        done = big.ebb.cli("image", "export", "big", "-o", small + "/big.tar", ok=False)
        assert done.code == 1 and "No space left" in done.err, done
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_is_not_there_is_refused_by_name(big):
    done = big.ebb.cli("image", "export", "nothing", "-o", big.file("x"), ok=False)
    assert done.code == 1 and "nothing" in done.err and not os.path.exists(big.file("x")), done
    done = big.ebb.cli("image", "export", "big", "-o", big.file("no/such/dir"), ok=False)
    assert done.code == 1 and "No such file" in done.err, done
    reply = big.ebb.rest("GET", "/v1/archives/nothing")
    assert reply.status == 404, reply


def test_ebb_api_that_dies_takes_its_exports_with_it(big):
    export, _ = caught(big, big.file("api"))
    big.ebb.end_program("ebb-api")
    export.communicate(timeout=60)
    assert export.returncode != 0 and not os.path.exists(big.file("api"))
    wait_for(lambda: not packers(big), what="the packer ends")
    big.ebb.cli("image", "export", "big", "-o", big.file("api"))
