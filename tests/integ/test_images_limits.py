# SPDX-License-Identifier: Apache-2.0
"""Limits on the cost of an image: claims, time, and clients that go; layers that come twice, or are many."""
import io
import os
import subprocess
import tarfile

import pytest

import oci
import pictures
from conftest import running
from ebb import BIN
from waiting import wait_for


def write(tmp_path, *layers):
    return "oci:" + pictures.probe_image(
        layers=pictures.probe_layers() + list(layers)).write_dir(str(tmp_path / "layout"))


def text(ebb, path):
    reply = ebb.get("it", path)
    assert reply.status == 200, reply
    return reply.text


def staging(ebb):
    return os.listdir(os.path.join(ebb.root, "images/staging"))


def sparse(name, claimed, kind):
    """A file of one byte that claims to be this long."""
    info = tarfile.TarInfo(name)
    pax = {"1.0": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name,
                   "GNU.sparse.realsize": str(claimed)},
           "0.1": {"GNU.sparse.size": str(claimed), "GNU.sparse.numblocks": "1",
                   "GNU.sparse.map": "0,1", "GNU.sparse.name": name}}[kind]
    data = (b"1\n0\n1\n".ljust(512, b"\0") if kind == "1.0" else b"") + b"x"
    info.size, info.pax_headers = len(data), pax
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_a_file_system_without_idmapped_mounts_is_named_with_the_mend(tmp_path):
    """overlayfs, as in a container whose state is not on a volume."""
    below, above, images = (str(tmp_path / name) for name in ("below", "above", "images"))
    for folder in (below, above, images):
        os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "none", above], check=True)
    try:
        for folder in ("up", "work"):
            os.mkdir(os.path.join(above, folder))
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={below},upperdir={above}/up,workdir={above}/work",
                        images], check=True)
        with running(settings={"image_dir": images}) as ebb:
            assert ebb.log_lines("event=no_images cause=.*mend=.*ext4, xfs, btrfs or tmpfs")
            done = ebb.cli("image", "import", "oci-archive:" + pictures.probe_archive(), "-t", "it", ok=False)
            assert done.code == 1 and "let image_dir be on ext4, xfs, btrfs or tmpfs" in done.err, done
    finally:
        for folder in (images, above):
            subprocess.run(["umount", folder], check=False, capture_output=True)


@pytest.mark.parametrize("kind", ["1.0", "0.1"])
@pytest.mark.parametrize("claimed, said", [(9 << 30, "image_file_max_mb"), (3 << 30, "claim")])
def test_files_count_as_large_as_they_claim_to_be(module_ebb, tmp_path, kind, claimed, said):
    done = module_ebb.cli("image", "import", write(tmp_path, sparse("f", claimed, kind)), "-t", "it",
                          ok=False)
    assert done.code == 1 and said in done.err, done
    assert staging(module_ebb) == []


def test_total_and_entries_have_limits_that_are_named(new_ebb, tmp_path):
    ebb = new_ebb(settings={"image_max_mb": 64, "image_entries_max": 100})
    many = oci.layer(*(oci.entry(f"f{n}", b"") for n in range(200)))
    done = ebb.cli("image", "import", write(tmp_path, many), "-t", "it", ok=False)
    assert "image_entries_max" in done.err, done
    done = ebb.cli("image", "import", write(tmp_path, sparse("f", 65 << 20, "1.0")), "-t", "it",
                   ok=False)
    assert "image_max_mb" in done.err, done
    assert staging(ebb) == []


def slow_image(tmp_path):
    """Just within the limits; mkfs.erofs needs seconds for it."""
    return write(tmp_path, sparse("f", (1 << 30) - (64 << 20), "1.0"))


def test_a_step_that_takes_too_long_is_ended(new_ebb, tmp_path):
    ebb = new_ebb(settings={"import_step_s": 1})
    if not erofs(ebb):
        pytest.skip("this kernel mounts no erofs from a file: mkfs.erofs is not run")
    done = ebb.cli("image", "import", slow_image(tmp_path), "-t", "it", ok=False)
    assert done.code == 1 and "import_step_s" in done.err, done
    assert staging(ebb) == []


def erofs(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return any(name.endswith(".erofs")
               for name in os.listdir(os.path.join(ebb.root, "images/pieces")))


def test_an_import_ends_with_its_client(ebb, tmp_path):
    if not erofs(ebb):
        pytest.skip("this kernel mounts no erofs from a file: no step is long enough to be caught")
    client = subprocess.Popen([os.path.join(BIN, "ebb"), "image", "import", slow_image(tmp_path),
                               "-t", "it"], env={**os.environ, "EBB_SOCKET": ebb.socket},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: staging(ebb))
    client.kill()
    client.wait()
    wait_for(lambda: staging(ebb) == [])
    assert "it" not in str(ebb.cli("image", "ls", "--json").json)


def test_a_layer_that_comes_twice_starts(ebb, tmp_path):
    one = oci.layer(oci.entry("d"), oci.entry("d/x", b"one"), oci.entry("d/y", b"one"))
    two = oci.layer(oci.entry("d/x", b"two"), oci.entry("d/.wh.y", b""))
    ebb.import_image(write(tmp_path, one, one, two, one, two, one), "it")
    ebb.deploy("it", "it")
    assert text(ebb, "/file?path=/d/x") == "one"
    assert text(ebb, "/file?path=/d/y") == "one"


def test_a_layer_too_many_is_refused_by_number(module_ebb, tmp_path):
    layers = [oci.layer(oci.entry(f"n{n}", b"")) for n in range(127)]
    done = module_ebb.cli("image", "import", write(tmp_path, *layers), "-t", "it", ok=False)
    assert done.code == 1 and "at most 127" in done.err, done


@pytest.mark.parametrize("length", [254, 255])
def test_long_names_are_kept_or_refused_in_words(module_ebb, tmp_path, length):
    layer = oci.layer(oci.entry("n" * length, b"x"))
    done = module_ebb.cli("image", "import", write(tmp_path, layer), "-t", f"n{length}", ok=False)
    if length == 254:
        assert done.code == 0, done
    else:
        assert done.code == 1 and "longer than 254 bytes" in done.err, done


def test_a_tree_as_deep_as_paths_go_leaves_nothing(module_ebb, tmp_path):
    deep = oci.layer(oci.entry("/".join("d" * 1900)), oci.entry("bad", b"", uid=70000))
    done = module_ebb.cli("image", "import", write(tmp_path, deep), "-t", "deep", ok=False)
    assert done.code == 1, done
    assert staging(module_ebb) == []


def test_an_archive_comes_through_a_pipe(ebb):
    with open(pictures.docker_archive(), "rb") as archive, \
            subprocess.Popen(["cat"], stdin=archive, stdout=subprocess.PIPE) as cat:
        subprocess.run([os.path.join(BIN, "ebb"), "image", "import", "docker-archive:-", "-t", "it"],
                       env={**os.environ, "EBB_SOCKET": ebb.socket}, stdin=cat.stdout, check=True,
                       capture_output=True)
    ebb.deploy("it", "it")
    assert ebb.get("it").status == 200


def test_a_pipe_wants_a_name(ebb):
    done = subprocess.run([os.path.join(BIN, "ebb"), "image", "import", "docker-archive:-"],
                          env={**os.environ, "EBB_SOCKET": ebb.socket}, stdin=subprocess.PIPE,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "-t" in done.stderr, done
