# SPDX-License-Identifier: Apache-2.0
"""A tree of the Build Output API, made by hand: each kind of route, file and function."""
import json
import os
import shutil

import pictures

NODE = {"runtime": "nodejs22.x", "launcherType": "Nodejs", "handler": "index.js"}
ECHO = """module.exports = (req, res) => {
	res.setHeader("content-type", "application/json");
	res.end(JSON.stringify({ url: req.url, matched: req.headers["x-matched-path"], pid: process.pid, word: process.env.WORD,
		added: req.headers["x-new"], old: req.headers["x-old"] }));
};
"""
HELPED = """module.exports = (req, res) => {
	if (req.query.throw) throw new Error("thrown by a function");
	res.status(201).json({ query: req.query, cookies: req.cookies, body: req.body ?? null });
};
"""
WEB = """export default { async fetch(request, context) {
	const body = await request.text();
	context.waitUntil(Promise.resolve().then(() => console.log("after", body)));
	return new Response(`${request.method} ${new URL(request.url).pathname} ${body}`, { headers: { "x-web": "1" } });
} };
"""
EDGE = """export default function handle(request, context) {
	context.waitUntil(Promise.resolve());
	return new Response("edge " + new URL(request.url).pathname + " " + typeof process + typeof self.AsyncLocalStorage);
}
"""
MIDDLEWARE = """const next = (more) => new Response(null, { headers: { "x-middleware-next": "1", "x-by": "middleware", ...more } });
const to = (where) => new Response(null, { headers: { "x-middleware-rewrite": String(where), "set-cookie": "m=1" } });
export default function (request) {
	const url = new URL(request.url);
	switch (url.pathname) {
	case "/guarded/no": return new Response("stopped", { status: 401 });
	case "/guarded/away": return Response.redirect(new URL("/about", url), 307);
	case "/guarded/else": return to(new URL("/echo?from=m", url));
	case "/guarded/far": return to("https://elsewhere.test/");
	case "/guarded/throw": throw new Error("thrown by a middleware");
	case "/guarded/fields": return next({ "x-middleware-override-headers": "x-new", "x-middleware-request-x-new": "given" });
	}
	return next();
}
"""
BARE = "export default (request) => new Response('bare ' + request.url.length);\n"
STREAM = """module.exports = (req, res) => {
	res.write("first\\n");
	setTimeout(() => res.end("second\\n"), 1500);
};
"""
COUNT = """let count = 0;
module.exports = (req, res) => {
	res.setHeader("x-made", "by function");
	res.end(`${req.url} ${++count}`);
};
"""
EXPRESS = """const handle = (req, res, next) => res.end("like express " + req.url);
module.exports = handle;
"""
ROUTES = [
    {"src": "^/guarded(?:/.*)?$", "middlewarePath": "_middleware", "middlewareRawSrc": ["/guarded"], "continue": True, "override": True},
    {"src": "/guarded/fields", "dest": "/echo"},
    {"src": "/guarded/page", "dest": "/about"},
    {"src": "/old/(.*)", "headers": {"Location": "/new/$1"}, "status": 308},
    {"src": "/(?<lang>en|de)/hello", "dest": "/echo?lang=$lang"},
    {"src": "^/secret$", "has": [{"type": "header", "key": "x-key", "value": "open.*"}], "dest": "/echo?secret=1"},
    {"src": "^/secret$", "status": 403},
    {"src": "/posted", "methods": ["POST"], "dest": "/echo?posted=1"},
    {"src": "/(.*)", "headers": {"x-every": "$1"}, "continue": True},
    {"handle": "filesystem"},
    {"src": "/maybe", "dest": "/nothing-yet", "check": True},
    {"src": "/nothing-yet", "dest": "/api/web"},
    {"src": "^/((?!api|assets).*)/tail$", "dest": "/echo?head=$1"},
    {"src": "/away", "dest": "https://elsewhere.test/x", "status": 302},
    {"src": "/tongue", "dest": "/echo?tongue=$wildcard"},
    {"handle": "miss"},
    {"src": "/assets/.+", "status": 404, "check": True, "dest": "$0"},
    {"handle": "rewrite"},
    {"src": "^/blog/([^/]+?)/?$", "dest": "/blog/[slug]?slug=$1", "check": True},
    {"handle": "hit"},
    {"src": "/assets/(.*)", "headers": {"cache-control": "public, max-age=31536000, immutable"}, "continue": True},
    {"handle": "error"},
    {"status": 404, "src": "/.*", "dest": "/missing.html"},
]
CONFIG = {"version": 3, "routes": ROUTES, "wildcard": [{"domain": "output.localhost", "value": "en-GB"}],
          "images": {"sizes": [64, 640], "localPatterns": [{"pathname": "^/(?:pictures|guarded)/.*$", "search": ""}]}, "overrides": {
    "about.html": {"path": "about", "contentType": "text/html; charset=utf-8"}}}
STATIC = {"index.html": "<h1>home</h1>", "about.html": "about", "assets/a.js": "1;" * 1000, "missing.html": "no page",
          "docs/index.html": "docs", "a b.txt": "odd name", "pictures/a.png": "a png", "pictures/b.svg": "<svg/>",
          "pictures/c.txt": "text", "guarded/no": "guarded", "other/a.png": "a png"}


def functions():
    """name -> (about, {file: text})"""
    return {
        "echo": ({**NODE, "environment": {"WORD": "of the build"}}, {"index.js": ECHO}),
        "blog/[slug]": ({**NODE}, {"index.js": ECHO}),
        "api/helped": ({**NODE, "shouldAddHelpers": True}, {"index.js": HELPED}),
        "api/web": ({**NODE, "handler": "index.mjs", "supportsResponseStreaming": True}, {"index.mjs": WEB}),
        "api/bare": ({**NODE, "handler": "index.mjs", "useWebApi": True}, {"index.mjs": BARE}),
        "api/stream": ({**NODE, "supportsResponseStreaming": True}, {"index.js": STREAM}),
        "api/express": ({**NODE, "memory": 512, "maxDuration": 30}, {"index.js": EXPRESS}),
        "api/edge": ({"runtime": "edge", "deploymentTarget": "v8-worker", "entrypoint": "index.js"}, {"index.js": EDGE}),
        "_middleware": ({"runtime": "edge", "deploymentTarget": "v8-worker", "entrypoint": "index.js"}, {"index.js": MIDDLEWARE}),
        "kept": ({**NODE}, {"index.js": COUNT}),
        "forever": ({**NODE}, {"index.js": COUNT}),
        "ahead": ({**NODE}, {"index.js": COUNT}),
        "mapped": ({**NODE, "handler": "src/in.js", "filePathMap": {"src/in.js": "lib/outside.js"}}, {}),
    }


PRERENDERS = {
    "kept": {"expiration": 1, "allowQuery": ["a"], "bypassToken": "b" * 32},
    "forever": {"expiration": False, "initialHeaders": {}},
    "ahead": {"expiration": False, "fallback": "ahead.prerender-fallback.html", "initialStatus": 200,
              "initialHeaders": {"x-ahead": "1", "content-type": "text/html"}},
}


def put(root, name, content):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))


def write(project):
    """The project folder, with the output in .vercel/output."""
    root = os.path.join(project, ".vercel/output")
    put(root, "config.json", CONFIG)
    for name, text in STATIC.items():
        put(root, "static/" + name, text)
    for name, (about, files) in functions().items():
        put(root, f"functions/{name}.func/.vc-config.json", about)
        for file, text in files.items():
            put(root, f"functions/{name}.func/{file}", text)
    for name, about in PRERENDERS.items():
        put(root, f"functions/{name}.prerender-config.json", about)
    put(root, "functions/ahead.prerender-fallback.html", "made ahead")
    os.symlink("echo.func", root + "/functions/twin.func")
    put(project, "lib/outside.js", 'module.exports = (req, res) => res.end("mapped");\n')
    put(project, "source.ts", "not served")
    return root


def archive():
    def make(path):
        import subprocess  # pylint: disable=import-outside-toplevel
        import tempfile  # pylint: disable=import-outside-toplevel
        folder = tempfile.mkdtemp()
        try:
            write(folder)
            subprocess.run([os.path.join(pictures.BIN, "ebb"), "build", "--prebuilt", folder, "-o", path], check=True,
                           stdout=subprocess.DEVNULL, env={**os.environ, "EBB_CACHE": pictures.CACHE,
                                                           "EBB_LIBEXEC": pictures.LIBEXEC})
        finally:
            shutil.rmtree(folder)
    return pictures.make_once("output.oci.tar", [__file__, *pictures.BUILDERS], make)
