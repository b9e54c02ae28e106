# SPDX-License-Identifier: Apache-2.0
"""Deployments: all services and rules of a file switch in one step or not at all; names of their own; back and forth;
clients that stay with the one they began with."""
import json
import os
import signal
import threading

import pictures
import pytest
from waiting import wait_for

HOST = "shop.localhost"


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


def service(version, **more):
    return {"runtime": "container", "entrypoint": "probe", "memory": 64, "env": {"VERSION": str(version)}, **more}


def shop(version, **services):
    """Two services and rules that all say the version."""
    return {"services": services or {"web": service(version), "api": service(version)},
            "rewrites": [{"source": "/api/(.*)", "destination": {"service": "api"},
                          "transforms": [{"type": "request.path", "op": "set", "args": "/$1"}]},
                         {"source": "/(.*)", "destination": {"service": "web"}}],
            "headers": [{"source": "/(.*)", "headers": [{"key": "x-rules", "value": str(version)}]}]}


def deploy(ebb, document, *words, ok=True):
    folder = os.path.join(ebb.root, "shop")
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/vercel.json", "w", encoding="ascii") as out:
        json.dump(document, out)
    return ebb.cli("deploy", "-f", folder + "/vercel.json", *words, ok=ok)


def seen(reply):
    """(version of the service, of the rules)"""
    assert reply.status == 200, reply
    env = dict(line.split("=", 1) for line in reply.text.splitlines() if "=" in line)
    return env["VERSION"], reply.headers["x-rules"]


def versions(ebb, host=HOST, path="/env", **more):
    return seen(ebb.http(path, host=host, **more))


def kept(ebb):
    return [(d["id"], d["current"]) for d in ebb.cli("deployments", "shop", "--json").json]


def test_a_service_that_is_made_again_is_in_no_earlier_deployment(ebb):
    """Its numbers go on, and who goes back hears that the revision is gone."""
    deploy(ebb, shop(1))
    deploy(ebb, shop(2))
    first = kept(ebb)[-1][0]
    ebb.cli("rm", "web")
    deploy(ebb, shop(3))
    assert versions(ebb) == ("3", "3")
    assert ebb.rest("GET", "/v1/services/web").json["revision"] == 3
    back = ebb.cli("promote", "shop", first, ok=False)
    assert back.code != 0 and "web" in back.err, back
    assert versions(ebb) == ("3", "3")


def test_services_and_rules_switch_in_one_step_under_load(ebb):
    deploy(ebb, shop(1))
    over, pairs, faults = threading.Event(), set(), []

    def ask(path):
        while not over.is_set():
            try:
                pairs.add(versions(ebb, path=path))
            except (AssertionError, OSError) as error:
                faults.append(error)

    lanes = [threading.Thread(target=ask, args=(path,)) for path in ("/env", "/api/env") * 2]
    for lane in lanes:
        lane.start()
    try:
        for version in range(2, 7):
            deploy(ebb, shop(version))
            assert versions(ebb) == versions(ebb, path="/api/env") == (str(version),) * 2  # no old one behind the answer
    finally:
        over.set()
        for lane in lanes:
            lane.join()
    assert faults == []
    assert all(a == b for a, b in pairs) and len(pairs) > 3, pairs  # never the rules of one with the service of another


def test_a_second_time_changes_nothing_and_one_change_makes_one_revision(ebb):
    deploy(ebb, shop(1))
    assert "deployment 1, unchanged" in deploy(ebb, shop(1)).err
    changed = deploy(ebb, shop(1, web=service(1), api=service(2)))
    assert "web: revision 1, unchanged" in changed.err and "api: revision 2, updated" in changed.err, changed
    assert kept(ebb) == [("2", True), ("1", False)]


@pytest.mark.parametrize("fault, code, words", [
    (service(2, entrypoint="gone"), 2, ["services.api.image", '"gone" is not in the store']),
    (service(2, bindings=[{"type": "service", "service": "none", "format": "url", "env": "URL"}]),
     2, ["services.api.bindings[0].service", 'there is no service "none"']),
    (service(2, env={"A": {"secret": "none"}}), 2, ["services.api.env", "none"]),
    (service(2, env={"PROBE_MODE": "exit"}), 1, ["services.api: api failed: ", "code 7", "last lines of api:", "told to exit at once"]),
])
def test_a_failure_changes_nothing(ebb, fault, code, words):
    deploy(ebb, shop(1))
    before = ebb.rest("GET", "/v1/services").json, ebb.rest("GET", "/v1/sites").json
    failed = deploy(ebb, shop(2, web=service(2), api=fault, third=service(2)), ok=False)
    assert failed.code == code and not [w for w in words if w not in failed.err], failed
    assert (ebb.rest("GET", "/v1/services").json, ebb.rest("GET", "/v1/sites").json) == before
    assert versions(ebb) == versions(ebb, path="/api/env") == ("1", "1")
    assert kept(ebb) == [("1", True)]
    deploy(ebb, shop(3))
    assert versions(ebb, path="/api/env") == ("3", "3")


def test_a_preview_has_a_name_of_its_own_until_it_is_promoted(ebb):
    deploy(ebb, shop(1))
    done = deploy(ebb, shop(2), "--preview", "--id", "feature-x")
    assert "shop: deployment feature-x, created, not promoted; shop-feature-x.localhost leads to it" in done.err, done
    for path in ("/env", "/api/env"):
        assert versions(ebb, path=path) == ("1", "1")
        assert versions(ebb, "shop-feature-x.localhost", path) == ("2", "2")
        assert versions(ebb, "shop-1.localhost", path) == ("1", "1")
    assert "api: revision 2, kept" in ebb.cli("promote", "shop", "feature-x").err
    assert versions(ebb) == versions(ebb, path="/api/env") == ("2", "2")
    assert versions(ebb, "shop-1.localhost") == ("1", "1")


def test_a_front_gets_certificates_for_sites_and_their_deployments(ebb):
    deploy(ebb, {**shop(1), "hosts": ["shop.example"]})
    asked = {name: ebb.rest("GET", f"/v1/tls/ask?domain={name}").status
             for name in ("shop.example", HOST, "shop-1.localhost", "shop-2.localhost", "example")}
    assert asked == {"shop.example": 200, HOST: 200, "shop-1.localhost": 200, "shop-2.localhost": 404, "example": 404}


def test_a_service_that_was_put_by_itself_serves_on_when_ebb_api_dies(ebb):
    """The table of its site names the revision of the deployment."""
    deploy(ebb, shop(1))
    web = next(s for s in ebb.rest("GET", "/v1/services").json["services"] if s["name"] == "web")
    assert ebb.rest("PUT", "/v1/services/web", {"image": web["image"], "memory": 192, "maxInstances": 1}).status == 201
    wait_for(lambda: {i["revision"] for i in ebb.instances("web")} <= {2})
    assert ebb.http("/", host="web.localhost").instance
    ebb.end_program("ebb-api")
    wait_for(lambda: ebb.programs("ebb-api") and ebb.rest("GET", "/readyz").status == 200)
    for _ in range(5):
        ebb.http("/", host=HOST)
    assert {i["revision"] for i in ebb.instances("web")} == {2}


def test_rollback_is_of_the_whole_and_starts_nothing(ebb):
    deploy(ebb, shop(1))
    deploy(ebb, shop(2))
    assert versions(ebb) == ("2", "2") and versions(ebb, "shop-1.localhost") == ("1", "1")
    running = {i["id"] for i in ebb.instances("web")}
    back = ebb.cli("rollback", "shop")
    assert "shop: deployment 1 serves again" in back.err and "web: revision 1, kept" in back.err, back
    assert versions(ebb) == versions(ebb, path="/api/env") == ("1", "1")
    assert {i["id"] for i in ebb.instances("web")} <= running  # warm: its instance was there
    assert versions(ebb, "shop-2.localhost") == ("2", "2")
    assert kept(ebb) == [("2", False), ("1", True)]
    none = ebb.cli("rollback", "shop", ok=False)
    assert none.code == 1 and "no deployment before the current one" in none.err
    ebb.cli("promote", "shop", "2")
    assert versions(ebb) == ("2", "2")
    unknown = ebb.cli("promote", "shop", "9", ok=False)
    assert unknown.code == 1 and "site 'shop' has no deployment '9'" in unknown.err


def test_clients_stay_with_the_deployment_that_they_name(ebb):
    deploy(ebb, shop(1))
    deploy(ebb, shop(2))
    deploy(ebb, shop(3), "--preview")
    for path in ("/env", "/api/env"):
        assert versions(ebb, path=path + "?dpl=1") == ("1", "1")
        assert versions(ebb, path=path, headers={"x-deployment-id": "1"}) == ("1", "1")
        assert versions(ebb, path=path, headers={"cookie": "a=b; __vdpl=1; c=d"}) == ("1", "1")
        for other in ("2", "4", "", "1-1", "x" * 100, "../1"):  # the current one, and none
            assert versions(ebb, path=path, headers={"x-deployment-id": other}) == ("2", "2")
        assert versions(ebb, path=path + "?dpl=3") == ("2", "2")  # never promoted: by its name only


def test_a_client_does_not_stay_beyond_the_age(ebb):
    body = {"services": {"web": {"image": "probe", "env": {"VERSION": "1"}}}, "rules": {"otherwise": "web", "services": {"web": {}},
            "headers": shop(1)["headers"]}, "age": 0}
    assert ebb.rest("POST", "/v1/deployments/shop", body).status == 201
    body["services"]["web"]["env"]["VERSION"] = "2"
    assert ebb.rest("POST", "/v1/deployments/shop", body).status == 201
    wait_for(lambda: versions(ebb, path="/env?dpl=1")[0] == "2")  # gateways hear the age of a former one behind the answer
    assert versions(ebb, "shop-1.localhost")[0] == "1"


def test_bindings_lead_to_the_same_deployment(ebb):
    def both(version):
        caller = service(version, bindings=[{"type": "service", "service": "api", "format": "url", "env": "API_URL"}])
        return {**shop(version, web=caller, api=service(version))}
    deploy(ebb, both(1))
    deploy(ebb, both(2), "--preview")
    bindings = ebb.rest("GET", "/v1/services/web").json["bindings"]
    assert [b["revision"] for b in bindings] == [1], bindings
    # A change of the called service alone gives its caller a new revision, too.
    only = both(1)
    only["services"]["api"] = service(3)
    done = deploy(ebb, only)
    assert "web: revision 3, updated" in done.err and "api: revision 3, updated" in done.err, done
    assert [b["revision"] for b in ebb.rest("GET", "/v1/services/web").json["bindings"]] == [3]
    assert "deployment 3, unchanged" in deploy(ebb, only).err


def test_five_are_kept_and_what_nobody_needs_goes(ebb):
    for version in range(1, 9):
        deploy(ebb, shop(version))
    assert [i for i, _ in kept(ebb)] == ["8", "7", "6", "5", "4"]
    assert versions(ebb, "shop-4.localhost") == ("4", "4")
    assert ebb.http("/env", host="shop-3.localhost").headers.get("x-rules") is None or versions(ebb, "shop-3.localhost")[0] == "8"
    wait_for(lambda: {i["revision"] for i in ebb.instances("web")} <= {4, 5, 6, 7, 8})
    ebb.rest("DELETE", "/v1/deployments/shop")
    assert ebb.rest("GET", "/v1/sites").json == {"sites": []}
    assert ebb.rest("GET", "/v1/deployments").json == {"deployments": []}
    assert ebb.rest("GET", "/v1/deployments/shop").status == 404


@pytest.mark.parametrize("program", ["ebb-api", "ebb-gateway", "ebbd"])
def test_deployments_outlive_every_program(ebb, program):
    deploy(ebb, shop(1))
    deploy(ebb, shop(2))
    deploy(ebb, shop(3), "--preview")
    if program == "ebbd":
        ebb.stop()
        ebb.start()
    else:
        for pid in ebb.programs(program):
            os.kill(pid, signal.SIGKILL)

    def all_there():
        try:
            return [versions(ebb, host)[0] for host in (HOST, "shop-1.localhost", "shop-3.localhost")] == ["2", "1", "3"]
        except (OSError, AssertionError):
            return False
    wait_for(all_there, 20)
    wait_for(lambda: kept(ebb) == [("3", False), ("2", True), ("1", False)])
    wait_for(lambda: ebb.cli("promote", "shop", "3", ok=False).code == 0, 20)
    assert versions(ebb) == versions(ebb, path="/api/env") == ("3", "3")


def test_a_switch_that_was_cut_goes_on_at_the_next_start(ebb):
    deploy(ebb, shop(1))
    deploy(ebb, shop(2), "--preview")
    ebb.stop()
    path = os.path.join(ebb.config["state_dir"], "deployments/shop.json")
    with open(path, encoding="ascii") as file:
        document = json.load(file)
    document["switching"] = "2"
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file)
    ebb.start()
    assert versions(ebb) == versions(ebb, path="/api/env") == ("2", "2")
    assert kept(ebb) == [("2", True), ("1", False)]
