# SPDX-License-Identifier: Apache-2.0
"""Revisions: a new one takes over under load without a failed request; shares of traffic; rollback."""
import socket
import threading
from collections import Counter

import pytest

import pictures
import web
from waiting import wait_for


@pytest.fixture
def probe(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("api", "probe", "--env", "VERSION=1")
    return ebb


def revision_of(reply):
    """As the function itself knows it."""
    return int(dict(line.split("=", 1) for line in reply.text.splitlines() if "=" in line)["EBB_REVISION"])


def revision(ebb):
    reply = ebb.get("api", "/env")
    assert reply.status == 200, reply
    return revision_of(reply)


class Load:
    """Requests without a pause, on several connections, until the end of the block."""

    def __init__(self, ebb, path="/env", lanes=6):
        self.ebb, self.path, self.over = ebb, path, threading.Event()
        self.seen, self.faults = Counter(), []
        self.threads = [threading.Thread(target=self._lane) for _ in range(lanes)]

    def _lane(self):
        while not self.over.is_set():
            try:
                reply = self.ebb.get("api", self.path)
            except OSError as error:
                self.faults.append(repr(error))
                continue
            if reply.status == 200:
                self.seen[revision_of(reply)] += 1
            else:
                self.faults.append(reply)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_deployments_under_load_fail_no_request(probe):
    with Load(probe) as load:
        for version in range(2, 8):
            probe.deploy("api", "probe", "--env", f"VERSION={version}")
            wait_for(lambda v=version: load.seen[v] > 20, 20)
    assert load.faults == []
    assert sum(load.seen.values()) > 200
    wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {7})


@pytest.mark.parametrize("mode", ["exit", "mute"])
def test_a_revision_that_cannot_start_leaves_all_to_the_one_before(probe, mode):
    """It serves on, gets more instances when more is asked, and is started again when none of it is left."""
    sizes = ["--concurrency", "1", "--max", "3"]
    probe.deploy("api", "probe", *sizes)
    assert revision(probe) == 2
    with Load(probe) as load:
        broken = probe.cli("deploy", "api", "--image", "probe", *sizes, "--env", f"PROBE_MODE={mode}", "--wait", ok=False)
        assert broken.code == 1 and "the last revision that started goes on serving" in broken.err, broken
        wait_for(lambda: len([i for i in probe.instances("api") if i["revision"] == 2]) == 3, 20)
    assert load.faults == [] and set(load.seen) == {2}
    wait_for(lambda: not [probe.cli("stop", i["id"], ok=False) for i in probe.instances("api")
                          if i["revision"] == 2])  # the last requests may have started one more
    assert revision(probe) == 2
    assert "of the one before" in probe.cli("events", "api", "--kind", "instance_starting").out
    with Load(probe) as load:
        probe.deploy("api", "probe", *sizes, "--env", "VERSION=4")
        wait_for(lambda: load.seen[4] > 20)
        wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {4})
    assert load.faults == []


def test_the_first_revision_that_cannot_start_says_why(new_ebb):
    ebb = new_ebb()
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    done = ebb.deploy("api", "probe", "--min", "1", "--env", "PROBE_MODE=exit", ok=False)
    assert done.code == 1 and "code 7" in done.err and "goes on serving" not in done.err, done
    reply = ebb.get("api")
    assert reply.status in (502, 503) and "code 7" in reply.text, reply


def test_long_requests_finish_on_the_revision_that_began_them(probe):
    probe.get("api")
    began, done = threading.Event(), []

    def long():
        began.set()
        done.append(probe.get("api", "/sleep?ms=1500"))
    thread = threading.Thread(target=long)
    thread.start()
    began.wait()
    old = wait_for(lambda: [i for i in probe.instances("api") if i["tickets"] == 1])[0]
    probe.deploy("api", "probe", "--env", "VERSION=2")
    wait_for(lambda: revision(probe) == 2)
    thread.join()
    assert done[0].status == 200 and done[0].instance == old["id"]
    wait_for(lambda: old["id"] not in [i["id"] for i in probe.instances("api")])


def test_ebbd_ends_though_a_request_goes_on_at_an_older_revision(new_ebb):
    """It was draining already: requests still open after drain_ms are cut there too."""
    ebb = new_ebb(settings={"drain_ms": 300})
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("api", "probe")
    with socket.create_connection(ebb.address, 10) as sock:
        sock.sendall(b"GET /sleep?ms=120000 HTTP/1.1\r\nHost: api.localhost\r\n\r\n")
        wait_for(lambda: [i for i in ebb.instances("api") if i["tickets"] == 1])
        ebb.deploy("api", "probe", "--env", "VERSION=2")
        wait_for(lambda: "draining" in [i["state"] for i in ebb.instances("api")])
        ebb.stop()


def test_shares_of_traffic_hold(probe):
    probe.deploy("api", "probe", "--env", "VERSION=2")
    assert probe.cli("traffic", "api", "--json").json["traffic"] == [{"revision": 2, "percent": 100}]
    probe.cli("traffic", "api", "1=80", "2=20")
    assert {s["revision"]: s["percent"] for s in probe.cli("traffic", "api", "--json").json["traffic"]} == {
        1: 80, 2: 20}
    seen = Counter(sum(web.many(20, lambda i: [revision(probe) for _ in range(25)]), []))
    assert set(seen) == {1, 2}
    assert 340 <= seen[1] <= 455, seen  # 400 expected; over 6 standard deviations either way
    assert {i["revision"] for i in probe.instances("api")} == {1, 2}


def test_shares_change_under_load_and_fail_no_request(probe):
    probe.deploy("api", "probe", "--env", "VERSION=2")
    with Load(probe) as load:
        wait_for(lambda: load.seen[2] > 20)
        probe.cli("traffic", "api", "1=50", "2=50")
        wait_for(lambda: load.seen[1] > 50)
        pids = {i["pid"] for i in probe.instances("api")}
        probe.cli("traffic", "api", "1=90", "2=10")
        before = load.seen[1]
        wait_for(lambda: load.seen[1] > before + 50)
        assert {i["pid"] for i in probe.instances("api")} == pids  # another share is no new instance
        probe.cli("traffic", "api", "2=100")
        wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {2}, 20)
    assert load.faults == []


def test_who_waits_for_a_revision_that_ends_is_served_by_the_next(probe):
    probe.deploy("api", "probe", "--env", "PROBE_MODE=mute")  # its instances never listen
    probe.deploy("api", "probe", "--env", "VERSION=3")
    probe.cli("traffic", "api", "2=100")
    done = []
    thread = threading.Thread(target=lambda: done.append(probe.get("api", "/env")))
    thread.start()
    wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {2})
    probe.cli("traffic", "api", "3=100")
    thread.join()
    assert done[0].status == 200 and revision_of(done[0]) == 3, done


def test_a_deployment_and_a_rollback_take_all_traffic(probe):
    probe.deploy("api", "probe", "--env", "VERSION=2")
    probe.cli("traffic", "api", "1=50", "2=50")
    with Load(probe) as load:
        probe.deploy("api", "probe", "--env", "VERSION=3")
        wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {3}, 20)
        assert len(probe.cli("traffic", "api", "--json").json["traffic"]) == 1
        probe.cli("rollback", "api")
        wait_for(lambda: {i["revision"] for i in probe.instances("api")} == {4}, 20)
    assert load.faults == []
    assert "VERSION=2" in probe.get("api", "/env").text


def test_traffic_outlives_a_restart_and_goes_with_its_service(probe):
    probe.deploy("api", "probe", "--env", "VERSION=2")
    probe.cli("traffic", "api", "1=50", "2=50")
    probe.stop()
    probe.start()
    assert set(web.many(60, lambda i: revision(probe))) == {1, 2}
    probe.cli("rm", "api")
    wait_for(lambda: not probe.instances("api"))
    assert probe.get("api").status == 404
    probe.deploy("api", "probe")
    assert len(probe.cli("traffic", "api", "--json").json["traffic"]) == 1


def test_no_request_is_served_before_the_shares_are_known(probe):
    """All traffic is the older revision's: while ebb starts, the newer one must not get any."""
    probe.deploy("api", "probe", "--env", "VERSION=2")
    probe.cli("traffic", "api", "1=100")
    wait_for(lambda: revision(probe) == 1)
    for _ in range(3):
        probe.stop()
        seen, over = set(), threading.Event()

        def ask():
            while not over.is_set():
                try:
                    reply = probe.get("api", "/env")
                except OSError:
                    continue
                seen.add(revision_of(reply) if reply.status == 200 else reply.headers.get("x-ebb-error"))

        lanes = [threading.Thread(target=ask) for _ in range(4)]
        for lane in lanes:
            lane.start()
        probe.start()
        assert revision(probe) == 1
        over.set()
        for lane in lanes:
            lane.join()
        assert 1 in seen and seen <= {1, "STARTING"}, seen


@pytest.mark.parametrize("shares, why", [
    (["1=50"], "add up to 50"),
    (["1=60", "9=40"], "not one of the 2 revisions"),
    (["1=60", "1=40"], "named twice"),
    (["1=101"], "not a share"),
    (["all"], "not a share"),
])
def test_wrong_shares_are_refused_and_change_nothing(probe, shares, why):
    probe.deploy("api", "probe", "--env", "VERSION=2")
    done = probe.cli("traffic", "api", *shares, ok=False)
    assert done.code in (1, 2) and why in done.err, done
    assert probe.cli("traffic", "api", "--json").json["traffic"] == [{"revision": 2, "percent": 100}]
