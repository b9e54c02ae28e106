# SPDX-License-Identifier: Apache-2.0
"""Rules of a file in front of its services: rewrites in order, redirects, headers, conditions; private services; deaths
of ebb-api and gateways; wrong files."""
import json
import os
import signal

import pictures
import pytest
from waiting import wait_for

WEB = {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}


def into(source, service, **more):
    return {"source": source, "destination": {"service": service, **more.pop("to", {})}, **more}


@pytest.fixture(name="ebb")
def one_ebb(new_ebb):
    ebb = new_ebb(gateways=2)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    return ebb


def deploy(ebb, document, name="vercel.json", ok=True, words=()):
    folder = os.path.join(ebb.root, "shop")
    os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, name)
    with open(file, "w", encoding="utf-8") as out:
        json.dump(document, out)
    done = ebb.cli("deploy", "-f", file, *words, ok=False)
    assert (done.code == 0) == ok, done
    return done


def target(reply):
    """The request line that the service saw."""
    assert reply.status == 200, reply
    return reply.text.split("\r\n")[0].split(" ")[1]


def served_by(reply):
    return reply.headers.get("x-ebb-instance", "").rsplit("-", 1)[0]


def test_rewrites_lead_into_services_in_order_and_the_rest_is_private(ebb):
    deploy(ebb, {"services": {"web": WEB, "api": {**WEB, "rewrites": [{"source": "/v1/:p*", "destination": "/:p*"}]},
                              "inner": WEB},
                 "rewrites": [into("/api/:path*", "api"), into("/v1/:path*", "api"), into("/((?!none).*)", "web")]})
    for path, service, seen in (("/api/head", "api", "/api/head"), ("/v1/head?a=1", "api", "/head?a=1"),
                                ("/head", "web", "/head"), ("/apihead", "web", "/apihead")):
        for host in ("shop.localhost", "anything.example"):
            reply = ebb.http(path, host=host)
            assert served_by(reply) == service, (path, reply)
            if seen.startswith("/head"):
                assert target(reply) == seen
    assert ebb.http("/none", host="shop.localhost").status == 404
    assert ebb.http("/head", host="inner.localhost").status == 404  # only bindings lead there
    assert ebb.http("/head", host="web.localhost").status == 200
    # A service's 404 is final.
    gone = ebb.http("/api/nothing-is-here", host="shop.localhost")
    assert gone.status == 404 and served_by(gone) == "api", gone


def test_redirects_headers_and_conditions(ebb):
    deploy(ebb, {"services": {"web": WEB}, "trailingSlash": False,
                 "redirects": [{"source": "/old/:p*", "destination": "/new/:p*", "permanent": False},
                               {"source": "/admin/:p*", "missing": [{"type": "cookie", "key": "session"}],
                                "destination": "/login"}],
                 "headers": [{"source": "/(.*)", "headers": [{"key": "X-Frame-Options", "value": "DENY"},
                                                             {"key": "X-EBB-no", "value": "x"}][:1]},
                             {"source": "/head", "headers": [{"key": "Content-Type", "value": "text/x-$0"}]}],
                 "rewrites": [{"source": "/see", "destination": "/head?from=see"}]})
    moved = ebb.http("/old/a/b?c=d", host="shop.localhost")
    assert (moved.status, moved.headers["location"]) == (307, "/new/a/b?c=d")
    assert ebb.http("/x/", host="shop.localhost").headers["location"] == "/x"
    assert ebb.http("//evil.example/", host="shop.localhost").headers["location"] == "/evil.example"
    assert ebb.http("/admin/x", host="shop.localhost").headers["location"] == "/login"
    assert ebb.http("/admin/x", host="shop.localhost", headers={"cookie": "a=b; session=1"}).status != 308
    plain = ebb.http("/head", host="shop.localhost")
    assert plain.headers["x-frame-options"] == "DENY" and plain.headers["content-type"] == "text/x-$0", plain
    assert target(ebb.http("/see?a=1", host="shop.localhost")) == "/head?from=see&a=1"
    assert target(ebb.http("/see", host="web.localhost")) == "/head?from=see"  # the only service: its rules, too


def test_rewrites_of_a_service_of_files_come_behind_its_files(new_ebb):
    """An application of one page: its files are themselves, every other path is the page."""
    ebb = new_ebb()
    folder = os.path.join(ebb.root, "page")
    os.makedirs(folder + "/assets")
    for name, text in (("index.html", "the page"), ("assets/app.js", "script"), ("about.html", "about")):
        with open(os.path.join(folder, name), "w", encoding="ascii") as out:
            out.write(text)
    with open(folder + "/vercel.json", "w", encoding="ascii") as out:
        json.dump({"cleanUrls": True, "rewrites": [{"source": "/((?!api/).*)", "destination": "/index.html"}],
                   "headers": [{"source": "/assets/(.*)", "headers": [{"key": "Cache-Control", "value": "max-age=9"}]}]}, out)
    ebb.cli("deploy", "-f", folder + "/vercel.json")

    def text(path):
        reply = ebb.http(path, host="page.localhost")
        assert reply.status == 200, reply
        return reply.text

    assert [text(p) for p in ("/", "/assets/app.js", "/about", "/some/where?x=1")] == ["the page", "script", "about", "the page"]
    assert ebb.http("/api/x", host="page.localhost").status == 404
    assert ebb.http("/about.html", host="page.localhost").headers["location"] == "/about"
    assert ebb.http("/assets/app.js", host="page.localhost").headers["cache-control"] == "max-age=9"


def test_rules_outlive_every_program(ebb):
    deploy(ebb, {"services": {"web": WEB}, "redirects": [{"source": "/old", "destination": "/new"}]})

    def moved():
        reply = ebb.http("/old", host="shop.localhost")
        return reply.status == 308

    def answered():
        try:
            return moved()
        except OSError:
            return False

    assert moved()
    for program in ("ebb-gateway", "ebb-api"):
        for pid in ebb.programs(program):
            os.kill(pid, signal.SIGKILL)
        wait_for(answered, 20)
    ebb.rest("GET", "/v1/sites/shop")
    deploy(ebb, {"services": {"web": WEB}})
    assert not moved()
    sites = {site["name"]: site["rules"] for site in ebb.rest("GET", "/v1/sites").json["sites"]}
    assert sites == {"shop": 0, "shop-1": 1, "shop-2": 0}  # deployments keep their rules


REFUSED = [
    ({"services": {"web": WEB}, "rewrites": [into("/(.*)", "shop")]}, "rewrites[0].destination.service", "shop"),
    ({"services": {"web": WEB}, "rewrites": [into("/(\\w+)(\\1)", "web")]}, "rewrites[0].source", "linear time"),
    ({"services": {"a": {**WEB, "hosts": ["x.example"]}, "b": {**WEB, "hosts": ["X.example"]}}}, "services.b.hosts", "x.example"),
    ({"services": {"a": {**WEB, "routePrefix": "/p"}, "b": {**WEB, "mount": "/p"}}}, "services.b.mount", "that of a, too"),
    ({"services": {"web": WEB}, "redirects": [{"source": "/a", "destination": "/:b"}]}, "redirects[0].destination", "/:b"),
    ({"services": {"web": WEB}, "headers": [{"source": "/a", "headers": []}]}, "headers[0].headers", "1..32"),
    ({"services": {"web": {**WEB, "mount": "p"}}}, "services.web.mount", "is not a path"),
]


@pytest.mark.parametrize("document, place, word", REFUSED)
def test_a_wrong_file_is_refused_whole_with_place_and_value(ebb, document, place, word):
    done = deploy(ebb, document, ok=False)
    assert done.code == 2 and f"vercel.json: {place}: " in done.err and (word or "") in done.err, done.err
    assert ebb.rest("GET", "/v1/services").json["services"] == []  # nothing is half-deployed


def test_a_host_leads_to_one_site_or_service(ebb):
    rules = {"redirects": [{"source": "/old", "destination": "/new"}], "otherwise": "web", "services": {"web": {}}}
    assert ebb.rest("PUT", "/v1/sites/one", {"hosts": ["a.example"], **rules}).status == 201
    taken = ebb.rest("PUT", "/v1/sites/two", {"hosts": ["A.example"], **rules})
    assert taken.status == 422 and "site 'one'" in taken.text, taken
    assert ebb.rest("PUT", "/v1/sites/rest", rules).status == 201
    second = ebb.rest("PUT", "/v1/sites/other", rules)
    assert second.status == 422 and "site 'rest'" in second.text, second
    assert ebb.http("/old", host="a.example").status == 308
    assert ebb.http("/old", host="b.example").status == 308
    for name in ("one", "rest"):
        assert ebb.rest("DELETE", f"/v1/sites/{name}").status == 204
    assert ebb.rest("DELETE", "/v1/sites/one").status == 404
    assert ebb.http("/old", host="a.example").status == 404
