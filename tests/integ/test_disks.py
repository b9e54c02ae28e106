# SPDX-License-Identifier: Apache-2.0
"""
A disk under the desired state, the images or the logs becomes full or read-only, or hangs. Changes that cannot be kept
are refused with the cause, work that needs no disk goes on, and all of it works again when the disk does, without a
restart.
"""
import contextlib
import os
import threading

import pytest

import injector
import oci
import pictures
import tars
from disks import on_disk
from ebb import Ebb
from libexec import libexec
from waiting import slow, wait_for

FULL, READ_ONLY = "full", "read-only"
SAID = {FULL: "No space left on device", READ_ONLY: "Read-only file system"}


def spoil(disk, how):
    disk.fill() if how == FULL else disk.remount("ro")


def mend(disk, how):
    disk.empty() if how == FULL else disk.remount("rw")


def with_probe(ebb):
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    assert ebb.get("probe").status == 200


def refused(reply, how):
    assert reply.status == 507 and SAID[how] in reply.json["detail"], reply
    assert reply.json["mend"], reply


@pytest.mark.parametrize("how", [FULL, READ_ONLY])
def test_the_desired_state_is_not_changed_and_serves_on(how):
    with on_disk("state_dir") as (ebb, disk):
        with_probe(ebb)
        before = ebb.rest("GET", "/v1/services").json
        spoil(disk, how)
        refused(ebb.rest("PUT", "/v1/services/new", {"image": "probe"}), how)
        refused(ebb.rest("PUT", "/v1/services/probe", {"image": "probe", "memory": 200}), how)
        refused(ebb.rest("POST", "/v1/node/drain"), how)
        with open(pictures.probe_archive(), "rb") as archive:
            refused(ebb.rest("POST", "/v1/images?name=again", body=archive.read()), how)
        if how == READ_ONLY:
            refused(ebb.rest("DELETE", "/v1/services/probe"), how)
        assert ebb.get("probe").status == 200 and ebb.rest("GET", "/v1/services").json == before
        ebb.end_program("ebb-api")
        wait_for(lambda: answers(ebb))
        assert ebb.rest("GET", "/v1/services").json == before, "a new ebb-api reads what the old one said"
        refused(ebb.rest("PUT", "/v1/services/new", {"image": "probe"}), how)
        mend(disk, how)
        assert ebb.rest("PUT", "/v1/services/new", {"image": "probe"}).status == 201
        assert ebb.rest("PUT", "/v1/services/probe", {"image": "probe", "memory": 200}).status == 201
        wait_for(lambda: ebb.get("new").status == 200)
        assert not [name for name in os.listdir(disk.path) if name.endswith(".new")]


def answers(ebb):
    try:
        return ebb.rest("GET", "/v1/services").status == 200
    except OSError:
        return False


def noise(folder, mib):
    image = oci.Image([tars.end(tars.member("noise", os.urandom(mib << 20)))], zip_layers=False)
    return "oci:" + image.write_dir(os.path.join(folder, f"noise-{mib}"))


@pytest.mark.parametrize("how", [FULL, READ_ONLY])
def test_an_import_without_room_leaves_nothing_and_known_images_start(how, tmp_path):
    with on_disk("image_dir", mib=48) as (ebb, disk):
        with_probe(ebb)
        pieces = set(os.listdir(disk.path + "/pieces"))
        spoil(disk, how)
        done = ebb.import_image(noise(str(tmp_path), 1), "noise", ok=False)
        assert done.code == 1 and SAID[how] in done.err, done
        assert set(os.listdir(disk.path + "/pieces")) == pieces and os.listdir(disk.path + "/staging") == []
        ebb.deploy("late", "probe")
        assert ebb.get("late").status == 200 and ebb.get("probe").status == 200
        mend(disk, how)
        ebb.import_image(noise(str(tmp_path), 1), "noise")
        # Larger than the disk: it becomes full in the middle.
        done = ebb.import_image(noise(str(tmp_path), 60), "large", ok=False)
        assert done.code == 1 and SAID[FULL] in done.err, done
        wait_for(lambda: os.listdir(disk.path + "/staging") == [])
        ebb.cli("image", "rm", "noise")


def test_an_archive_larger_than_the_disk_of_the_state_is_refused_and_its_bytes_are_gone(tmp_path):
    with on_disk("state_dir") as (ebb, disk):
        with_probe(ebb)
        free = os.statvfs(disk.path).f_bavail
        for _ in range(2):
            done = ebb.import_image(noise(str(tmp_path), 30), "large", ok=False)
            assert done.code == 1 and SAID[FULL] in done.err, done
        wait_for(lambda: os.statvfs(disk.path).f_bavail >= free - 64, what="the upload is gone")
        assert ebb.rest("PUT", "/v1/services/new", {"image": "probe"}).status == 201


@pytest.mark.parametrize("how", [FULL, READ_ONLY])
def test_logs_without_a_disk_hold_nobody_up(how):
    with on_disk("log_dir", access_log=1) as (ebb, disk):
        with_probe(ebb)
        assert ebb.get("probe", "/log?text=before").status == 200
        wait_for(lambda: "before" in ebb.cli("logs", "probe").out)
        if how == FULL:
            disk.fill()
        else:
            disk.remount("abort")  # log files are open: a disk that fails does not ask
        for n in range(50):
            assert ebb.get("probe", f"/log?text=lost-{n}-{'x' * 900}").status == 200
        assert "before" in ebb.cli("logs", "probe").out
        if how == READ_ONLY:
            return  # such a disk comes back by a new mount only
        disk.empty()

        def written():
            ebb.get("probe", "/log?text=behind")
            return "behind" in ebb.cli("logs", "probe").out
        wait_for(written)
        assert ebb.rest("GET", "/readyz").status == 200


@contextlib.contextmanager
def hanging(program, place):
    """An ebbd with one program whose flushes to the disk do not return until they may: (ebb, begun, may end)."""
    os.mkdir(place)
    ebb = Ebb(gateways=1, settings={"libexec_dir": libexec(place, {program: os.path.join(injector.INJECTED, program)})})
    rig, on, begun, may_end = injector.Injector(ebb), threading.Event(), threading.Event(), threading.Event()

    def witness(process, call, _arguments):
        if on.is_set() and process.name == program and call in ("fsync", "fdatasync"):
            begun.set()
            assert may_end.wait(slow(120))
    rig.witness = witness
    rig.start()
    try:
        ebb.start()
        with_probe(ebb)
        on.set()
        yield ebb, begun, may_end
        may_end.set()
        ebb.stop()
    finally:
        may_end.set()
        ebb.kill()
        rig.stop()
        ebb.remove()


def test_a_ledger_whose_disk_hangs_holds_no_request_up_and_loses_none(tmp_path):
    with hanging("ebb-ledger", str(tmp_path / "libexec")) as (ebb, begun, may_end):
        served = 1
        while not begun.is_set():
            assert ebb.get("probe").status == 200
            served += 1
            ebb.wait_frozen("probe")
        for _ in range(20):
            assert ebb.get("probe").status == 200
            served += 1
        assert ebb.rest("GET", "/v1/instances").status == 200
        may_end.set()
        wait_for(lambda: ebb.usage("probe")["invocations"] == served, 20)
        ebb.cli("ledger", "verify")


def test_a_state_whose_disk_hangs_holds_no_request_up(tmp_path):
    with hanging("ebb-api", str(tmp_path / "libexec")) as (ebb, begun, may_end):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            ebb.rest("PUT", "/v1/services/new", {"image": "probe"}, timeout=120)))
        thread.start()
        assert begun.wait(slow(20))
        for _ in range(20):
            assert ebb.get("probe").status == 200
        may_end.set()
        thread.join()
        assert answers[0].status == 201
        wait_for(lambda: ebb.get("new").status == 200)
