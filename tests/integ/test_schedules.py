# SPDX-License-Identifier: Apache-2.0
"""Schedules through the real programs: crons and schedules of services are delivered when they are due, as requests
like any other; runs have an id that stays, results, retries, and rules about runs that overlap or were missed."""
import calendar
import json
import os
import re
import signal
import time

import leaks
import pictures
import pytest
from ebbd_deaths import kill_ebbd
from waiting import pass_time, throughout, wait_for

EVERY = "* * * * *"


def put(ebb, name, document, status=(200, 201)):
    reply = ebb.rest("PUT", f"/v1/services/{name}", {"image": "probe", "maxInstances": 1, **document})
    assert reply.status in status, reply
    return reply


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


def daily(path, **more):
    """A schedule that is due once a day, half a day from now: the tests run it by hand."""
    hour = (time.gmtime().tm_hour + 12) % 24
    return {"schedule": f"0 {hour} * * *", "path": path, **more}


def noted(ebb, service):
    """The requests that the function noted: their heads as dicts, with the request line and when they came."""
    found = []
    for note in json.loads(ebb.get(service, "/noted").text):
        first, *lines = note["head"].strip().split("\n")
        found.append({"": first, "at": note["at"] / 1e6,
                      **{k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}})
    return found


def run(ebb, name, service="web"):
    return ebb.cli("crons", "run", name, "--service", service).out.strip()


def runs(ebb, name=None, service="web"):
    return ebb.cli("crons", "runs", *([name] if name else []), "--service", service, "--json").json


def find(ebb, run_id, service="web"):
    return next((r for r in runs(ebb, service=service) if r["id"] == run_id), None)


def over(ebb, run_id, deadline_s=20, service="web"):
    """The run when it is over."""
    return wait_for(lambda: (r := find(ebb, run_id, service)) and r["ended_at"] and r, deadline_s,
                    f"run {run_id} over: {find(ebb, run_id, service)}")


def schedules(ebb):
    return {s["name"]: s for s in ebb.rest("GET", "/v1/schedules").json["schedules"]}


def flow(ebb):
    (pid,) = wait_for(lambda: ebb.programs("ebb-flow"))
    return pid


def seconds(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1])


# --- delivered when it is due -----------------------------------------------------------------------------
def test_a_cron_is_called_at_its_minute(ebb):
    """As Vercel does: GET of the path with the token of the service's environment; also when it is a secret, the
    service is private, and its instance is frozen."""
    ebb.cli("secret", "set", "cron", stdin="s3cret-token")
    put(ebb, "web", {"crons": [{"path": "/note?a=1", "schedule": EVERY}], "ebb": {"private": True},
                     "env": {"CRON_SECRET": {"secret": "cron"}}})
    due = seconds(schedules(ebb)["/note?a=1"]["next_at"])
    assert due % 60 == 0 and 0 < due - time.time() <= 60
    done = wait_for(lambda: [r for r in runs(ebb, "/note?a=1") if r["state"] == "done"], 75)[-1]
    assert seconds(done["scheduled_at"]) == due and done["cause"] == "time"
    assert (done["status"], done["attempts"]) == (200, 1)
    late = seconds(done["begun_at"]) - due
    assert late >= 0
    put(ebb, "web", {"crons": [], "env": {"CRON_SECRET": {"secret": "cron"}}})  # public now, and a new instance
    assert schedules(ebb) == {}


def test_what_the_function_sees(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/note", requestMethod="POST")}, "crons": [daily("/note")],
                     "env": {"CRON_SECRET": "abc"}})
    by_post, by_get = run(ebb, "tidy"), run(ebb, "/note")
    for one in (by_post, by_get):
        assert over(ebb, one)["state"] == "done"
    seen = {head["x-ebb-run"]: head for head in noted(ebb, "web")}
    assert seen[by_post][""].startswith("POST /note HTTP/1.1") and seen[by_get][""].startswith("GET /note HTTP/1.1")
    for one, name in ((by_post, "tidy"), (by_get, "/note")):
        head = seen[one]
        assert head["authorization"] == "Bearer abc" and head["user-agent"] == "vercel-cron/1.0"
        assert (head["x-ebb-schedule"], head["x-ebb-attempt"], head["host"]) == (name, "1", "web.localhost")
        assert re.fullmatch(r"[0-9a-f]{32}", one) and head["x-ebb-id"] == one
        assert abs(seconds(head["x-ebb-scheduled"]) - head["at"]) < 10
        assert "x-ebb-service" not in head


def test_nobody_else_can_say_that_he_is_a_run(ebb):
    """The headers of a run are dropped from public requests, and no public request chooses a service by header."""
    put(ebb, "web", {})
    put(ebb, "hidden", {"ebb": {"private": True}})
    reply = ebb.get("web", "/note", headers={"x-ebb-run": "0" * 32, "x-ebb-attempt": "7", "x-ebb-service": "hidden"})
    assert reply.status == 200
    (head,) = noted(ebb, "web")
    assert not {"x-ebb-run", "x-ebb-attempt", "x-ebb-service"} & set(head)
    assert ebb.get("hidden", "/").status == 404
    assert ebb.instances("hidden") == []


def test_a_delivery_passes_by_the_rules_of_a_site(ebb):
    """A rewrite of the site leads the path elsewhere for the public, and not for a run."""
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
    reply = ebb.rest("PUT", "/v1/sites/shop", {"hosts": ["web.localhost"],
                                               "rewrites": [{"source": "/note", "destination": "/status?code=418"}],
                                               "services": {"web": {}}})
    assert reply.status in (200, 201), reply
    assert over(ebb, run(ebb, "tidy"))["status"] == 200


def test_it_is_on_the_bill(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
    assert over(ebb, run(ebb, "tidy"))["state"] == "done"
    assert ebb.usage("web")["invocations"] == 1


# --- results ----------------------------------------------------------------------------------------------
def test_a_run_that_fails_is_delivered_again_with_its_id(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/note?first=2")}})
    one = over(ebb, run(ebb, "tidy"), 30)
    assert (one["state"], one["attempts"], one["status"]) == ("done", 3, 200)
    heads = noted(ebb, "web")
    assert [(h["x-ebb-run"], h["x-ebb-attempt"]) for h in heads] == [(one["id"], str(n)) for n in (1, 2, 3)]
    assert len({h["x-ebb-scheduled"] for h in heads}) == 1
    assert 0.9 < heads[1]["at"] - heads[0]["at"] < 4 < heads[2]["at"] - heads[1]["at"] < 9


def test_a_run_that_goes_on_failing_says_so(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/status?code=500", retries=1)}})
    one = over(ebb, run(ebb, "tidy"))
    assert (one["state"], one["attempts"], one["status"]) == ("failed", 2, 500)
    assert one["text"] == "the answer was 500"
    (told,) = wait_for(lambda: ebb.told("web", "run_failed"))
    assert told == "schedule tidy: the answer was 500, after 2 deliveries"
    metrics = ebb.rest("GET", "/metrics").text
    assert "\nebb_schedule_failed_total 1\n" in metrics and "\nebb_schedule_attempts_total 2\n" in metrics
    assert "\nebb_flow_up 1\n" in metrics


def test_an_answer_that_another_delivery_cannot_mend_is_final(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/status?code=404"), "moved": daily("/status?code=308")}})
    for name, status in (("tidy", 404), ("moved", 308)):
        one = over(ebb, run(ebb, name))
        assert (one["state"], one["attempts"], one["status"]) == ("failed", 1, status)


@pytest.mark.parametrize("path", ["/stream?count=5&ms=10", "/noted", "/size?bytes=200000", "/head", "/status?code=204"])
def test_an_answer_of_any_form_is_read_to_its_end(ebb, path):
    """In chunks, long, short, without a body: a run is over when its answer is."""
    put(ebb, "web", {"crons": [daily(path)]})
    one = over(ebb, run(ebb, path))
    assert (one["state"], one["attempts"]) == ("done", 1), one


def test_schedules_of_many_zones_and_words(ebb):
    """Names in expressions, and zones of every kind: rules of either half of the earth, days by number, none at all."""
    zones = ("America/Santiago", "Asia/Tehran", "Africa/Casablanca", "Antarctica/Troll", "Asia/Kathmandu", "Asia/Gaza",
             "Australia/Lord_Howe", "Europe/Dublin", "America/Scoresbysund", "Etc/GMT+12", "UTC")
    document = {zone.replace("/", "_").replace("+", "p"): {
        "schedule": "5,35 3-4/1 */2 jan-jun,DEC Mon-fri,7", "timezone": zone, "path": "/note", "jitter": 2} for zone in zones}
    put(ebb, "web", {"schedules": document})
    first = {name: s["next_at"] for name, s in schedules(ebb).items()}
    assert len(first) == len(zones) and len(set(first.values())) > 6
    put(ebb, "web", {"schedules": {name: {**s, "schedule": "0 0 29 2 *"} for name, s in document.items()}})
    then = {name: s["next_at"] for name, s in schedules(ebb).items()}
    assert all(date[:7] == "2028-02" for date in then.values()) and then != first  # the rule is another one


def test_an_instance_that_dies_under_a_run(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/crash", retries=0)}})
    one = over(ebb, run(ebb, "tidy"))
    assert (one["state"], one["status"]) == ("failed", 502)


# --- overlap ----------------------------------------------------------------------------------------------
def test_runs_that_overlap(ebb):
    put(ebb, "web", {"schedules": {"free": daily("/note?ms=1500", overlap="allow"),
                                   "line": daily("/note?ms=1500", overlap="queue")}})
    for name, together in (("free", True), ("line", False)):
        ids = [run(ebb, name) for _ in range(2)]
        ended = [over(ebb, one) for one in ids]
        assert all(r["state"] == "done" for r in ended)
        begun = [seconds(r["begun_at"]) for r in ended]
        assert (begun[1] < seconds(ended[0]["ended_at"])) == together, ended


def test_a_run_is_left_out_while_another_is_not_over(ebb):
    """overlap: skip, by the clock."""
    put(ebb, "web", {"maxDuration": 300, "schedules": {"slow": {"schedule": EVERY, "path": "/note?ms=200000",
                                                                "overlap": "skip"}}})
    run(ebb, "slow")
    skipped = wait_for(lambda: [r for r in runs(ebb, "slow") if r["state"] == "skipped"], 75)
    assert skipped[0]["text"] == "an earlier run is not over (overlap: skip)"
    assert ebb.told("web", "run_skipped")[0].startswith("schedule slow: an earlier run is not over")
    assert ebb.cli("rm", "web").code == 0  # and the run with it
    assert wait_for(lambda: schedules(ebb) == {})


def test_runs_that_wait_are_bounded(ebb):
    """64 of one schedule are not over at a time; the next one is refused by name, others are not."""
    put(ebb, "web", {"maxDuration": 60, "schedules": {"line": daily("/note?ms=50000", overlap="queue"),
                                                      "other": daily("/note")}})
    for _ in range(64):
        assert ebb.rest("POST", "/v1/schedules/run?name=line").status == 202
    reply = ebb.rest("POST", "/v1/schedules/run?name=line")
    assert reply.status >= 400 and "too many runs are not over" in reply.text, reply
    assert schedules(ebb)["line"]["open"] == 64
    assert over(ebb, run(ebb, "other"))["state"] == "done"
    ebb.cli("rm", "web")


# --- deaths -----------------------------------------------------------------------------------------------
def test_a_run_survives_each_program(ebb):
    """Killed between the delivery and its answer: delivered again, with the same id."""
    put(ebb, "web", {"schedules": {"tidy": daily("/note?ms=1500")}})
    for program in ("ebb-flow", "ebb-api", "ebb-gateway"):
        before = len(noted(ebb, "web"))
        one = run(ebb, "tidy")
        wait_for(lambda count=before: len(noted(ebb, "web")) > count)
        pids = ebb.programs(program)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda name=program, gone=pids: (now := ebb.programs(name)) and not set(now) & set(gone)
                 and len(now) == len(gone))
        wait_for(lambda: ebb.rest("GET", "/readyz").status == 200)
        wait_for(lambda: ebb.rest("GET", "/v1/runs").status == 200)
        ended = over(ebb, one, 40)
        assert ended["state"] == "done", (program, ended)
        seen = [h["x-ebb-run"] for h in noted(ebb, "web")[before:]]
        assert set(seen) == {one} and len(seen) == (1 if program == "ebb-api" else 2), (program, seen)


def test_ebbd_dies_and_schedules_go_on(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/note?ms=1500")}})
    assert over(ebb, run(ebb, "tidy"))["state"] == "done"
    due = schedules(ebb)["tidy"]["next_at"]
    one = run(ebb, "tidy")
    wait_for(lambda: len(noted(ebb, "web")) == 2)
    kill_ebbd(ebb)
    wait_for(lambda: ebb.cli("crons", "ls", ok=False).code == 0 and ebb.rest("GET", "/v1/runs").status == 200, 20)
    assert over(ebb, one, 40)["state"] == "done"
    assert {h["x-ebb-run"] for h in noted(ebb, "web")[1:]} == {one}
    assert schedules(ebb)["tidy"]["next_at"] == due


def test_runs_are_remembered_over_a_restart(new_ebb):
    ebb = new_ebb(gateways=1)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
    one, due = over(ebb, run(ebb, "tidy")), schedules(ebb)["tidy"]["next_at"]
    ebb.stop()
    ebb.start()
    wait_for(lambda: schedules(ebb).get("tidy"))
    assert find(ebb, one["id"]) == one and schedules(ebb)["tidy"]["next_at"] == due
    assert schedules(ebb)["tidy"]["last"]["id"] == one["id"]


# --- it costs nothing while it waits ----------------------------------------------------------------------
def test_nothing_wakes_up_while_nothing_is_due(ebb):
    put(ebb, "web", {"schedules": {f"n{i}": daily("/note") for i in range(20)}})
    pid = flow(ebb)

    def slept():
        return leaks.read(f"/proc/{pid}/status").rpartition("voluntary_ctxt_switches:\t")[2].strip()

    wait_for(lambda: (before := slept()) and not pass_time(0.3) and before == slept())
    assert len(set(throughout(3, slept))) == 1


def test_it_is_confined(ebb):
    pid = flow(ebb)
    status = leaks.read(f"/proc/{pid}/status")
    assert re.search(r"^Seccomp:\t2$", status, re.M) and re.search(r"^CapEff:\t0+$", status, re.M)
    assert re.search(rf"^Uid:\t{int(ebb.config['id_base']) + 8}\b", status, re.M)


# --- bad input --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("document, path, words", [
    ({"crons": [{"path": "/a", "schedule": "0 0 31 2 *"}]}, "crons[0].schedule", "never comes"),
    ({"crons": [{"path": "/a", "schedule": "61 * * * *"}]}, "crons[0].schedule", "minute (0..59"),
    ({"crons": [{"path": "a", "schedule": EVERY}]}, "crons[0].path", "is not a path such as"),
    ({"crons": [{"path": "/a b", "schedule": EVERY}]}, "crons[0].path", "no space"),
    ({"crons": [{"path": "/a"}]}, "crons[0].schedule", "is not a cron expression"),
    ({"crons": [{"path": "/a", "schedule": EVERY, "timezone": "UTC"}]}, "crons[0].timezone", "there is more in schedules"),
    ({"crons": {"path": "/a"}}, "crons", "must be a list"),
    ({"crons": [{"path": f"/{i}", "schedule": EVERY} for i in range(21)]}, "crons", "too many"),
    ({"schedules": {"x": {"path": "/a", "schedule": EVERY, "timezone": "Mars/Base"}}}, "schedules.x.timezone",
     "is not a time zone of this host"),
    ({"schedules": {"x": {"path": "/a", "schedule": EVERY, "timezone": "../../etc/passwd"}}}, "schedules.x.timezone",
     "is not a time zone such as"),
    ({"schedules": {"x": {"path": "/a", "schedule": EVERY, "jitter": 16}}}, "schedules.x.jitter", "(0..15)"),
    ({"schedules": {"x": {"path": "/a", "schedule": EVERY, "overlap": "no"}}}, "schedules.x.overlap", "allow, skip, queue"),
    ({"schedules": {"x": {"topics": "t", "path": "/", "schedule": EVERY}}}, "schedules.x.topics", "is not offered"),
    ({"schedules": {"1x": {"path": "/a", "schedule": EVERY}}}, "schedules", "is no name of a schedule"),
    ({"schedules": [1]}, "schedules", "must be an object"),
    ({"crons": [{"path": "/a", "schedule": EVERY}], "env": {"CRON_SECRET": "a\nb"}}, "env.CRON_SECRET", "as a header"),
])
def test_a_schedule_that_is_none_is_refused(ebb, document, path, words):
    reply = put(ebb, "web", document, status=(422,))
    said = [e for e in reply.json["errors"] if e["path"] == path]
    assert said and words in said[0]["message"], reply.json
    assert schedules(ebb) == {}


def test_unknown_names(ebb):
    put(ebb, "web", {"schedules": {"tidy": daily("/note")}})
    put(ebb, "api", {"schedules": {"tidy": daily("/note")}})
    for words, text in ((("nothing",), "0 services have a schedule 'nothing'"),
                        (("tidy",), "2 services have a schedule 'tidy'"),
                        (("tidy", "--service", "nobody"), "nobody")):
        done = ebb.cli("crons", "run", *words, ok=False)
        assert done.code == 1 and text in done.err, done
    assert ebb.cli("crons", "ls", "--service", "api", "-q").out == "tidy\n"
