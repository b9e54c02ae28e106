# SPDX-License-Identifier: Apache-2.0
"""Archives as other people's tools make them are imported, and what is in them runs."""
import os

import pytest

import archives
import pictures
import tars
from tars import folder, member

PAX_GLOBAL = tars.pax(("comment", "0" * 40), kind=b"g")  # git archive's, which Docker's ADD keeps


def layers():
    """The probe in a few layers; two are equal, as builders make them."""
    return [*pictures.probe_layers(), archives.EMPTY, archives.EMPTY,
            tars.end(PAX_GLOBAL, folder("./"), folder("./opt", mtime=1),
                     member("./opt/name", b"it\n", mtime=archives.YEAR_1980)),
            archives.EMPTY]


@pytest.mark.parametrize("make", archives.DOCKER + archives.OCI, ids=lambda make: make.__name__)
def test_serves_what_it_packed(module_ebb, tmp_path, make):
    kind, data = make(layers(), {"Entrypoint": ["/srv/probe"], "Env": None, "Labels": {"a": "b"}})
    path = os.path.join(tmp_path, "image.tar")
    with open(path, "wb") as f:
        f.write(data)
    module_ebb.import_image(f"{kind}:{path}", make.__name__)
    module_ebb.deploy("it", make.__name__, "--memory", "128")
    reply = module_ebb.get("it", "/file?path=/opt/name")
    module_ebb.cli("rm", "it")
    assert (reply.status, reply.text) == (200, "it\n"), reply


def write(tmp_path, *parts):
    path = os.path.join(tmp_path, "image.tar")
    with open(path, "wb") as f:
        f.write(tars.end(*parts))
    return path


def test_one_of_several_is_chosen_by_its_name(module_ebb, tmp_path):
    blobs = {}
    entries = [archives.image(blobs, [*pictures.probe_layers(), tars.end(member("name", name.encode()))],
                              {"Entrypoint": ["/srv/probe"]},
                              archives.oci.LAYER, lambda x: x, annotations={"org.opencontainers.image.ref.name": name,
                                                                            "io.containerd.image.name": "docker.io/library/it:" + name})
               for name in ("one", "two")]
    path = write(tmp_path, *archives.files(blobs, entries))
    done = module_ebb.import_image("oci-archive:" + path, "no", ok=False)
    assert done.code == 1 and "one, two" in done.err, done
    for reference, said in {"two": "two", "docker.io/library/it:one": "one"}.items():
        module_ebb.import_image(f"oci-archive:{path}:{reference}", "chosen")
        module_ebb.deploy("it", "chosen", "--memory", "128")
        assert module_ebb.get("it", "/file?path=/name").text == said
        module_ebb.cli("rm", "it")


@pytest.mark.parametrize("name, said", [("0" * 64 + ".json", "damaged"), ("sha256:" + "0" * 64, "damaged"),
                                        ("blobs/sha256/" + "0" * 64, "damaged")])
def test_a_config_named_by_another_digest_is_refused(module_ebb, tmp_path, name, said):
    body = archives.config_of([archives.EMPTY], {})
    path = write(tmp_path, member(name, body), member("layer.tar", archives.EMPTY),
                 archives.manifest(name, ["layer.tar"]))
    done = module_ebb.import_image("docker-archive:" + path, "no", ok=False)
    assert done.code == 1 and said in done.err, done
