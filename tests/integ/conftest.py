# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the integration tests. A test has an ebbd of its own (`ebb`, `new_ebb`) or shares one with its
module (`module_ebb`). At the end every ebbd gets SIGTERM, and must exit with 0 and leave nothing behind.
"""
import contextlib
import os
import signal

import pytest

import counts
import handlers
import leaks
import pictures
from ebb import BIN, Ebb


def pytest_configure(config):
    # SIGTERM (of timeout(1) or tests/run) does what Ctrl-C does: fixtures clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    leaks.become_subreaper()
    if os.geteuid() != 0:
        pytest.exit("the integration tests run ebbd, which needs root: sudo make check", 2)
    if not os.path.exists(os.path.join(BIN, "ebbd")):
        pytest.exit(f"no ebbd in {BIN}: run make, or set EBB_BIN", 2)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "report_" + call.when, outcome.get_result())


def pytest_terminal_summary(terminalreporter):
    for line in [*counts.LINES, *handlers.lines()]:
        terminalreporter.write_line(line)


def _finish(made, request):
    failed = getattr(getattr(request.node, "report_call", None), "failed", False)
    for one in made:
        if failed and one.process is not None:
            print(f"--- log of the ebbd in {one.root}\n{one.log()}")
    faults = []
    for one in made:
        try:
            one.stop()
        except AssertionError as error:
            faults.append(str(error))
        one.remove()
    assert not faults, "\n".join(faults)


@pytest.fixture
def made(request):
    """The ebbds that a test has made; they are gone behind it."""
    ebbs = []
    yield ebbs
    _finish(ebbs, request)


@pytest.fixture
def new_ebb(made):
    """new_ebb(gateways=1, ...) starts one more ebbd."""
    def make(kind=Ebb, **options):
        made.append(kind(**options))
        return made[-1].start()

    return make


@pytest.fixture
def ebb(new_ebb):
    return new_ebb()


@pytest.fixture
def probe(ebb):
    """An ebbd with the C test function imported as image `probe` and deployed as `probe`."""
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe")
    return ebb


@contextlib.contextmanager
def running(**options):
    """An ebbd that is gone behind the block, whatever happens in it."""
    one = Ebb(**options)
    try:
        yield one.start()
        one.stop()
    finally:
        one.kill()
        one.remove()


@pytest.fixture(scope="module")
def module_ebb():
    with running(gateways=2) as one:
        yield one


@pytest.fixture(scope="module")
def module_probe(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    module_ebb.deploy("probe", "probe")
    return module_ebb


@pytest.fixture(scope="session")
def runtimes_ebb():
    """One for all tests of the Node and Python runtimes: their images take long to import. A test that deploys something there removes it."""
    with running(gateways=2) as one:
        for name in ("node-apps", "python-apps"):
            one.import_image("oci-archive:" + pictures.apps_archive(name), name)
        yield one
