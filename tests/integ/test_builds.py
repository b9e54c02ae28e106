# SPDX-License-Identifier: Apache-2.0
"""`ebb build` with directories as people have them: times, owners, lock files, requirements."""
import os
import shutil
import subprocess
import sys

import pytest

import oci
from ebb import BIN, CACHE, LIBEXEC
from test_builds_hostile import C, Outside, outside, said  # noqa: F401  a fixture

pytestmark = pytest.mark.skipif(os.environ.get("EBB_VM") == "1",
                                reason="the guest has neither compiler, npm nor bases")
APP = "async def app(scope, receive, send): pass\n"
NODE = "process.exit(0)\n"


def times(one):
    return {name: int(m.mtime) for name, m in one.files().items()}


def test_times_follow_the_files(outside):  # noqa: F811
    outside.put("main.py", APP)
    os.utime(outside.source + "/main.py", (1000000000, 1000000000))
    assert outside.build("python", "main:app").returncode == 0
    assert times(outside)["app/main.py"] == 1000000000
    os.utime(outside.source + "/main.py", (1100000000, 1100000000))
    assert outside.build("python", "main:app").returncode == 0
    assert times(outside)["app/main.py"] == 1100000000


@pytest.mark.parametrize("runtime", ["python", "native", "node"])
def test_source_date_epoch_makes_the_same_bytes(outside, runtime):  # noqa: F811
    made = []
    for stamp in (1000000000, 1200000000):
        name, entry, text = {"python": ("main.py", "main:app", APP), "native": ("main.c", "srv", C),
                             "node": ("index.mjs", "index.mjs", NODE)}[runtime]
        outside.put(name, text)
        os.utime(os.path.join(outside.source, name), (stamp, stamp))
        done = outside.build(runtime, entry, SOURCE_DATE_EPOCH="1234567890")
        assert done.returncode == 0, said(done)
        assert set(times(outside).values()) == {1234567890}
        with open(outside.output, "rb") as f:
            made.append(f.read())
    assert made[0] == made[1]


def test_a_program_has_the_time_of_its_newest_source(outside):  # noqa: F811
    for name, stamp in (("main.c", 1000000000), ("other.h", 1100000000)):
        outside.put(name, C if name == "main.c" else "")
        os.utime(os.path.join(outside.source, name), (stamp, stamp))
    assert outside.build("native", "srv").returncode == 0
    assert times(outside) == {"app/srv": 1100000000}


def test_the_functions_user_owns_app(outside):  # noqa: F811
    outside.put("index.mjs", NODE)
    outside.put("cache/x", "")
    assert outside.build("node", "index.mjs").returncode == 0
    assert {(m.uid, m.gid) for m in outside.files().values()} == {(1000, 1000)}


WORKSPACES = {"package.json": '{"workspaces": ["packages/*"], "dependencies": {"b": "*"}}',
              "packages/b/package.json": '{"name": "b", "version": "1.0.0", "main": "b.js"}',
              "packages/b/b.js": "exports.x = 1", "index.mjs": "import 'b'; process.exit(0)"}


def test_npm_workspaces_build_from_their_root(outside):  # noqa: F811
    for name, text in WORKSPACES.items():
        outside.put(name, text)
    done = outside.build("node", "index.mjs")
    assert done.returncode == 0 and "did not start" not in said(done), said(done)
    found = outside.files()
    assert found["app/node_modules/b"].linkname == "../packages/b" and "app/packages/b/b.js" in found


def test_a_package_with_nothing_to_install_builds(outside):  # noqa: F811
    """npm makes no node_modules then: the layer is an empty directory, not an empty file."""
    outside.put("package.json", '{"devDependencies": {"is-number": "7.0.0"}}')
    outside.put("index.mjs", NODE)
    assert outside.build("node", "index.mjs").returncode == 0
    assert outside.files()["app/node_modules"].isdir()


NODE_WORDS = {
    "engines": ({"package.json": '{"engines": {"node": "%s"}}'}, "wants Node"),
    "pnpm": ({"package.json": '{"dependencies": {"b": "1"}}', "pnpm-lock.yaml": ""}, "pnpm-lock.yaml locks"),
    "yarn": ({"package.json": '{"dependencies": {"b": "1"}}', "yarn.lock": ""}, "yarn.lock locks"),
}
ENGINES = {True: [">=18", "^22", "22", "22.x", "*", "18 || 22", ">=18 <23", "20 - 22", "~22.23", ">=22.0.0", "<=22", "", "x"],
           False: ["<22", "^20", "18.x", "18 || 20", ">22", ">=23", "20 - 21", "22.0.0", "~22.1", "<=21"]}


@pytest.mark.parametrize("what", ["pnpm", "yarn"])
def test_lock_files_are_used_or_refused(outside, what):  # noqa: F811
    files, words = NODE_WORDS[what]
    outside.put("index.mjs", NODE)
    for name, text in files.items():
        outside.put(name, text)
    done = outside.build("node", "index.mjs")
    assert done.returncode == 1 and words in said(done), said(done)
    os.makedirs(outside.source + "/node_modules/b")
    assert outside.build("node", "index.mjs").returncode == 0


def load(name):
    """A script of the builder as a module."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../images/build"))
    try:
        return __import__(name)
    finally:
        sys.path.pop(0)


def test_engines_are_understood_as_npm_does(outside):  # noqa: F811
    look = load("look")
    for holds, ranges in ENGINES.items():
        for text in ranges:
            assert look.range_holds(text, [22, 23, 3]) == holds, text
    outside.put("index.mjs", NODE)
    outside.put("package.json", '{"engines": {"node": "^18"}}')
    done = outside.build("node", "index.mjs")
    assert done.returncode == 1 and "wants Node ^18" in said(done), said(done)


PYTHON = {
    "there": ({"requirements.txt": "flask>=2\n# why\nstarlette ; python_version > '3'\nwaitress==2.*\n"}, ""),
    "not there": ({"requirements.txt": "flask\nnumpy>=1\n"}, "requirements.txt asks for numpy>=1"),
    "too old": ({"requirements.txt": "flask>=99\n"}, "requirements.txt asks for flask>=99"),
    "not for us": ({"requirements.txt": "pywin32; sys_platform == 'win32'\n"}, ""),
    "included": ({"requirements.txt": "-r more.txt\n", "more.txt": "numpy\n"}, "more.txt asks for numpy"),
    "an address": ({"requirements.txt": "git+https://example.org/x.git\n"}, "asks for git+https"),
    "a project": ({"pyproject.toml": '[project]\ndependencies = ["numpy"]\n'}, "pyproject.toml asks for numpy"),
    "its Python": ({"pyproject.toml": '[project]\nrequires-python = ">=3.99"\n'}, "wants Python >=3.99"),
    "broken": ({"pyproject.toml": "["}, "is no TOML"),
    "vendored": ({"requirements.txt": "numpy>=1\n", "numpy-1.26.dist-info/METADATA": "Name: numpy\nVersion: 1.26\n"}, ""),
    "itself": ({"requirements.txt": "-r requirements.txt\nflask\n"}, ""),
}


@pytest.mark.parametrize("what", PYTHON)
def test_requirements_are_met_or_refused(outside, what):  # noqa: F811
    files, words = PYTHON[what]
    outside.put("main.py", APP)
    for name, text in files.items():
        outside.put(name, text)
    done = outside.build("python", "main:app")
    assert done.returncode == (1 if words else 0) and words in said(done), said(done)


@pytest.mark.parametrize("content,words", [
    (b"#!/bin/sh\r\necho\r\n", "CR LF"), (b"#!/no/such\n", "its loader or the interpreter"), (b"hello\n", "neither a program")])
def test_what_lacks_at_a_start_is_said(ebb, content, words, tmp_path):
    layer = oci.layer(oci.entry("srv"), oci.entry("srv/run", content, 0o755))
    archive = str(tmp_path / "image.tar")
    oci.Image([layer], {"Entrypoint": ["/srv/run"]}).write_archive(archive)
    ebb.import_image("oci-archive:" + archive, "odd")
    done = ebb.deploy("odd", "odd", "--min", "1", ok=False)
    told = done.out + done.err + "".join(ebb.told("odd", "instance_stopped")) + ebb.log()
    assert words in told, told


def test_a_user_builds_without_root(outside):  # noqa: F811
    """His cache is his own; the bases come from root's, so that the test need not make them."""
    outside.put("main.py", APP)
    for kind in ("python",):
        for path in os.listdir(CACHE):
            if path.startswith(f"base-{kind}-") and os.path.isdir(os.path.join(CACHE, path)):
                shutil.copytree(os.path.join(CACHE, path), os.path.join(outside.source, ".ebb", path), symlinks=True)
    subprocess.run(["chown", "-R", "65534:65534", outside.path], check=True)
    os.chmod(outside.path, 0o755)
    # As that user: nothing of it needs a right of root.
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = outside.build("python", "main:app", before=words, EBB_CACHE=outside.source + "/.ebb", HOME=outside.source)
    assert done.returncode == 0, said(done)
    assert outside.files()["app/__pycache__/main.cpython-311.pyc"].uid == 1000


# --- Next.js: trees of its shape, made by hand; tests/frameworks has real ones ----------------------------
SERVER = 'require("node:http").createServer((q, s) => s.end("x")).listen(process.env.PORT, () => console.log("up"));\n'
NEXT_TREE = {
    ".next/BUILD_ID": "1", ".next/required-server-files.json": '{"relativeAppDir": ""}',
    ".next/standalone/server.js": SERVER, ".next/standalone/.next/BUILD_ID": "1",
    ".next/standalone/package.json": '{"scripts": {"start": "next start"}, "dependencies": {"next": "16"}}',
    ".next/standalone/node_modules/next/index.js": "", ".next/static/a.js": "a", "public/b.txt": "b",
    "node_modules/big/index.js": "", "app/page.js": "secret source"}


def next_tree(outside, **more):  # noqa: F811
    for name, text in {**NEXT_TREE, **more}.items():
        if text is not None:
            outside.put(name, text)


def prebuilt(outside, *words):  # noqa: F811
    return subprocess.run([os.path.join(BIN, "ebb"), "build", "--prebuilt", outside.source, "-o", outside.output, *words],
                          capture_output=True, check=False, env={**os.environ, "EBB_CACHE": CACHE, "EBB_LIBEXEC": LIBEXEC})


def test_what_next_build_left_is_put_together(outside):  # noqa: F811
    next_tree(outside)
    done = prebuilt(outside)
    assert done.returncode == 0 and "did not start" not in said(done), said(done)
    found = {name for name, m in outside.files().items() if m.isreg()}
    assert found == {"app/" + name for name in (
        "server.js", "package.json", "node_modules/next/index.js", ".next/BUILD_ID", ".next/static/a.js", "public/b.txt")}


def test_the_server_of_a_workspace_is_found_further_down(outside):  # noqa: F811
    left = ".next/standalone/"
    next_tree(outside, **{left + "server.js": None, left + ".next/BUILD_ID": None, left + "apps/web/server.js": SERVER,
                          ".next/required-server-files.json": '{"relativeAppDir": "apps/web"}'})
    done = prebuilt(outside)
    assert done.returncode == 0 and "did not start" not in said(done), said(done)
    assert {"app/server.js", "app/apps/web/.next/static/a.js", "app/apps/web/public/b.txt"} <= set(outside.files())


@pytest.mark.parametrize("files, words", [
    ({".next/required-server-files.json": "{"}, "required-server-files.json cannot be read"),
    ({".next/required-server-files.json": "[]"}, "is no JSON object"),
    ({".next/required-server-files.json": '{"relativeAppDir": "../../etc"}'}, "leads out of the project"),
    ({".next/required-server-files.json": '{"relativeAppDir": "web"}'}, "standalone/web has no server.js"),
    ({".next/BUILD_ID": None}, "its build left no server"),
    ({".next/standalone/server.js": None}, "has no server.js"),
    ({"other/BUILD_ID": "1", "other/standalone/x": ""}, "builds of several projects"),
])
def test_a_broken_build_of_next_is_refused(outside, files, words):  # noqa: F811
    next_tree(outside, **files)
    done = prebuilt(outside)
    assert done.returncode == 1 and words in said(done), said(done)
    assert not os.path.exists(outside.output)


def test_links_out_of_a_build_of_next_are_refused(outside):  # noqa: F811
    next_tree(outside)
    os.symlink("/etc/passwd", outside.source + "/.next/static/p")
    done = prebuilt(outside)
    assert done.returncode == 1 and "is a link out of the directory" in said(done), said(done)


def test_a_folder_that_no_build_left_is_refused(outside):  # noqa: F811
    outside.put("server.js", SERVER)
    done = prebuilt(outside)
    assert done.returncode == 1 and "is no build that ebb knows" in said(done), said(done)
    done = prebuilt(outside, "--entrypoint", "server.js")
    assert done.returncode == 2 and "leave out --runtime and --entrypoint" in said(done), said(done)
