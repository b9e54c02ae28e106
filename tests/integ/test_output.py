# SPDX-License-Identifier: Apache-2.0
"""Trees of the Build Output API: routes in their phases, files, functions, answers that are kept; and what is refused."""
import http.client
import json
import os
import subprocess

import pytest

import output_trees
import pictures
from ebb import BIN, CACHE, LIBEXEC
from test_builds_hostile import outside, said  # noqa: F401  a fixture
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")


@pytest.fixture(scope="module")
def site(module_ebb):
    module_ebb.import_image("oci-archive:" + output_trees.archive(), "output")
    module_ebb.apply({"output": {"runtime": "container", "entrypoint": "output", "maxInstances": 1, "memory": 512}})

    def get(path, **more):
        return module_ebb.get("output", path, **more)
    get.ebb = module_ebb
    yield get
    module_ebb.cli("rm", "output")


FOUND = [("/", 200, "<h1>home</h1>"), ("/index.html", 200, "<h1>home</h1>"), ("/about", 200, "about"),
         ("/about.html", 404, "no page"), ("/docs", 200, "docs"), ("/docs/", 200, "docs"), ("/a%20b.txt", 200, "odd name"),
         ("/nothing", 404, "no page"), ("/assets/none.js", 404, "no page"), ("/static/../output.json", 404, "no page"),
         ("/output.json", 404, "no page"), ("/source.ts", 404, "no page"), ("/functions/f0/index.js", 404, "no page"),
         ("/%2e%2e/etc/passwd", 404, "no page"), ("/api/express?x=1", 200, "like express /api/express?x=1"),
         ("/mapped", 200, "mapped"), ("/maybe", 200, "GET /maybe "), ("/api/bare", 200, "bare 32"),
         ("/secret", 403, "Forbidden\n"), ("/%E0%A4%A", 400, "Bad Request\n")]


@pytest.mark.parametrize("path, status, text", FOUND)
def test_a_path_leads_to_a_file_a_function_or_a_page_of_errors(site, path, status, text):
    reply = site(path)
    assert (reply.status, reply.text) == (status, text), reply


ECHOED = [("/en/hello?a=1", {}, "/en/hello?a=1&lang=en", "/echo"), ("/DE/hello", {}, "/DE/hello?lang=DE", "/echo"),
          ("/secret", {"x-key": "open it"}, "/secret?secret=1", "/echo"), ("/twin", {}, "/twin", "/twin"),
          ("/x/y/tail", {}, "/x/y/tail?head=x%2Fy", "/echo"), ("/blog/one", {}, "/blog/one?slug=one", "/blog/[slug]")]


@pytest.mark.parametrize("path, headers, url, matched", ECHOED)
def test_a_function_sees_its_clients_path_and_the_parameters_of_the_route(site, path, headers, url, matched):
    reply = site(path, headers=headers)
    assert reply.status == 200, reply
    assert (reply.json["url"], reply.json["matched"], reply.json["word"]) == (url, matched, "of the build")


def test_a_wildcard_has_the_value_of_the_host(site):
    assert site("/tongue").json["url"] == "/tongue?tongue=en-GB"


PICTURES = [("/pictures/a.png", "w=64&q=75", 200), ("%2Fpictures%2Fa.png", "w=640&q=1", 200), ("/pictures/a.png", "w=65&q=75", 400),
            ("/pictures/a.png", "w=64&q=0", 400), ("/pictures/a.png", "q=75", 400), ("/pictures/none.png", "w=64&q=75", 404),
            ("/pictures/b.svg", "w=64&q=75", 400), ("/pictures/c.txt", "w=64&q=75", 400), ("/other/a.png", "w=64&q=75", 400),
            ("/pictures/a.png%3Fx=1", "w=64&q=75", 400), ("//evil.test/a.png", "w=64&q=75", 400),
            ("/%5Cevil.test/a.png", "w=64&q=75", 400), ("https://evil.test/a.png", "w=64&q=75", 400), ("/guarded/no", "w=64&q=75", 401)]


@pytest.mark.parametrize("url, more, status", PICTURES)
def test_a_picture_is_sent_as_it_is_where_the_build_allows_it(site, url, more, status):
    reply = site(f"/_vercel/image?url={url}&{more}")
    assert reply.status == status, reply
    if status == 200:
        assert (reply.text, reply.headers["content-type"]) == ("a png", "image/png"), reply
        assert "sandbox" in reply.headers["content-security-policy"]


def test_a_function_for_the_edge_runs_in_node(site):
    assert site("/api/edge").text == "edge /api/edge objectfunction"


def test_a_middleware_goes_first(site):
    stopped = site("/guarded/no")
    assert (stopped.status, stopped.text) == (401, "stopped")
    away = site("/guarded/away")
    assert away.status == 307 and away.headers["location"].endswith("/about"), away
    moved = site("/guarded/else")
    assert (moved.json["url"], moved.json["matched"]) == ("/echo?from=m", "/echo") and moved.headers["set-cookie"] == "m=1"
    given = site("/guarded/fields", headers={"x-old": "of the client"})
    assert (given.json["added"], given.json.get("old"), given.headers["x-by"]) == ("given", None, "middleware")
    page = site("/guarded/page")
    assert (page.text, page.headers["x-by"]) == ("about", "middleware")
    posted = site("/guarded/fields", method="POST", body=b"x")
    assert posted.json["added"] == "given"


def test_no_request_goes_past_a_middleware(site):
    assert site("/guarded/throw").status == 500
    assert site("/guarded/far").status == 502  # another host
    assert "x-middleware-next" not in site("/guarded/page").headers
    assert site("/_middleware").status == 404


def test_all_functions_share_a_process(site):
    assert len({site(path).json["pid"] for path in ("/echo", "/twin", "/blog/x")}) == 1


def test_headers_methods_and_redirects(site):
    assert site("/docs").headers["x-every"] == "docs"
    reply = site("/old/a/b")
    assert (reply.status, reply.headers["location"]) == (308, "/new/a/b")
    reply = site("/away")
    assert (reply.status, reply.headers["location"]) == (302, "https://elsewhere.test/x")
    assert site("/posted").status == 404
    assert site("/posted", method="POST", body=b"x").json["url"] == "/posted?posted=1"
    assert site("/about", method="POST", body=b"x").status == 405


def test_files_have_tags_types_and_ranges(site):
    reply = site("/assets/a.js")
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in reply.headers["cache-control"], "the hit phase"
    assert site("/assets/a.js", headers={"If-None-Match": reply.headers["etag"]}).status == 304
    part = site("/assets/a.js", headers={"Range": "bytes=1990-"})
    assert (part.status, part.text, part.headers["content-range"]) == (206, "1;" * 5, "bytes 1990-1999/2000")
    assert site("/assets/a.js", headers={"Range": "bytes=5000-"}).status == 416
    head = site("/assets/a.js", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "2000")


def test_helpers_are_there_for_functions_that_ask_for_them(site):
    reply = site("/api/helped?a=1&a=2&b=x", method="POST", body=b'{"deep": [1]}',
                 headers={"Content-Type": "application/json", "Cookie": "k=v%20w; k2=2"})
    assert reply.status == 201 and reply.json == {"query": {"a": ["1", "2"], "b": "x"}, "cookies": {"k": "v w", "k2": "2"},
                                                  "body": {"deep": [1]}}
    reply = site("/api/helped", method="POST", body=b"{", headers={"Content-Type": "application/json"})
    assert (reply.status, reply.text) == (400, "Invalid JSON")


def test_an_error_of_a_function_is_one_of_its_request(site):
    instance = site("/about").instance
    assert site("/api/helped?throw=1").status == 500
    assert site("/echo").instance == instance


def test_a_web_handler_gets_a_request_and_keeps_the_instance_awake(site):
    reply = site("/api/web", method="POST", body=b"body-7")
    assert (reply.text, reply.headers["x-web"]) == ("POST /api/web body-7", "1")
    wait_for(lambda: "after body-7" in site.ebb.cli("logs", "output").out, what="waitUntil")


def test_a_function_streams(site):
    connection = http.client.HTTPConnection(*site.ebb.address, timeout=slow(20))
    connection.request("GET", "/api/stream", headers={"Host": "output.localhost"})
    answer = connection.getresponse()
    assert answer.read1(100) == b"first\n" and answer.read() == b"second\n"
    connection.close()


def test_an_answer_is_kept_until_its_time_and_then_made_again_behind(site):
    first = site("/forever")
    assert first.status == 200, (first, site.ebb.cli("logs", "output").out)
    assert first.headers["x-vercel-cache"] == "MISS" and first.headers["x-made"] == "by function"
    again = [site("/forever") for _ in range(3)]
    assert {r.text for r in again} == {first.text} and {r.headers["x-vercel-cache"] for r in again} == {"HIT"}
    short = site("/kept?a=1").text
    assert site("/kept?a=1&utm=2").text == short, "only allowQuery tells answers apart"
    assert site("/kept?a=2").text != short
    wait_for(lambda: site("/kept?a=1").text != short, what="a new answer")
    token = {"Cookie": "__prerender_bypass=" + "b" * 32}
    now = site("/kept?a=1", headers=token)
    assert now.headers["x-vercel-cache"] == "BYPASS"


def test_an_answer_that_the_build_made_is_there_at_once(site):
    reply = site("/ahead")
    assert (reply.text, reply.headers["x-ahead"], reply.headers["x-vercel-cache"]) == ("made ahead", "1", "PRERENDER")


def test_a_path_cannot_make_the_routes_slow(site):
    """Longer than any path of people; each route is matched in linear time."""
    assert site("/" + "a/" * 1500 + "tail").status == 200
    assert site("/" + "x" * 3000).status == 404


def test_at_rest_it_freezes_and_thaws(site):
    site("/echo")
    site.ebb.wait_frozen("output")
    assert site("/echo").start == "thaw"


@pytest.mark.parametrize("seed", range(4))
def test_expressions_of_routes_mean_what_javascript_says_and_always_end(seed):
    """2,000 random expressions on 20 texts each; and those with which JavaScript's own matcher would never end."""
    here = os.path.dirname(os.path.abspath(__file__))
    matcher = os.path.join(here, "../../images/runtimes/node/runtime/output_regex.cjs")
    done = subprocess.run(["node", os.path.join(here, "output_regex.cjs"), matcher, str(seed), "2000"], check=False,
                          capture_output=True, text=True, timeout=slow(300))
    assert done.stdout == "same\n", done


# --- faults of trees ------------------------------------------------------------------------------------------
def build(outside, *words):  # noqa: F811
    return subprocess.run([os.path.join(BIN, "ebb"), "build", "--prebuilt", outside.source, "-o", outside.output, *words],
                          capture_output=True, check=False,
                          env={**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})


def changed(outside, file, change):  # noqa: F811
    path = os.path.join(outside.source, ".vercel/output", file)
    with open(path, encoding="utf-8") as old:
        document = json.load(old)
    change(document)
    with open(path, "w", encoding="utf-8") as new:
        json.dump(document, new)


ABOUT = "functions/echo.func/.vc-config.json"
FAULTS = {
    "version": ("config.json", {"version": 2}, "config.json: version is 2; allowed: 3"),
    "routes": ("config.json", {"routes": {}}, "config.json: routes is {}; allowed: a list"),
    "handle": ("config.json", {"routes": [{"handle": "later"}]}, 'routes[0].handle is "later"; allowed: filesystem, resource'),
    "src": ("config.json", {"routes": [{"dest": "/"}]}, "routes[0].src is nothing; allowed: a regular expression"),
    "back": ("config.json", {"routes": [{"src": "^/(a)\\1$"}]}, "a back reference, which cannot be matched in linear time"),
    "behind": ("config.json", {"routes": [{"src": "(?<=a)b"}]}, "a kind of group that cannot be matched in linear time"),
    "open": ("config.json", {"routes": [{"src": "^/(a"}]}, "a group without its end"),
    "huge": ("config.json", {"routes": [{"src": "(?:(?:a{900}){900})"}]}, "more than 5000 steps"),
    "deep": ("config.json", {"routes": [{"src": "(" * 400 + ")" * 400}]}, "more than 50 groups in each other"),
    "has": ("config.json", {"routes": [{"src": "/", "has": [{"type": "moon"}]}]}, 'routes[0].has[0] is {"type":"moon"}'),
    "status": ("config.json", {"routes": [{"src": "/", "status": 1000}]}, "routes[0].status is 1000"),
    "middleware": ("config.json", {"routes": [{"src": "/", "middlewarePath": "m"}]},
                   'routes[0].middlewarePath is "m"; allowed: the name of a function that ebb runs'),
    "old middleware": ("config.json", {"routes": [{"src": "/", "middleware": 0}]}, "routes[0].middleware is 0; allowed: middlewarePath"),
    "middleware that cannot run": ("functions/_middleware.func/.vc-config.json", {"wasm": [{"name": "a", "path": "a.wasm"}]},
                                   'routes[0].middlewarePath is "_middleware"; allowed: the name of a function that ebb runs'),
    "overrides": ("config.json", {"overrides": {"a": {"path": 1}}}, "overrides.a.path is 1; allowed: a string"),
    "handler": (ABOUT, {"handler": "gone.js"}, 'handler is "gone.js"; allowed: the path of a file of the function'),
    "handler out": (ABOUT, {"handler": "../../../x.js"}, 'handler is "../../../x.js"; allowed'),
    "map out": (ABOUT, {"filePathMap": {"a": "../../../../../../etc/passwd"}}, "allowed: a path below /app"),
    "map gone": (ABOUT, {"filePathMap": {"a": "not/there"}}, "not/there is not there"),
    "map in": (ABOUT, {"filePathMap": {"../../a": "lib/outside.js"}}, "allowed: a path inside the function"),
    "memory": (ABOUT, {"memory": "much"}, 'memory is "much"; allowed: a whole number from 0'),
    "expiration": ("functions/kept.prerender-config.json", {"expiration": "soon"}, 'expiration is "soon"; allowed: a number'),
    "fallback": ("functions/kept.prerender-config.json", {"fallback": "gone.html"}, "gone.html is not there"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_told_with_file_path_value_and_what_is_allowed(outside, what):  # noqa: F811
    file, change, words = FAULTS[what]
    output_trees.write(outside.source)
    changed(outside, file, lambda document: document.update(change))
    done = build(outside)
    assert done.returncode == 1 and words in said(done), said(done)
    assert not os.path.exists(outside.output)


def test_broken_json_missing_tables_and_links_out_are_refused(outside):  # noqa: F811
    root = output_trees.write(outside.source)
    outside.put(".vercel/output/" + ABOUT, "{")
    assert ABOUT + ": it is no JSON" in said(build(outside))
    os.unlink(f"{root}/{ABOUT}")
    assert ABOUT + ": it is not there" in said(build(outside))
    outside.put(".vercel/output/" + ABOUT, json.dumps(output_trees.NODE))
    os.symlink("/etc/passwd", root + "/static/p.txt")
    assert "is a link out of the directory" in said(build(outside))
    assert not os.path.exists(outside.output)


def test_what_is_not_supported_is_one_list_and_strict_refuses_it(outside):  # noqa: F811
    output_trees.write(outside.source)
    changed(outside, "config.json", lambda c: c.update(crons=[{"path": "/", "schedule": "* * * * *"}], images={"sizes": [1]}))
    changed(outside, ABOUT, lambda a: a.update(runtime="python3.12"))
    done = build(outside)
    assert done.returncode == 0, said(done)
    for words in ("not supported:", "config.json: crons: nothing is called", "config.json: images:",
                  f"{ABOUT}: runtime python3.12: its paths answer 501"):
        assert words in said(done), said(done)
    os.unlink(outside.output)
    done = build(outside, "--strict")
    assert done.returncode == 1 and "crons" in said(done) and "--strict" in said(done), said(done)
    assert not os.path.exists(outside.output)
