# SPDX-License-Identifier: Apache-2.0
"""A run goes on with the revision on which it began, while that is kept; then it says why not."""
import runs
from waiting import wait_for


def begun(suite, time):
    run = suite.start("nap", time)
    wait_for(lambda: "wait_created" in suite.kinds(run), 30)
    return run


def test_a_run_goes_on_with_its_revision(host, tmp_path):
    suite = runs.Suite(host, str(tmp_path), "pinned").deploy()
    before = suite.ask("/world").json["id"]
    run = begun(suite, "15s")
    suite.deploy(env={"NEWER": "1"})
    after = suite.ask("/world").json["id"]
    assert before.startswith("pinned@") and after.startswith("pinned@") and after != before
    assert {f"pinned@{one['revision']}" for one in suite.result(run, 120)} == {before}
    assert {f"pinned@{one['revision']}" for one in suite.result(suite.start("nap", "1s"))} == {after}


def test_a_run_whose_revision_is_gone_says_so(host, tmp_path):
    suite = runs.Suite(host, str(tmp_path), "orphan").deploy()
    before = suite.ask("/world").json["id"]
    run = begun(suite, "6s")
    said = host.rest("GET", "/v1/services/orphan").json
    same = {key: said[key] for key in ("image", "memory", "experimentalTriggers")}
    reply = host.rest("PUT", "/v1/services/orphan", {**same, "env": {"NEWER": "1"}})  # keeps no older revision
    assert reply.status in (200, 201), reply
    wait_for(lambda: suite.ask("/world").json["id"] != before, 60)
    end = suite.over(run, 120)
    assert end["status"] == "failed" and end["error"]["code"] == "DEPLOYMENT_GONE", end
    assert before in end["error"]["message"]
