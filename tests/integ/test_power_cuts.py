# SPDX-License-Identifier: Apache-2.0
"""
A power cut at any moment, with writes that reached the disk partly or in another order: the ledger has every row that it
acknowledged and verifies, and the desired state is the one before or behind the change that was under way.
"""
import contextlib
import importlib.util
import json
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

import counts
import injector
import pictures
import writes
from ebb import BIN, PROJECT, Ebb
from waiting import wait_for

SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)
EVERY = 1 if os.environ.get("EBB_CUTS") == "all" else 3  # of the moments; all of them by EBB_CUTS=all
HOWS = ("none", "all", "some", "some")


@contextlib.contextmanager
def recorded(program, setting, tmp_path):
    """An ebbd of which this program is recorded, in a directory of its own (this setting), once it serves."""
    top, place = str(tmp_path / "top"), str(tmp_path / "libexec")
    os.mkdir(top), os.mkdir(place)
    ebb = Ebb(gateways=1, settings={setting: top, "libexec_dir": injector.injected_libexec(place)})
    rig = injector.Injector(ebb)
    recorder = writes.Recorder(program, top)
    rig.witness = recorder.calls
    rig.start()
    try:
        ebb.start()
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.deploy("probe", "probe", "--max", 1)
        assert ebb.get("probe").status == 200
        yield ebb, recorder
        recorder.on = False
        ebb.stop()
    finally:
        recorder.on = False
        ebb.kill()
        rig.stop()
        ebb.remove()


def whole_flow(place, what, name="flow.db"):
    """A database of ebb-flow of a disk that a cut left; it is whole."""
    path = f"{place}/{name}"
    with contextlib.suppress(OSError):
        os.unlink(path + "-shm")  # shared memory is made anew
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",), what
    return path


def each_cut(recorder, tmp_path, check):
    """check(directory, mark before, mark behind) for every disk that a cut could leave; returns how many."""
    rng, tried, place = random.Random(SEED), 0, str(tmp_path / "cut")
    for n, disk, before, behind in writes.cuts(recorder):
        if n % EVERY:
            continue
        for how in HOWS:
            shutil.rmtree(place, ignore_errors=True)
            disk.write(place, rng, how)
            check(place, before, behind, f"call {n} {recorder.ops[n][:3]}, {how}, seed {SEED}")
            tried += 1
    return tried


# --- the ledger ---------------------------------------------------------------------------------------
def load_verifier():
    """docs/verify_ledger.py, without the call at its end: it knows nothing of ebb's code."""
    spec = importlib.util.spec_from_loader("verify_ledger", loader=None)
    module = importlib.util.module_from_spec(spec)
    with open(os.path.join(PROJECT, "docs/verify_ledger.py"), encoding="utf-8") as f:
        exec(f.read().replace("\nmain(sys.argv[1])\n", "\n"), module.__dict__)
    return module


def rows_of(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("select count(*) from meter").fetchone()[0]


def test_the_ledger_has_all_that_it_acknowledged_after_a_cut(tmp_path):
    verifier = load_verifier()
    with recorded("ebb-ledger", "ledger_dir", tmp_path) as (ebb, recorder):
        ebb.usage("probe")
        # Each word to ebbd may be an acknowledgement of all rows that are there.
        recorder.at_call["sendmsg"] = lambda self: self.mark(rows_of(recorder_path))
        recorder_path = str(tmp_path / "top/ledger.db")
        recorder.start()
        for _ in range(6):
            assert ebb.get("probe", "/burn?us=500").status == 200
            ebb.wait_frozen("probe")
            ebb.usage("probe")
        assert len([op for op in recorder.ops if op[0] == "sync"]) >= 5

    def check(place, before, _behind, what):
        path = place + "/ledger.db"
        for stale in ("-shm",):  # shared memory is made anew
            with contextlib.suppress(OSError):
                os.unlink(path + stale)
        try:
            with contextlib.redirect_stdout(None):
                verifier.main(path)
        except (SystemExit, sqlite3.Error) as error:
            raise AssertionError(f"{what}: {error}") from error
        if before is not None:
            assert rows_of(path) >= before, f"{what}: {rows_of(path)} rows, {before} were acknowledged"
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"ledger: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 50


# --- the desired state --------------------------------------------------------------------------------
def state_of(place):
    done = subprocess.run([os.path.join(BIN, "tests/read_state"), place], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(done.stdout.splitlines())


def changes(ebb):
    """Changes of each kind, each answered before the next."""
    yield "PUT", "/v1/services/new", {"image": "probe", "memory": 128}
    yield "PUT", "/v1/services/new", {"image": "probe", "memory": 192}
    yield "PUT", "/v1/services/probe", {"image": "probe", "memory": 256, "maxInstances": 1}
    yield "POST", "/v1/services/new/rollback", {}
    yield "POST", "/v1/node/drain", None
    yield "POST", "/v1/node/undrain", None
    yield "DELETE", "/v1/services/new", None


def test_the_desired_state_is_the_old_or_the_new_one_after_a_cut(tmp_path):
    with recorded("ebb-api", "state_dir", tmp_path) as (ebb, recorder):
        top = str(tmp_path / "top")

        def now():
            shutil.rmtree(tmp_path / "seen", ignore_errors=True)
            shutil.copytree(top, tmp_path / "seen", ignore=shutil.ignore_patterns("spool"))
            return state_of(str(tmp_path / "seen"))
        recorder.start()
        recorder.mark(now())
        for method, path, document in changes(ebb):
            reply = ebb.rest(method, path, document)
            assert reply.status < 300, (path, reply)
            recorder.mark(now())
        wait_for(lambda: ebb.rest("GET", "/readyz").status == 200)

    def check(place, before, behind, what):
        found = state_of(place)
        wanted = [state for state in (before, behind) if state is not None]
        assert found in wanted or before is None, f"{what}: {found}, and not one of {wanted}"
    tried = each_cut(recorder, tmp_path, check)
    counts.note(f"desired state: {tried} disks after a power cut, {len(recorder.ops)} calls recorded")
    assert tried > 50
