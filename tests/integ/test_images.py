# SPDX-License-Identifier: Apache-2.0
"""Images: every way in, what they say of themselves is honoured, layers are shared and overlaid."""
import os
import re
import shutil
import stat
import tarfile

import pytest

import oci
import pictures
from waiting import wait_for


@pytest.fixture
def place(tmp_path):
    return lambda name: str(tmp_path / name)


def serve(ebb, image, *options):
    ebb.deploy("it", image, *options)
    return ebb


def text(ebb, path):
    reply = ebb.get("it", path)
    assert reply.status == 200, reply
    return reply.text


# --- ways in ------------------------------------------------------------------------------------
def test_imports_an_oci_directory(ebb, place):
    ebb.import_image("oci:" + pictures.probe_image().write_dir(place("layout")), "it")
    assert serve(ebb, "it").get("it").status == 200


def test_imports_an_oci_archive(ebb, place):
    ebb.import_image("oci-archive:" + pictures.probe_image().write_archive(place("a.tar")), "it")
    assert serve(ebb, "it").get("it").status == 200


def test_imports_a_docker_archive(ebb):
    ebb.import_image("docker-archive:" + pictures.docker_archive(), "it")
    assert serve(ebb, "it").get("it").status == 200


def test_imports_a_plain_root_file_system(ebb, place):
    os.makedirs(place("rootfs/bin"))
    with open(place("rootfs/bin/probe"), "wb") as f:
        f.write(pictures.probe_binary())
    os.chmod(place("rootfs/bin/probe"), 0o755)
    ebb.import_image("dir:" + place("rootfs"), "it")
    ebb.apply({"it": {"runtime": "container", "entrypoint": "it", "command": ["/bin/probe"]}})
    assert ebb.get("it").status == 200


def test_imports_what_umoci_made(ebb):
    ebb.import_image("oci-archive:" + pictures.umoci_archive(), "it")
    assert "MADE=by umoci" in text(serve(ebb, "it"), "/env")


def test_imports_and_serves_what_buildah_made_from_a_dockerfile(ebb):
    ebb.import_image("oci-archive:" + pictures.foreign_archive(), "it")
    serve(ebb, "it")
    process = ebb.get("it", "/process").json
    assert process["args"] == ["/app/probe", "one", "two words"]
    assert (process["uid"], process["gid"], process["cwd"]) == (1000, 1001, "/app/data")
    assert "GREETING=hello from a Dockerfile" in text(ebb, "/env")
    ebb.cli("rm", "it")
    wait_for(lambda: ebb.instances() == [])
    assert "signal 10" in ebb.cli("logs", "it").out  # STOPSIGNAL SIGUSR1


def test_takes_uncompressed_and_zstd_layers(ebb, place):
    ebb.import_image("oci:" + pictures.probe_image(zip_layers=False).write_dir(place("x")), "plain")
    assert serve(ebb, "plain").get("it").status == 200
    ebb.import_image("oci-archive:" + pictures.zstd_archive(), "zstd")
    assert serve(ebb, "zstd").get("it").status == 200


def test_image_list_names_digest_and_size(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "it")
    (image,) = ebb.cli("image", "ls", "--json").json
    assert image["names"] == ["it"] and re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"]), image
    assert image["bytes"] > 100_000, image


def test_removed_image_is_gone_with_its_layers(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "it")
    ebb.cli("image", "rm", "it")
    ebb.cli("image", "gc")
    assert ebb.cli("image", "ls", "--json").json == []
    wait_for(lambda: not layers(ebb))


def test_image_in_use_is_not_removed(probe):
    probe.get("probe")
    done = probe.cli("image", "rm", "probe", ok=False)
    assert done.code == 1 and "probe" in done.err, done
    assert probe.get("probe").status == 200


def layers(ebb):
    return os.listdir(os.path.join(ebb.root, "images/pieces"))


def test_equal_layers_are_stored_once(ebb, place):
    base = pictures.probe_layers()
    for name in ("one", "two"):
        own = oci.layer(oci.entry("name", name.encode()))
        ebb.import_image("oci:" + pictures.probe_image(layers=base + [own]).write_dir(place(name)),
                         name)
    assert len(layers(ebb)) == 4
    serve(ebb, "one")
    assert text(ebb, "/file?path=/name") == "one"
    serve(ebb, "two")
    assert text(ebb, "/file?path=/name") == "two"


# --- content of the layers ----------------------------------------------------------------------
def overlaid(ebb, place, *more):
    image = pictures.probe_image(layers=pictures.probe_layers() + list(more))
    ebb.import_image("oci:" + image.write_dir(place("layout")), "it")
    return serve(ebb, "it")


def test_upper_layer_hides_and_replaces(ebb, place):
    overlaid(ebb, place,
             oci.layer(oci.entry("d"), oci.entry("d/gone", b"1"), oci.entry("d/kept", b"1"),
                       oci.entry("d/changed", b"old"), oci.entry("o"), oci.entry("o/below", b"1")),
             oci.layer(oci.entry("d/.wh.gone", b""), oci.entry("d/changed", b"new"),
                       oci.entry("o"), oci.entry("o/.wh..wh..opq", b""), oci.entry("o/above", b"1")))
    assert set(text(ebb, "/list?path=/d").split()) == {".", "..", "kept", "changed"}
    assert set(text(ebb, "/list?path=/o").split()) == {".", "..", "above"}
    assert text(ebb, "/file?path=/d/changed") == "new"


def test_whiteout_and_new_file_in_one_layer(ebb, place):
    overlaid(ebb, place, oci.layer(oci.entry("x"), oci.entry("x/a", b"old")),
             oci.layer(oci.entry(".wh.x", b"")), oci.layer(oci.entry("x"), oci.entry("x/b", b"new")))
    assert set(text(ebb, "/list?path=/x").split()) == {".", "..", "b"}


def test_owners_modes_and_links_are_kept(ebb, place):
    overlaid(ebb, place, oci.layer(
        oci.entry("f", b"x", 0o640, 1234, 1235), oci.entry("s", kind=tarfile.SYMTYPE, target="f"),
        oci.entry("h", kind=tarfile.LNKTYPE, target="f"), oci.entry("suid", b"x", 0o4755)))
    f = ebb.get("it", "/stat?path=/f").json
    assert (stat.S_IMODE(f["mode"]), f["uid"], f["gid"]) == (0o640, 1234, 1235)
    assert stat.S_ISLNK(ebb.get("it", "/stat?path=/s").json["mode"])
    assert ebb.get("it", "/stat?path=/h").json == f


def test_image_is_writable_and_the_next_instance_starts_clean(ebb, place):
    overlaid(ebb, place)
    assert text(ebb, "/try?call=create&path=/srv/new") == "OK"
    assert "new" in text(ebb, "/list?path=/srv").split()
    ebb.cli("stop", ebb.instance("it")["id"])
    wait_for(lambda: ebb.instances("it") == [])
    assert "new" not in text(ebb, "/list?path=/srv").split()


# --- words of the configuration -----------------------------------------------------------------
def configured(ebb, place, config, *options):
    image = pictures.probe_image(config)
    ebb.import_image("oci:" + image.write_dir(place("layout")), "it")
    return serve(ebb, "it", *options).get("it", "/process").json


def test_entrypoint_and_cmd_are_joined(ebb, place):
    seen = configured(ebb, place, {"Entrypoint": ["/srv/probe", "a"], "Cmd": ["b", "c d"]})
    assert seen["args"] == ["/srv/probe", "a", "b", "c d"]


def test_cmd_alone_is_enough(ebb, place):
    assert configured(ebb, place, {"Entrypoint": None, "Cmd": ["/srv/probe", "x"]})["args"][1] == "x"


def test_program_is_found_in_the_path_of_the_image(ebb, place):
    seen = configured(ebb, place, {"Entrypoint": ["probe"], "Env": ["PATH=/nowhere:/srv"]})
    assert seen["pid"] > 0


def test_environment_of_the_image_and_of_the_service_meet(ebb, place):
    configured(ebb, place, {"Env": ["A=image", "B=image"]}, "--env", "B=service", "--env", "C=x y=z")
    env = text(ebb, "/env").splitlines()
    for line in ("A=image", "B=service", "C=x y=z", "PORT=8080", "EBB_SERVICE=it"):
        assert line in env
    assert not [line for line in env if line == "B=image"]
    for name in ("EBB_REVISION", "EBB_INSTANCE"):
        assert [line for line in env if line.startswith(name + "=")]


def test_working_directory_is_honoured_and_made(ebb, place):
    assert configured(ebb, place, {"WorkingDir": "/not/there/yet"})["cwd"] == "/not/there/yet"


@pytest.mark.parametrize("user, uid, gid", [
    ("", 0, 0), ("1234", 1234, 1235), ("alice", 1234, 1235), ("alice:staff", 1234, 2000),
    ("4000:4001", 4000, 4001), ("4000", 4000, 0)])
def test_user_is_looked_up_in_the_image(ebb, place, user, uid, gid):
    seen = configured(ebb, place, {"User": user})
    assert (seen["uid"], seen["gid"]) == (uid, gid)


def test_additional_groups_of_the_user_are_set(ebb, place):
    configured(ebb, place, {"User": "alice"})
    groups = [line for line in text(ebb, "/file?path=/proc/self/status").splitlines()
              if line.startswith("Groups:")][0]
    assert groups.split() == ["Groups:", "2000"]


def test_files_of_another_user_stay_closed(ebb, place):
    configured(ebb, place, {"User": "alice"})
    assert text(ebb, "/try?call=read&path=/etc/secret") == "EACCES"


def test_exposed_port_is_where_it_is_expected(ebb, place):
    configured(ebb, place, {"ExposedPorts": {"3000/tcp": {}}})
    assert "PORT=3000" in text(ebb, "/env")


# --- built from a directory ---------------------------------------------------------------------
@pytest.mark.parametrize("example", pictures.EXAMPLES)
def test_builds_a_function_directory_and_serves_it(module_ebb, example):
    module_ebb.import_image("oci-archive:" + pictures.example_archive(example), example)
    module_ebb.deploy(example, example)
    reply = module_ebb.get(example)
    assert reply.status == 200 and reply.start == "cold", reply


def test_ebb_build_puts_an_image_into_the_store(ebb):
    ebb.cli("build", os.path.join(pictures.PROJECT, "examples/c-hello"), "-t", "hello", timeout=120)
    ebb.deploy("hello", "hello")
    assert ebb.get("hello").status == 200


def test_ebb_json_with_sources_is_built_and_served(ebb):
    shutil.copytree(os.path.join(pictures.PROJECT, "examples/c-hello"), os.path.join(ebb.root, "sources"))
    ebb.apply({"hello": {"root": "sources", "runtime": "native", "memory": 128}})
    assert ebb.get("hello").status == 200
