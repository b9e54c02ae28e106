# SPDX-License-Identifier: Apache-2.0
"""Run-times believe that they have what their instance has, and a program that makes only garbage lives."""
import os

import pytest

import runtimes

GARBAGE_S = 60 if os.environ.get("APPS", "fast") != "fast" else 5
MEMORY_MB = 256


@pytest.fixture(scope="module")
def java(host):
    one = host()
    one.import_image(runtimes.java_image(), "jlink")

    def serve(**env):
        one.apply({"jvm": {"runtime": "container", "entrypoint": "jlink", "memory": MEMORY_MB, "maxDuration": 120,
                           "maxInstances": 1, "env": env, "ebb": {"cpu": 1000, "initTimeout": 60}}})
        return one
    yield serve
    one.cli("rm", "jvm", ok=False)


if runtimes.HAS_JAVA:
    def test_a_jvm_takes_part_of_its_instances_memory_and_what_is_set_stays(java):
        heap, processors = map(int, java().get("jvm", "/heap", timeout=60).text.split())
        assert MEMORY_MB / 5 <= heap >> 20 <= MEMORY_MB / 2 and processors == 1
        heap, _ = map(int, java(JAVA_TOOL_OPTIONS="-Xmx40m").get("jvm", "/heap", timeout=60).text.split())
        assert heap >> 20 <= 40

    def test_a_jvm_that_makes_only_garbage_lives(java):
        one = java()
        said = one.get("jvm", f"/garbage/{GARBAGE_S * 1000}", timeout=GARBAGE_S + 60)
        print(said.text)
        assert said.status == 200, said
        assert one.get("jvm", "/heap").instance == said.instance
