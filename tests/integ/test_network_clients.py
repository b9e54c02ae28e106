# SPDX-License-Identifier: Apache-2.0
"""Clients as programs use them, by a name of a policy: fetch and https of Node, urllib of Python, with the resolver of
their own C library. A world of the test's own; its certificate is for api.example.com."""
import os
import subprocess
import sys
import urllib.parse

import pytest

import node_apps
import pictures
import worlds
from conftest import running
from networks import Names
from waiting import wait_for

API4, NAMES = "198.51.100.80", worlds.ROUTER4
ZONE = {"api.example.com": {"A": [API4]}, "www.example.com": {"CNAME": "api.example.com"},
        "other.example.com": {"A": [API4]}, "inner.example.com": {"A": ["10.0.0.5"]}}
KINDS = {"node": ("node-apps", node_apps.service, "outside.mjs"), "python": ("python-apps", node_apps.python_service, "outside:wsgi")}
pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute to start under emulation")


def certificate(folder):
    """(certificate, key): it signs itself, so it is its own CA."""
    paths = [os.path.join(folder, name) for name in ("certificate.pem", "key.pem")]
    worlds.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=api.example.com", "-addext", "subjectAltName=DNS:api.example.com", "-out", paths[0],
               "-keyout", paths[1])
    return paths


@pytest.fixture(scope="module")
def ebb(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("clients"))
    paths = certificate(folder)
    archives = {image: pictures.apps_archive(image) for image, _, _ in KINDS.values()}  # the world has no registry
    with worlds.World() as world:
        world.ip(world.world, "addr", "add", f"{API4}/32", "dev", "lo")
        Names(world, folder, ZONE, NAMES)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "secure_server.py")
        server = subprocess.Popen(world.inside(world.world, sys.executable, "-B", script, API4, *paths),
                                  stdout=subprocess.PIPE, text=True)
        world.servers.append(server)
        assert server.stdout.readline() == "ready\n"
        with running(settings={"egress_resolver": NAMES}) as one, open(paths[0]) as ca:
            env = {"TEST_CA": ca.read()}
            for kind, (image, service, program) in KINDS.items():
                one.import_image("oci-archive:" + archives[image], image)
                one.apply({kind: service(program, env=env, ebb={"egress": {
                    "allow": ["api.example.com", "www.example.com:80", "inner.example.com"]}})})
            yield one
        world.assert_nothing_left()


def get(ebb, kind, url):
    reply = ebb.get(kind, "/?url=" + urllib.parse.quote(url, safe=""))
    return reply.status, reply.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_reaches_the_names_of_its_policy(ebb, kind):
    assert get(ebb, kind, "http://api.example.com/") == (200, f"api.example.com says hello to {worlds.HOST4}")
    assert get(ebb, kind, "https://api.example.com/") == (200, f"api.example.com says hello to {worlds.HOST4}")
    assert get(ebb, kind, "http://www.example.com/")[0] == 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_reaches_no_other_name_and_is_told_at_once(ebb, kind):
    for url in ("http://other.example.com/", "http://inner.example.com/", "http://10.0.0.5/", f"http://{worlds.OTHER4}/"):
        status, text = get(ebb, kind, url)
        assert status == 502, (url, text)
    wait_for(lambda: any("other.example.com was refused: not in ebb.egress.allow" in text
                         for text in ebb.told(kind, "egress_refused")))


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_for_its_name(ebb, kind):
    """The name, and not the address, is what TLS looks at: an address that is open gives nobody another's name."""
    assert get(ebb, kind, "https://api.example.com/")[0] == 200
    assert get(ebb, kind, f"https://{API4}/")[0] == 502


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_was_frozen_goes_on(ebb, kind):
    for _ in range(3):
        ebb.wait_frozen(kind)
        assert get(ebb, kind, "https://api.example.com/")[0] == 200
