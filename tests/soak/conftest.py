# SPDX-License-Identifier: Apache-2.0
"""The harness of tests/integ, and its fixtures."""
import importlib.util
import os
import sys

INTEG = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integ")
sys.path.insert(0, INTEG)
_spec = importlib.util.spec_from_file_location("integ_conftest", os.path.join(INTEG, "conftest.py"))
_integ = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_integ)
pytest_configure, pytest_runtest_makereport = _integ.pytest_configure, _integ.pytest_runtest_makereport
pytest_terminal_summary = _integ.pytest_terminal_summary
made, new_ebb = _integ.made, _integ.new_ebb
