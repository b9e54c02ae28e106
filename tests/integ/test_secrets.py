# SPDX-License-Identifier: Apache-2.0
"""Secrets: a value goes in by standard input, a file or one request, and comes out in the environment of the instances
that name it, and nowhere else. At rest it is sealed; without its key nothing opens it, and nothing else suffers."""
import glob
import json
import os
import shutil
import signal
import stat
import subprocess

import leaks
import pictures
import pytest
from waiting import wait_for

FIRST, SECOND = "postgres://u:correct-horse@db/1", "postgres://u:battery-staple@db/2"
PROGRAMS = ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-ipc", "ebb-net", "ebbd:zygote")


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


def using(name="DB", **more):
    return {"image": "probe", "maxInstances": 1, "env": {"URL": {"secret": name}, "PLAIN": "p"}, **more}


def put(ebb, value, name="DB"):
    return ebb.rest("PUT", "/v1/secrets/" + name, {"value": value})


def environment(ebb, service="api"):
    return ebb.get(service, "/env").text.splitlines()


def nowhere(ebb, *values):
    """No file under the root, no answer, no command line of any process has one of the values."""
    words = [value.encode() for value in values] + [value.encode().hex().encode() for value in values]
    for path in glob.glob(ebb.root + "/**", recursive=True):
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                data = file.read()
            assert not any(word in data for word in words), path
    for path in ("services", "services/api", "services/api/revisions", "secrets", "secrets/DB", "instances", "images",
                 "events", "usage", "node", "operations", "services/api/logs"):
        reply = ebb.rest("GET", "/v1/" + path)
        assert not any(value in reply.text for value in values), path
    for instance in ebb.instances():
        for path in ("", "/why", "/logs"):
            assert not any(v in ebb.rest("GET", f"/v1/instances/{instance['id']}{path}").text for v in values), path
    for pid in filter(str.isdigit, os.listdir("/proc")):
        assert not any(value in leaks.read(f"/proc/{pid}/cmdline") for value in values), pid
    ours = [pid for name in PROGRAMS for pid in ebb.programs(name)] + [ebb.process.pid, ebb.ebbd_pid]
    for pid in ours:
        assert not any(value in leaks.read(f"/proc/{pid}/environ") for value in values), pid


def test_a_value_is_in_the_environment_of_its_instances_and_nowhere_else(ebb):
    assert ebb.cli("secret", "set", "DB", stdin=FIRST + "\n").out.split() == ["DB", "1"]
    ebb.cli("deploy", "api", "--image", "probe", "--max", "1", "--secret", "URL=DB", "--env", "PLAIN=p")
    assert {f"URL={FIRST}", "PLAIN=p"} <= set(environment(ebb))
    service = ebb.rest("GET", "/v1/services/api").json
    assert service["env"] == {"PLAIN": None, "URL": {"secret": "DB", "version": 1}}
    assert ebb.rest("GET", "/v1/secrets").json["secrets"] == [
        {**ebb.rest("GET", "/v1/secrets/DB").json, "name": "DB", "version": 1, "used_by": ["api"], "outdated": []}]
    # Programs write all they know into their logs; commands show what they can.
    for name in ("ebb-gateway", "ebb-api"):
        for pid in ebb.programs(name):
            os.kill(pid, signal.SIGUSR1) if name == "ebb-gateway" else None
    ebb.process.send_signal(signal.SIGUSR1)
    for words in (["inspect", "api"], ["ls", "--json"], ["ps", "--json"], ["events", "--json"], ["secret", "ls"],
                  ["secret", "ls", "--json"], ["revisions", "api", "--json"]):
        assert FIRST not in ebb.cli(*words).out, words
    nowhere(ebb, FIRST)
    # An answer can be sent back: the reference stays, and nothing changes.
    again = ebb.rest("PUT", "/v1/services/api", service)
    assert again.status == 200 and again.json["env"]["URL"] == {"secret": "DB", "version": 1}
    assert ebb.rest("PUT", "/v1/services/api", {**service, "env": {"URL": None, "PLAIN": None}}).status == 200


def test_a_revision_keeps_its_value_until_it_is_redeployed(ebb):
    assert put(ebb, FIRST).status == 201
    for name in ("api", "other"):
        assert ebb.rest("PUT", "/v1/services/" + name, using()).status == 201
    assert f"URL={FIRST}" in environment(ebb)
    path = os.path.join(ebb.root, "value")
    with open(path, "w", encoding="ascii") as file:
        file.write(SECOND)
    said = ebb.cli("secret", "set", "DB", "--file", path)
    assert said.out.split() == ["DB", "2"] and "api goes on with the value before" in said.err
    os.unlink(path)
    # Neither a new instance, nor a new ebb-api, nor a new ebbd takes it up.
    ebb.cli("stop", ebb.instance("api")["id"])
    wait_for(lambda: f"URL={FIRST}" in environment(ebb))
    ebb.end_program("ebb-api")
    wait_for(lambda: ebb.cli("secret", "ls", ok=False).code == 0)
    assert f"URL={FIRST}" in environment(ebb)
    ebb.stop()
    ebb.start()
    assert f"URL={FIRST}" in environment(ebb)
    assert ebb.rest("GET", "/v1/secrets/DB").json["outdated"] == ["api", "other"]
    assert ebb.rest("POST", "/v1/services/api/redeploy").status == 201
    wait_for(lambda: f"URL={SECOND}" in environment(ebb))
    assert ebb.rest("POST", "/v1/services/api/redeploy").status == 200
    assert ebb.rest("GET", "/v1/secrets/DB").json["outdated"] == ["other"]
    # A rollback brings settings back, and no value that was replaced.
    assert ebb.rest("POST", "/v1/services/api/rollback", {"revision": 1}).status == 200
    ebb.cli("secret", "set", "DB", "--redeploy", stdin=FIRST)
    for name in ("api", "other"):
        wait_for(lambda service=name: f"URL={FIRST}" in environment(ebb, service))
    nowhere(ebb, FIRST, SECOND)


def test_a_name_that_does_not_exist_is_refused_and_one_in_use_stays(ebb):
    missing = ebb.rest("PUT", "/v1/services/api", using("DBB"))
    assert missing.status == 422 and missing.json["errors"][0]["path"] == "env.URL", missing
    assert 'no secret "DBB"' in missing.json["errors"][0]["message"] and "ebb secret set DBB" in missing.text
    put(ebb, FIRST)
    assert "did you mean 'DB'" in ebb.rest("PUT", "/v1/services/api", using("DBB")).text
    assert ebb.rest("PUT", "/v1/services/api?dryRun=1", using()).status == 200
    assert ebb.cli("secret", "rm", "DB").out == "removed DB\n"
    assert ebb.cli("secret", "rm", "DB", ok=False).code == 1
    put(ebb, FIRST)
    ebb.rest("PUT", "/v1/services/api", using())
    refused = ebb.rest("DELETE", "/v1/secrets/DB")
    assert refused.status == 409 and "used by 'api'" in refused.text
    # A revision that serves beside the current one uses it, too.
    ebb.rest("PUT", "/v1/services/api", using(env={}))
    assert ebb.rest("PUT", "/v1/services/api/traffic", {"traffic": [{"revision": 1, "percent": 50},
                                                                    {"revision": 2, "percent": 50}]}).status == 200
    assert ebb.rest("DELETE", "/v1/secrets/DB").status == 409
    ebb.rest("PUT", "/v1/services/api/traffic", {"traffic": [{"revision": 2, "percent": 100}]})
    assert ebb.rest("DELETE", "/v1/secrets/DB").status == 204
    gone = ebb.rest("POST", "/v1/services/api/rollback", {"revision": 1})
    assert gone.status == 422 and "ebb secret set DB" in gone.text


BAD = [
    ("DB", {"value": ""}, "empty"), ("DB", {"value": 5}, "value"), ("DB", {}, "value"), ("DB", [FIRST], "value"),
    ("DB", {"value": FIRST, "more": 1}, "nothing else"), ("DB", {"value": "x" * 8193}, "8193 bytes are too many (..8192)"),
    ("a" * 65, {"value": FIRST}, "name"), ("A.B", {"value": FIRST}, "name"), ("-x", {"value": FIRST}, "name"),
    ("..%2Fx", {"value": FIRST}, "name"), ("%C3%A4", {"value": FIRST}, "name"),
]


def test_bad_names_and_values_are_refused_without_being_repeated(ebb):
    for name, document, words in BAD:
        reply = ebb.rest("PUT", "/v1/secrets/" + name, document)
        assert reply.status == 422 and words in reply.text and FIRST not in reply.text, reply
    torn = ebb.rest("PUT", "/v1/secrets/DB", body='{"value": "%s' % FIRST, headers={"Content-Type": "application/json"})
    assert torn.status == 400 and FIRST not in torn.text
    assert ebb.rest("PUT", "/v1/secrets/DB", {"value": "a\0b"}).status == 400
    assert put(ebb, "x" * 8192).status == 201
    ebb.cli("secret", "rm", "DB")
    for env in ({"URL": {"secret": "../x"}}, {"URL": {"secret": 1}}, {"URL": {"secret": "DB", "key": 1}}, {"URL": {}},
                {"PORT": {"secret": "DB"}}, {"V" * 201: {"secret": "DB"}}):
        assert ebb.rest("PUT", "/v1/services/api", using(env=env)).status == 422, env
    for number in range(33):
        put(ebb, FIRST, f"S{number}")
    many = ebb.rest("PUT", "/v1/services/api", using(env={f"V{n}": {"secret": f"S{n}"} for n in range(33)}))
    assert many.status == 422 and "..32 of them" in many.text
    for words in (["set", "DB"], ["set", "DB", "--file", "/nonexistent"], ["set"]):
        assert ebb.cli("secret", *words, ok=False, stdin="").code == 2
    assert ebb.cli("secret", "set", "DB", FIRST, ok=False, stdin=FIRST).code == 2  # never as a word
    assert not os.path.exists(ebb.root + "/state/secrets/DB.1.json")


def test_values_together_fit_in_an_environment(ebb):
    for number in range(4):
        put(ebb, "x" * 8000, f"S{number}")
    reply = ebb.rest("PUT", "/v1/services/api", using(env={f"V{n}": {"secret": f"S{n}"} for n in range(4)}))
    assert reply.status == 422 and "too l" in reply.text and "xxxx" not in reply.text, reply
    assert ebb.rest("PUT", "/v1/services/api", using(env={f"V{n}": {"secret": f"S{n}"} for n in range(2)})).status == 201
    assert f"V1={'x' * 8000}" in environment(ebb)


def sealed(ebb):
    return sorted(glob.glob(ebb.root + "/state/secrets/*.json"))


def failed(ebb, words):
    """The service with the secret says why it fails; the other serves."""
    service = ebb.rest("GET", "/v1/services/api").json
    assert service["state"] == "failed" and words in service["error"], service
    assert ebb.get("plain", "/env").status == 200
    again = ebb.rest("POST", "/v1/services/api/redeploy")
    assert again.status == 422 and words in again.text and FIRST not in again.text, again


def test_at_rest_it_is_sealed_and_without_its_key_it_stays_so(ebb):
    put(ebb, FIRST)
    ebb.rest("PUT", "/v1/services/api", using())
    ebb.rest("PUT", "/v1/services/plain", using(env={}))
    key = ebb.root + "/secret.key"
    assert os.stat(key).st_size == 32 and stat.S_IMODE(os.stat(key).st_mode) == 0o600 and os.stat(key).st_uid == 0
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in sealed(ebb)] == [0o600]
    assert stat.S_IMODE(os.stat(ebb.root + "/state/secrets").st_mode) == 0o700
    ebb.stop()
    with open(key, "rb") as file:
        right = file.read()
    for spoil, words in ((lambda: os.unlink(key), "secret.key, is missing"),
                         (lambda: write(key, bytes(32)), "sealed with another key"),
                         (lambda: write(key, right[:31]), "has not exactly 32 bytes"),
                         (lambda: os.chmod(write(key, right), 0o640), "not a file of its owner only"),
                         (lambda: os.symlink("/dev/zero", unlinked(key)), "cannot be opened")):
        spoil()
        ebb.start()
        failed(ebb, words)
        ebb.stop()
        if os.path.lexists(key):
            os.unlink(key)
    write(key, right)
    ebb.start()
    assert f"URL={FIRST}" in environment(ebb)
    nowhere(ebb, FIRST)


def write(path, data):
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
    return path


def unlinked(path):
    if os.path.lexists(path):
        os.unlink(path)
    return path


def test_damaged_and_foreign_files_open_nothing(ebb):
    put(ebb, FIRST)
    put(ebb, SECOND, "OTHER")
    ebb.rest("PUT", "/v1/services/api", using())
    ebb.rest("PUT", "/v1/services/plain", using(env={}))
    path, other = ebb.root + "/state/secrets/DB.1.json", ebb.root + "/state/secrets/OTHER.1.json"
    with open(path, encoding="ascii") as file:
        right = json.load(file)
    ebb.stop()
    owner = os.stat(path)
    flipped = right["sealed"][:-1] + ("0" if right["sealed"][-1] != "0" else "1")
    with open(other, encoding="ascii") as file:
        swapped = json.load(file)
    for document in ({**right, "sealed": flipped}, {**right, "nonce": "00" * 12}, {**right, "sealed": ""}, {}, swapped):
        with open(path, "w", encoding="ascii") as file:
            json.dump(document, file)
        os.chown(path, owner.st_uid, owner.st_gid)
        ebb.start()
        failed(ebb, "is damaged on disk")
        assert SECOND not in " ".join(environment(ebb, "plain"))
        ebb.stop()
    # Leftovers of a power cut, and files of others, are no secrets.
    for name in (".new", "DB.1.json.new", "DB.json", "DB.01.json", "x.y.1.json", "DB.0.json"):
        write(ebb.root + "/state/secrets/" + name, b"{")
    with open(path, "w", encoding="ascii") as file:
        json.dump(right, file)
    ebb.start()
    assert [s["name"] for s in ebb.rest("GET", "/v1/secrets").json["secrets"]] == ["DB", "OTHER"]
    assert f"URL={FIRST}" in environment(ebb)


def test_a_credential_of_systemd_is_the_key(new_ebb):
    ebb = new_ebb()
    ebb.stop()
    os.unlink(ebb.root + "/secret.key")
    credentials = os.path.join(ebb.root, "credentials")
    os.mkdir(credentials)
    write(credentials + "/ebb.secret-key", bytes(range(32)))
    ebb.environment["CREDENTIALS_DIRECTORY"] = credentials
    ebb.start()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, FIRST)
    ebb.rest("PUT", "/v1/services/api", using())
    assert f"URL={FIRST}" in environment(ebb)
    assert not os.path.exists(ebb.root + "/secret.key")
    ebb.stop()
    del ebb.environment["CREDENTIALS_DIRECTORY"]
    ebb.start()
    refused = put(ebb, SECOND)
    assert refused.status == 503 and "is missing" in refused.text and not os.path.exists(ebb.root + "/secret.key")
    shutil.rmtree(ebb.root + "/state/secrets")
    ebb.end_program("ebb-api")  # its successor asks for a key anew
    wait_for(lambda: ebb.cli("secret", "ls", ok=False).code == 0)
    assert wait_for(lambda: put(ebb, SECOND).status == 201) and os.path.exists(ebb.root + "/secret.key")


def test_neither_ebbd_nor_ebb_api_leaves_a_core(ebb):
    put(ebb, FIRST)
    ebb.rest("PUT", "/v1/services/api", using())
    for pid in (ebb.process.pid, ebb.ebbd_pid, *ebb.programs("ebb-api")):
        # Of a process that leaves no core, these files belong to root in any case (proc(5)).
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
    probe = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "cat", ebb.root + "/secret.key"],
                           capture_output=True, check=False)
    assert probe.returncode != 0 and probe.stdout == b""
