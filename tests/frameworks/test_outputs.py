# SPDX-License-Identifier: Apache-2.0
"""Projects whose builders write the Build Output API, built by them and served by `ebb build --prebuilt`. BY_VERCEL: the
builder is `vercel build`, which asks nobody where .vercel/project.json is there."""
import json
import os
import subprocess

import pytest

import projects
from ebb import CACHE
from waiting import slow

NAMES = ("sveltekit", "astro", "nitro", "nuxt", "react-router", "express", "hono")


INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
VERCEL = "vercel@48.12.1"
BY_VERCEL = {"react-router": "react-router", "next": "nextjs", "express": "express", "hono": "hono"}  # the words of their frameworks


def run(folder, *words):
    env = {**os.environ, "PATH": projects.node_folder(CACHE) + ":" + os.environ["PATH"], "ASTRO_TELEMETRY_DISABLED": "1",
           "VERCEL_TELEMETRY_DISABLED": "1", "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    done = subprocess.run(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=slow(600))
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="session", name="vercel")
def vercel_cli(tmp_path_factory):
    """A function that returns the program of `vercel`, installed at its first call."""
    folder = str(tmp_path_factory.mktemp("vercel"))
    program = os.path.join(folder, "node_modules/vercel/dist/index.js")

    def get():
        if not os.path.exists(program):
            run(folder, *INSTALL, "--ignore-scripts", "--prefix", folder, VERCEL)
        return program
    return get


def build_elsewhere(name, folder, vercel):
    run(folder, *INSTALL)
    if name not in BY_VERCEL:
        return run(folder, "npm", "run", "build")
    os.makedirs(os.path.join(folder, ".vercel"), exist_ok=True)
    with open(os.path.join(folder, ".vercel/project.json"), "w", encoding="ascii") as file:
        json.dump({"projectId": "prj_local", "orgId": "team_local", "settings": {"framework": BY_VERCEL[name]}}, file)
    return run(folder, "node", vercel(), "build", "--yes")


@pytest.fixture(scope="module", params=NAMES)
def site(request, host, tmp_path_factory, vercel):
    name = request.param
    folder = projects.project(name, str(tmp_path_factory.mktemp("output") / name))
    build_elsewhere(name, folder, vercel)
    projects.built(host, folder, name, "--prebuilt")
    projects.serve(host, name)
    yield name
    host.cli("rm", name)


def test_pages_endpoints_and_files(host, site):
    home = host.get(site, "/")
    assert home.status == 200 and f"home of {site}" in home.text, home
    assert host.get(site, "/hello/7?q=z").text == "hello 7 z"
    origin = {"Origin": f"http://{site}.localhost", "Content-Type": "text/plain"}
    assert host.get(site, "/hello/7", method="POST", body=b"body", headers=origin).text == "posted body"
    reply = host.get(site, "/plain.txt")
    assert (reply.status, reply.text) == (200, "plain file\n")
    assert host.get(site, "/nope").status == 404


def test_its_scripts_are_immutable(host, site):
    """Where it has any: files of which the name tells the content."""
    for path in projects.preloaded(host.get(site, "/")):
        reply = host.get(site, path)
        assert reply.status == 200 and "immutable" in reply.headers["cache-control"], (path, reply)


def test_at_rest_it_is_frozen_costs_nothing_and_thaws(host, site):
    host.get(site, "/")
    projects.frozen_at_no_cost(host, site)
    assert host.get(site, "/hello/1?q=x").start == "thaw"


def test_next_of_vercel_build_has_its_middleware_for_the_edge(host, vercel, tmp_path):
    folder = projects.project("next", str(tmp_path / "next"))
    build_elsewhere("next", folder, vercel)
    projects.built(host, folder, "next-output", "--prebuilt")
    projects.serve(host, "next-output")
    assert (host.get("next-output", "/gone").status, host.get("next-output", "/gone").text) == (410, "gone by middleware\n")
    through = host.get("next-output", "/api/hello?name=ebb")
    assert through.json == {"hello": "ebb"} and through.headers["x-through"] == "middleware"
    assert "home of the shop" in host.get("next-output", "/").text
    assert "x-through" not in host.get("next-output", "/").headers
    host.cli("rm", "next-output")
