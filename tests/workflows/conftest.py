# SPDX-License-Identifier: Apache-2.0
"""npm's workflow on ebb: one ebbd, one application: make check-workflows."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integ"), os.path.join(HERE, "..", "frameworks")]

import runs  # noqa: E402
import suites  # noqa: E402
from suites import host  # noqa: E402,F401


def pytest_configure(config):
    suites.set_up("make check-workflows")


@pytest.fixture(scope="session", name="suite")
def one_suite(host, tmp_path_factory):  # noqa: F811
    return runs.Suite(host, str(tmp_path_factory.mktemp("suite"))).deploy()
