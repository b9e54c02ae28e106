# SPDX-License-Identifier: Apache-2.0
"""Examples in languages without a runtime of ebb's, built from their Dockerfiles, served by one ebbd: make check-examples."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "programs"), os.path.join(HERE, "..", "integ")]

import suites  # noqa: E402
from suites import host  # noqa: E402,F401


def pytest_configure(config):
    suites.set_up("make check-examples")
