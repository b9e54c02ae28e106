# SPDX-License-Identifier: Apache-2.0
"""Values and marks of tags that instances of a namespace share through ebb-flow (docs/internals/page-protocol.md)."""
import contextlib
import json
import os
import signal
import sqlite3

import counts
import pictures
import pytest
from disks import on_disk
from queues import Inside
from test_power_cuts import each_cut, recorded, whole_flow
from waiting import wait_for

MARKS_OF_SPACE = 4096


class Pages(Inside):
    base = "/api/ebb/pages/v1/"

    def put(self, key, body, status=204):
        reply = self.ask("PUT", "values/" + key, body)
        assert reply.status == status, reply
        return reply

    def get(self, key):
        reply = self.ask("GET", "values/" + key)
        assert reply.status in (200, 404), reply
        return reply.body if reply.status == 200 else None

    def mark(self, *tags, **times):
        return self.ask("POST", "marks", json.dumps({"marks": [{"tag": tag, **times} for tag in tags]}))

    def marks(self, after=0):
        reply = self.ask("GET", f"marks?after={after}")
        assert reply.status == 200, reply
        return reply.json


def way_in(ebb, service, space):
    document = {"image": "probe", "maxInstances": 1, "minInstances": 1, "ebb": {"queues": space}}
    assert ebb.rest("PUT", f"/v1/services/{service}", document).status in (200, 201)
    assert ebb.get(service, "/").status == 200
    return Pages(ebb, service)


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


@pytest.fixture(name="open_pages")
def opener(ebb):
    """A way into an instance of a new service of this namespace."""
    made = []

    def of(service, space):
        made.append(way_in(ebb, service, space))
        return made[-1]
    yield of
    for one in made:
        one.close()


@pytest.fixture(name="pages")
def one_pages(open_pages):
    return open_pages("web", "shop")


def flow(ebb):
    (pid,) = wait_for(lambda: ebb.programs("ebb-flow"))
    return pid


def begin_anew(ebb, pages, spoil=lambda: None):
    """ebb-flow is killed and comes back; the same instance reaches it again."""
    old = flow(ebb)
    os.kill(old, signal.SIGSTOP)
    spoil()
    os.kill(old, signal.SIGKILL)
    pages.close()

    def back():
        try:
            return flow(ebb) != old and pages.ask("GET", "marks").status == 200
        except (OSError, AssertionError, ValueError):
            pages.close()
            return False
    wait_for(back, 20)


def test_what_one_instance_writes_the_others_of_its_namespace_read(open_pages):
    one, two, other = open_pages("one", "shop"), open_pages("two", "shop"), open_pages("other", "else")
    assert one.get("a") is None
    one.put("a", b"first")
    assert two.get("a") == b"first" and other.get("a") is None
    two.put("a", b"\0second" * 1000)
    two.put("b", b"")
    assert one.get("a") == b"\0second" * 1000 and one.get("b") == b""
    assert one.mark("tag", expired=5).status == 204
    assert [m["tag"] for m in two.marks()["marks"]] == ["tag"] and other.marks()["marks"] == []


def test_marks_have_an_order_and_one_of_a_tag_counts(pages):
    assert pages.marks() == {"marks": [], "newest": 0, "floor": 0, "hasMore": False}
    pages.mark("a", "b", expired=7)
    first = pages.marks()
    assert [(m["tag"], m["stale"], m["expired"]) for m in first["marks"]] == [("a", 0, 7), ("b", 0, 7)]
    pages.mark("a", stale=9)
    later = pages.marks(first["newest"])
    assert [(m["tag"], m["stale"], m["expired"]) for m in later["marks"]] == [("a", 9, 7)]
    assert later["newest"] > first["newest"] and len(pages.marks()["marks"]) == 2
    reply = pages.ask("GET", "values/none")
    assert reply.status == 404 and reply.headers["x-ebb-marks"] == str(later["newest"]) and reply.headers["x-ebb-floor"] == "0"


def test_a_mark_that_is_dropped_takes_along_what_is_older(pages):
    pages.put("old", b"made before the mark")
    pages.mark("first", expired=1)
    pages.put("young", b"made behind it")
    tags = [f"t{i}" for i in range(MARKS_OF_SPACE)]
    for at in range(0, MARKS_OF_SPACE, 128):
        assert pages.mark(*tags[at:at + 128], expired=1).status == 204
    assert pages.get("old") is None and pages.get("young") == b"made behind it"
    seen, after = [], 0
    while True:
        found = pages.marks(after)
        seen += [m["tag"] for m in found["marks"]]
        if not found["hasMore"]:
            break
        after = found["marks"][-1]["number"]
    assert seen == tags and found["floor"] > 0


def test_the_oldest_values_go_where_the_namespace_is_full(pages):
    body = b"x" * (4 << 20)

    def put(key):
        reply = pages.ask("PUT", "values/" + key, body)
        return reply.status == 204 or (reply.status == 429 and None)
    for n in range(34):  # 128 MiB hold 31
        wait_for(lambda n=n: put(f"k{n}"), 120)
    assert [n for n in range(34) if pages.get(f"k{n}") is not None] == list(range(3, 34))


WRONG = [
    ("GET", "values/", None, 404, "KEY"), ("GET", "values/A", None, 404, "KEY"), ("PUT", "values/../x", b"", 404, "KEY"),
    ("PUT", "values/" + "a" * 129, b"", 404, "KEY"), ("GET", "values/%61", None, 404, "KEY"), ("GET", "", None, 404, "marks"),
    ("DELETE", "values/a", None, 405, "PUT"), ("PUT", "marks", b"", 405, "POST"),
    ("PUT", "values/a", b"x" * ((4 << 20) + 1), 413, "larger"),
    ("GET", "marks?after=-1", None, 400, "NUMBER"), ("GET", "marks?x", None, 400, "NUMBER"),
    *(("POST", "marks", body, 400, "marks") for body in (
        b"", b"[]", b"{}", b'{"marks":{}}', b'{"marks":[]}', b'{"marks":[1]}', b'{"marks":[{"tag":""}]}',
        b'{"marks":[{"tag":"a","stale":-1}]}', b'{"marks":[{"tag":"a","expired":1.5}]}', b'{"marks":[{"tag":"a","expired":9e99}]}',
        b'{"marks":[{"tag":"a","stale":9007199254740993}]}', b"[" * 100000, b'{"marks":[{"tag":"a"}]' + b" " * (1 << 20) + b"}",
        json.dumps({"marks": [{"tag": "a" * 2049}]}).encode(), json.dumps({"marks": [{"tag": "a"}] * 129}).encode()))]


def test_what_is_wrong_is_refused_and_changes_nothing(pages):
    for method, path, body, status, says in WRONG:
        reply = pages.ask(method, path, body)
        assert reply.status == status and says in reply.json["error"], (method, path, (body or b"")[:80], reply)
        if status == 413:
            pages.close()  # its connection ends
    assert pages.marks()["marks"] == [] and pages.get("a") is None


def test_values_and_marks_outlive_ebb_flow(ebb, pages):
    pages.put("a", b"kept")
    pages.mark("tag", expired=3)
    begin_anew(ebb, pages)
    assert pages.get("a") == b"kept" and [m["tag"] for m in pages.marks()["marks"]] == ["tag"]


def file_of(ebb):
    (path,) = [os.path.join(folder, "pages.db") for folder, _, names in os.walk(ebb.root) if "pages.db" in names]
    return path


def spoil_front(path):
    for end in ("-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
    with open(path, "r+b") as file:
        file.write(b"no database" * 1000)


def spoil_table(path):
    """The file opens, and its values cannot be read."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        (root,), (size,) = db.execute("select rootpage from sqlite_master where name = 'value'").fetchone(), \
            db.execute("pragma page_size").fetchone()
    with open(path, "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def spoil_version(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("pragma user_version = 99")


@pytest.mark.parametrize("spoil", [spoil_front, spoil_table, spoil_version])
def test_a_damaged_store_is_made_anew_and_its_readers_hear_of_it(ebb, pages, spoil):
    pages.put("a", b"lost")
    assert pages.mark("one", "two", expired=1).status == 204
    known, path = pages.marks()["newest"], file_of(ebb)
    begin_anew(ebb, pages, lambda: spoil(path))
    wait_for(lambda: pages.ask("GET", "values/a").status == 404, 60)
    assert pages.marks()["floor"] > 0
    assert pages.mark("three", expired=1).status == 204
    assert [m["tag"] for m in pages.marks(known)["marks"]] == ["three"], "a reader of before hears of the new mark"
    pages.put("a", b"new")
    assert pages.get("a") == b"new"


def fill(path, values, marks):
    """Puts many small values into the namespace, and behind these all marks that one may have."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("delete from mark")
        (first,) = db.execute("select number + 1 from counter").fetchone()
        db.executemany("insert into value (number, space, key, bytes, body) values (?, 1, ?, 4096, x'')",
                       ((first + n, f"k{n:064}") for n in range(values)))
        db.executemany("insert into mark values (?, 1, ?, 0, 0, 5)", ((first + values + n, f"t{n}") for n in range(marks)))
        db.execute("update counter set number = ?", (first + values + marks,))


def test_a_mark_that_drops_every_value_deletes_no_row(ebb, pages):
    """To delete them took the one loop of ebb-flow half a second."""
    pages.put("a", b"")
    pages.mark("first", expired=1)
    values, path = 1000, file_of(ebb)
    begin_anew(ebb, pages, lambda: fill(path, values, MARKS_OF_SPACE))
    assert pages.get("a") == b"" and pages.get(f"k{0:064}") == b""
    assert pages.mark("new", expired=1).status == 204
    assert pages.get("a") is None and pages.get(f"k{values - 1:064}") is None
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        assert db.execute("select count(*) from value").fetchone() == (values + 1,)
    pages.put("a", b"again")
    assert pages.get("a") == b"again"


def test_one_large_value_takes_the_place_of_few_small_ones(ebb, pages):
    pages.put("a", b"")
    with contextlib.closing(sqlite3.connect(f"file:{file_of(ebb)}?mode=ro", uri=True)) as db:
        assert db.execute("select bytes from value").fetchone() == (4096,)


def test_a_neighbour_goes_on_beside_a_flood_of_writes(open_pages):
    one, two = open_pages("one", "shop"), open_pages("two", "else")
    body = b"x" * (4 << 20)
    assert {one.ask("PUT", "values/a", body).status for _ in range(10)} <= {204, 429}
    two.put("a", b"of the neighbour")
    assert two.get("a") == b"of the neighbour"


def rows(path):
    """Keys of the values and tags of the marks."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("select key from value union select tag from mark")}


def test_a_value_and_a_mark_that_were_answered_are_there_after_a_power_cut(tmp_path):
    with recorded("ebb-flow", "flow_dir", tmp_path) as (ebb, recorder):
        pages, path = way_in(ebb, "web", "shop"), str(tmp_path / "top/pages.db")
        pages.put("first", b"")
        recorder.at_call["sendto"] = lambda self: self.mark(rows(path))  # each may be an answer
        recorder.start()
        for n in range(4):
            pages.put(f"k{n}", b"x" * 5000)
            assert pages.mark(f"t{n}", expired=1).status == 204
        pages.close()

    def check(place, before, _behind, what):
        cut = whole_flow(place, what, "pages.db")
        assert not before or before <= rows(cut), f"{what}: {before - rows(cut)}"
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"pages: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 20


def test_a_full_disk_refuses_values_and_queues_go_on():
    with on_disk("flow_dir", mib=48) as (ebb, disk):
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        pages, before = way_in(ebb, "web", "shop"), flow(ebb)
        pages.put("first", b"here")
        disk.fill()
        reply = pages.ask("PUT", "values/second", b"x" * 100000)
        assert reply.status == 507 and "full" in reply.json["error"], reply
        assert pages.mark("tag", expired=1).status == 507 and pages.get("first") == b"here"
        disk.empty()
        pages.put("second", b"again")
        assert pages.get("second") == b"again" and flow(ebb) == before and not ebb.log_lines("event=store_broken")
        pages.close()
