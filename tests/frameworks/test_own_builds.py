# SPDX-License-Identifier: Apache-2.0
"""Programs and build outputs that commands of a file make; tests/integ/test_commands.py has the files and the failures."""
import pytest

from commanded import TREE, cleared, deployed, page, serves

SERVER = 'require("http").createServer((q, r) => r.end("%s " + q.url)).listen(process.env.PORT);\n'

# name: (document, files, path, answer)
WORKS = {
    "a program that package.json starts": ({"buildCommand": "npm run build"},
                                           {"src.js": SERVER % "built", "package.json": {
                                               "scripts": {"build": "mkdir -p dist && cp src.js dist/server.js",
                                                           "start": "node dist/server.js"}}}, "/x", "built /x"),
    "a program that the file names": ({"runtime": "node", "entrypoint": "made.js", "buildCommand": "cp src.js made.js"},
                                      {"src.js": SERVER % "named"}, "/y", "named /y"),
    "Python that is generated": ({"runtime": "python", "entrypoint": "made:app", "buildCommand": "sed s/WORD/python/ in.py > made.py"},
                                 {"in.py": "async def app(scope, receive, send):\n"
                                           "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
                                           "    await send({'type': 'http.response.body', 'body': b'WORD'})\n"}, "/", "python"),
    "a build output": ({"buildCommand": "sh make.sh now"}, {"make.sh": TREE, "package.json": {"scripts": {"start": "vite preview"}},
                                                            ".vercel/output/static/index.html": "stale"}, "/", "a page of now\n"),
    "packages by a command of its own": ({"installCommand": "mkdir -p node_modules/w; echo 'module.exports = 7' > node_modules/w/index.js",
                                          "runtime": "node", "entrypoint": "s.js"},
                                         {"s.js": 'const w = require("w");\n' + SERVER.replace('"%s "', "w"),
                                          "package.json": {"dependencies": {"w": "99.0.0"}}}, "/", "7/"),
}


@pytest.fixture(name="ebb")
def one_ebb(host):
    yield host
    cleared(host)


@pytest.mark.parametrize("what", sorted(WORKS))
def test_commands_make_what_serves(ebb, what, tmp_path):
    serves(ebb, tmp_path, WORKS[what])


def test_a_build_output_in_the_root_of_a_service_is_one(ebb, tmp_path):
    tree = {"web/.vercel/output/config.json": {"version": 3}, "web/.vercel/output/static/index.html": "of a tree",
            "web/package.json": {"name": "web", "scripts": {"start": "vite preview"}}}
    done = deployed(ebb, tmp_path, {"services": {"web": {"root": "web"}},
                                    "rewrites": [{"source": "/(.*)", "destination": {"service": "web"}}]}, tree)
    assert page(ebb).text == "of a tree" and "served from .vercel/output" in done.err, done
