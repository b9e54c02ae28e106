# SPDX-License-Identifier: Apache-2.0
"""
The powers of an ebb-unpack that its input took over. The attacker's program (hijacked_unpack.c) is the real one and
confined like it, but its reader of archives lies when the archive begins with LIAR, and its applier of layers attacks
at an entry called HIJACK. A piece of the store may only bear the name of the bytes that it was made of.
"""
import hashlib
import json
import os
import re
import struct
import subprocess

import pytest

import leaks
import oci
import openapi
import pictures
import web
from ebb import BIN, Ebb
from libexec import libexec
from waiting import slow, wait_for

HIJACKED = os.path.join(BIN, "tests/hijacked_unpack")


@pytest.fixture
def ebb(tmp_path, monkeypatch):
    """Pieces are plain directories, to look into."""
    place = tmp_path / "libexec"
    place.mkdir()
    monkeypatch.setenv("EBB_NO_EROFS", "1")
    ebb = Ebb(settings={"libexec_dir": libexec(place, {"ebb-unpack": HIJACKED})}).start()
    yield ebb
    ebb.stop()
    ebb.remove()


def chain(*layers):
    """Names of the pieces of an image of these layers (chain ids of the OCI image-spec)."""
    ids = [oci.sha256(layer) for layer in layers]
    names = ids[:1]
    for diff_id in ids[1:]:
        names.append("sha256:" + hashlib.sha256(f"{names[-1]} {diff_id}".encode()).hexdigest())
    return [name.split(":")[1] for name in names]


def store(ebb):
    folder = os.path.join(ebb.root, "images/pieces")
    return {name: os.path.join(folder, name) for name in os.listdir(folder)}


def files(folder):
    """{path: content} of all that a piece holds."""
    found = {}
    for top, dirs, names in os.walk(folder):
        for name in dirs + names:
            path = os.path.join(top, name)
            kept = os.path.relpath(path, folder)
            found[kept] = open(path, "rb").read() if os.path.isfile(path) else None
    return found


def write(tmp_path, name, *layers):
    image = pictures.probe_image(layers=list(layers), zip_layers=False)
    return "oci:" + image.write_dir(str(tmp_path / name))


def documents(*layers):
    """Manifest and config of an image of these layers."""
    image = oci.Image(list(layers), zip_layers=False)
    return [image.blobs[image.index["manifests"][0]["digest"]], image.blobs[image.manifest["config"]["digest"]]]


def liar(tmp_path, *parts):
    """An archive whose reader pours these as manifest, config and layers."""
    path = tmp_path / "liar.tar"
    path.write_bytes(b"LIAR" + b"".join(struct.pack("<I", len(part)) + part for part in parts))
    return "oci-archive:" + str(path)


def staging(ebb):
    return os.listdir(os.path.join(ebb.root, "images/staging"))


VICTIM = oci.layer(oci.entry("etc"), oci.entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
                   oci.entry("etc/shadow", b"of the victim", 0o600))
EVIL = oci.layer(oci.entry("etc"), oci.entry("etc/passwd", b"evil::0:0::/:/bin/sh\n"))


@pytest.mark.parametrize("named, poured", [
    ([VICTIM], [EVIL]),              # another's name for its bytes
    ([EVIL, VICTIM], [EVIL, EVIL]),  # the same one higher
    ([VICTIM], [VICTIM[:-512]]),     # the right bytes, cut
    ([VICTIM], [VICTIM + bytes(512)]),  # and some more
    ([VICTIM], [b""]),
], ids=["other", "higher", "cut", "more", "nothing"])
def test_a_reader_that_lies_puts_nothing_into_the_store(ebb, tmp_path, named, poured):
    done = ebb.cli("image", "import", liar(tmp_path, *documents(*named), *poured), "-t", "bad", ok=False)
    assert done.code == 1 and "diff_id is sha256:" in done.err, done
    assert store(ebb) == {} and staging(ebb) == []


def test_a_reader_that_lies_can_not_speak_for_another_image(ebb, tmp_path):
    """The manifest of the victim, whose digest the image bears, and what it does not say."""
    ebb.import_image(write(tmp_path, "good", VICTIM), "good")
    before = ebb.cli("image", "ls", "--json").json
    layout = json.loads((tmp_path / "good/index.json").read_text())
    digest = layout["manifests"][0]["digest"]
    manifest = (tmp_path / "good/blobs" / digest.replace(":", "/")).read_bytes()
    for parts in ([manifest, documents(EVIL)[1], EVIL], [manifest, b"{}", EVIL], [manifest, b"", EVIL],
                  [b"", documents(EVIL)[1], EVIL]):
        done = ebb.cli("image", "import", liar(tmp_path, *parts), "-t", "bad", ok=False)
        assert done.code == 1, done
    assert ebb.cli("image", "ls", "--json").json == before
    assert set(store(ebb)) == set(chain(VICTIM)) and staging(ebb) == []
    # It may only name another image.
    ebb.import_image(liar(tmp_path, *documents(EVIL), EVIL), "bad")
    digests = {image["digest"] for image in ebb.cli("image", "ls", "--json").json}
    assert digests == {digest, oci.sha256(documents(EVIL)[0])}


def test_a_reader_that_tells_the_truth_is_not_needed_to_be_believed(ebb, tmp_path):
    """The same program, with the right bytes: the refusal before was for the bytes."""
    ebb.import_image(liar(tmp_path, *documents(VICTIM, EVIL), VICTIM, EVIL), "it")
    assert set(store(ebb)) == set(chain(VICTIM, EVIL))


def test_a_hijacked_layer_spoils_only_what_bears_its_name(ebb, tmp_path):
    hijack = oci.layer(oci.entry("HIJACK", b""))
    own = oci.layer(oci.entry("own", b"own"))
    base = pictures.probe_layers()
    ebb.import_image(write(tmp_path, "evil", *base, hijack, own), "evil")
    pieces = store(ebb)
    names = chain(*base, hijack, own)
    assert set(pieces) == set(names)
    spoiled = {name for name in pieces if any("evil" in path.split("/") for path in files(pieces[name]))}
    assert spoiled == {names[2]}, "the attack leaves its own piece, and no other"
    assert files(pieces[names[0]]) == {"srv": None, "srv/probe": pictures.probe_binary()}
    assert files(pieces[names[3]]) == {"own": b"own"}

    # An image with the same layers, without that one, has nothing of it.
    ebb.import_image(write(tmp_path, "good", *base, own), "good")
    assert set(store(ebb)) == set(names) | set(chain(*base, own))
    ebb.deploy("it", "good")
    assert ebb.get("it", "/file?path=/own").text == "own"
    assert "evil" not in ebb.get("it", "/list?path=/").text.split()
    ebb.cli("rm", "it")
    wait_for(lambda: ebb.instances() == [])


def test_a_hijacked_first_layer_is_only_named_by_itself(ebb, tmp_path):
    hijack = oci.layer(oci.entry("HIJACK", b""), oci.entry("etc"))
    ebb.import_image(write(tmp_path, "evil", hijack, VICTIM), "evil")
    assert set(store(ebb)) == set(chain(hijack, VICTIM))
    ebb.import_image(write(tmp_path, "good", VICTIM), "good")
    assert files(store(ebb)[chain(VICTIM)[0]]) == {
        "etc": None, "etc/passwd": b"root:x:0:0::/:/bin/sh\n", "etc/shadow": b"of the victim"}


def test_a_hijacked_layer_can_not_speak_for_others(ebb, tmp_path):
    talk = oci.layer(oci.entry("HIJACK-TALK", b""))
    done = ebb.cli("image", "import", write(tmp_path, "evil", VICTIM, talk), "-t", "evil", ok=False)
    assert done.code == 1 and "broke its protocol" in done.err, done
    assert store(ebb) == {} and staging(ebb) == []


@pytest.mark.parametrize("what,cause", [("HIJACK-SOCKET", r"ended by SIGSYS: its filter forbids socket \(call \d+\)"),
                                        ("HIJACK-CRASH", "ended by SIG(ILL|TRAP)")])
def test_a_death_of_the_unpacker_is_an_event_that_names_the_cause(ebb, tmp_path, what, cause):
    """As that of the programs that stay (test_hostile_program_logs.py)."""
    done = ebb.cli("image", "import", write(tmp_path, "evil", oci.layer(oci.entry(what, b""))), "-t", "evil", ok=False)
    assert done.code == 1 and re.search("ebb-unpack ended early: " + cause, done.err), done
    events = [e["text"] for e in ebb.cli("events", "--json", "--kind", "program_died").json]
    assert [e for e in events if re.match(r"ebb-unpack \(HERE\) was " + cause, e)], events
    assert ebb.log_lines("event=program_died program=ebb-unpack")
    assert store(ebb) == {} and staging(ebb) == []


def test_a_crash_of_it_starts_no_program_of_the_host(ebb, tmp_path):
    """A core_pattern with a pipe asks for no limit but 1, core(5): a core of its memory is the attacker's own text."""
    archive = write(tmp_path, "evil", oci.layer(oci.entry("HIJACK-WAIT", b"")))
    client = subprocess.Popen([os.path.join(BIN, "ebb"), "image", "import", archive, "-t", "evil"],
                              env={**os.environ, "EBB_SOCKET": ebb.socket}, stderr=subprocess.DEVNULL)
    try:
        pids = wait_for(lambda: [p for p in leaks.descendants(ebb.process.pid)
                                 if leaks.link(f"/proc/{p}/exe").endswith("/ebb-unpack")], 20)
        limits = [re.findall("^Max core file size +(.*?) *bytes", leaks.read(f"/proc/{p}/limits"), re.M) for p in pids]
        assert limits and all(found and found[0].split() == ["1", "1"] for found in limits), limits
    finally:
        client.kill()
        client.wait()
    wait_for(lambda: staging(ebb) == [], 20)


def connections_of(ebb, uid, count):
    """To the API, as this user: the kernel notes who connects."""
    for path in (ebb.root, os.path.dirname(ebb.socket)):
        os.chmod(path, 0o755)
    os.chmod(ebb.socket, 0o666)
    made = [web.UnixConnection(ebb.socket, slow(30)) for _ in range(count)]
    os.seteuid(uid)
    try:
        for one in made:
            one.connect()
    finally:
        os.seteuid(0)
    return made


def test_one_user_takes_half_of_the_imports_at_most(ebb, tmp_path):
    """His ninth is refused while eight do not end; root's is taken, and all places are free when he is gone."""
    path = str(tmp_path / "wait.tar")
    pictures.probe_image(layers=[oci.layer(oci.entry("HIJACK-WAIT", b""))], zip_layers=False).write_archive(path)
    with open(path, "rb") as f:
        body = f.read()
    his, roots = connections_of(ebb, 12345, 9), connections_of(ebb, 0, 2)
    for one in (*his[:8], roots[0]):
        one.request("POST", "/v1/images?format=oci-archive", body=body)
    wait_for(lambda: len(staging(ebb)) == 9, 30)
    his[8].request("POST", "/v1/images?format=oci-archive", body=body)
    answer = his[8].getresponse()
    reply = web.Reply(answer.status, answer.getheaders(), answer.read())
    assert reply.status == 429 and "user 12345 has 8 imports under way" in reply.json["detail"]
    openapi.hold("POST", "/v1/images", reply)
    assert len(staging(ebb)) == 9
    for one in (*his, *roots):
        one.close()
    wait_for(lambda: staging(ebb) == [], 30)
    ebb.import_image(write(tmp_path, "good", VICTIM), "good")
