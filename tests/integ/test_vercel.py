# SPDX-License-Identifier: Apache-2.0
"""Files of vercel.json in the shapes that people write: each deploys as it is, and says in one list what ebb does not do
of it. The table has the project of each file, the list, and what requests get."""
import json
import os

import pictures
import pytest

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vercel")

# Programs that say who they are and which path they see.
NODE = 'export default { fetch: r => new Response("%s " + new URL(r.url).pathname) };\n'
CALLER = 'export default { fetch: async () => new Response("web, then " + await (await fetch(process.env.API_URL + "/in")).text()) };\n'
PYTHON = """async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ("backend " + scope["path"]).encode()})
"""

BUILDER = """import { mkdirSync, writeFileSync } from "node:fs";
mkdirSync("dist/assets", { recursive: true });
for (const name of ["index.html", "assets/a.js"]) writeFileSync("dist/" + name, "built " + name);
"""
LOCK = json.dumps({"name": "vite", "lockfileVersion": 3, "requires": True, "packages": {"": {"name": "vite"}}})
ROUTES = "routes: not supported, ignored (requests go as without them: write rewrites, redirects and headers)"
ELSEWHERE = ("is another host: ebb fetches nothing from there, and answers 404 for this source (a redirect can lead "
             "there)")

# name: (files, what is not done, requests). A file's content is its name. A request: (path, answer[, headers[, host]]);
# an answer is a body, a status, (status, location), or {field: value}.
TABLE = {
    "spa": (["index.html", "app.js"], [], [("/", "index.html"), ("/app.js", "app.js"), ("/deep/link", "index.html")]),
    "vite": ({"dist/index.html": "old", "build.mjs": BUILDER, "package-lock.json": LOCK,
              "package.json": json.dumps({"name": "vite", "scripts": {"build": "node build.mjs"}})}, [],
             [("/", "built index.html"), ("/assets/a.js", "built assets/a.js"), ("/x", "built index.html"), ("/api/x", 404)]),
    "blog-clean": (["index.html", "blog/one.html", "rss.xml"], [], [
        ("/post/one", (308, "/blog/one")), ("/blog/one", "blog/one.html"), ("/blog/one.html", (308, "/blog/one")),
        ("/feed", (302, "/rss.xml")), ("/blog/one/", (308, "/blog/one"))]),
    "docs-slash": (["index.html", "docs/a/index.html"], [], [
        ("/guide/a/", (307, "/docs/a/")), ("/docs/a", (308, "/docs/a/")), ("/docs/a/", "docs/a/index.html")]),
    "security-headers": (["index.html", "assets/a.css", "data.json"], [], [
        ("/", {"x-frame-options": "DENY", "permissions-policy": "camera=(), microphone=()"}),
        ("/assets/a.css", {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}),
        ("/data.json", {"access-control-allow-origin": "*"})]),
    "moved-site": (["index.html", "about"], [], [
        ("/old-about", (308, "/about")), ("/twitter", (307, "https://social.example/us")),
        ("/team/ada?x=1", (301, "/people?who=ada&x=1")), ("/2024/05/hello", (308, "/blog/hello")), ("/204/05/hello", 404),
        ("/about", (308, "https://example.com/about"), {}, "www.example.com"), ("/about", "about")]),
    "login-wall": (["index.html", "de.html", "items/7.html", "account/me"], [], [
        ("/account/me", (307, "/login?next=%2Faccount%2Fme")), ("/account/me", "account/me", {"cookie": "session=1"}),
        ("/beta/x", (307, "/x")), ("/beta/x", 404, {"x-beta": "on"}),
        ("/item?id=7", "items/7.html"), ("/item?id=x", 404)]),
    "crons": (["index.html", "about.html"], [], [("/about", "about.html")]),
    "functions-globs": ({"index.mjs": NODE % "fn"}, [
        "functions: a service has one setting for all its files, the largest: memory 1024 (of api/report.js), "
        "maxDuration 120 (of api/report.js)"],
        [("/api/a", "fn /api/a"), ("/api/a", {"access-control-allow-methods": "GET,POST,OPTIONS"})]),
    "functions-old-runtime": (["index.html"], [
        "functions.api/*.php.runtime: not supported, ignored (functions have memory, maxDuration, maxConcurrency and experimentalTriggers)"],
        [("/", "index.html")]),
    "builds": ({"index.mjs": NODE % "express"}, [
        "builds: not supported, ignored (the runtime is guessed from the files)", ROUTES],
        [("/x/y", "express /x/y", {}, "old-express.localhost")]),
    "routes-only": (["index.html"], [ROUTES], [("/", "index.html"), ("/deep", 404)]),
    "build-env": (["index.html"], [
        "regions: not supported, ignored (there is one host)",
        "functionFailoverRegions: not supported, ignored (there is one host)"], [("/", "index.html")]),
    "languages": (["index.html", "about.html", "news/one.html"], [], [
        ("/de", "index.html"), ("/fr/about", "about.html"), ("/en/news/one", "news/one.html"), ("/es", 404)]),
    "proxy": (["index.html"], [f'rewrites[0].destination: "https://api.example.com/v1/:path*" {ELSEWHERE}'],
              [("/api/users", 404), ("/users", "index.html")]),
    "analytics": (["index.html"], [
        f'rewrites[0].destination: "https://assets.analytics.example/static/:path" {ELSEWHERE}',
        f'rewrites[1].destination: "https://eu.analytics.example/:path" {ELSEWHERE}'],
        [("/ingest/static/array.js", 404), ("/ingest/e", 404), ("/home", "index.html")]),
    "monorepo": ({"apps/web/dist/index.html": "web", "apps/api/index.mjs": NODE % "api"}, [], [
        ("/", "web"), ("/api/users", "api /api/users")]),
    "bindings": ({"web/index.mjs": CALLER, "api/index.mjs": NODE % "api"}, [], [
        ("/", "web, then api /in"), ("/", 404, {}, "api.localhost")]),
    "python-backend": ({"frontend/index.html": "frontend", "backend/main.py": PYTHON}, [], [
        ("/", "frontend"), ("/api/items", "backend /api/items"), ("/ws", "backend /ws")]),
    "experimental": (["site/index.html", "docs/index.html", "docs/docs/index.html"], [], [
        ("/", "site/index.html"), ("/docs/", "docs/docs/index.html")]),
    "tenants": (["marketing/index.html", "app/index.html", "status/index.html"], [], [
        ("/", "status/index.html", {}, "status.example.com"), ("/", "app/index.html", {}, "acme.app.example.com"),
        ("/", "marketing/index.html", {}, "example.com")]),
    "container": (["web/index.html"], [], [("/", "web/index.html"), ("/legacy/none", 404)]),
    "strip-prefix": (["web/index.html"], [], [("/", "web/index.html"), ("/backend/status?200", 200), ("/status", 404)]),
    "transforms": ([], [
        'rewrites[0].transforms[1]: {"type":"request.headers","op":"set","target... is left out: only request.path can '
        "be set"], [("/v2/head", 200), ("/head", 404)]),
    "next-assets": (["index.html", "logo.png"], [
        "images: not supported, ignored (pictures are sent as the service has them)"],
        [("/logo.png", "logo.png"), ("/gone.png", 404), ("/page", "index.html"), ("/robots.txt", 404)]),
    "repository-settings": (["public/index.html"], [
        "ignoreCommand: not supported, ignored (every deployment is made)"], [("/", "public/index.html")]),
    "legacy-urls": (["index.html", "show/12.html", "c/red.html"], [], [
        ("/show.php?id=12", "show/12.html"), ("/category/red.html", "c/red.html"), ("/index.php", (308, "/"))]),
    "well-known": (["index.html", ".well-known/webfinger.json", ".well-known/nodeinfo.json",
                    ".well-known/apple-app-site-association"], [], [
        ("/.well-known/webfinger", ".well-known/webfinger.json"),
        ("/.well-known/apple-app-site-association", {"content-type": "application/json"})]),
    "maintenance": (["index.html", "maintenance.html", "assets/a.css"], [], [
        ("/", (307, "/maintenance.html")), ("/assets/a.css", "assets/a.css"), ("/maintenance.html", "maintenance.html")]),
    "cache-buckets": (["index.html", "a.js", "embed/x"], [], [
        ("/a.js", {"cache-control": "public, max-age=604800"}), ("/?preview=1", {"x-robots-tag": "noindex"}),
        ("/embed/x", {"content-security-policy": "frame-ancestors *"}),
        ("/embed/x", {"content-security-policy": None}, {"x-internal": "1"})]),
    "mixed-spa-api": ({"build/index.html": "page", "build/app.js": "script", "server/server.mjs": NODE % "api"}, [], [
        ("/api", "api /api"), ("/api/x/y", "api /api/x/y"), ("/app.js", "script"), ("/some/page", "page"), ("/no.js", 404),
        ("/internal/x", 404)]),
    "typos": (["index.html"], [
        "rewrite: unknown key, ignored (did you mean rewrites?)", "cleanURLs: unknown key, ignored (did you mean cleanUrls?)",
        "header: unknown key, ignored (did you mean headers?)"], [("/", "index.html"), ("/x/", (308, "/x"))]),
}

OPTIONS = {"monorepo": ["--prebuilt"]}  # its pnpm is not there, so an earlier result is deployed


def project(ebb, name):
    """The folder of a project with this file; returns the file."""
    folder = os.path.join(ebb.root, "projects", name)
    files = TABLE[name][0]
    for path in files:
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), "w", encoding="ascii") as out:
            out.write(files[path] if isinstance(files, dict) else "{}" if path == "package.json" else path)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(FILES, name + ".json"), encoding="ascii") as given, \
            open(folder + "/vercel.json", "w", encoding="ascii") as out:
        out.write(given.read())
    return folder + "/vercel.json"


def not_done(done):
    """The list of what ebb does not do of a file."""
    lines = [line.split("vercel.json: ", 1)[1] for line in done.err.splitlines() if "vercel.json: " in line]
    listed = [line[2:] for line in lines if line.startswith("  ")]
    heads = [line for line in lines if line.startswith("not done as the file says")]
    assert heads == ([f"not done as the file says ({len(listed)}):"] if listed else []), done
    return listed


def fits(reply, answer):
    if isinstance(answer, int):
        return reply.status == answer
    if isinstance(answer, tuple):
        return (reply.status, reply.headers.get("location")) == answer
    if isinstance(answer, dict):
        return reply.status == 200 and all(reply.headers.get(k) == v for k, v in answer.items())
    return (reply.status, reply.text) == (200, answer)


@pytest.fixture(name="ebb")
def one_ebb(module_ebb):
    ebb = module_ebb
    if not ebb.cli("image", "ls", "-q").out.split():
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    yield ebb
    for service in ebb.rest("GET", "/v1/services").json["services"]:
        ebb.rest("DELETE", "/v1/services/" + service["name"])
    for site in ebb.rest("GET", "/v1/sites").json["sites"]:
        ebb.rest("DELETE", "/v1/sites/" + site["name"])


def test_every_file_is_in_the_table():
    assert sorted(TABLE) == sorted(name[:-5] for name in os.listdir(FILES)) and len(TABLE) >= 30


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_file_as_people_write_it(ebb, name):
    _, listed, requests = TABLE[name]
    file = project(ebb, name)
    if listed != []:
        strict = ebb.cli("deploy", "-f", file, "--strict", ok=False)
        assert strict.code == 2 and "--strict refuses what is not supported" in strict.err, strict
        assert ebb.rest("GET", "/v1/services").json["services"] == []  # nothing was tried
    done = ebb.cli("deploy", "-f", file, *(["--strict"] if listed == [] else []), *OPTIONS.get(name, []), timeout=120)
    assert not_done(done) == listed
    for path, answer, *more in requests:  # by the name of the project, unless a host is said
        headers, host = [*more, *[{}, name + ".localhost"][len(more):]]
        reply = ebb.http(path, host=host, headers=headers)
        assert fits(reply, answer), (name, path, answer, reply)


C, PAGE = {"root": "c", "runtime": "native", "entrypoint": "main.c"}, {"root": "page"}

# The other services of a file; their files; links; words of the error.
FAILS = {
    "a build that fails": ({"c": C}, {"c/main.c": "int main(void) { return x; }\n"}, {}, [
        "main.c:1:25: error: ", "cannot build "]),
    "no handler": ({"n": {"root": "n", "runtime": "node", "entrypoint": "gone.mjs"}}, {"n/index.mjs": NODE % "n"}, {}, [
        "entrypoint gone.mjs: there is no such file in", "cannot build "]),
    "a link out of its tree": ({"l": {"root": "l", "outputDirectory": "out"}}, {"l/out/index.html": "l"}, {"l/out/etc": "/etc"}, [
        "etc is a link out of the directory, to /etc", "cannot build "]),
    "an output out of its tree": ({"l": {"root": "l", "outputDirectory": "out"}}, {"l/index.html": "l"}, {"l/out": "/etc"}, [
        "leads out of the directory of the file that names it", "cannot build l"]),
    "an output that is not there": ({"l": {"root": "l", "outputDirectory": "dist"}}, {"l/index.html": "l"}, {}, [
        "run the build first, or say its buildCommand: outputDirectory is what it leaves", "cannot build l"]),
}


@pytest.mark.parametrize("what", sorted(FAILS))
def test_a_build_that_fails_says_why_and_nothing_is_deployed(ebb, what, tmp_path):
    others, files, links, words = FAILS[what]
    document = {"services": {"page": PAGE, **others}, "rewrites": [{"source": "/(.*)", "destination": {"service": "page"}}]}
    for path, content in {"page/index.html": "page", **files, "vercel.json": json.dumps(document)}.items():
        os.makedirs(os.path.dirname(tmp_path / path), exist_ok=True)
        (tmp_path / path).write_text(content)
    for path, to in links.items():
        os.symlink(to, tmp_path / path)
    done = ebb.cli("deploy", "-f", tmp_path / "vercel.json", ok=False)
    assert done.code in (1, 2) and not [word for word in words if word not in done.err], done
    assert ebb.rest("GET", "/v1/services").json["services"] == []
    assert ebb.rest("GET", "/v1/sites").json["sites"] == []


def test_calls_in_a_circle_are_told(ebb, tmp_path):
    def call(service):
        return {"runtime": "container", "entrypoint": "probe",
                "bindings": [{"type": "service", "service": service, "format": "url", "env": "URL"}]}
    (tmp_path / "vercel.json").write_text(json.dumps({"services": {"a": call("b"), "b": call("a")}}))
    done = ebb.cli("deploy", "-f", tmp_path / "vercel.json")
    for name in "ab":
        assert f"services.{name}.bindings: its calls can come back to it: ebb ends a chain of 16 calls with 508" in done.err, done
