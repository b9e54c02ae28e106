# SPDX-License-Identifier: Apache-2.0
"""Workflows without the SDK: every method of the World in the Node image, called inside an instance, against the store
of ebb-flow; and its messages. tests/workflows has the SDK itself."""
import base64
import concurrent.futures
import json
import time

import pictures
import pytest
from conftest import running
from test_hostile_queues import socket_count
from waiting import throughout, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute to start under emulation")
FLOW = "/.well-known/workflow/v1/flow"
ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def triggers(service):
    return [{"type": "queue/v2beta", "topic": f"__wkf_{topic}_{service}", "path": f"/.well-known/workflow/v1/{path}",
             "retryAfterSeconds": 1, "maxDeliveries": 64, "maxConcurrency": 100}
            for topic, path in (("workflow", "flow"), ("step", "step"))]


@pytest.fixture(scope="module", name="ebb")
def one_ebb():
    with running(gateways=1) as ebb:
        ebb.import_image("oci-archive:" + pictures.apps_archive("world-node"), "world-node")
        ebb.rest("PUT", "/v1/services/work", {"image": "world-node", "maxInstances": 1, "minInstances": 1,
                                              "initTimeout": "60s", "memory": 256, "experimentalTriggers": triggers("work")})
        wait_for(lambda: ebb.get("work", "/").status == 200, 60)
        yield ebb


class Failed(Exception):
    @property
    def name(self):
        return self.args[0]["name"]


def packed(value):
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    raise TypeError(value)


def unpacked(value):
    if "bytes" in value:
        return base64.b64decode(value["bytes"])
    return value["time"] if set(value) == {"time"} else value


def ask(ebb, name, *args):
    body = json.dumps({"name": name, "args": args}, default=packed).encode()
    reply = ebb.http("/call", host="work.localhost", method="POST", body=body)
    assert reply.status == 200, reply
    answer = json.loads(reply.text, object_hook=unpacked)
    if "error" in answer:
        raise Failed(answer["error"])
    return answer["value"]


def seen(ebb, run):
    return [one for one in json.loads(ebb.get("work", "/seen").text, object_hook=unpacked) if one["payload"].get("runId") == run]


def run_id(number=[0]):  # pylint: disable=dangerous-default-value
    number[0] += 1
    value, text = (int(time.time() * 1000) << 80) + number[0], ""
    for _ in range(26):
        value, text = value >> 5, ULID[value & 31] + text
    return "wrun_" + text


def event(kind, correlation=None, **data):
    return {"eventType": kind, "specVersion": 3, **({"correlationId": correlation} if correlation else {}),
            **({"eventData": data} if data else {})}


def begun(ebb, name="workflow//./a.js//ä b", **more):
    run = run_id()
    ask(ebb, "events.create", run, event("run_created", deploymentId="work@1", workflowName=name, input=b"in\0put",
                                         executionContext={"features": {"x": [1, None]}}, **more))
    return run


def refused(ebb, name, *args):
    with pytest.raises(Failed) as info:
        ask(ebb, *args)
    assert info.value.name == name, info.value
    return info.value.args[0]


# --- runs and their events ----------------------------------------------------------------------------------------
def test_a_run_from_its_beginning_to_its_end(ebb):
    run = begun(ebb)
    pending = ask(ebb, "runs.get", run)
    assert (pending["status"], pending["workflowName"], pending["input"]) == ("pending", "workflow//./a.js//ä b", b"in\0put")
    assert pending["executionContext"] == {"features": {"x": [1, None]}} and pending["deploymentId"] == "work@1"
    started = ask(ebb, "events.create", run, event("run_started"))
    assert started["run"]["status"] == "running" and started["run"]["input"] == b"in\0put" and started["maxEvents"] >= 10000
    again = ask(ebb, "events.create", run, event("run_started"))
    assert again["run"]["status"] == "running" and "event" not in again
    done = ask(ebb, "events.create", run, event("run_completed", output=b"out"))
    assert done["run"]["status"] == "completed" and done["run"]["completedAt"] >= done["run"]["startedAt"]
    assert ask(ebb, "runs.get", run)["output"] == b"out"
    assert "output" not in ask(ebb, "runs.get", run, {"resolveData": "none"})
    assert [e["eventType"] for e in ask(ebb, "events.list", {"runId": run})["data"]] == ["run_created", "run_started", "run_completed"]
    refused(ebb, "RunExpiredError", "events.create", run, event("run_started"))
    refused(ebb, "EntityConflictError", "events.create", run, event("run_completed", output=b""))
    refused(ebb, "EntityConflictError", "events.create", run, event("step_created", "s", stepName="s", input=b""))


def test_a_run_that_fails_says_why(ebb):
    run = begun(ebb)
    ask(ebb, "events.create", run, event("run_failed", error={"message": "no", "stack": "s" * 70000}, errorCode="USER_ERROR"))
    error = ask(ebb, "runs.get", run, {"resolveData": "none"})["error"]
    assert (error["message"], error["code"]) == ("no", "USER_ERROR") and error["stack"].startswith("sss")


def test_a_message_with_the_input_makes_the_run_that_its_start_did_not_make(ebb):
    run = run_id()
    refused(ebb, "WorkflowRunNotFoundError", "events.create", run, event("run_started"))
    made = ask(ebb, "events.create", run, event("run_started", input=b"x", deploymentId="work@1", workflowName="w"))
    assert (made["run"]["status"], made["run"]["input"]) == ("running", b"x")
    kinds = [e["eventType"] for e in ask(ebb, "events.list", {"runId": run})["data"]]
    assert kinds == ["run_created", "run_started"]
    refused(ebb, "EntityConflictError", "events.create", run, event("run_created", input=b"x", deploymentId="d", workflowName="w"))


def test_a_run_that_is_cancelled_stays_so(ebb):
    run = begun(ebb)
    for _ in range(2):
        assert ask(ebb, "events.create", run, event("run_cancelled"))["run"]["status"] == "cancelled"
    refused(ebb, "EntityConflictError", "events.create", run, event("run_failed", error="x"))


def test_runs_are_listed_by_name_state_and_page(ebb):
    name = f"list-{run_id()}"
    runs = [begun(ebb, name) for _ in range(5)]
    ask(ebb, "events.create", runs[2], event("run_cancelled"))
    first = ask(ebb, "runs.list", {"workflowName": name, "pagination": {"limit": 3}})
    second = ask(ebb, "runs.list", {"workflowName": name, "pagination": {"limit": 3, "cursor": first["cursor"]}})
    assert [r["runId"] for r in first["data"] + second["data"]] == runs[::-1] and first["hasMore"] and not second["hasMore"]
    (one,) = ask(ebb, "runs.list", {"workflowName": name, "status": "cancelled"})["data"]
    assert one["runId"] == runs[2]


def test_events_are_in_order_and_found_by_what_they_belong_to(ebb):
    run = begun(ebb)
    for n in range(7):
        ask(ebb, "events.create", run, event("step_created", f"step_{n}", stepName="s", input=b"%d" % n))
    ask(ebb, "events.create", run, event("step_started", "step_3"))
    events, cursor = [], None
    while True:
        page = ask(ebb, "events.list", {"runId": run, "pagination": {"limit": 4, "cursor": cursor, "sortOrder": "asc"}})
        events, cursor = events + page["data"], page["cursor"]
        if not page["hasMore"]:
            break
    ids = [e["eventId"] for e in events]
    assert len(ids) == 9 and ids == sorted(set(ids))
    assert events[3]["eventData"] == {"stepName": "s", "input": b"2"}
    of = ask(ebb, "events.listByCorrelationId", {"correlationId": "step_3", "runId": run})["data"]
    assert [e["eventType"] for e in of] == ["step_created", "step_started"]
    bare = ask(ebb, "events.get", run, ids[3], {"resolveData": "none"})
    assert bare["eventData"] == {"stepName": "s"} and ask(ebb, "events.get", run, ids[3])["eventData"]["input"] == b"2"


# --- steps, waits, hooks ------------------------------------------------------------------------------------------
def test_a_step_is_tried_again_and_ends_once(ebb):
    run = begun(ebb)
    ask(ebb, "events.create", run, event("step_created", "step_a", stepName="step//./a.js//f", input=b"in"))
    refused(ebb, "EntityConflictError", "events.create", run, event("step_created", "step_a", stepName="x", input=b""))
    started = ask(ebb, "events.create", run, event("step_started", "step_a"))["step"]
    assert (started["attempt"], started["status"], started["input"]) == (1, "running", b"in")
    ask(ebb, "events.create", run, event("step_retrying", "step_a", error="first", retryAfter=int(time.time() * 1000) + 1500))
    early = refused(ebb, "TooEarlyError", "events.create", run, event("step_started", "step_a"))
    assert 1 <= early["retryAfter"] <= 2
    step = ask(ebb, "steps.get", run, "step_a")
    assert step["error"]["message"] == "first" and step["status"] == "pending" and step["retryAfter"]
    wait_for(lambda: time.time() * 1000 > step["retryAfter"])
    assert ask(ebb, "events.create", run, event("step_started", "step_a"))["step"]["attempt"] == 2
    assert ask(ebb, "events.create", run, event("step_completed", "step_a", result=b"\0"))["step"]["output"] == b"\0"
    refused(ebb, "EntityConflictError", "events.create", run, event("step_failed", "step_a", error="late"))
    refused(ebb, "EntityConflictError", "events.create", run, event("step_started", "step_a"))
    (listed,) = ask(ebb, "steps.list", {"runId": run, "resolveData": "none"})["data"]
    assert (listed["stepId"], listed["stepName"], "output" in listed) == ("step_a", "step//./a.js//f", False)


def test_a_wait_ends_once(ebb):
    run, at = begun(ebb), int(time.time() * 1000) + 5000
    made = ask(ebb, "events.create", run, event("wait_created", "wait_a", resumeAt=at))
    assert (made["wait"]["status"], made["wait"]["resumeAt"]) == ("waiting", at)
    refused(ebb, "EntityConflictError", "events.create", run, event("wait_created", "wait_a", resumeAt=at))
    assert ask(ebb, "events.create", run, event("wait_completed", "wait_a"))["wait"]["status"] == "completed"
    refused(ebb, "EntityConflictError", "events.create", run, event("wait_completed", "wait_a"))
    assert ask(ebb, "events.list", {"runId": run})["data"][1]["eventData"] == {"resumeAt": at}


def test_a_hook_is_found_by_its_token_and_ends_with_its_run(ebb):
    run, token = begun(ebb), f"tok/en ä%{run_id()}"
    made = ask(ebb, "events.create", run, event("hook_created", "hook_a", token=token, metadata=b"m", isWebhook=True))
    assert (made["hook"]["token"], made["hook"]["isWebhook"]) == (token, True)
    refused(ebb, "EntityConflictError", "events.create", run, event("hook_created", "hook_a", token=token))
    found = ask(ebb, "hooks.getByToken", token)
    assert (found["runId"], found["hookId"], found["metadata"]) == (run, "hook_a", b"m")
    assert ask(ebb, "hooks.get", "hook_a")["token"] == token
    other = begun(ebb)
    conflict = ask(ebb, "events.create", other, event("hook_created", "hook_b", token=token))
    assert conflict["event"]["eventType"] == "hook_conflict" and "hook" not in conflict
    assert conflict["event"]["eventData"] == {"token": token, "conflictingRunId": run}
    ask(ebb, "events.create", run, event("hook_received", "hook_a", token=token, payload=b"p"))
    assert ask(ebb, "events.list", {"runId": run})["data"][-1]["eventData"] == {"token": token, "payload": b"p"}
    assert [h["hookId"] for h in ask(ebb, "hooks.list", {"runId": run})["data"]] == ["hook_a"]
    ask(ebb, "events.create", run, event("run_completed", output=b""))
    refused(ebb, "HookNotFoundError", "hooks.getByToken", token)
    refused(ebb, "HookNotFoundError", "events.create", other, event("hook_received", "hook_b", payload=b""))
    assert ask(ebb, "events.create", other, event("hook_created", "hook_c", token=token))["hook"]["hookId"] == "hook_c"
    ask(ebb, "events.create", other, event("hook_disposed", "hook_c"))
    refused(ebb, "HookNotFoundError", "hooks.getByToken", token)


def test_an_event_of_an_older_look_is_refused(ebb):
    run = begun(ebb)
    ask(ebb, "events.create", run, event("hook_created", "hook_a", token=run))
    received = ask(ebb, "events.create", run, event("hook_received", "hook_a", payload=b""))["event"]["createdAt"]
    stale = refused(ebb, "PreconditionFailedError", "events.create", run, event("run_completed", output=b""),
                    {"stateUpdatedAt": received - 1})
    assert stale["status"] == 412
    ask(ebb, "events.create", run, event("run_completed", output=b""), {"stateUpdatedAt": received})


# --- streams ------------------------------------------------------------------------------------------------------
def test_a_stream_keeps_its_chunks_in_order(ebb):
    run = begun(ebb)
    name = f"strm_{run}_user/ä"
    ask(ebb, "writeToStream", name, run, b"\0one")
    ask(ebb, "writeToStreamMulti", name, run, [b"two", b"three"])
    assert ask(ebb, "getStreamInfo", name, run) == {"tailIndex": 2, "done": False}
    ask(ebb, "closeStream", name, run)
    assert ask(ebb, "readFromStream", name) == [b"\0one", b"two", b"three"]
    assert ask(ebb, "readFromStream", name, -1) == [b"three"] and ask(ebb, "readFromStream", name, 3) == []
    page = ask(ebb, "getStreamChunks", name, run, {"limit": 2})
    assert [c["data"] for c in page["data"]] == [b"\0one", b"two"] and page["hasMore"] and page["done"]
    rest = ask(ebb, "getStreamChunks", name, run, {"limit": 2, "cursor": page["cursor"]})
    assert rest["data"] == [{"index": 2, "data": b"three"}] and not rest["hasMore"] and rest["cursor"] is None
    assert ask(ebb, "listStreamsByRunId", run) == [name]


def test_readers_that_wait_leave_room_for_the_events_of_their_instance(ebb):
    run = begun(ebb)
    name, count, before = f"strm_{run}_many", 70, socket_count(ebb)
    ask(ebb, "writeToStream", name, run, b"one")
    ask(ebb, "read", name, count)
    wait_for(lambda: ask(ebb, "readers") == [[3]] * count, 60)
    wait_for(lambda: socket_count(ebb) >= before + 20)  # they wait
    seen_ = throughout(3, lambda: socket_count(ebb) - before)
    assert max(seen_) <= 24 + 32, seen_
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        steps = [f"step_{n}" for n in range(8)]
        made = list(pool.map(lambda s: ask(ebb, "events.create", run, event("step_created", s, stepName="s", input=b"")), steps))
    assert [m["step"]["stepId"] for m in made] == steps
    ask(ebb, "writeToStream", name, run, b"last")
    ask(ebb, "closeStream", name, run)
    wait_for(lambda: ask(ebb, "readers") == [[3, 4, "end"]] * count, 60)


# --- ids and values of another form -------------------------------------------------------------------------------
FORGED = ["x/../../../../../v3/topic/{topic}?z=", "../../../../v3/topic/{topic}?", "..", ".", "", "{run}/steps", "{run}?data=all",
          "{run}#", "%2e%2e", "{run}%2Fsteps", "a b", "ä", "r" * 129, "..\\..", "x\n"]
CALLS = [("runs.get", 0, "WorkflowRunNotFoundError"), ("events.create", 0, "WorkflowRunNotFoundError"),
         ("events.list", 0, "WorkflowRunNotFoundError"), ("steps.list", 0, "WorkflowRunNotFoundError"),
         ("hooks.list", 0, "WorkflowRunNotFoundError"), ("events.get", 1, "WorkflowWorldError"),
         ("steps.get", 1, "WorkflowWorldError"), ("hooks.get", 0, "HookNotFoundError")]


@pytest.mark.parametrize("name, place, error", CALLS)
def test_an_id_of_another_form_is_none_and_leads_nowhere(ebb, name, place, error):
    run = begun(ebb)
    for text in FORGED:
        forged = text.format(topic="__wkf_step_work", run=run)
        if not forged and name in ("events.create", "hooks.list"):
            continue  # a new run, all hooks
        args = [{"runId": forged}] if name.endswith("list") else [run, forged] if place else [forged]
        if name == "events.create":
            args.append(event("run_cancelled", runId=run))
        failed = refused(ebb, error, name, *args)
        assert failed["message"].startswith("there is no "), failed
    assert ask(ebb, "runs.get", run)["status"] == "pending"
    assert seen(ebb, run) == []


def test_values_of_a_query_are_values(ebb):
    run, other = begun(ebb, f"query-{run_id()}"), begun(ebb)
    refused(ebb, "WorkflowWorldError", "events.list", {"runId": run, "pagination": {"cursor": "x&limit=1#"}})
    refused(ebb, "WorkflowWorldError", "events.list", {"runId": run, "pagination": {"limit": "1&order=desc"}})
    refused(ebb, "WorkflowWorldError", "events.listByCorrelationId", {"correlationId": "s", "runId": f"{run}&run={other}"})
    refused(ebb, "WorkflowWorldError", "runs.list", {"workflowName": "w", "status": "failed&limit=1"})
    assert ask(ebb, "events.listByCorrelationId", {"correlationId": "a\nb", "runId": run})["data"] == []
    for name in ("..", ".", "a/../../b?c#d"):
        ask(ebb, "writeToStream", name, run, b"x")
        assert ask(ebb, "getStreamInfo", name, run) == {"tailIndex": 0, "done": False}
        ask(ebb, "closeStream", name, run)
        assert ask(ebb, "readFromStream", name) == [b"x"]
    assert sorted(ask(ebb, "listStreamsByRunId", run)) == sorted(["..", ".", "a/../../b?c#d"])


# --- messages -----------------------------------------------------------------------------------------------------
def deliveries(ebb, run, count):
    return wait_for(lambda: (lambda all_: all_ if len(all_) >= count else None)(seen(ebb, run)), 20)


def test_a_message_reaches_the_route_that_the_public_does_not(ebb):
    run = run_id()
    sent = ask(ebb, "queue", "__wkf_workflow_workflow//./a.js//f", {"runId": run, "bytes_": b"\0\xff"})
    (one,) = deliveries(ebb, run, 1)
    assert (one["queueName"], one["attempt"]) == ("__wkf_workflow_workflow//./a.js//f", 1)
    assert one["messageId"] == sent["messageId"] and one["payload"]["bytes_"] == b"\0\xff"
    ask(ebb, "queue", "__wkf_step_s", {"runId": run})
    assert deliveries(ebb, run, 2)[1]["queueName"] == "__wkf_step_s"
    for path in (FLOW, FLOW.replace("/flow", "/step"), "//.well-known/workflow/v1/FLOW"):
        assert ebb.http(path, host="work.localhost", method="POST", body=b"{}").status == 404


def test_a_key_makes_one_message_of_two(ebb):
    run = run_id()
    for _ in range(2):
        ask(ebb, "queue", "__wkf_step_s", {"runId": run}, {"idempotencyKey": run})
    ask(ebb, "queue", "__wkf_step_s", {"runId": run, "last": True}, {"delaySeconds": 1})
    first, last = deliveries(ebb, run, 2)
    assert "last" not in first["payload"] and last["payload"]["last"] and last["at"] - first["at"] >= 900


def test_a_handler_that_fails_or_wants_it_later_gets_it_again(ebb):
    fails, later = run_id(), run_id()
    ask(ebb, "queue", "__wkf_workflow_w", {"runId": fails, "do": {"1": {"fail": "once"}}})
    ask(ebb, "queue", "__wkf_workflow_w", {"runId": later, "do": {"all": {"again": 1, "times": 2}}})
    assert [one["attempt"] for one in deliveries(ebb, fails, 2)] == [1, 2]
    three = deliveries(ebb, later, 3)
    assert [one["attempt"] for one in three] == [1, 1, 1] and len({one["messageId"] for one in three}) == 3
    assert three[2]["at"] - three[0]["at"] >= 1900


def test_a_run_whose_revision_is_gone_fails_and_says_so(ebb):
    run = begun(ebb)
    ask(ebb, "queue", "__wkf_workflow_w", {"runId": run}, {"deploymentId": "work@999999"})
    failed = wait_for(lambda: (lambda r: r if r["status"] == "failed" else None)(ask(ebb, "runs.get", run)), 60)
    assert failed["error"]["code"] == "DEPLOYMENT_GONE" and "work@999999" in failed["error"]["message"]
    assert seen(ebb, run) == []
