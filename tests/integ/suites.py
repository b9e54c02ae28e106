# SPDX-License-Identifier: Apache-2.0
"""Parts of the suites beside tests/integ, which serve everything by one ebbd."""
import os
import signal

import pytest

import ebb
import leaks


def set_up(command):
    """To be called by pytest_configure."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # timeout(1): fixtures clean up
    leaks.become_subreaper()
    if os.geteuid() != 0:
        pytest.exit(f"ebbd needs root: sudo {command}", 2)


@pytest.fixture(scope="session")
def host():
    one = ebb.Ebb(gateways=2)
    try:
        yield one.start()
        one.stop()
    finally:
        one.kill()
        one.remove()
