# SPDX-License-Identifier: Apache-2.0
"""Parts of ebb are killed while it works: only the state of that part is lost."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

import leaks
import pictures
import web
from ebb import BIN, PROJECT, Ebb
from waiting import SLOW, wait_for


def in_background(work):
    done = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()
    return thread, done


def test_killed_gateway_gives_its_tickets_back(new_ebb):
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    with web.Raw(ebb.address) as raw:
        raw.send(b"GET /sleep?ms=60000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: [i for i in ebb.instances("probe") if i["tickets"] == 1])
        ebb.end_program("ebb-gateway")
        assert raw.read_to_end() == b""
    wait_for(lambda: ebb.instance("probe")["tickets"] == 0)
    ebb.wait_frozen("probe")
    wait_for(lambda: ebb.programs("ebb-gateway"))
    reply = wait_for(lambda: serves(ebb))
    assert reply.start == "thaw" and reply.instance == "probe-1" or reply.status == 200


def serves(ebb, service="probe"):
    try:
        reply = ebb.get(service)
    except OSError:
        return None
    return reply if reply.status == 200 else None


def test_who_dies_comes_back_as_the_version_that_runs(new_ebb, tmp_path):
    """An upgrade puts other programs in place (rename(2), as packages do): none is run before ebbd is."""
    place = tmp_path / "libexec"
    shutil.copytree(BIN, place, ignore=lambda at, names: [n for n in names if not n.startswith("ebb")])
    ebb = new_ebb(gateways=1, settings={"libexec_dir": str(place)})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    for name in os.listdir(place):
        (place / "new").write_text("#!/bin/false\n")
        (place / "new").chmod(0o755)
        os.rename(place / "new", place / name)
    for name in ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-ipc"):
        ebb.end_program(name)
        wait_for(lambda name=name: ebb.programs(name))
    assert wait_for(lambda: serves(ebb)).status == 200
    wait_for(lambda: ebb.rest("GET", "/readyz").status == 200)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "another")
    ebb.deploy("another", "another")
    assert wait_for(lambda: serves(ebb, "another")).status == 200


def test_killed_gateway_cuts_only_its_own_clients(new_ebb):
    """Two gateways, long requests on both: one dies, the requests of the other are answered."""
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    ebb.get("probe")

    def one(i):
        try:
            return ebb.get("probe", f"/sleep?ms={round(1500 * SLOW)}").status
        except (OSError, web.http.client.HTTPException):
            return 0
    thread, done = in_background(lambda: web.many(30, one))
    wait_for(lambda: ebb.instance("probe")["tickets"] == 30)
    ebb.end_program("ebb-gateway")
    thread.join()
    assert done[0].count(200) + done[0].count(0) == 30 and 0 < done[0].count(200) < 30, done


def test_the_last_gateway_comes_back_at_once_however_often_it_dies(new_ebb):
    """Programs that die again and again are started ever later, but not the only one that serves."""
    ebb = new_ebb(gateways=1)
    for _ in range(7):
        old = ebb.programs("ebb-gateway")[0]
        ebb.end_program("ebb-gateway")
        wait_for(lambda: [pid for pid in ebb.programs("ebb-gateway") if pid != old])
    planned = [line for line in ebb.log_lines("event=restart_planned") if "program=ebb-gateway-0" in line]
    assert len(planned) == 7 and all("in_ms=50" in line for line in planned), planned
    assert wait_for(lambda: status_of(ebb)) == 404


def status_of(ebb):
    try:
        return ebb.http().status
    except OSError:
        return None  # the new one does not serve yet


def test_killed_ledger_loses_no_bill(probe):
    probe.get("probe")
    probe.wait_frozen("probe")
    probe.end_program("ebb-ledger")
    for _ in range(5):
        assert probe.get("probe").status == 200
    probe.wait_frozen("probe")

    def usage():
        done = probe.cli("usage", "--json", "--service", "probe", ok=False)
        return done.code == 0 and done.json["services"]
    (row,) = wait_for(usage)
    assert row["invocations"] == 6
    assert row["active_cpu_us"] == probe.instance("probe")["cpu_us"]
    probe.cli("ledger", "verify")


def test_a_second_sigterm_cuts_what_is_open_and_bills_it(new_ebb):
    """Nothing is waited for but the last meters; without the second one the drain would take a minute."""
    ebb = new_ebb(gateways=1, settings={"drain_ms": 60000})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    with web.Raw(ebb.address) as raw:
        raw.send(b"GET /sleep?ms=60000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: [i for i in ebb.instances("probe") if i["tickets"] == 1])
        for _ in range(20):
            assert ebb.get("probe", "/burn?ms=5").status == 200
        used = ebb.instance("probe")
        ebb.process.send_signal(signal.SIGTERM)
        wait_for(lambda: ebb.log_lines("event=stopping$"))
        ebb.witness.note(ebb.process.pid)
        ebb.process.send_signal(signal.SIGTERM)
        assert ebb.process.wait(30) == 1, ebb.log()
        ebb.witness.assert_nothing_left()
    ebb.start()
    wait_for(lambda: serves(ebb))
    billed = ebb.usage("probe")
    assert billed["invocations"] >= 21, billed
    assert billed["active_cpu_us"] >= used["cpu_us"] >= 100000, (billed, used)
    ebb.cli("ledger", "verify")


def test_a_dead_zygote_is_started_again_and_no_request_is_refused(new_ebb):
    """Its parked sandboxes end with it; running instances go on; a start that waits for a sandbox waits for the next one."""
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    assert ebb.get("probe").status == 200
    pid = ebb.instance("probe")["pid"]
    for n in range(3):
        ebb.deploy(f"late-{n}", "probe")
        ebb.end_program("ebbd:zygote")
        assert ebb.get(f"late-{n}").status == 200
        wait_for(lambda: ebb.rest("GET", "/readyz").status == 200)
        late = ebb.instance(f"late-{n}")["pid"]  # its PID 1 may be on its way to exec still
        wait_for(lambda: inherited(late) == inherited(pid), what="the same descriptors and signals")
    assert ebb.get("probe").status == 200 and ebb.instance("probe")["pid"] == pid
    # The last start may have had a sandbox that was parked before, and ebbd may hear of the death behind it.
    wait_for(lambda: len(ebb.log_lines("event=zygote_started")) >= 3)
    assert len(ebb.log_lines("event=zygote_started")) == 3


def inherited(init):
    """The state that processes of an instance inherit from their parent: ignored and blocked signals, and descriptors.
    The blocked signals of PID 1 are left out, because it blocks some now and then."""
    found = []
    for pid in [init, *leaks.descendants(init)]:
        kept = ("SigIgn",) if pid == init else ("SigIgn", "SigBlk")
        status = leaks.read(f"/proc/{pid}/status")
        found.append(([line for line in status.splitlines() if line.startswith(kept)],
                      sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) < 3 or pid == init)))
    return found


def test_without_a_zygote_readyz_says_so_until_there_is_one(new_ebb, tmp_path):
    """The policy that it compiles is broken, so the next one cannot be started."""
    policy = tmp_path / "policy"
    shutil.copy(os.path.join(PROJECT, "sandbox/policy/default.policy"), policy)
    ebb = new_ebb(gateways=1, settings={"seccomp_policy": policy})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    assert ebb.get("probe").status == 200
    whole = policy.read_text()
    policy.write_text("no policy\n")
    ebb.end_program("ebbd:zygote")
    wait_for(lambda: ebb.log_lines("event=zygote_failed"))
    ready = wait_for(lambda: refused_by(ebb))
    assert "no instance can be started" in ready.text and conditions(ebb) == {"Ready": False, "Starting": False, "Billing": True}
    assert ebb.get("probe").status == 200  # running instances go on
    policy.write_text(whole)
    wait_for(lambda: not refused_by(ebb))
    assert conditions(ebb) == {"Ready": True, "Starting": True, "Billing": True}
    ebb.deploy("late", "probe")
    assert ebb.get("late").status == 200


def refused_by(ebb):
    reply = ebb.rest("GET", "/readyz")
    return reply if reply.status == 503 else None


@pytest.fixture
def small_ledger():
    """An ebbd whose ledger lies on a disk of 4 MiB."""
    path = tempfile.mkdtemp(prefix="ebb-small-")
    ebb = Ebb(gateways=1, settings={"ledger_dir": path})
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "ebb-test", path], check=True)
    try:
        yield ebb.start(), path
        ebb.stop()
    finally:
        ebb.kill()
        subprocess.run(["umount", "-l", path], check=True)
        os.rmdir(path)
        ebb.remove()


def fill(path):
    with open(path, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            f.write(bytes(4096))


def conditions(ebb):
    found = ebb.rest("GET", "/v1/node").json["conditions"]
    return {c["type"]: c["status"] for c in found if c["type"] not in ("Drained", "Schedules")}


def billing(ebb):
    found = conditions(ebb)
    assert found["Billing"] or not found["Ready"], found
    return found["Billing"]


def test_a_full_disk_of_the_ledger_is_said_and_passes(small_ledger):
    """An instance that cannot be billed is not started, and /readyz, the metrics and the refusal say why."""
    ebb, path = small_ledger
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1)
    ebb.deploy("late", "probe")
    assert ebb.get("probe").status == 200
    ebb.wait_frozen("probe")
    assert ebb.rest("GET", "/readyz").status == 200 and billing(ebb)
    fill(path + "/filler")
    served = 1

    def says_so():
        nonlocal served
        served += ebb.get("probe").status == 200
        ebb.wait_frozen("probe")
        return "cannot be written" in ebb.rest("GET", "/readyz").text
    wait_for(says_so, 30)
    assert "ebb_ledger_up 0" in ebb.rest("GET", "/metrics").text and not billing(ebb)
    refused = ebb.get("late")
    assert refused.status == 503 and "cannot be written to the ledger" in refused.text, refused.text
    os.unlink(path + "/filler")
    wait_for(lambda: ebb.rest("GET", "/readyz").status == 200 and billing(ebb), 60)
    assert wait_for(lambda: serves(ebb, "late")).status == 200
    wait_for(lambda: ebb.usage("probe")["invocations"] == served)
    ebb.cli("ledger", "verify")


def test_killed_api_stops_no_request(probe):
    probe.get("probe")
    thread, done = in_background(lambda: probe.get("probe", "/sleep?ms=1000"))
    wait_for(lambda: probe.instance("probe")["tickets"] == 1)
    probe.end_program("ebb-api")
    assert probe.get("probe").status == 200
    thread.join()
    assert done[0].status == 200
    wait_for(lambda: probe.programs("ebb-api"))
    assert [s["name"] for s in probe.cli("ls", "--json").json] == ["probe"]


def test_a_change_that_comes_while_ebb_api_starts_waits_for_it(probe):
    for round_ in range(3):
        probe.end_program("ebb-api")
        answers = [probe.rest("PUT", "/v1/secrets/early", {"value": str(round_)}), probe.rest("POST", "/v1/services/probe/redeploy"),
                   probe.rest("DELETE", "/v1/secrets/early")]
        assert [a.status // 100 for a in answers] == [2, 2, 2], answers


@pytest.mark.parametrize("state", ["running", "frozen"])
def test_killed_ebbd_comes_back_clean(probe, state):
    """Nothing of the old one runs or stays frozen beside the new one; services and bill are there."""
    probe.get("probe", "/burn?ms=20")
    probe.wait_frozen("probe")
    before = probe.usage("probe")
    if state == "running":
        raw = web.Raw(probe.address)
        raw.send(b"GET /sleep?ms=60000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: probe.instance("probe")["tickets"] == 1)
    old = probe.instance("probe")["pid"]
    probe.witness.note(probe.process.pid)
    probe.die()
    probe.start()
    assert wait_for(lambda: serves(probe)).status == 200
    leaks.reap_orphans(probe.witness.children_before)  # we are the subreaper
    assert old in {i["pid"] for i in probe.instances("probe")} or not os.path.exists(f"/proc/{old}")
    after = probe.usage("probe")
    assert after["invocations"] > before["invocations"]
    assert after["active_cpu_us"] >= before["active_cpu_us"]
    probe.cli("ledger", "verify")


def test_a_restart_need_not_wait_for_the_gateways_of_a_killed_ebbd(new_ebb):
    """They still listen, as they stand still; nobody but the next ebbd of this root may listen there too."""
    ebb = new_ebb(gateways=2)
    orphans = ebb.programs("ebb-gateway")
    for pid in orphans:
        os.kill(pid, signal.SIGSTOP)
    try:
        ebb.die()
        assert "cannot listen" in Ebb(port=ebb.port).refuses_to_start()
        ebb.start()
        assert [leaks.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] for pid in orphans] == ["T", "T"]
    finally:
        for pid in orphans:
            os.kill(pid, signal.SIGCONT)

    def all_gone():
        leaks.reap_orphans(ebb.witness.children_before)  # we are the subreaper
        return not any(os.path.exists(f"/proc/{pid}") for pid in orphans)
    def status():
        try:
            return ebb.http().status
        except ConnectionResetError:
            return None  # its ring holds the listener of a dead gateway for a moment
    wait_for(all_gone)
    assert wait_for(status) == 404


def test_overload_is_bounded_and_says_when_to_come_back(new_ebb):
    ebb = new_ebb(settings={"queue_max": 2})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1, "--concurrency", 1)
    ebb.get("probe")
    replies = web.many(12, lambda i: ebb.get("probe", "/sleep?ms=500"))
    refused = [r for r in replies if r.status == 503]
    assert {r.status for r in replies} == {200, 503} and len(refused) >= 6
    for r in refused:
        assert r.headers["x-ebb-error"] == "OVERLOADED" and int(r.headers["retry-after"]) > 0
    assert ebb.get("probe").status == 200


def test_queued_too_long_is_refused(new_ebb):
    ebb = new_ebb(settings={"queue_age_ms": 300})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1, "--concurrency", 1)
    ebb.get("probe")
    replies = web.many(3, lambda i: ebb.get("probe", "/sleep?ms=1000"))
    assert sorted(r.status for r in replies) == [200, 503, 503]
