# SPDX-License-Identifier: Apache-2.0
"""Examples in languages without a runtime of ebb's, built from their Dockerfiles, served by one ebbd: make check-examples."""
import os
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "programs"), os.path.join(HERE, "..", "integ")]

import ebb  # noqa: E402
import leaks  # noqa: E402


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # timeout(1): fixtures clean up
    leaks.become_subreaper()
    if os.geteuid() != 0:
        pytest.exit("the examples run in ebbd, which needs root: sudo make check-examples", 2)


@pytest.fixture(scope="session")
def host():
    one = ebb.Ebb(gateways=2)
    try:
        yield one.start()
        one.stop()
    finally:
        one.kill()
        one.remove()
