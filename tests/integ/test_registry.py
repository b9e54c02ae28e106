# SPDX-License-Identifier: Apache-2.0
"""
Images from a registry, by the commands of docs/guide/images.md: Debian's docker-registry on this host, with TLS by a CA
of the test and a password, and skopeo between it and ebb.
"""
import crypt
import glob
import os
import shutil
import subprocess

import pytest

import pictures
from ebb import hold_port
from fronts import Certificates, program
from test_guide import marked, run
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has no registry")
USER, PASSWORD = "anna", "known to anna"
CONFIG = """version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %(work)s/blobs}}
http: {addr: "127.0.0.1:%(port)d", secret: test, %(tls)s}
auth: {htpasswd: {realm: test, path: %(work)s/passwords}}
"""


class Registry:
    """docker-registry on a port and in a folder of its own."""

    def __init__(self, folder, certificates):
        self.work, self.certificates = str(folder), certificates
        self.holder = hold_port()
        self.port = self.holder.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        with open(self.path("passwords"), "w", encoding="utf-8") as file:
            file.write(f"{USER}:{crypt.crypt(PASSWORD, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=1 << 4))}\n")
        self.process = None

    def path(self, name):
        return os.path.join(self.work, name)

    def start(self, tls=True):
        keys = f"tls: {{certificate: {self.certificates.pem}, key: {self.certificates.key}}}" if tls else ""
        with open(self.path("config.yml"), "w", encoding="utf-8") as file:
            file.write(CONFIG % {"work": self.work, "port": self.port, "tls": keys})
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([program("docker-registry"), "serve", self.path("config.yml")], stdout=log, stderr=log,
                                            cwd=self.work, start_new_session=True)
        wait_for(lambda: self.answers(tls), 20, lambda: f"the registry: {self.said()}")
        return self

    def answers(self, tls):
        assert self.process.poll() is None, self.said()
        curl = ["curl", "-sk", "-o", "/dev/null", f"http{'s' if tls else ''}://{self.address}/v2/"]
        return subprocess.run(curl, check=False).returncode == 0

    def said(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(slow(20))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.holder.close()

    def skopeo(self, *words, ok=True, user=f"{USER}:{PASSWORD}", trusted=True):
        env = {k: v for k, v in os.environ.items() if k != "REGISTRY_AUTH_FILE"}
        env["REGISTRY_AUTH_FILE"] = self.path("no-logins")
        if trusted:
            env["SSL_CERT_FILE"] = self.certificates.ca
        command, *rest = words
        creds = {"copy": "--src-creds", "inspect": "--creds", "push": "--dest-creds"}[command]
        done = subprocess.run(["skopeo", command.replace("push", "copy"), *([creds, user] if user else []), *rest], env=env,
                              capture_output=True, text=True, timeout=slow(120), check=False)
        assert not ok or done.returncode == 0, done
        return done


@pytest.fixture(scope="module")
def registry(module_ebb, tmp_path_factory):
    del module_ebb  # which looks for processes at its end, when this one is gone
    one = Registry(tmp_path_factory.mktemp("registry"), Certificates(tmp_path_factory.mktemp("keys"), "IP:127.0.0.1"))
    try:
        one.start()
        one.skopeo("push", "oci-archive:" + pictures.probe_archive(), f"docker://{one.address}/mine:v1")
        yield one
    finally:
        one.stop()


def commands(registry):
    """The block of the guide, with names of the test; Debian has no docker here, so skopeo saves in its place."""
    (script,) = [text for text in marked("images", "by hand") if "skopeo login" in text]
    saved = "skopeo copy -q docker://REGISTRY/NAME:TAG docker-archive:/dev/stdout:NAME:latest"
    for place, other in (("skopeo login REGISTRY\n", f"skopeo login -u {USER} --password-stdin REGISTRY <<< '{PASSWORD}'\n"),
                         ("docker save NAME", saved), ("REGISTRY", registry.address), ("NAME", "mine"), ("TAG", "v1")):
        assert place in script, place
        script = script.replace(place, other)
    return script


def followed(ebb, registry, folder, script, **environment):
    """The script, by somebody whose logins are below folder and whose host trusts the test's CA."""
    env = {"REGISTRY_AUTH_FILE": str(folder / "logins"), "SSL_CERT_FILE": registry.certificates.ca, **environment}
    exports = "".join(f"export {name}='{value}'\n" for name, value in env.items())
    return run(ebb, exports + script, folder)


def test_commands_of_the_guide_work(module_ebb, registry, tmp_path):
    done = followed(module_ebb, registry, tmp_path, commands(registry))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{registry.said()}"
    assert module_ebb.get("mine").status == 200
    pushed = registry.skopeo("inspect", "--format", "{{.Digest}}", f"docker://{registry.address}/mine:v1-kept").stdout.strip()
    first = registry.skopeo("inspect", "--format", "{{.Digest}}", f"docker://{registry.address}/mine:v1").stdout.strip()
    assert pushed == first
    done = followed(module_ebb, registry, tmp_path,
                    f"skopeo copy docker://{registry.address}/mine@{pushed} oci-archive:fixed.tar\n"
                    "ebb image import oci-archive:fixed.tar --tag fixed\n")
    assert done.returncode == 0, done
    module_ebb.cli("rm", "mine")


def refused(ebb, registry, folder, change, says):
    """Nothing of it reaches ebb: no archive, no image, no service."""
    before = ebb.cli("image", "ls", "--json").json
    script = change(commands(registry)).replace("mine", "other").replace("/other:", "/mine:").replace("/other@", "/mine@")
    done = followed(ebb, registry, folder, script)
    assert done.returncode != 0 and says in done.stderr.lower(), done
    assert not os.path.exists(folder / "image.tar") and ebb.cli("image", "ls", "--json").json == before
    assert not [s for s in ebb.services() if s["name"] == "other"]


@pytest.mark.parametrize("change,says", [
    (lambda s: s.replace(":v1 ", ":v2 ", 1), "manifest unknown"),
    (lambda s: s.replace(":v1 ", "@sha256:" + "0" * 64 + " ", 1), "manifest unknown"),
    (lambda s: s.replace("/mine:v1 ", "/nobodys:v1 ", 1), "unknown"),
    (lambda s: s.replace(PASSWORD, "guessed"), "invalid username/password"),
    (lambda s: "".join(line for line in s.splitlines(True) if "login" not in line), "authentication required"),
    (lambda s: "export SSL_CERT_FILE=/dev/null\n" + s, "unknown authority"),
], ids=["no such tag", "no such digest", "no such name", "wrong password", "no login", "unknown authority"])
def test_what_a_registry_refuses_reaches_nothing(module_ebb, registry, tmp_path, change, says):
    refused(module_ebb, registry, tmp_path, change, says)


def test_registry_without_tls_is_refused(module_ebb, registry, tmp_path):
    plain = Registry(tmp_path, registry.certificates)
    try:
        plain.start(tls=False)
        refused(module_ebb, plain, tmp_path, lambda s: s, "http response to https client")
    finally:
        plain.stop()


def test_blob_that_was_changed_in_the_registry_is_refused(module_ebb, registry, tmp_path):
    shutil.copytree(registry.path("blobs"), tmp_path / "blobs")
    other = Registry(tmp_path, registry.certificates)
    blobs = sorted(glob.glob(f"{tmp_path}/blobs/**/data", recursive=True), key=os.path.getsize)
    with open(blobs[-1], "r+b") as file:  # the largest is a layer
        file.seek(1000)
        file.write(b"changed by somebody")
    try:
        other.start()
        refused(module_ebb, other, tmp_path, lambda s: s, "digest")
    finally:
        other.stop()


@pytest.mark.parametrize("bytes_of", [lambda a: b"", lambda a: a[:len(a) // 2], lambda a: b"<html>502</html>\n" * 100],
                         ids=["nothing", "half", "a page"])
def test_pipe_that_breaks_stores_nothing(module_ebb, tmp_path, bytes_of):
    """skopeo failed at the other end of the pipe."""
    with open(pictures.docker_archive(), "rb") as file:
        (tmp_path / "part").write_bytes(bytes_of(file.read()))
    before = module_ebb.cli("image", "ls", "--json").json
    done = run(module_ebb, "ebb image import docker-archive:- --tag broken < part", tmp_path)
    assert done.returncode not in (0, 126, 127) and done.stderr.strip(), done
    assert module_ebb.cli("image", "ls", "--json").json == before


@pytest.mark.parametrize("words", [("image", "import", "docker://127.0.0.1:1/mine:v1", "--tag", "x"),
                                   ("image", "import", "docker://registry.example/mine")])
def test_reference_of_a_registry_is_answered_with_the_way(module_ebb, words):
    done = module_ebb.cli(*words, ok=False)
    assert done.code != 0 and "skopeo" in done.err, done


def test_ebb_pulls_and_pushes(module_ebb, registry, tmp_path):
    script = ("skopeo login -u %s --password-stdin REGISTRY <<< '%s'\nebb pull REGISTRY/mine:v1 -t pulled\n"
              "ebb push pulled REGISTRY/mine:pushed\nebb push pulled REGISTRY/mine:again --json\nebb pull docker://REGISTRY/mine:pushed\n" % (USER, PASSWORD))
    env = {"EBB_CACHE": str(tmp_path / "cache")}
    done = followed(module_ebb, registry, tmp_path, script.replace("REGISTRY", registry.address), **env)
    assert done.returncode == 0 and "pulled is at" in done.stderr, done
    assert f'"reference": "{registry.address}/mine:again"' in done.stdout, done
    names = module_ebb.cli("image", "ls", "-q").out.split()
    assert "pulled" in names and "mine" in names  # the second is named by its reference
    module_ebb.cli("deploy", "pulled", "--image", "pulled", "--wait")
    assert module_ebb.get("pulled").status == 200
    assert os.listdir(tmp_path / "cache") == []
    module_ebb.cli("rm", "pulled")


@pytest.mark.parametrize("words,code,says", [
    (("pull", "REGISTRY/mine:v9"), 1, "manifest unknown"),
    (("pull", "--", "-f"), 2, "no name of an image in a registry"),
    (("pull", "a b"), 2, "REGISTRY/NAME:TAG"),
    (("push", "nobodys", "REGISTRY/mine:x"), 1, "nobodys"),
], ids=["no tag", "an option", "two words", "no image"])
def test_what_cannot_be_pulled_or_pushed_leaves_nothing(module_ebb, registry, tmp_path, words, code, says):
    before = module_ebb.cli("image", "ls", "--json").json
    script = (f"skopeo login -u {USER} --password-stdin {registry.address} <<< '{PASSWORD}' >/dev/null\nebb "
              + " ".join(f"'{word.replace('REGISTRY', registry.address)}'" for word in words) + "\n")
    done = followed(module_ebb, registry, tmp_path, script, EBB_CACHE=str(tmp_path / "cache"))
    assert done.returncode == code and says in done.stderr, done
    assert module_ebb.cli("image", "ls", "--json").json == before
    assert not (tmp_path / "cache").exists() or os.listdir(tmp_path / "cache") == []


def test_without_skopeo_the_error_says_what_to_install(module_ebb):
    done = module_ebb.cli("pull", "registry.example/a:1", env={"PATH": "/nowhere"}, ok=False)
    assert done.code == 1 and "apt-get install skopeo" in done.err, done
