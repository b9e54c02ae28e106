# SPDX-License-Identifier: Apache-2.0
"""Runs of workflows outlive power cuts, and the store of an ebb without workflows becomes one with them."""
import contextlib
import os
import sqlite3

import counts
import pictures
from disks import on_disk
from queues import Inside
from test_power_cuts import each_cut, recorded, whole_flow
from test_queues import flow, put
from waiting import wait_for
from workflows import World, new_id, refused

MIB = 1 << 20
TABLES = ("chunk", "stream", "work_part", "work_event", "work", "workspace")


def test_a_store_of_the_version_before_is_taken_over(new_ebb):
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
    assert ebb.get("web", "/").status == 200
    inside = Inside(ebb, "web")
    number = inside.send("orders", b"kept")
    inside.close()
    ebb.stop()
    with contextlib.closing(sqlite3.connect(ebb.config["flow_dir"] + "/flow.db")) as db:
        for table in TABLES:
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE message DROP COLUMN revision")
        db.execute("PRAGMA user_version = 2")
        db.commit()
    ebb.start()
    assert wait_for(lambda: ebb.get("web", "/").status == 200)
    world, inside = World(ebb, "web"), Inside(ebb, "web")
    (message,) = wait_for(lambda: inside.take("orders"))
    assert (message.id, message.body) == (number, b"kept")
    assert world.event(world.run(), "run_completed")["run"]["status"] == "completed"
    world.close()
    inside.close()


def test_a_full_disk_takes_no_new_run_and_ends_what_is_there_and_old_runs_give_way():
    with on_disk("flow_dir", mib=48) as (ebb, _):
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        world, before, runs = World(ebb, "web"), flow(ebb), []
        while (reply := world.make(run := new_id(), "run_created", b"", os.urandom(MIB // 2), name="n", deployment="d")).status == 201:
            runs.append(run)
        assert "disk of workflows is full" in refused(reply, 507, "full")["error"] and len(runs) > 20
        refused(world.make(runs[0], "step_created", b"", bytes(MIB), correlation="s", name="n"), 507, "full")
        for run in runs:
            world.event(run, "run_completed", b"", b"out")
        for _ in range(2 * len(runs)):  # all of before give way to them
            last = world.run(data=os.urandom(MIB // 2))
            world.event(last, "run_failed", b"why")
        left = {row["runId"] for row in world.rows("runs")}
        assert not left & set(runs) and last in left
        assert flow(ebb) == before and not ebb.log_lines("event=store_broken")
        world.close()


def test_ends_leave_room_to_deliveries_and_schedules():
    with on_disk("flow_dir", mib=48) as (ebb, disk):
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        world, before = World(ebb, "web"), flow(ebb)
        run = world.run()
        for n in range(3):
            world.event(run, "step_created", correlation=f"s{n}", name="n")
        room = os.statvfs(disk.path)
        with open(disk.path + "/filler", "wb") as f:  # 4 MiB are left, and 6 are kept
            os.posix_fallocate(f.fileno(), 0, room.f_bavail * room.f_bsize - 4 * MIB)
        refused(world.make(run, "step_completed", b"", bytes(60000), correlation="s0"), 507, "full")
        world.event(run, "step_completed", b"", bytes(3000), correlation="s1")
        with open(disk.path + "/filler2", "wb") as f:  # 1 MiB
            os.posix_fallocate(f.fileno(), 0, 3 * MIB)
        refused(world.make(run, "step_completed", b"", b"small", correlation="s2"), 507, "full")
        disk.empty()
        world.event(run, "step_completed", b"", b"small", correlation="s2")
        assert flow(ebb) == before and not ebb.log_lines("event=store_broken")
        world.close()


def events(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {row for row in db.execute("SELECT work, number, type FROM work_event")}


def test_an_event_that_was_answered_is_there_after_a_power_cut_with_its_change(tmp_path):
    with recorded("ebb-flow", "flow_dir", tmp_path) as (ebb, recorder):
        put(ebb, "web", {"minInstances": 1, "ebb": {"queues": "shop"}})
        assert ebb.get("web", "/").status == 200
        world, path = World(ebb, "web"), str(tmp_path / "top/flow.db")
        world.run()
        recorder.at_call["sendto"] = lambda self: self.mark(events(path))  # each may be an answer to the World
        recorder.start()
        run = world.run()
        world.event(run, "step_created", b"", b"x" * 5000, correlation="s", name="n")
        world.event(run, "step_started", correlation="s")
        world.append("stream", run, b"chunk")
        world.event(run, "step_completed", correlation="s")
        world.event(run, "run_completed")
        world.close()

    def check(place, before, _behind, what):
        cut = whole_flow(place, what)
        assert not before or before <= events(cut), f"{what}: {before - events(cut)}"
        with contextlib.closing(sqlite3.connect(f"file:{cut}?mode=ro", uri=True)) as db:
            wrong = list(db.execute("SELECT id FROM work w WHERE events <> (SELECT COUNT(*) FROM work_event e WHERE e.work = w.number)"
                                    " OR (state >= 2) <> (ended_event > 0)"))
            assert not wrong, (what, wrong)
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"workflows: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 50
