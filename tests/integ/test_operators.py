# SPDX-License-Identifier: Apache-2.0
"""Work of operators and orchestrators with a host: drain it, and await long actions."""
import json
import os
import signal
import subprocess
import threading

import pictures
import web
from ebb import BIN
from waiting import slow, wait_for


def read(ebb):
    return ebb.rest("GET", "/v1/node").json


def conditions(ebb):
    return {c["type"]: c["status"] for c in read(ebb)["conditions"]}


def in_background(call):
    """A thread that is done when call is; its answer is result[0]."""
    result = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    return thread, result


def begin_slow(ebb, ms):
    """A request that is open now, and stays so for ms."""
    thread, result = in_background(lambda: ebb.get("probe", f"/sleep?ms={slow(ms):.0f}"))
    wait_for(lambda: any(i["tickets"] for i in ebb.instances("probe")))
    return thread, result


def kill_api(ebb):
    """ebb-api dies, and another one serves."""
    old = ebb.programs("ebb-api")
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: ebb.programs("ebb-api") not in ([], old) and serves(ebb))


def serves(ebb):
    try:
        return ebb.rest("GET", "/healthz").status == 200
    except OSError:
        return False


# --- drain ----------------------------------------------------------------------------------------
def test_a_drained_host_finishes_what_is_open_and_takes_nothing_new(probe):
    thread, result = begin_slow(probe, 2000)
    started = probe.rest("POST", "/v1/node/drain?async=1")
    assert started.status == 202 and started.json["state"] == "running"
    refused = wait_for(lambda: [r for r in [probe.get("probe")] if r.status != 200])[0]
    assert refused.status == 503 and int(refused.headers["retry-after"]) >= 1 and "drained" in refused.text, refused
    ready = probe.rest("GET", "/readyz")
    assert ready.status == 503 and "drained" in ready.json["detail"]
    assert conditions(probe) == {"Ready": False, "Billing": True, "Starting": True, "Schedules": True, "Drained": True}
    ended = probe.rest("GET", started.headers["location"] + "?wait=1m").json
    thread.join()
    assert result[0].status == 200 and ended["state"] == "done" and ended["result"]["drained"] is True
    assert probe.instances() == [] and read(probe)["drained"] is True
    assert probe.cli("undrain").out == "this host takes work\n"
    assert probe.get("probe").status == 200 and probe.rest("GET", "/readyz").status == 200
    assert [e["kind"] for e in probe.rest("GET", "/v1/events").json["events"] if e["kind"].startswith("node_")] == [
        "node_drained", "node_undrained"]


def test_the_deadline_ends_what_does_not_end(probe):
    thread, result = begin_slow(probe, 60000)
    done = probe.cli("drain", "--deadline", "300ms", "--wait")
    thread.join()
    assert "its instances are gone" in done.out and probe.instances() == []
    assert result[0].status == 503 and "drained" in result[0].text, result  # a GET would be asked again
    probe.cli("undrain")


def test_a_drain_without_an_instance_is_done_at_once(ebb):
    assert ebb.rest("POST", "/v1/node/drain").json["drained"] is True
    assert "deadline" in ebb.rest("POST", "/v1/node/drain?deadline=1h").json
    assert ebb.rest("POST", "/v1/node/undrain").json == {"drained": False}
    assert ebb.rest("POST", "/v1/node/undrain").json == {"drained": False}


def test_an_undrain_ends_the_wait_of_a_drain(probe):
    thread, _ = begin_slow(probe, 2000)
    drain, answer = in_background(lambda: probe.rest("POST", "/v1/node/drain"))
    wait_for(lambda: read(probe)["drained"])
    wait_for(lambda: probe.events("probe", "instance_ready") and not any(
        i["state"] == "running" for i in probe.instances("probe")))
    assert probe.rest("POST", "/v1/node/undrain").status == 200
    drain.join()
    assert answer[0].status == 409, answer
    assert probe.get("probe").status == 200
    thread.join()


def test_min_instances_stay_away_until_undrained(probe):
    probe.cli("deploy", "kept", "--image", "probe", "--min", "1")
    wait_for(lambda: probe.instances("kept"))
    probe.rest("POST", "/v1/node/drain")
    probe.cli("deploy", "kept", "--image", "probe", "--min", "2")  # the desired state may change
    assert probe.instances() == [] and probe.rest("POST", "/v1/services/kept/start").status == 204
    told = wait_for(lambda: probe.told("kept", "start_refused"))
    assert "this host is drained" in told[0], told
    probe.cli("undrain")
    wait_for(lambda: len(probe.instances("kept")) == 2)


def test_a_drain_outlives_ebb_api_and_ebbd(probe):
    probe.rest("POST", "/v1/node/drain?deadline=1h")
    before = read(probe)

    def same():
        now = read(probe)
        return all(now.get(k) == before.get(k) for k in ("drained", "since", "deadline"))
    kill_api(probe)
    wait_for(lambda: probe.rest("GET", "/readyz").json["detail"].endswith("takes no new work"))
    assert same() and probe.get("probe").status == 503
    probe.stop()
    probe.start()
    wait_for(lambda: probe.rest("GET", "/readyz").json["detail"].endswith("takes no new work"))
    assert same() and probe.get("probe").status == 503
    probe.cli("undrain")
    wait_for(lambda: probe.get("probe").status == 200)


# --- operations -----------------------------------------------------------------------------------
def test_an_operation_has_the_answer_of_its_request(probe):
    plain = probe.rest("PUT", "/v1/services/one", {"image": "probe"})
    started = probe.rest("PUT", "/v1/services/two?async=1", {"image": "probe"})
    ended = probe.rest("GET", started.headers["location"] + "?wait=30s").json
    assert started.status == 202 and ended["status"] == plain.status == 201 and ended["action"] == "deploy"
    assert ended["result"].keys() == plain.json.keys() and ended["of"] == ended["result"]["name"] == "two"
    wrong = probe.rest("PUT", "/v1/services/three?async=1", {"image": "none"})
    ended = probe.rest("GET", wrong.headers["location"] + "?wait=30s").json
    assert (ended["state"], ended["status"]) == ("failed", 422) and "not in the store" in ended["result"]["detail"]
    guarded = probe.rest("DELETE", "/v1/services/two?async=1", headers={"If-Match": '"x"'})
    assert probe.rest("GET", guarded.headers["location"]).json["status"] == 412
    gone = probe.rest("DELETE", "/v1/services/two?async=1")
    ended = probe.rest("GET", gone.headers["location"] + "?wait=30s").json
    assert ended["status"] == 204 and "result" not in ended and probe.rest("GET", "/v1/services/two").status == 404
    shown = probe.rest("GET", "/v1/operations").json["operations"]
    assert [o["action"] for o in shown] == ["deploy", "deploy", "remove", "remove"]


def test_an_import_goes_on_without_its_client(ebb):
    with open(pictures.probe_archive(), "rb") as archive:
        started = ebb.rest("POST", "/v1/images?async=1&name=later", body=archive.read())
    ended = ebb.rest("GET", started.headers["location"] + "?wait=5m", timeout=300).json
    assert ended["state"] == "done" and ended["result"]["names"] == ["later"]
    assert ebb.rest("GET", "/v1/images/later").json["digest"] == ended["result"]["digest"]


def test_a_wait_ends_at_its_time_and_with_its_client(probe):
    thread, _ = begin_slow(probe, 3000)
    at = probe.rest("POST", "/v1/node/drain?async=1").headers["location"]
    waited = probe.rest("GET", at + "?wait=200ms")
    assert waited.json["state"] == "running" and waited.seconds >= 0.2
    leaving = web.UnixConnection(probe.socket, slow(20))
    leaving.request("GET", at + "?wait=1m")
    leaving.close()
    assert probe.rest("GET", at + "?wait=1m").json["state"] == "done"
    thread.join()
    assert probe.rest("GET", at + "?wait=11m").status == 400


def test_old_operations_are_gone_and_say_so(probe):
    first = probe.rest("PUT", "/v1/services/one?async=1", {"image": "none"}).headers["location"]
    assert probe.rest("GET", first).status == 200
    for _ in range(128):
        last = probe.rest("PUT", "/v1/services/one?async=1", {"image": "none"}).headers["location"]
    assert probe.rest("GET", first).status == 410 and probe.rest("GET", last).status == 200
    assert len(probe.rest("GET", "/v1/operations").json["operations"]) == 128
    kill_api(probe)
    wait_for(lambda: probe.rest("GET", last).status == 410)
    assert probe.rest("GET", "/v1/operations").json == {"operations": []}


def test_an_operation_that_never_ends_keeps_its_own_place_only(probe):
    thread, _ = begin_slow(probe, 60000)
    endless = probe.rest("POST", "/v1/node/drain?async=1").headers["location"]
    for _ in range(200):
        last = probe.rest("PUT", "/v1/services/one?async=1", {"image": "none"})
        assert last.status == 202, last
    assert probe.rest("GET", endless).json["state"] == "running"
    shown = probe.rest("GET", "/v1/operations").json["operations"]
    assert len(shown) == 128 and [o["id"] for o in shown] == sorted(o["id"] for o in shown)
    assert "/" + shown[0]["id"] in endless and "/" + shown[-1]["id"] in last.headers["location"]
    os.kill(probe.instances("probe")[0]["pid"], signal.SIGKILL)
    thread.join()
    assert probe.rest("GET", endless + "?wait=1m").json["state"] == "done"


def test_an_undrain_that_was_saved_and_never_told_is_in_force(probe):
    """ebb-api died between the two. ebbd, which keeps a drain over its own deaths, took no work for ever."""
    probe.cli("drain")
    ebbd = probe.ebbd_pid
    os.kill(ebbd, signal.SIGSTOP)
    try:
        os.kill(probe.programs("ebb-api")[0], signal.SIGKILL)
        os.unlink(os.path.join(probe.config["state_dir"], "drain.json"))
    finally:
        os.kill(ebbd, signal.SIGCONT)
    wait_for(lambda: probe.get("probe").status == 200, 20)
    assert len(probe.log_lines("event=node_undrained")) == 1
    kill_api(probe)
    assert wait_for(lambda: probe.get("probe")).status == 200
    assert len(probe.log_lines("event=node_undrained")) == 1, "a host that was not drained is undrained"


def test_an_undrain_whose_word_is_lost_is_said_again(probe):
    """ebbd stands still, and as many questions wait for it as ebb-api can keep: 256."""
    probe.cli("drain")
    ebbd = probe.ebbd_pid
    os.kill(ebbd, signal.SIGSTOP)
    asking = []
    try:
        while probe.rest("POST", "/v1/node/drain?async=1").status == 202:
            pass  # 128 of them
        for _ in range(140):
            asking.append(web.UnixConnection(probe.socket, slow(60)))
            asking[-1].request("GET", "/v1/instances")
        lost = wait_for(lambda: [r for r in [probe.rest("POST", "/v1/node/undrain")] if r.status == 503])[0]
        assert "too many requests" in lost.json["detail"], lost
    finally:
        os.kill(ebbd, signal.SIGCONT)
        for connection in asking:
            connection.close()
    wait_for(lambda: probe.get("probe").status == 200, 20)


# --- up --attach ----------------------------------------------------------------------------------
class Attached:
    """`ebb up --attach` on a file of these services; write() makes it anew."""

    def __init__(self, ebb, services):
        self.ebb, self.file = ebb, os.path.join(ebb.root, "attached.json")
        self.write(services)
        self.said = os.path.join(ebb.root, "attached.err")
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen([os.path.join(BIN, "ebb"), "up", "--attach", "-f", self.file],
                                            env={**os.environ, "EBB_SOCKET": ebb.socket}, stdout=subprocess.DEVNULL,
                                            stderr=said)

    def write(self, services):
        text = services if isinstance(services, str) else json.dumps({"services": services})
        with open(self.file, "w") as f:
            f.write(text)

    def apply(self, services):
        self.write(services)
        self.process.send_signal(signal.SIGHUP)

    def __repr__(self):
        return self.words()

    def words(self):
        with open(self.said, encoding="utf-8") as said:
            return said.read()

    def memory(self):
        return {s["name"]: s["memory"] for s in self.ebb.rest("GET", "/v1/services").json["services"]
                if s["name"] != "probe"}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def one(memory):
    return {"runtime": "container", "entrypoint": "probe", "memory": memory}


def test_sighup_applies_the_file_again_and_sigterm_ends_it(probe):
    with Attached(probe, {"a": one(128), "b": one(128)}) as up:
        wait_for(lambda: up.memory() == {"a": 128, "b": 128}, 30)
        wait_for(lambda: probe.events("b", "instance_ready"), 30)
        up.apply({"a": one(192), "c": one(128)})
        wait_for(lambda: up.memory() == {"a": 192, "c": 128}, 30)
        up.apply('{"services": {"a": {"memory": "much"}}}')
        wait_for(lambda: "attached.json is not deployed" in up.words(), 30, up)
        assert up.memory() == {"a": 192, "c": 128}
        up.apply({"a": one(256), "c": one(128)})
        wait_for(lambda: up.memory() == {"a": 256, "c": 128}, 30)
        assert up.process.poll() is None
        up.process.terminate()
        assert up.process.wait(slow(30)) == 0
        assert up.memory() == {}


# --- changes --------------------------------------------------------------------------------------
def share(ebb, document, **more):
    return ebb.rest("PUT", "/v1/services/probe/traffic" + more.pop("query", ""), {"traffic": document}, **more)


def test_a_change_right_behind_a_shared_traffic_is_taken(probe):
    for memory in (128, 192, 256, 320):
        probe.rest("PUT", "/v1/services/probe", {"image": "probe", "memory": memory})
        number = probe.rest("GET", "/v1/services/probe").json["revision"]
        half = [{"revision": number, "percent": 50}, {"revision": number - 1, "percent": 50}]
        assert share(probe, half).status == 200
        assert probe.rest("POST", "/v1/services/probe/rollback").status == 201
        assert probe.rest("POST", "/v1/services/probe/rollback").status == 201


def test_a_dry_run_changes_nothing(probe):
    probe.rest("PUT", "/v1/services/probe", {"image": "probe", "memory": 128})
    before = probe.rest("GET", "/v1/services/probe")
    half = [{"revision": 2, "percent": 50}, {"revision": 1, "percent": 50}]
    shown = share(probe, half, query="?dryRun=1")
    assert {s["revision"]: s["percent"] for s in shown.json["traffic"]} == {1: 50, 2: 50}
    assert "would be" in probe.cli("rollback", "probe", "--dry-run").out
    probe.cli("traffic", "probe", "1=10", "2=90", "--dry-run")
    assert probe.rest("GET", "/v1/services/probe").json == before.json
    etag = before.headers["etag"]
    assert share(probe, half, headers={"If-Match": etag}).status == 200
    assert share(probe, half, headers={"If-Match": '"x"'}).status == 412


def test_capacity_is_what_the_host_was_given(new_ebb):
    assert read(new_ebb(settings={"instances_max": 7}))["capacity"]["instances"] == 7


def test_capacity_and_use_are_those_of_this_moment(probe):
    """Against what the kernel, the settings and the listings say: empty, at work, frozen."""
    capacity = read(probe)["capacity"]
    assert capacity["cpus"] == len(os.sched_getaffinity(0)) and capacity["instances"] == int(probe.config["instances_max"])
    assert abs(capacity["memory_bytes"] - os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) < 1 << 20
    assert used(probe) == {"services": 1, "images": 1, "instances": 0, "frozen": 0, "tickets": 0, "memory_bytes": 0}
    thread, _ = begin_slow(probe, 1000)
    working = used(probe)
    assert (working["instances"], working["frozen"], working["tickets"]) == (1, 0, 1) and working["memory_bytes"] > 0
    thread.join()
    probe.wait_frozen("probe")
    (one,) = probe.instances("probe")
    assert used(probe) == {"services": 1, "images": 1, "instances": 1, "frozen": 1, "tickets": 0,
                           "memory_bytes": one["memory_bytes"]}
    probe.cli("rm", "probe")
    wait_for(lambda: used(probe) == {"services": 0, "images": 1, "instances": 0, "frozen": 0, "tickets": 0, "memory_bytes": 0})


def used(ebb):
    return read(ebb)["used"]


def test_a_host_that_stops_is_not_ready_to_the_end(probe):
    thread, result = begin_slow(probe, 1500)
    probe.witness.note(probe.process.pid)
    probe.process.send_signal(signal.SIGTERM)
    ready = wait_for(lambda: [r for r in [probe.rest("GET", "/readyz")] if r.status == 503])[0]
    assert "stopping" in ready.json["detail"]
    assert conditions(probe) == {"Ready": False, "Billing": True, "Starting": True, "Schedules": True, "Drained": False}
    thread.join()
    assert result[0].status == 200 and probe.process.wait(slow(30)) == 0
    probe.stop()


def test_a_start_says_who_asked_for_it(probe):
    probe.cli("deploy", "proved", "--image", "probe", "--wait")
    told = probe.told("proved", "instance_starting")
    assert len(told) == 1 and told[0].startswith("it was told to start"), told


