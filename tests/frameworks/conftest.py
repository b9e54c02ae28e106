# SPDX-License-Identifier: Apache-2.0
"""Projects of frameworks from npm, built by their own builders, each served by one ebbd: make check-frameworks."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integ")]

import suites  # noqa: E402
from suites import host  # noqa: E402,F401


def pytest_configure(config):
    suites.set_up("make check-frameworks")
