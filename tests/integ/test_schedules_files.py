# SPDX-License-Identifier: Apache-2.0
"""crons and schedules of a file: of a service, or outside of the services as vercel.json has them."""
import json

import pictures
import pytest
from test_schedules import schedules

CRON = {"path": "/api/daily", "schedule": "0 3 * * *"}


@pytest.fixture(name="ebb", scope="module")
def one_ebb(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return module_ebb


def deploy(ebb, tmp_path, document, ok=True):
    path = tmp_path / "vercel.json"
    path.write_text(json.dumps(document))
    return ebb.cli("deploy", "-f", path, ok=ok)


def service(**more):
    return {"runtime": "container", "entrypoint": "probe", **more}


def owners(ebb):
    return {name: s["service"] for name, s in schedules(ebb).items()}


def test_each_goes_to_the_service_with_its_path(ebb, tmp_path):
    done = deploy(ebb, tmp_path, {
        "services": {"web": service(routePrefix="/"), "api": service(routePrefix="/api", crons=[{**CRON, "path": "/own"}]),
                     "deep": service(routePrefix="/api/deep")},
        "crons": [CRON, {**CRON, "path": "/apixel"}, {**CRON, "path": "/api/deep?x=1"}],
        "schedules": {"tidy": {"schedule": "*/5 * * * *", "path": "/tidy", "service": "api", "timezone": "Asia/Tokyo"},
                      "else": {"schedule": "@", "path": "/", "service": "web"} | {"schedule": "1 1 * * *"}}})
    assert "crons" not in done.err and "schedules" not in done.err, done
    assert owners(ebb) == {"/api/daily": "api", "/own": "api", "/apixel": "web", "/api/deep?x=1": "deep", "tidy": "api",
                           "else": "web"}
    assert schedules(ebb)["tidy"]["timezone"] == "Asia/Tokyo"
    deploy(ebb, tmp_path, {"services": {"web": service(routePrefix="/"), "api": service(routePrefix="/api"),
                                        "deep": service(routePrefix="/api/deep")}})
    assert owners(ebb) == {}  # a file without them takes them away


def test_each_goes_where_rewrites_lead_its_path(ebb, tmp_path):
    strip = {"source": "/strip/:path*", "destination": "/:path*"}
    done = deploy(ebb, tmp_path, {
        "services": {"web": service(), "api": service(), "strip": service(rewrites=[strip]), "other": service(routePrefix="/other")},
        "rewrites": [{"source": "/api/:path*", "has": [{"type": "header", "key": "x-beta"}], "destination": {"service": "web"}},
                     {"source": "/api/old", "destination": "/web/new"},
                     {"source": "/api/:path*", "destination": {"service": "api"}},
                     {"source": "/strip/:path*", "destination": {"service": "strip"}},
                     {"source": "/web/(.*)", "destination": {"service": "web"}}],
        "crons": [CRON, {**CRON, "path": "/strip/a/b?x=1"}, {**CRON, "path": "/other/x"}, {**CRON, "path": "/api/old"}],
        "schedules": {"tidy": {"schedule": "*/5 * * * *", "path": "/web/tidy"}}})
    assert "crons" not in done.err and "schedules" not in done.err, done
    assert owners(ebb) == {"/api/daily": "api", "/a/b?x=1": "strip", "/other/x": "other", "/web/new": "web", "tidy": "web"}
    deploy(ebb, tmp_path, {"services": {"web": service(routePrefix="/"), "api": service(routePrefix="/api")}})
    ebb.cli("rm", "strip", "other")
    assert owners(ebb) == {}


def test_a_file_of_one_service(ebb, tmp_path):
    deploy(ebb, tmp_path, {"services": {"web": service()}, "crons": [CRON]})
    assert owners(ebb) == {"/api/daily": "web"}
    ebb.cli("rm", "web", "api", "deep")
    assert owners(ebb) == {}


def test_a_file_that_is_a_service_itself(ebb, tmp_path):
    done = deploy(ebb, tmp_path, {"name": "shop", "version": 2, "crons": [CRON], **service()})
    assert "not supported" not in done.err, done
    (owner,) = owners(ebb).values()
    ebb.cli("rm", owner)


def test_a_path_that_no_service_has(ebb, tmp_path):
    services = {"web": service(routePrefix="/web"), "api": service(routePrefix="/api")}
    for key, more, at in (("crons", [CRON, {**CRON, "path": "/x"}], "crons[1]"),
                          ("schedules", {"tidy": {**CRON, "service": "nobody"}}, "schedules.tidy")):
        done = deploy(ebb, tmp_path, {"services": services, key: more}, ok=False)
        assert done.code == 2 and f"{at}: no service has its path" in done.err, done
    for key, more, words in (("crons", {}, "crons: {} is not a list of objects"), ("schedules", [], "schedules: [] is not an object"),
                             ("crons", [1], "crons[0]: 1 is not an object")):
        done = deploy(ebb, tmp_path, {"services": services, key: more}, ok=False)
        assert done.code == 2 and words in done.err, done
    assert owners(ebb) == {}


# --- triggers of functions ----------------------------------------------------------------------------------
def test_triggers_of_functions_are_those_of_the_service_beside_its_own(ebb, tmp_path):
    own = {"type": "queue/v2beta", "topic": "own", "path": "/own"}
    done = deploy(ebb, tmp_path, {"services": {"web": service(
        memory=128, experimentalTriggers=[own],
        functions={"app/api/bill/route.ts": {"memory": 256, "experimentalTriggers": [
                       {"type": "queue/v2beta", "topic": "orders", "maxDeliveries": 3}]},
                   "api/mail.js": {"experimentalTriggers": [{"type": "queue/v2beta", "topic": "mail"}]}})}})
    assert "not supported" not in done.err and "services.web" not in done.err, done
    (web,) = [s for s in ebb.services() if s["name"] == "web"]
    triggers = {t["topic"]: (t["path"], t["consumer"], t["maxDeliveries"]) for t in web["experimentalTriggers"]}
    assert triggers == {"own": ("/own", "own", 10), "orders": ("/api/bill", "web_7Eapp_Sapi_Sbill_Sroute_Dts", 3),
                        "mail": ("/api/mail", "web_7Eapi_Smail_Djs", 10)}
    assert ebb.get("web", "/api/bill").status == 404  # nobody's but ebb's
    deploy(ebb, tmp_path, {"services": {"web": service()}})
    (web,) = [s for s in ebb.services() if s["name"] == "web"]
    assert not web.get("experimentalTriggers")
    ebb.cli("rm", "web")
