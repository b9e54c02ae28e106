# SPDX-License-Identifier: Apache-2.0
"""The store of schedules when the power goes, the disk is full, or somebody else was in it: a run that was acknowledged is
there and is delivered, and what cannot be written down does not begin."""
import contextlib
import os
import shutil
import sqlite3

import counts
import pictures
import pytest
from disks import on_disk
from test_operators import conditions
from test_power_cuts import each_cut, recorded, whole_flow
from test_schedules import daily, find, flow, noted, over, put, run, schedules
from waiting import wait_for


def ids(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("select id from run")}


def test_a_run_that_was_acknowledged_is_there_after_a_power_cut(tmp_path):
    with recorded("ebb-flow", "flow_dir", tmp_path) as (ebb, recorder):
        put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
        over(ebb, run(ebb, "tidy"))
        path = str(tmp_path / "top/flow.db")
        # Each word to ebb-api may be the id of a run, for somebody who asked for it.
        recorder.at_call["sendmsg"] = lambda self: self.mark(ids(path))
        recorder.start()
        for _ in range(6):
            over(ebb, run(ebb, "tidy"))
        assert len([op for op in recorder.ops if op[0] == "sync"]) >= 12

    def check(place, before, _behind, what):
        cut = whole_flow(place, what)
        assert not before or before <= ids(cut), f"{what}: {before - ids(cut)}"
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"schedules: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 50


def test_a_full_disk_is_said_and_passes():
    """Nothing is begun that cannot be written down; with room again all goes on."""
    with on_disk("flow_dir", mib=2) as (ebb, disk):
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
        assert over(ebb, run(ebb, "tidy"))["state"] == "done"
        disk.fill()

        def refused():  # the last page of the WAL may have room
            reply = ebb.rest("POST", "/v1/schedules/run?name=tidy&service=web")
            return reply.status >= 400 and reply.json["detail"]
        assert wait_for(refused, 30)
        wait_for(lambda: ebb.log_lines("event=store_broken|event=store_unusable"))
        assert ebb.get("web").status == 200  # requests need no store
        wait_for(lambda: "\nebb_flow_up 0\n" in ebb.rest("GET", "/metrics").text, 30)
        assert conditions(ebb)["Schedules"] is False and ebb.rest("GET", "/readyz").status == 200
        disk.empty()
        one = wait_for(lambda: (r := ebb.rest("POST", "/v1/schedules/run?name=tidy&service=web")).status == 202 and r, 60)
        assert over(ebb, one.json["run"])["state"] == "done" and conditions(ebb)["Schedules"] is True


@pytest.mark.parametrize("harm, words", [
    ("PRAGMA user_version = 99", "a newer ebb made the store of ebb-flow: use that one"),
    ("PRAGMA application_id = 1", "this database is not the store of ebb-flow"),
    (None, "file is not a database")])
def test_a_store_of_somebody_else_is_left_alone(new_ebb, harm, words):
    """It is not written, and the log says what it is; ebb serves without schedules, and with them once it is gone."""
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
    assert over(ebb, run(ebb, "tidy"))["state"] == "done"
    path = ebb.config["flow_dir"] + "/flow.db"
    ebb.stop()
    if harm:
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(harm)
            db.commit()
    else:
        os.unlink(path + "-wal")  # it would mend it
        with open(path, "wb") as file:
            file.write(b"x" * 8192)
    with open(path, "rb") as file:
        before = file.read()
    ebb.start()
    wait_for(lambda: ebb.log_lines("event=store_unusable"))
    assert words in ebb.log_lines("event=store_unusable")[0]
    assert ebb.get("web").status == 200
    with open(path, "rb") as file:
        assert file.read() == before
    shutil.move(path, path + ".old")
    wait_for(lambda: schedules_if_there(ebb).get("tidy"), 40)
    assert over(ebb, run(ebb, "tidy"))["state"] == "done"
    assert flow(ebb)


def test_no_token_is_in_the_store(new_ebb):
    ebb, token = new_ebb(gateways=1), "t0ken-that-nobody-keeps"
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.cli("secret", "set", "CRON_SECRET", stdin=token)
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}, "env": {"CRON_SECRET": {"secret": "CRON_SECRET"}}})
    assert over(ebb, run(ebb, "tidy"))["state"] == "done"
    assert [head["authorization"] for head in noted(ebb, "web")] == [f"Bearer {token}"]
    for name in os.listdir(ebb.config["flow_dir"]):
        path = os.path.join(ebb.config["flow_dir"], name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert token.encode() not in file.read(), name
    assert token not in ebb.log() and token not in ebb.rest("GET", "/v1/schedules").text


def schedules_if_there(ebb):
    return schedules(ebb) if ebb.rest("GET", "/v1/schedules").status == 200 else {}


def test_a_time_that_was_missed(new_ebb):
    """ebb did not run when it was due: one run makes up for it, or none, as the schedule says."""
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"schedules": {"once": daily("/note", missed="once"), "none": daily("/note", missed="skip")}})
    wait_for(lambda: len(schedules(ebb)) == 2)
    ebb.stop()
    with contextlib.closing(sqlite3.connect(ebb.config["flow_dir"] + "/flow.db")) as db:
        day = 24 * 3600 * 1_000_000  # as if four times had come since
        db.execute(f"update schedule set next_us = next_us - {4 * day}, last_us = 0")
        db.commit()
    ebb.start()
    (made,) = wait_for(lambda: (r := ebb.rest("GET", "/v1/runs")).status == 200 and r.json["runs"], 20)
    assert (made["schedule"], made["cause"]) == ("once", "missed")
    assert over(ebb, made["id"])["state"] == "done" and find(ebb, made["id"])["attempts"] == 1
    assert "while ebb did not run" in wait_for(lambda: ebb.told("web", "run_skipped"))[0]
    metrics = ebb.rest("GET", "/metrics").text
    assert "\nebb_schedule_missed_total 2\n" in metrics and "\nebb_schedule_skipped_total 1\n" in metrics
