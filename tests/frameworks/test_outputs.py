# SPDX-License-Identifier: Apache-2.0
"""Projects whose builders write the Build Output API, built by them and served by `ebb build --prebuilt`."""
import os
import subprocess

import pytest

import projects
from ebb import CACHE
from waiting import slow

NAMES = ("sveltekit", "astro", "nitro", "nuxt", "react-router")


def build_elsewhere(folder):
    env = {**os.environ, "PATH": projects.node_folder(CACHE) + ":" + os.environ["PATH"], "ASTRO_TELEMETRY_DISABLED": "1"}
    for words in (["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], ["npm", "run", "build"]):
        done = subprocess.run(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=slow(600))
        assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture(scope="module", params=NAMES)
def site(request, host, tmp_path_factory):
    name = request.param
    folder = projects.project(name, str(tmp_path_factory.mktemp("output") / name))
    build_elsewhere(folder)
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
