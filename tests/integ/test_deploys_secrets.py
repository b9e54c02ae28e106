# SPDX-License-Identifier: Apache-2.0
"""Values of environment variables are only in the instance and in files that root alone may read: no answer, event,
log or command line of ebb holds them. A stored service that today's rules refuse fails without the others."""
import glob
import json
import os
import stat

import leaks
import pictures
from waiting import wait_for

SECRET, SECOND = "hunter2-do-not-tell", "swordfish-do-not-tell"


def settings(value):
    return {"image": "probe", "maxInstances": 1, "env": {"TOKEN": value, "EMPTY": ""}}


def answers(ebb):
    """Everything that a client can make ebb say about it."""
    yield ebb.rest("PUT", "/v1/services/api?dryRun=1", settings(SECRET))
    yield ebb.rest("PUT", "/v1/services/api", settings(SECRET))
    yield ebb.rest("PUT", "/v1/services/api", settings(SECRET))  # unchanged
    yield ebb.rest("PUT", "/v1/services/api", settings(SECOND))
    yield ebb.rest("PUT", "/v1/services/bad", {**settings(SECRET), "env": {"A": SECRET, "A B": SECRET, "C": [SECRET]}})
    yield ebb.rest("PUT", "/v1/services/big", {**settings(SECRET), "env": {"A": SECRET * 1000}})
    yield ebb.rest("POST", "/v1/services/api/rollback", {})
    for path in ("services", "services/api", "services/api/revisions", "instances", "images", "events", "usage", "node"):
        yield ebb.rest("GET", "/v1/" + path)
    yield ebb.rest("GET", "/metrics")


def files_with(ebb, words):
    for path in glob.glob(ebb.root + "/**", recursive=True):
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as f:
                data = f.read()
            if any(word.encode() in data for word in words):
                yield path


def test_values_are_in_no_answer_event_log_or_command_line(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for reply in answers(ebb):
        assert SECRET not in reply.text and SECOND not in reply.text, reply
    service = ebb.rest("GET", "/v1/services/api")
    assert service.json["env"] == {"EMPTY": None, "TOKEN": None}
    assert f"TOKEN={SECRET}" in ebb.get("api", "/env").text.splitlines()
    for words in (["inspect", "api"], ["ls", "--json"], ["ps", "--json"], ["events", "--json"], ["revisions", "api"]):
        assert SECRET not in ebb.cli(*words).out, words
    # An answer can be sent back, and the values stay.
    again = ebb.rest("PUT", "/v1/services/api", {**service.json, "memory": 300})
    assert again.status == 201 and again.json["env"]["TOKEN"] is None
    wait_for(lambda: f"TOKEN={SECRET}" in ebb.get("api", "/env").text.splitlines())
    programs = [pid for name in ("ebbd", "ebb-gateway", "ebb-api", "ebb-ledger", "ebb-ipc") for pid in ebb.programs(name)]
    programs.append(ebb.process.pid)  # the keeper
    for pid in programs:
        for file in ("cmdline", "environ", "comm"):
            assert SECRET not in leaks.read(f"/proc/{pid}/{file}")
    found = list(files_with(ebb, (SECRET, SECOND)))
    assert found and all("/services/api" in path for path in found), found
    for path in found:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_etag_tells_nothing_of_the_values(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    tags = set()
    for value in ("a", "b", "a"):
        assert ebb.rest("PUT", "/v1/services/api", settings(value)).status == 201
        reply = ebb.rest("GET", "/v1/services/api")
        tags.add(reply.json["etag"])
        wrong = ebb.rest("PUT", "/v1/services/api", settings("c"), headers={"If-Match": '"1-0"'})
        assert wrong.status == 412
    assert len(tags) == 3


def test_stored_service_that_is_refused_today_fails_alone(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    for name in ("old", "other"):
        ebb.rest("PUT", "/v1/services/" + name, settings(SECRET))
    assert ebb.get("old", "/env").status == 200
    ebb.stop()
    stored = [p for p in files_with(ebb, [SECRET]) if "/services/old" in p]
    assert len(stored) == 2  # the service and its revision
    for path in stored:
        with open(path) as f:
            document = json.load(f)
        document["env"] = {"A NAME\nLIKE THIS": SECRET}
        with open(path, "w") as f:
            json.dump(document, f)
    ebb.start()
    old, other = (ebb.rest("GET", "/v1/services/" + name).json for name in ("old", "other"))
    assert old["state"] == "failed" and old["error"].startswith("its stored settings are refused: env.A NAME?LIKE THIS is")
    assert old["error"].endswith("deploy it again") and old["image"] == "probe" and old["revision"] == 1
    assert other["state"] == "applied" and f"TOKEN={SECRET}" in ebb.get("other", "/env").text
    assert "failed" in ebb.cli("ls").out
    assert ebb.log_lines("event=service_not_applied service=old")
    assert SECRET not in ebb.log()
    # Its files are as they were until it is deployed again; then it is a service as any other.
    assert ebb.rest("PUT", "/v1/services/old", settings(SECOND)).status == 201
    assert ebb.rest("GET", "/v1/services/old").json["state"] == "applied"
    assert f"TOKEN={SECOND}" in ebb.get("old", "/env").text
    back = ebb.rest("POST", "/v1/services/old/rollback", {})
    assert back.status == 500 and "revision 1" in back.text, back
    ebb.cli("rm", "old")
