# SPDX-License-Identifier: Apache-2.0
"""The rules of vercel.json against npm @vercel/routing-utils: its routes for a file, walked by JavaScript's own
expressions, and the table of runtime/rules agree for random paths. EBB_SLOW=1: 10,000 for each set."""
import functools
import json
import os
import random
import re
import shutil
import subprocess

import pytest

import gateway_harness
import rule_sets

HERE = os.path.dirname(os.path.abspath(__file__))
PATHS = 10000 if os.environ.get("EBB_SLOW") == "1" else 300
RUN = os.path.join(gateway_harness.OUT, "tests", "rules_run")


@functools.cache
def modules():
    """The directory in which npm has installed the oracle."""
    cache = os.environ.get("EBB_CACHE") or os.path.join(gateway_harness.OUT, "cache")
    at = os.path.join(cache, "routing-6.6.0")
    if not os.path.exists(os.path.join(at, "node_modules", "@vercel", "routing-utils", "package.json")):
        os.makedirs(at, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, "routing", name), at)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=at, check=True, timeout=250)
    return at


def oracle(question):
    done = subprocess.run(["node", os.path.join(HERE, "routing", "oracle.mjs"), modules()], input=json.dumps(question),
                          capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def ours(site, paths, context, tmp_path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"services": {"api": {}, "web": {}}, **site}))
    options = ["-h", context["host"]]
    for name, value in context["headers"].items():
        options += ["-H", f"{name}:{value}"]
    return subprocess.run([RUN, str(file), *options], input="".join(p + "\n" for p in paths), capture_output=True,
                          text=True, timeout=120)


def words_of(site):
    """Pieces of paths that the rules of a site may care about."""
    sources = [rule["source"] for rules in ("rewrites", "redirects", "headers") for rule in site.get(rules, ())]
    found = {word for source in sources for word in re.findall(r"[A-Za-z0-9_]+", source)}
    return sorted(found) + ["a", "b", "ab", "abc", "aa", "aaaa", "bb", "cdcd", "x-y", "en-US", "12", "7", "index", "index.html",
                            "page.html", "f.png", "x.jpeg", ".well-known", "last", "foobar", "%20", ""]


def sources_as_paths(site):
    """Paths that match a source, mostly: its parameters become words."""
    for rules in ("rewrites", "redirects", "headers"):
        for rule in site.get(rules, ()):
            yield re.sub(r"[{}]", "", re.sub(r"\\(.)", r"\1", re.sub(r":\w+|\(.*?\)+", "W", rule["source"])))


def paths_for(site, seed):
    rng = random.Random(seed)
    words, shapes = words_of(site), list(sources_as_paths(site)) or ["/"]

    def one():
        if rng.random() < 0.5:
            path = re.sub("W", lambda m: rng.choice(words), rng.choice(shapes))
            path = re.sub(r"[*+?]", lambda m: rng.choice(["", "/" + rng.choice(words)]), path)
        else:
            path = "/" + rng.choice("//.-").join(rng.choice(words) for n in range(rng.randrange(5)))
        path += rng.choice(["", "", "", "/", "//", "x", ".html"])
        path = "/" + re.sub(r"[^A-Za-z0-9/._~%-]", "", path).lstrip("/")
        return path + rng.choice(["", "", "?page=2", "?q=1&page=x"])

    return [one() for n in range(PATHS)]


@pytest.mark.parametrize("name", rule_sets.SETS)
def test_requests_go_where_the_oracle_says(name, tmp_path):
    site, outcomes = rule_sets.SETS[name], set()
    for number, context in enumerate(rule_sets.CONTEXTS if "has" in str(site) else rule_sets.CONTEXTS[:1]):
        paths = paths_for(site, f"{name}{number}")
        wanted = [json.loads(line) for line in oracle({"site": site, "paths": paths, **context})]
        done = ours(site, paths, context, tmp_path)
        assert done.returncode == 0, done.stderr
        got = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(got) == len(wanted) == PATHS
        for path, mine, theirs in zip(paths, got, wanted):
            del mine["seen"]
            assert mine == theirs, (name, path, context)
        outcomes.update(json.dumps(w) for w in wanted)
    assert len(outcomes) > 1, "the paths touch no rule"


SOURCES = ["/a", "/:a", "/:a*", "/:a+", "/:a?", "/(.*)", "/(a|b)", "/:a(\\d+)", "/a\\:b", "/{a}?", "/{:a-}b", "/a{b", "/a}b",
           "/(a", "/a)", "/()", "/(?:a)", "/((?:a))", "/((a))", "/:", "/a*", "/*", "/a+", "/(a)+", "/:a:b", "/:a-:b", "/:a(.*)b",
           "/(.*)*", "/{a}*", "/[a]", "/a.b", "/(a{2})", "/(a{2,1})", "/([b-a])", "/([)", "/(\\w", "/(a**)", "/(a{1,2}{3})"]


def test_the_same_sources_are_taken_and_become_the_same_expression(tmp_path):
    for source, theirs in zip(SOURCES, oracle({"sources": SOURCES})):
        done = ours({"redirects": [{"source": source, "destination": "/"}]}, ["/"], rule_sets.CONTEXTS[0], tmp_path)
        assert (done.returncode != 0) == (theirs == "refused"), (source, theirs, done.stderr)


@pytest.mark.parametrize("source, cause", [
    ("/(\\w+)-(\\1)", "linear time"), ("/((?<=a)b)", "linear time"), ("/((?<!a)b)", "linear time"),
    ("/((?:a{900}){900})", "too large"), ("/(\\p{L}+)", "not known"), ("/([é])", "beyond ASCII"), ("/(a(?#b))", "not known"),
    ("relative", "begin with /"), ("/:a(\\d+)" * 17, "too many parameters"), ("/" + "a" * 5000, "too long"),
    ("/((?!a)b(?!a)b(?!a)b(?!a)b(?!a)b(?!a)b(?!a)b(?!a)b(?!a)b)", "lookaheads")])
def test_what_cannot_be_matched_in_linear_time_is_refused_with_its_place(source, cause, tmp_path):
    done = ours({"rewrites": [{"source": "/", "destination": "/a"}, {"source": source, "destination": "/b"}]}, ["/"],
                rule_sets.CONTEXTS[0], tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("rewrites[1].source: ") and cause in done.stderr, done.stderr


@pytest.mark.parametrize("rule, place", [
    ({"destination": "/"}, "source"), ({"source": "/a"}, "destination"), ({"source": 1, "destination": "/"}, "source"),
    ({"source": "/a", "destination": {"service": "gone"}}, "destination.service"),
    ({"source": "/a", "destination": "/:b"}, "destination"), ({"source": "/a", "destination": "b"}, "destination"),
    ({"source": "/a", "destination": "/b", "has": [{"type": "x"}]}, "has[0].type"),
    ({"source": "/a", "destination": "/b", "has": [{"type": "header"}]}, "has[0].key"),
    ({"source": "/a", "destination": "/b", "has": {}}, "has"),
    ({"source": "/a", "destination": "/b", "missing": [{"type": "host", "value": "(a)\\1"}]}, "missing[0]"),
    ({"source": "/a", "destination": "/b", "has": [{"type": "query", "key": "a", "value": {"like": 1}}]}, "has[0].value")])
def test_a_wrong_rule_is_refused_with_its_place(rule, place, tmp_path):
    done = ours({"rewrites": [rule]}, ["/"], rule_sets.CONTEXTS[0], tmp_path)
    assert done.returncode == 1 and done.stderr.startswith(f"rewrites[0].{place}: "), done.stderr


def test_no_path_takes_more_than_linear_work(tmp_path):
    """Expressions on which matchers that go back need years."""
    evil = ["/((?:a+)+)b", "/((?:a|aa)+)b", "/((?:a*)*)b", "/((?:.*a){20})b", "/((?:a?){40}a{40})b"]
    for source in evil:
        done = ours({"redirects": [{"source": source, "destination": "/x"}]}, ["/" + "a" * 8000], rule_sets.CONTEXTS[0],
                    tmp_path)
        assert json.loads(done.stdout)["outcome"] in ("pass", "too long"), source


def test_a_place_on_this_host_stays_there(tmp_path):
    """//evil.example is an address of another host to browsers."""
    site = {"trailingSlash": False, "redirects": [{"source": "/r/:path*", "destination": "/:path*"}]}
    paths = ["//evil.example/", "///evil.example/", "/r//evil.example", "/%5Cevil.example/"]
    for line in ours(site, paths, rule_sets.CONTEXTS[0], tmp_path).stdout.splitlines():
        assert not json.loads(line)["to"].startswith(("//", "/\\")), line
