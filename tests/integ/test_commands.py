# SPDX-License-Identifier: Apache-2.0
"""The words of a file about a service's own build: installCommand, buildCommand, outputDirectory, and trees that builders left;
each runs in a sandbox as other builds do, and what fails deploys nothing."""
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import pictures
from commanded import cleared, deployed, page, serves
from ebb import LIBEXEC
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="the guest has neither npm nor bases")
SPA = [{"source": "/(.*)", "destination": "/index.html"}]


@pytest.fixture(name="ebb")
def one_ebb(module_ebb):
    yield module_ebb
    cleared(module_ebb)


# name: (document, files, path, answer)
WORKS = {
    "files by a shell": ({"buildCommand": "sh make.sh", "outputDirectory": "out", "build": {"env": {"WORD": "hello"}},
                          "rewrites": SPA},
                         {"make.sh": 'mkdir out; echo "$WORD $CI $VERCEL" > out/index.html; echo 1 > out/a.js\n'},
                         "/deep/link", "hello 1 1\n"),
    "files of a framework": ({"framework": "vite", "buildCommand": "mkdir dist && cp in.html dist/index.html"},
                             {"in.html": "by vite", "index.html": "source"}, "/", "by vite"),
    "files by the Node of the images": ({"buildCommand": "node -p process.version > index.html", "outputDirectory": "."},
                                        {"a.txt": "a"}, "/", "v22.23.3\n"),
    "static with a directory": ({"runtime": "static", "entrypoint": "www", "buildCommand": "mkdir www; date > www/d; cp a.txt www/index.html"},
                                {"a.txt": "of static"}, "/", "of static"),
    "no packages at all": ({"installCommand": "", "buildCommand": "cp in.html index.html", "outputDirectory": "."},
                           {"in.html": "bare", "package.json": {"dependencies": {"no-such-package-of-ebb": "99.0.0"}}}, "/", "bare"),
}


@pytest.mark.parametrize("what", sorted(WORKS))
def test_a_build_runs_as_the_file_says(ebb, what, tmp_path):
    serves(ebb, tmp_path, WORKS[what])


def test_a_build_sees_neither_network_nor_host_and_leaves_the_project_as_it_is(ebb, tmp_path):
    line = ("mkdir dist; ls /home /root /etc > dist/seen 2>/dev/null; id -u > dist/uid; cat /proc/net/dev | wc -l > dist/net; "
            "touch here; cp uid dist/ 2>/dev/null; echo > dist/index.html")
    deployed(ebb, tmp_path, {"buildCommand": line, "outputDirectory": "dist"}, {"a": "a"})
    assert page(ebb, "/uid").text == "1000\n" and page(ebb, "/net").text == "3\n"
    assert page(ebb, "/seen").text == "/etc:\nssl\n"  # the certificates
    assert sorted(os.listdir(tmp_path)) == ["a", "vercel.json"]


def test_the_same_project_is_built_once(ebb, tmp_path):
    document = {"buildCommand": "date +%N > index.html", "outputDirectory": "."}
    deployed(ebb, tmp_path, document, {"a": "a"})
    first = page(ebb).text
    assert "unchanged" in deployed(ebb, tmp_path, document, {}).err and page(ebb).text == first
    deployed(ebb, tmp_path, document, {"a": "b"})
    assert page(ebb).text != first


def test_what_a_build_left_elsewhere_is_taken(ebb, tmp_path):
    document = {"buildCommand": "false", "outputDirectory": "dist"}
    deployed(ebb, tmp_path, document, {"dist/index.html": "left"}, "--prebuilt")
    assert page(ebb).text == "left"


def processes(what):
    """The number of each process of the host, with this file of /proc."""
    for one in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{one}/{what}", "rb") as file:
                yield int(one), file.read()
        except OSError:
            pass  # it ended


def test_a_value_of_build_env_is_on_no_command_line(ebb, tmp_path):
    value, waits = b"canary-4d1e-of-build-env", b"tail\0-f\0canary-4d1e-waits\0"
    document = {"buildCommand": "echo > canary-4d1e-waits; exec tail -f canary-4d1e-waits", "outputDirectory": ".",
                "build": {"env": {"TOKEN": value.decode()}}}
    done = []
    thread = threading.Thread(target=lambda: done.append(deployed(ebb, tmp_path, document, {}, ok=False)))
    thread.start()
    pid = wait_for(lambda: [number for number, line in processes("cmdline") if line == waits], 60)[0]
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert b"TOKEN=" + value in file.read().split(b"\0")
        shown = [line for _, line in processes("cmdline") if value in line]
    finally:
        os.kill(pid, signal.SIGKILL)
        thread.join()
    assert not shown and done[0].code == 1 and "buildCommand ended with status 137" in done[0].err, (shown, done)


# It runs alone: modules of these tests have names that the builder's have.
INSIDE = """
import sys; sys.path.insert(0, sys.argv[1]); import commands_inside as inside
inside.APP = sys.argv[2]; inside.drop_packages()
"""
PLACES = """
import json, sys, types; sys.path.insert(0, sys.argv[1]); import nextjs, oci
def place(folder, name, files):
    with oci.open_tar(sys.argv[2] + "/source.tar") as tar:
        for file, text in files.items():
            oci.add_bytes(tar, "app/" + file, text.encode())
    return nextjs.cache_of(types.SimpleNamespace(cache="/cache", source=folder, name=name, function=sys.argv[2] + "/source.tar",
                                                 path=lambda word: sys.argv[2] + "/" + word))
print(json.dumps([place(*one) for one in json.load(sys.stdin)]))
"""


def alone(script, *words, given=None):
    """The output of a script that takes modules of the builder."""
    return subprocess.run([sys.executable, "-IBc", script, LIBEXEC, *map(str, words)], input=json.dumps(given), text=True,
                          stdout=subprocess.PIPE, check=True, timeout=slow(30)).stdout


def test_packages_that_are_a_link_are_dropped_and_what_it_leads_to_is_not(tmp_path):
    app, others = tmp_path / "app", tmp_path / "others"
    for folder in (others, app / "node_modules", app / "web"):
        folder.mkdir(parents=True)
        (folder / "a.js").write_text("a")
    (app / "web/node_modules").symlink_to(others)
    alone(INSIDE, app)
    assert sorted(str(one.relative_to(app)) for one in app.rglob("*")) == ["web", "web/a.js"]
    assert (others / "a.js").is_file()


def test_a_cache_of_next_js_is_of_one_folder_name_and_set_of_packages(tmp_path):
    files = {"package.json": "{}", "package-lock.json": "1", "page.js": "1"}
    asked = [("/a", "shop", files), ("/a", "shop", {**files, "page.js": "2"}),  # the second is what the cache is for
             ("/b", "shop", files), ("/a", "blog", files), ("/a", "shop", {**files, "package.json": "[]"}),
             ("/a", "shop", {**files, "package-lock.json": "2"})]
    first, again, *others = json.loads(alone(PLACES, tmp_path, given=asked))
    assert first == again and len({first, *others}) == 5, (first, again, others)


# name: (document, files, words)
FAILS = {
    "a command that fails": ({"buildCommand": "echo its last word; exit 3", "outputDirectory": "dist"}, {},
                             ["| its last word", "ebb: buildCommand ended with status 3", "the build of"]),
    "a program that is not there": ({"buildCommand": "no-such-program --x", "outputDirectory": "dist"}, {},
                                    ["no-such-program: not found", "buildCommand ended with status 127"]),
    "packages that fail": ({"installCommand": "exit 5", "buildCommand": "true", "outputDirectory": "."}, {},
                           ["installCommand ended with status 5"]),
    "another directory": ({"buildCommand": "mkdir dist; echo > dist/index.html", "outputDirectory": "build"}, {},
                          ["buildCommand left no build (outputDirectory)", 'say "outputDirectory": "dist"']),
    "a directory out of the project": ({"buildCommand": "ln -s /usr/bin out", "outputDirectory": "out"}, {},
                                       ["outputDirectory 'out' leads out of the project"]),
    "links out of what it left": ({"buildCommand": "mkdir out; ln -s /usr/bin/env out/env; echo > out/index.html", "outputDirectory": "out"}, {},
                                  ["is a link out of the directory, to /usr/bin/env"]),
    "no program": ({"runtime": "node", "entrypoint": "dist/s.js", "buildCommand": "true"}, {}, ["buildCommand left no dist/s.js (entrypoint)"]),
    "a program outside": ({"runtime": "node", "entrypoint": "../s.js", "buildCommand": "true"}, {},
                          ["entrypoint ../s.js: it must be the path of a file inside the directory"]),
    "an option": ({"runtime": "python", "entrypoint": "-c:app", "buildCommand": "true"}, {},
                  ["entrypoint -c: it must be the path of a file inside the directory"]),
    "nothing that serves": ({"buildCommand": "mkdir public; echo > public/index.html"}, {},
                            ["say outputDirectory, or runtime and entrypoint", 'say "outputDirectory": "public"']),
    "a tree with a fault": ({"buildCommand": "mkdir -p .vercel/output; echo '{\"version\": 2}' > .vercel/output/config.json"}, {},
                            ["config.json: version is 2; allowed: 3"]),
}


@pytest.mark.parametrize("what", sorted(FAILS))
def test_a_build_that_fails_says_which_command_and_deploys_nothing(ebb, what, tmp_path):
    document, files, words = FAILS[what]
    done = deployed(ebb, tmp_path, document, {"a": "a", **files}, ok=False)
    assert done.code == 1 and not [word for word in words if word not in done.err], done
    assert ebb.rest("GET", "/v1/services").json["services"] == []
    assert ebb.rest("GET", "/v1/sites").json["sites"] == []


# key: (value, words)
REFUSED = {
    "buildCommand": (["npm", "run"], 'buildCommand: ["npm","run"] is not a line for the shell (a string)'),
    "installCommand": (5, "installCommand: 5 is not a line for the shell (a string)"),
    "framework": (7, "framework: 7 is not a string"),
    "build": ({"env": {"A": 1}}, "build.env.A: 1 is not a string"),
    "outputDirectory": ("", 'outputDirectory: "" is not a directory below the sources'),
    "skewProtection": ("31d", 'skewProtection: "31d" is not a number of seconds (0..2592000) or a duration ("12h", "7d")'),
}


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_a_wrong_value_is_refused_with_its_path_and_what_is_allowed(ebb, key, tmp_path):
    value, words = REFUSED[key]
    done = deployed(ebb, tmp_path, {key: value}, {"index.html": "x"}, ok=False)
    assert done.code == 2 and words in done.err, done


def test_what_is_not_done_is_listed(ebb, tmp_path):
    document = {"services": {"web": {"root": "web", "framework": "blitz"}}, "buildCommand": "x", "build": {"foo": 1}}
    done = deployed(ebb, tmp_path, document, {"web/index.html": "x"})
    for line in ("not done as the file says (3)", "buildCommand: not supported, ignored (say it of a service)",
                 "build.foo: not supported, ignored (builds have env)", 'services.web.framework: "blitz" is not known, ignored'):
        assert line in done.err, done
    assert deployed(ebb, tmp_path, document, {}, "--strict", ok=False).code == 2


@pytest.mark.parametrize("given, seconds", [("2h", 7200), (60, 60), (0, 0)])
def test_the_file_says_how_long_clients_stay_with_a_former_deployment(ebb, tmp_path, given, seconds):
    for turn in "ab":
        deployed(ebb, tmp_path, {"skewProtection": given}, {"index.html": turn}, "--strict")
    kept = ebb.rest("GET", "/v1/deployments/site").json["deployments"]
    former = [one for one in kept if not one["current"]][0]
    assert page(ebb).text == "b"
    wait_for(lambda: ebb.http("/", host="site.localhost", headers={"x-deployment-id": former["id"]}).text
             == ("a" if seconds else "b"))  # gateways hear the age of a former one behind the answer
    ebb.rest("DELETE", "/v1/deployments/site")
