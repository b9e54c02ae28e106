# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the conformance tests: one real gateway, and a function that says what a test tells it."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integ")]

import gateway_harness  # noqa: E402
from peer import Function  # noqa: E402


def pytest_configure(config):
    if not os.path.exists(os.path.join(gateway_harness.OUT, "tests", "gateway_stub")):
        pytest.exit("gateway_stub is not built: make tests", 2)


@pytest.fixture(scope="module")
def up():
    function = Function()
    yield function
    function.close()


@pytest.fixture(scope="module")
def gw(up):
    gateway = gateway_harness.Gateway()
    gateway.service()
    gateway.up(0, up.port)
    yield gateway
    assert gateway.stop() == 0


@pytest.fixture
def new_gw(up):
    """new_gw(body_bytes_max=100) starts one more gateway, in front of the same function."""
    made = []

    def make(max_ms=30000, upstream="auto", **limits):
        gateway = gateway_harness.Gateway(**limits)
        made.append(gateway)
        gateway.service(max_ms=max_ms)
        gateway.up(0, up.port, upstream=upstream)
        return gateway

    yield make
    for gateway in made:
        assert gateway.stop() == 0


@pytest.fixture(autouse=True)
def nothing_is_left(request, up):
    up.reset()
    yield
    if "gw" in request.fixturenames:
        gateway = request.getfixturevalue("gw")
        gateway_harness.until(lambda: gateway.board()["tickets"] == 0, "all tickets returned")
