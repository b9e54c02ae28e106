# SPDX-License-Identifier: Apache-2.0
"""Layers on layers: a layer means what `tar -x` over the layers below it would do, and only layers that the store
lacks are unpacked."""
import os
import stat
import tarfile

import pytest

import oci
import pictures
from waiting import wait_for

LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


def write(tmp_path, *layers, name="it", config=None):
    image = pictures.probe_image(config, layers=pictures.probe_layers() + list(layers), zip_layers=False)
    return "oci:" + image.write_dir(str(tmp_path / name))


def refused(ebb, tmp_path, *layers):
    done = ebb.cli("image", "import", write(tmp_path, *layers), "-t", "bad", ok=False)
    assert done.code == 1, done
    return done.err


@pytest.fixture
def serve(module_ebb, tmp_path):
    """serve(layer, ...): an image of the probe and these layers answers as service `it`."""
    def start(*layers):
        module_ebb.import_image(write(tmp_path, *layers), "it")
        module_ebb.deploy("it", "it")
        return module_ebb
    yield start
    module_ebb.cli("rm", "it", ok=False)
    wait_for(lambda: module_ebb.instances() == [])


def seen(ebb, path):
    info = ebb.get("it", "/stat?path=" + path).json
    return stat.S_IMODE(info["mode"]), info["uid"], info["gid"]


def text(ebb, path):
    reply = ebb.get("it", "/file?path=" + path)
    assert reply.status == 200, (path, reply)
    return reply.text


def names(ebb, path):
    reply = ebb.get("it", "/list?path=" + path)
    return set(reply.text.split()) - {".", ".."} if reply.status == 200 else None


def is_link(ebb, path):
    return stat.S_ISLNK(ebb.get("it", "/stat?path=" + path).json["mode"])


# --- directories that a layer does not bring ------------------------------------------------------
def test_a_directory_that_is_only_implied_keeps_its_attributes(serve):
    own = oci.layer(oci.entry("var"), oci.entry("var/own", mode=0o1750, uid=1234, gid=2000))
    ebb = serve(own, oci.layer(oci.entry("tmp/seed.txt", b"x"), oci.entry("var/own/deep/er/file", b"y")))
    assert seen(ebb, "/tmp") == (0o1777, 0, 0)
    assert seen(ebb, "/var/own") == (0o1750, 1234, 2000)
    assert text(ebb, "/tmp/seed.txt") == "x"
    assert seen(ebb, "/var/own/deep/er") == (0o755, 0, 0)


def test_a_lone_whiteout_leaves_its_directory_as_it_is(serve):
    ebb = serve(oci.layer(oci.entry("tmp/a", b"1"), oci.entry("tmp/b", b"1")),
                oci.layer(oci.entry("tmp/.wh.a", b"")),
                oci.layer(oci.entry("home/alice/.wh..wh..opq", b"")))
    assert seen(ebb, "/tmp") == (0o1777, 0, 0)
    assert names(ebb, "/tmp") == {"b"}
    assert seen(ebb, "/home/alice") == (0o755, 1234, 1235)


def test_whiteouts_of_what_is_not_there_change_nothing(serve):
    ebb = serve(oci.layer(oci.entry("home/.wh.nobody", b""), oci.entry("no/such/.wh.thing", b"")))
    assert names(ebb, "/home") == {"alice"}
    assert names(ebb, "/no") is None


def test_attributes_that_a_layer_gives_anew_hold(serve):
    ebb = serve(oci.layer(oci.entry("home/alice", mode=0o700, uid=0, gid=7)))
    assert seen(ebb, "/home/alice") == (0o700, 0, 7)


# --- paths through links --------------------------------------------------------------------------
USR = oci.layer(oci.entry("usr"), oci.entry("usr/lib", mode=0o751), oci.entry("usr/lib/old", b"old"))


@pytest.mark.parametrize("target", ["usr/lib", "/usr/lib", "./usr/../usr/lib", "../../../usr/lib"])
def test_a_path_goes_through_a_link_of_a_lower_layer(serve, target):
    ebb = serve(USR, oci.layer(oci.entry("lib", kind=LINK, target=target)), oci.layer(oci.entry("lib/x", b"new")))
    assert is_link(ebb, "/lib")
    assert names(ebb, "/usr/lib") == {"old", "x"}
    assert text(ebb, "/lib/x") == "new" and text(ebb, "/lib/old") == "old"
    assert seen(ebb, "/usr/lib") == (0o751, 0, 0)


def test_a_path_goes_through_a_link_of_its_own_layer(serve):
    ebb = serve(oci.layer(oci.entry("usr"), oci.entry("usr/lib"), oci.entry("lib", kind=LINK, target="usr/lib"),
                          oci.entry("lib/x", b"x")))
    assert is_link(ebb, "/lib") and text(ebb, "/usr/lib/x") == "x"


def test_a_path_goes_through_links_to_links(serve):
    ebb = serve(USR, oci.layer(oci.entry("a", kind=LINK, target="/b"), oci.entry("b", kind=LINK, target="usr/c"),
                               oci.entry("usr/c", kind=LINK, target="../lib64"),
                               oci.entry("lib64", kind=LINK, target="usr/lib")),
                oci.layer(oci.entry("a/deep/x", b"x")))
    assert text(ebb, "/usr/lib/deep/x") == "x"
    assert all(is_link(ebb, path) for path in ("/a", "/b", "/usr/c", "/lib64"))


def test_a_link_to_nothing_is_where_new_directories_stand(serve):
    ebb = serve(oci.layer(oci.entry("data", kind=LINK, target="srv/data")), oci.layer(oci.entry("data/x", b"x")))
    assert text(ebb, "/srv/data/x") == "x"


def test_a_link_out_of_the_root_ends_at_the_root(serve):
    ebb = serve(oci.layer(oci.entry("out", kind=LINK, target="../../../../../../../tmp")),
                oci.layer(oci.entry("out/ebb-was-here", b"x")))
    assert text(ebb, "/tmp/ebb-was-here") == "x"
    assert not os.path.exists("/tmp/ebb-was-here")


def test_a_directory_replaces_a_link_and_a_link_a_directory(serve):
    ebb = serve(USR, oci.layer(oci.entry("lib", kind=LINK, target="usr/lib"), oci.entry("d"), oci.entry("d/f", b"")),
                oci.layer(oci.entry("lib"), oci.entry("lib/x", b"x"), oci.entry("d", kind=LINK, target="usr")))
    assert names(ebb, "/lib") == {"x"} and names(ebb, "/usr/lib") == {"old"}
    assert is_link(ebb, "/d")


def test_a_whiteout_goes_through_a_link_too(serve):
    ebb = serve(USR, oci.layer(oci.entry("lib", kind=LINK, target="usr/lib"), oci.entry("lib/other", b"")),
                oci.layer(oci.entry("lib/.wh.old", b"")))
    assert names(ebb, "/usr/lib") == {"other"} and is_link(ebb, "/lib")


@pytest.mark.parametrize("layers", [
    [[oci.entry("a", kind=LINK, target="a"), oci.entry("a/x", b"")]],
    [[oci.entry("a", kind=LINK, target="b"), oci.entry("b", kind=LINK, target="/a")], [oci.entry("a/x", b"")]],
    [[oci.entry("a", kind=LINK, target="a/../a")], [oci.entry("a/x", b"")]],
])
def test_a_loop_of_links_is_refused_by_name(module_ebb, tmp_path, layers):
    told = refused(module_ebb, tmp_path, *[oci.layer(*entries) for entries in layers])
    assert "entry a/x: too many symbolic links" in told, told


def test_a_path_through_a_file_is_refused_by_name(module_ebb, tmp_path):
    told = refused(module_ebb, tmp_path, oci.layer(oci.entry("f", b"")), oci.layer(oci.entry("f/x", b"")))
    assert "layer 4: entry f/x: its parent is not a directory" in told, told


# --- hard links -----------------------------------------------------------------------------------
def test_a_hard_link_to_a_file_of_a_lower_layer(serve):
    ebb = serve(oci.layer(oci.entry("d"), oci.entry("d/f", b"of below", 0o640, 1234, 1235)),
                oci.layer(oci.entry("d/g", kind=HARD, target="d/f")))
    assert text(ebb, "/d/f") == text(ebb, "/d/g") == "of below"
    assert seen(ebb, "/d/g") == (0o640, 1234, 1235)
    assert ebb.get("it", "/stat?path=/d/f").json == ebb.get("it", "/stat?path=/d/g").json


def test_a_hard_link_to_nothing_is_refused_by_name(module_ebb, tmp_path):
    told = refused(module_ebb, tmp_path, oci.layer(oci.entry("d/g", kind=HARD, target="d/f")))
    assert "entry d/g: is a hard link to what is not there" in told, told


# --- how many -------------------------------------------------------------------------------------
def test_empty_layers_and_layers_that_come_again(serve):
    nothing, one, two = oci.layer(), oci.layer(oci.entry("x", b"1")), oci.layer(oci.entry("x", b"2"))
    ebb = serve(nothing, nothing, one, nothing, two, nothing, one, b"", nothing)
    assert text(ebb, "/x") == "1"
    assert seen(ebb, "/tmp") == (0o1777, 0, 0)


def test_127_layers_on_each_other(serve):
    room = 127 - len(pictures.probe_layers())
    ebb = serve(*[oci.layer(oci.entry(f"tmp/n{n}", b""), oci.entry("tmp/top", str(n).encode()),
                            oci.entry(f"tmp/.wh.n{n - 1}", b"")) if n % 9 else oci.layer() for n in range(room)])
    last = max(n for n in range(room) if n % 9)
    assert text(ebb, "/tmp/top") == str(last)
    assert seen(ebb, "/tmp") == (0o1777, 0, 0)
    # n stays where the layer above it was an empty one
    assert names(ebb, "/tmp") == {"top", f"n{last}"} | {f"n{n}" for n in range(room) if n % 9 == 8}


def test_500_layers_are_refused_with_the_limit(module_ebb, tmp_path):
    told = refused(module_ebb, tmp_path, *[oci.layer(oci.entry(f"n{n}", b"")) for n in range(498)])
    assert "the image has 500 layers, at most 127 are taken" in told, told


# --- content of the store -------------------------------------------------------------------------
def unpacked(ebb):
    """Of each piece in the store: when its file or directory was made."""
    folder = os.path.join(ebb.root, "images/pieces")
    return {name: os.lstat(os.path.join(folder, name)).st_ctime_ns for name in os.listdir(folder)}


def size_of(ebb, name):
    return next(x["bytes"] for x in ebb.cli("image", "ls", "--json").json if name in str(x))


def test_known_layers_are_not_even_looked_at(ebb, tmp_path):
    """Their blobs are not in the second archive: it holds what the store lacks."""
    below = [oci.layer(oci.entry("d"), oci.entry("d/f", b"below"))]
    ebb.import_image(write(tmp_path, *below, name="one"), "one")
    before = unpacked(ebb)
    image = pictures.probe_image(layers=pictures.probe_layers() + below + [oci.layer(oci.entry("d/g", b"above"))],
                                 zip_layers=False)
    for known in image.manifest["layers"][:-1]:
        del image.blobs[known["digest"]]
    ebb.import_image("oci:" + image.write_dir(str(tmp_path / "two")), "two")
    assert {**unpacked(ebb), **before} == unpacked(ebb) and len(unpacked(ebb)) == len(before) + 1
    assert size_of(ebb, "two") > size_of(ebb, "one") > 0
    ebb.deploy("it", "two")
    assert text(ebb, "/d/f") == "below" and text(ebb, "/d/g") == "above"


def test_a_layer_that_is_not_known_on_these_is_asked_for_by_name(ebb, tmp_path):
    one, two = oci.layer(oci.entry("one", b"")), oci.layer(oci.entry("two", b""))
    ebb.import_image(write(tmp_path, one, two, name="one"), "one")
    image = pictures.probe_image(layers=pictures.probe_layers() + [two, one], zip_layers=False)
    del image.blobs[image.manifest["layers"][-1]["digest"]]
    done = ebb.cli("image", "import", "oci:" + image.write_dir(str(tmp_path / "two")), "-t", "two", ok=False)
    assert done.code == 1 and "layer 4" in done.err and "is not in the archive" in done.err, done


def test_the_user_is_looked_up_in_what_all_layers_show(ebb, tmp_path):
    passwd = pictures.PASSWD + b"late:x:77:78::/:/bin/sh\n"
    ebb.import_image(write(tmp_path, oci.layer(oci.entry("real", passwd)),
                           oci.layer(oci.entry("etc/passwd", kind=LINK, target="/real")),
                           config={"User": "late"}), "it")
    ebb.deploy("it", "it")
    process = ebb.get("it", "/process").json
    assert (process["uid"], process["gid"]) == (77, 78)


# --- pieces of an earlier version -----------------------------------------------------------------
def as_before(ebb):
    """Gives the store the form that it had in versions that named layers by diff_id. The first layer of an image has
    the same name in both: its chain id is its diff_id."""
    images = os.path.join(ebb.root, "images")
    for name in os.listdir(images + "/pieces"):
        os.rename(f"{images}/pieces/{name}", f"{images}/layers/{name}")


def test_images_of_an_earlier_version_go_on_serving_and_no_import_takes_their_layers(ebb, tmp_path):
    image = pictures.probe_image(layers=[oci.layer(oci.entry("srv"), oci.entry("made", b"before"), oci.entry(
        "srv/probe", pictures.probe_binary(), 0o755))], zip_layers=False)
    source = "oci:" + image.write_dir(str(tmp_path / "it"))
    ebb.import_image(source, "it")
    ebb.deploy("it", "it")
    ebb.stop()
    as_before(ebb)
    ebb.start()
    assert text(ebb, "/made") == "before"
    assert os.listdir(ebb.root + "/images/pieces") == []
    ebb.import_image(source, "it")
    assert len(os.listdir(ebb.root + "/images/pieces")) == 1
    ebb.deploy("it", "it", "--env", "NEW=1")
    assert text(ebb, "/made") == "before"
    ebb.cli("rm", "it")
    wait_for(lambda: ebb.instances() == [])
    ebb.cli("image", "rm", "it")
    ebb.cli("image", "gc")
    assert os.listdir(ebb.root + "/images/pieces") == []
