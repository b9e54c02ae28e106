# SPDX-License-Identifier: Apache-2.0
"""
One ebbd serves all programs; an image is imported when the first of its programs is tested. APPS chooses the programs:
fast (the default), all, or names and families.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integ")]

import catalogue  # noqa: E402
import ebb  # noqa: E402
import images  # noqa: E402
import suites  # noqa: E402

CHOSEN = catalogue.chosen(os.environ.get("APPS") or "fast")
ROWS = os.environ.get("APPS_ROWS", os.path.join(os.path.dirname(ebb.CACHE), "programs"))


def pytest_configure(config):
    suites.set_up("make check-programs")


def pytest_generate_tests(metafunc):
    if "program" in metafunc.fixturenames:
        by_image = sorted(CHOSEN, key=lambda p: [q.image for q in CHOSEN].index(p.image))
        metafunc.parametrize("program", by_image, ids=lambda p: p.name)


@pytest.fixture(scope="session")
def host():
    """import_once(image) imports the image if ebbd lacks it, and returns the ebbd; import_once() only returns it."""
    one = ebb.Ebb(gateways=2, settings={"egress_default": None}).start()
    there = set()

    def import_once(name=None):
        if name and name not in there:
            one.import_image(images.IMAGES[name](), name)
            there.add(name)
        return one

    try:
        yield import_once
        one.stop()
    finally:
        one.kill()
        one.remove()
