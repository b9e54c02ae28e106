# SPDX-License-Identifier: Apache-2.0
"""Two instances of one project of Next.js, and what they share of its pages: by ebb-flow, in their namespace."""
import json
import os
import re
import signal

import pytest

import projects
from test_next import VERSIONS, page, place_of
from waiting import wait_for

QUEUES = {"ebb": {"queues": "shop"}}


@pytest.fixture(scope="module", params=VERSIONS)
def image(request, host, tmp_path_factory):
    name = request.param
    done = projects.built(host, place_of(name, tmp_path_factory.mktemp("next")), name)
    assert "did not start" not in done.err, done
    return name


@pytest.fixture(name="pair")
def services(host, image):
    """Two services of the image, so that each instance is asked by its own name."""
    names = [f"{image}-one", f"{image}-two"]
    host.apply({name: {"runtime": "container", "entrypoint": image, "memory": 512, "maxInstances": 1, **QUEUES} for name in names})
    yield names
    for name in names:
        host.cli("rm", name)


def times(host, site):
    """When the page was made, and its cached value."""
    found = re.search(r"made at (?:<!-- -->)?(\d+)(?:<!-- -->)?, clock (?:<!-- -->)?(\d+)", page(host, site, "/tagged").text)
    return int(found[1]), int(found[2])


def revalidate(host, site, **what):
    return host.get(site, "/api/revalidate", method="POST", body=json.dumps(what).encode())


def test_a_tag_that_one_revalidates_is_void_for_the_other_and_both_show_one_page(host, pair):
    one, two = pair
    assert times(host, one) == times(host, two)  # of the build
    before = times(host, two)
    for caller, other in ((one, two), (two, one)):
        assert revalidate(host, caller, tag="clock").status == 200
        seen = times(host, other)
        assert seen[0] > before[0] and seen[1] > before[1], (seen, before)
        assert times(host, caller) == seen == times(host, other)
        before = seen
    assert revalidate(host, one, path="/tagged").status == 200
    seen = times(host, two)
    assert seen[0] > before[0] and times(host, one) == seen


def test_an_instance_that_is_new_finds_the_pages_of_the_one_before(host, pair):
    one, two = pair
    assert revalidate(host, one, tag="clock").status == 200
    seen = times(host, one)
    host.cli("stop", host.instance(one)["id"])
    assert times(host, one) == seen
    assert times(host, two) == seen


def test_without_ebb_flow_pages_are_made_and_behind_it_they_are_shared_again(host, pair):
    one, two = pair
    seen = times(host, one)
    (pid,) = host.programs("ebb-flow")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert times(host, one)[0] > seen[0]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: times(host, one) == times(host, two) == seen, what="the page of before")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: host.programs("ebb-flow") not in ([], [pid]), what="another ebb-flow")
    wait_for(lambda: times(host, one) == times(host, two) == seen, what="the page of before")
    assert revalidate(host, one, tag="clock").status == 200
    assert times(host, two)[0] > seen[0]


def test_without_a_namespace_the_cache_is_its_own(host, image):
    host.apply({f"{image}-alone": {"runtime": "container", "entrypoint": image, "memory": 512, "maxInstances": 1}})
    before = times(host, f"{image}-alone")
    assert times(host, f"{image}-alone") == before
    assert revalidate(host, f"{image}-alone", tag="clock").status == 200
    assert times(host, f"{image}-alone") != before
    host.cli("rm", f"{image}-alone")
