# SPDX-License-Identifier: Apache-2.0
"""ebb deploy -f builds the services of a file at once; a build that fails ends with its last lines, and nothing is
deployed."""
import json
import os
import re
import subprocess

import pytest

import leaks
from ebb import BIN, CACHE, LIBEXEC
from waiting import slow, wait_for

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1", reason="the guest has neither compiler nor bases")
PAGE = {"runtime": "static", "entrypoint": "."}


def project(folder, names, **services):
    for name in names:
        (folder / name).mkdir()
        (folder / name / "index.html").write_text(name)
    (folder / "ebb.json").write_text(json.dumps({"services": {**{n: {"root": n, **PAGE} for n in names}, **services}}))
    return folder / "ebb.json"


def test_builds_run_at_once_and_each_says_when_it_is_done(ebb, tmp_path):
    names = ["one", "two", "three"]
    file = project(tmp_path, names)
    process = subprocess.Popen(
        [os.path.join(BIN, "ebb"), "deploy", "-f", file, "--jobs", "3"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "EBB_SOCKET": ebb.socket, "EBB_LIBEXEC": LIBEXEC, "EBB_CACHE": CACHE})
    wait_for(lambda: len([p for p in leaks.children(process.pid) if leaks.children(p)]) >= 2, 20, "two builders at once")
    said = process.communicate(timeout=slow(60))[1]
    assert process.returncode == 0, said
    assert sorted(re.findall(r"^ebb: built (\w+) in [\d.]+ s", said, re.M)) == sorted(names)
    assert re.findall(r"\((\d) of 3\)", said) == ["1", "2", "3"]
    for name in names:
        assert ebb.get(name).text == name
    again = ebb.cli("deploy", "-f", file, "-j", "1")
    assert again.err.count("unchanged") >= 3 and "revision 2" not in again.err, again
    assert ebb.cli("deploy", "-f", file, "--jobs", "0", ok=False).code == 2


def test_a_build_that_fails_shows_its_last_lines_and_ends_the_others(ebb, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/server.c").write_text("".join(f"this is no C {i};\n" for i in range(60)) + "int last_of_all = ;\n")
    file = project(tmp_path, ["one", "two"], bad={"root": "bad", "runtime": "native", "entrypoint": "server"})
    done = ebb.cli("deploy", "-f", file, ok=False)
    assert done.code == 1 and "ebb: bad is not built; its last lines:" in done.err, done
    shown = done.err.split("its last lines:\n")[1]
    assert "last_of_all" in shown and "cannot build" in shown and "no C 1;" not in shown
    assert ebb.services() == [] and ebb.rest("GET", "/v1/deployments/" + tmp_path.name).status == 404


def test_a_command_may_be_one_string(ebb, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/main.py").write_text(
        "import os, http.server, sys\n"
        "class Say(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(sys.argv[1].encode())\n"
        "http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Say).serve_forever()\n")
    (tmp_path / "ebb.json").write_text(json.dumps({"services": {"site": {
        "root": "site", "runtime": "python", "entrypoint": "main.py",
        "command": "/usr/bin/python3 /app/main.py 'hello to you'"}}}))
    ebb.cli("deploy", "-f", tmp_path / "ebb.json", "--wait", timeout=120)
    assert ebb.get("site").text == "hello to you"
    command = json.loads(ebb.cli("inspect", "site").out)["command"]
    assert command == ["/usr/bin/python3", "/app/main.py", "hello to you"]
    shell = {"busybox": {"runtime": "container", "entrypoint": "site", "command": "exec httpd -p $PORT"}}
    (tmp_path / "ebb.json").write_text(json.dumps({"services": shell}))
    done = ebb.cli("deploy", "-f", tmp_path / "ebb.json", "--wait", ok=False)
    assert done.code == 1 and "'/bin/sh' cannot be executed" in done.err, done  # this image has no shell
