# SPDX-License-Identifier: Apache-2.0
"""One project of Next.js, with both of its routers, built by `ebb build` from its folder, and elsewhere by itself."""
import http.client
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

import projects
from ebb import CACHE
from waiting import slow, wait_for

VERSIONS = {"next16": "16.4.6", "next15": "15.5.29"}


def place_of(name, tmp):
    return projects.project("next", os.path.join(tmp, name), {"next": VERSIONS[name]})


@pytest.fixture(scope="module", params=VERSIONS)
def site(request, host, tmp_path_factory):
    name = request.param
    done = projects.built(host, place_of(name, tmp_path_factory.mktemp("next")), name)
    assert "did not start" not in done.err, done
    projects.serve(host, name)
    yield name
    host.cli("rm", name)


def page(host, site, path, **more):
    reply = host.get(site, path, **more)
    assert reply.status == 200, reply
    return reply


def test_pages_of_both_routers_and_their_api(host, site):
    assert "home of the shop" in page(host, site, "/").text
    assert "pages router: <!-- -->/old?a=1" in page(host, site, "/old?a=1").text
    assert page(host, site, "/api/hello?name=ebb").json == {"hello": "ebb"}
    assert host.get(site, "/nowhere").status == 404
    reply = page(host, site, "/api/echo", method="POST", body=b"a body", headers={"User-Agent": "test"})
    assert reply.json == {"body": "a body", "agent": "test"}
    wait_for(lambda: "after the answer: a body" in host.cli("logs", site).out, what="after()")


def test_static_files_are_of_the_same_image(host, site):
    scripts = projects.scripts_of(page(host, site, "/").text)
    assert scripts, "a page without scripts"
    for path in scripts:
        assert "immutable" in page(host, site, path).headers["cache-control"], path
    assert page(host, site, "/plain.txt").text == "plain file\n"
    assert page(host, site, "/dot.png").headers["content-type"] == "image/png"


def test_middleware_goes_first(host, site):
    assert host.get(site, "/gone").status == 410
    assert page(host, site, "/old").headers["x-through"] == "middleware"
    assert "x-through" not in page(host, site, "/").headers


def test_a_page_is_streamed(host, site):
    connection = http.client.HTTPConnection(*host.address, timeout=slow(20))
    connection.request("GET", "/stream", headers={"Host": f"{site}.localhost"})
    answer, seen = connection.getresponse(), b""
    while b"quick part" not in seen:
        seen += answer.read1(4096)
    assert b"slow part" not in seen, "the quick part came with the slow one"
    assert b"slow part" in seen + answer.read()
    connection.close()


def test_a_server_action_sets_a_cookie(host, site):
    form = page(host, site, "/form").text
    fields = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', form)
    assert fields, form
    border = "border"
    body = "".join(f'--{border}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
                   for key, value in [*fields, ("word", "kept-word")]) + f"--{border}--\r\n"
    reply = host.get(site, "/form", method="POST", body=body.encode(),
                     headers={"Content-Type": f"multipart/form-data; boundary={border}",
                              "Origin": f"http://{site}.localhost"})
    assert reply.status in (200, 303), reply
    assert "kept=kept-word" in reply.headers["set-cookie"], reply
    assert "kept-word" in page(host, site, "/form", headers={"Cookie": "kept=kept-word"}).text


def test_pictures_are_made_smaller(host, site):
    reply = page(host, site, "/_next/image?url=" + urllib.parse.quote("/dot.png", safe="") + "&w=64&q=75",
                 headers={"Accept": "image/webp"})
    assert reply.headers["content-type"] in ("image/webp", "image/png")


def made_at(host, site):
    return re.search(r"made at (?:<!-- -->)?(\d+)", page(host, site, "/isr").text)[1]


def test_a_page_is_made_again_after_its_time(host, site):
    """The first answer after that time is the old page; the new one is made behind it, and is there later."""
    first = made_at(host, site)
    wait_for(lambda: made_at(host, site) != first, what="a new page")


def test_at_rest_it_is_frozen_costs_nothing_and_thaws(host, site):
    page(host, site, "/")
    projects.frozen_at_no_cost(host, site)
    reply = page(host, site, "/api/hello")
    assert reply.start == "thaw", reply


def test_it_ends_by_itself_when_it_is_asked(host, site):
    page(host, site, "/")
    instance = host.instance(site)["id"]
    host.cli("stop", instance)
    ended = wait_for(lambda: host.told(instance, "instance_stopped") or host.told(instance, "instance_failed"), slow(10), what="its end")
    assert "kill" not in ended[0] and host.told(instance, "instance_stopped"), ended


def build_elsewhere(folder):
    """As its guide says, without ebb: npm, the build, and nothing copied."""
    with open(os.path.join(folder, "next.config.mjs"), "w", encoding="ascii") as file:
        file.write('export default { output: "standalone" };\n')
    env = {**os.environ, "PATH": projects.node_folder(CACHE) + ":" + os.environ["PATH"], "NEXT_TELEMETRY_DISABLED": "1"}
    for words in (["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], ["npm", "run", "build"]):
        subprocess.run(words, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)


def test_a_build_that_was_made_elsewhere_is_served(host, tmp_path):
    folder = place_of("next16", tmp_path)
    build_elsewhere(folder)
    projects.built(host, folder, "elsewhere", "--prebuilt")
    projects.serve(host, "elsewhere")
    home = page(host, "elsewhere", "/").text
    assert all(page(host, "elsewhere", path) for path in projects.scripts_of(home))
    assert page(host, "elsewhere", "/plain.txt").text == "plain file\n"
    host.cli("rm", "elsewhere")
    # The folder .next/standalone by itself, with the static files where Next.js's own guide copies them.
    left = os.path.join(folder, ".next/standalone")
    shutil.copytree(os.path.join(folder, ".next/static"), os.path.join(left, ".next/static"))
    projects.built(host, left, "standalone")
    projects.serve(host, "standalone")
    assert all(page(host, "standalone", path) for path in projects.scripts_of(home))
    host.cli("rm", "standalone")


def test_the_same_project_has_the_same_image(host, tmp_path):
    """And so the same keys: of server actions, of previews."""
    digests = set()
    for turn in "ab":
        folder = place_of("next16", tmp_path / turn)
        for path in [os.path.join(f, n) for f, _, names in os.walk(folder) for n in names]:
            os.utime(path, (1_700_000_000, 1_700_000_000))
        done = projects.built(host, folder, "same-" + turn)
        digests.add(done.out.split()[-1])
    assert len(digests) == 1, digests


def test_pages_of_a_deployment_with_an_id_ask_for_it(host, tmp_path, name="next16"):
    """As on Vercel: NEXT_DEPLOYMENT_ID at the build, so that a page stays with its own deployment."""
    place_of(name, tmp_path)
    file = tmp_path / "ebb.json"
    file.write_text(json.dumps({"name": "skew", "services": {"skew": {"root": name, "memory": 512}}}))
    host.cli("deploy", "-f", file, "--id", "blue", "--wait", env={"EBB_CACHE": CACHE}, timeout=projects.BUILD_S)
    scripts = projects.scripts_of(page(host, "skew", "/").text)
    assert scripts and all(path.endswith("?dpl=blue") for path in scripts), scripts
    assert all(page(host, "skew", path) for path in scripts)
    host.cli("rm", "skew")
