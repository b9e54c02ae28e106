# SPDX-License-Identifier: Apache-2.0
"""A directory with a Dockerfile becomes an image by buildah, from the command line and from a file of services."""
import json
import os
import shutil

import pytest

import leaks
import pictures
from fronts import program

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="the guest has no buildah")

FILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "mkdir /www && echo made by a step > /www/index.html"]
ENV WORD=hello
EXPOSE 9000
CMD ["/bin/busybox", "httpd", "-f", "-p", "9000", "-h", "/www"]
"""


@pytest.fixture(name="folder")
def project(tmp_path):
    assert program("buildah")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "Dockerfile").write_text(FILE)
    shutil.copy("/bin/busybox", folder)
    return folder


@pytest.fixture(name="env")
def cache(tmp_path):
    yield {"EBB_CACHE": str(tmp_path / "cache")}
    assert str(tmp_path) not in leaks.read("/proc/self/mountinfo")


def test_a_dockerfile_becomes_an_image_and_its_layers_are_kept(ebb, folder, env):
    first = ebb.cli("build", folder, "-t", "site", env=env, timeout=120)
    assert "built by buildah, because Dockerfile is there" in first.err and "Using cache" not in first.err, first
    ebb.cli("deploy", "site", "--image", "site", "--wait")
    assert ebb.get("site").text == "made by a step\n"
    (folder / "Dockerfile").write_text(FILE.replace("WORD=hello", "WORD=other"))
    second = ebb.cli("build", folder, "-t", "site", env=env, timeout=120)
    assert "Using cache" in second.err, second
    assert [p for p in os.listdir(env["EBB_CACHE"]) if p.startswith(".build-")] == []


def test_a_file_of_services_names_its_dockerfile(ebb, folder, env):
    os.rename(folder / "Dockerfile", folder / "Dockerfile.web")
    (folder / "package.json").write_text("{}")  # its entry point says what is built
    file = folder.parent / "vercel.json"
    seen = []
    for service in ({}, {"runtime": "container"}, {"runtime": "container"}):
        file.write_text(json.dumps({"services": {"web": {"root": "site", "entrypoint": "Dockerfile.web", **service}}}))
        ebb.cli("deploy", "-f", file, env=env, timeout=120)
        assert ebb.get("web").text == "made by a step\n"
        seen.append((ebb.services()[0]["digest"], ebb.services()[0]["revision"]))
    assert seen[0][0] == seen[1][0] and seen[1] == seen[2]  # the same bytes; and nothing changed
    file.write_text(json.dumps({"services": {"web": {"root": "site", "entrypoint": "../Dockerfile"}}}))
    out = ebb.cli("deploy", "-f", file, env=env, ok=False)
    assert out.code == 1 and "no Dockerfile is there" in out.err, out


def test_a_step_that_fails_deploys_nothing(ebb, folder, env):
    (folder / "Dockerfile").write_text(FILE.replace("mkdir /www", "echo its last word && false"))
    (folder.parent / "ebb.json").write_text(json.dumps({"services": {
        "web": {"root": "site", "runtime": "container", "entrypoint": "Dockerfile"}}}))
    done = ebb.cli("deploy", "-f", folder.parent / "ebb.json", env=env, ok=False, timeout=120)
    assert done.code == 1 and "its last word" in done.err and "buildah ended with status" in done.err, done
    assert ebb.services() == [] and ebb.cli("image", "ls", "-q").out == ""


def test_without_buildah_the_error_says_what_to_install(ebb, folder, env):
    done = ebb.cli("build", folder, "-t", "site", env={**env, "PATH": "/nowhere"}, ok=False)
    assert done.code == 1 and "apt-get install buildah" in done.err, done
    (folder / "Dockerfile").unlink()
    none = ebb.cli("build", folder, "-t", "site", "--runtime", "container", env=env, ok=False)
    assert none.code == 1 and "no Dockerfile is there" in none.err, none


def test_an_archive_is_imported_and_deployed_in_one_step(ebb):
    source = "oci-archive:" + pictures.probe_archive()
    assert ebb.cli("deploy", "shop", "--image", source, "--dry-run", ok=False).code != 0  # nothing is imported for that
    assert ebb.cli("image", "ls", "-q").out == ""
    ebb.cli("deploy", "shop", "--image", source, "--memory", "128", "--wait")
    assert ebb.get("shop").status == 200
    assert ebb.rest("GET", "/v1/services/shop").json["image"].startswith("shop")
