# SPDX-License-Identifier: Apache-2.0
"""Sets of rules in the shapes that people write, for the comparison with npm @vercel/routing-utils."""


def rewrites(*pairs):
    return {"rewrites": [{"source": source, "destination": to} for source, to in pairs]}


def redirects(*pairs, **more):
    return {"redirects": [{"source": source, "destination": to, **more} for source, to in pairs]}


def into(source, service, **more):
    return {"source": source, "destination": {"service": service}, **more}


def header(source, key, value, **more):
    return {"source": source, "headers": [{"key": key, "value": value}], **more}


SETS = {
    "one page": rewrites(("/(.*)", "/index.html")),
    "one page but the API": rewrites(("/((?!api/).*)", "/index.html")),
    "one page but some": rewrites(("/((?!api|_next/static|_next/image|favicon\\.ico|robots\\.txt).*)", "/app")),
    "a file's ending": rewrites(("/:file((?!.*\\.(?:js|css|png)$).*)", "/index.html")),
    "prefix": rewrites(("/blog/:slug*", "/news/:slug*"), ("/docs/:path+", "/d/:path+/end")),
    "one segment": rewrites(("/user/:id", "/profile?id=:id"), ("/post/:year/:slug", "/p/:slug")),
    "optional": rewrites(("/shop/:kind?", "/store/:kind?"), ("/:lang(en|de|fr)?/about", "/about")),
    "numbers": rewrites(("/post/:id(\\d{1,})", "/p/:id"), ("/old/(\\d+)/(\\d+)", "/new/$2/$1")),
    "dots": rewrites(("/img/:name.:ext(png|jpe?g)", "/media/:ext/:name"), ("/feed.xml", "/api/feed")),
    "groups": rewrites(("/a{-:b}?", "/x{-:b}?"), ("/c{/:d}*", "/y/:d*"), ("/e{.:f}+", "/z/:f")),
    "two in a segment": rewrites(("/:from-:to", "/:to/:from"), ("/:a.:b", "/:b")),
    "dollars": rewrites(("/api/(.*)/v(\\d+)", "/v$2/$1"), ("/api/(.*)", "/api/handler.php?path=$1")),
    "query": rewrites(("/search/:what", "/find?q=:what&kind=a,b"), ("/plain", "/find?x=1"), ("/none/:a/:b", "/n")),
    "classes": rewrites(("/:v([a-z]{2}-[A-Z]{2})/:rest*", "/:v/:rest*"), ("/w(\\w+)", "/word/$1"),
                        ("/s([^a-m/]+)", "/set/$1")),
    "alternatives": rewrites(("/(a|ab|abc)(b|c)?", "/alt/$1/$2")),
    "lazy": rewrites(("/(.+?)-(.+)", "/$1/$2"), ("/(.*?)\\.html", "/$1")),
    "lookahead inside": rewrites(("/a((?!b|cd$).*)", "/x$1")),
    "lookahead ahead": rewrites(("/((?=.*\\d)[a-z0-9]+)", "/d/$1"), ("/((?!.*\\.).*)", "/clean/$1")),
    "edges": rewrites(("/(\\bfoo\\b.*)", "/w/$1"), ("/(.*\\Bbar)", "/n/$1")),
    "nested": rewrites(("/((?:a(?:b|c)*)+)", "/n/$1"), ("/((?:[^/]+/)*last)", "/l/$1")),
    "counts": rewrites(("/(a{2,3})(a*)", "/$1-$2"), ("/(b{0,2}?)(b*)", "/$1-$2"), ("/((?:cd){2})", "/$1")),
    "services": {"rewrites": [into("/api/:path*", "api"), into("/socket", "api"), into("/(.*)", "web")]},
    "services behind a path": {"rewrites": [{"source": "/old/:p*", "destination": "/api/:p*"}, into("/api/(.*)", "api"),
                                            into("/((?!private).*)", "web")]},
    "elsewhere": rewrites(("/proxy/(.*)", "https://example.org/$1"), ("/(.*)", "/index.html")),
    "moved": redirects(("/old", "/new"), ("/old/:path*", "/new/:path*"), ("/a/(.*)", "/b/$1")),
    "moved for now": redirects(("/sale", "/summer"), ("/x/:y", "/z?y=:y"), permanent=False),
    "moved with a status": redirects(("/m/:id", "/n/:id"), statusCode=301),
    "another host": redirects(("/go/:path*", "https://example.org/:path*"), ("/d/(.*)", "https://example.org:8443/x/$1#top"),
                              ("/s/:sub", "https://:sub.example.org/")),
    "tidy": {"cleanUrls": True},
    "tidy, no slash": {"cleanUrls": True, "trailingSlash": False},
    "tidy, slash": {"cleanUrls": True, "trailingSlash": True},
    "slash": {"trailingSlash": True, **redirects(("/a/", "/b/"))},
    "no slash": {"trailingSlash": False, **rewrites(("/:a/:b", "/:b/:a"))},
    "headers": {"headers": [header("/(.*)", "X-All", "yes"), header("/assets/:f*", "Cache-Control", "max-age=31536000"),
                            header("/u/:id", "X-Id", ":id"), header("/p/(.*)", "X-$1", "v-$1:end")]},
    "conditions": {"redirects": [
        {"source": "/:p*", "has": [{"type": "host", "value": "www\\.(?<name>.+)"}], "destination": "https://:name/:p*"},
        {"source": "/in/:p", "has": [{"type": "header", "key": "X-Kind", "value": "(?<kind>a|b)"}], "destination": "/:kind/:p"},
        {"source": "/h", "has": [{"type": "header", "key": "x-any"}], "destination": "/any"},
        {"source": "/c", "has": [{"type": "cookie", "key": "session"}], "destination": "/s"},
        {"source": "/q", "has": [{"type": "query", "key": "page", "value": "(?<page>\\d+)"}], "destination": "/p/:page"},
        {"source": "/m", "missing": [{"type": "cookie", "key": "session"}], "destination": "/login"},
        {"source": "/m2", "missing": [{"type": "header", "key": "x-kind", "value": "a"}], "destination": "/not-a"}]},
    "operations": {"redirects": [
        {"source": f"/{name}", "has": [{"type": "header", "key": "x-kind", "value": {name: value}}], "destination": "/yes"}
        for name, value in (("eq", "a"), ("neq", "a"), ("inc", ["a", "c"]), ("ninc", ["a", "c"]), ("pre", "a"),
                            ("suf", "b"), ("re", "a|b"), ("gt", 4), ("gte", 5), ("lt", 6), ("lte", 4))]},
}

# The parts of requests beside their paths.
CONTEXTS = [
    {"host": "example.com", "headers": {}},
    {"host": "www.example.com", "headers": {"x-kind": "a", "cookie": "a=1; session=s1"}},
    {"host": "shop.example.org", "headers": {"x-kind": "5", "x-any": "v"}},
]
