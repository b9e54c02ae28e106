# SPDX-License-Identifier: Apache-2.0
"""maxDuration ends one request and its work; an instance that ignores it is replaced; stop works, frozen or not."""
import re
import threading
import time

import pytest

import pictures
from waiting import SLOW, slow, wait_for


@pytest.fixture(scope="module")
def host(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    if not pictures.IN_VM:
        for kind in ("killer-node", "killer-python"):
            module_ebb.import_image("oci-archive:" + pictures.apps_archive(kind), kind)
    return module_ebb


@pytest.fixture
def service(host, request):
    name = request.node.name.replace("_", "-").replace("[", "-").strip("]")[5:60].strip("-")

    def deploy(image, **settings):
        more = {"initTimeout": f"{slow(10):.0f}s", **settings.pop("ebb", {})}
        host.apply({name: {"runtime": "container", "entrypoint": image, "ebb": more,
                           "maxDuration": 1, **settings}})
        assert host.get(name).status == 200
        return name

    yield deploy
    host.cli("rm", name)
    wait_for(lambda: not host.instances(name), 30)


def later(call):
    """call() in a thread; .join() returns what it returned."""
    class Later(threading.Thread):
        def run(self):
            self.reply = call()

        def join(self, *_):
            super().join()
            return self.reply
    thread = Later()
    thread.start()
    return thread


def assert_timed_out(reply):
    assert (reply.status, reply.headers["x-ebb-error"]) == (504, "MAX_DURATION"), reply
    assert re.search(r"maxDuration of \d+ ms", reply.text), reply


@pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")
def test_only_the_late_request_ends_and_its_server_goes_on(host, service):
    """Node closes a connection whose other side ended: the work is cancelled, nothing is replaced."""
    name = service("killer-node", memory=1024, maxInstances=1)
    first = host.get(name).instance
    late = later(lambda: host.get(name, "/sleep?ms=60000"))
    others = [later(lambda: host.get(name, "/sleep?ms=600")) for _ in range(10)]
    assert {t.join().status for t in others} == {200}
    assert_timed_out(late.join())
    host.wait_frozen(name, 20)  # nothing is open any more, and nobody was suspected
    assert host.get(name).instance == first
    assert not host.told(name, "instance_unresponsive")


@pytest.mark.parametrize("image, path, stopped", [
    ("probe", "/hang", "SIGTERM"),
    pytest.param("killer-node", "/spin", "kill", marks=pytest.mark.skipif(
        pictures.IN_VM, reason="an interpreter is too slow under emulation")),
])
def test_who_ignores_it_takes_no_more_is_replaced_and_goes(host, service, image, path, stopped):
    """A thread that never returns, and an event loop that is stuck."""
    name = service(image, memory=1024, maxInstances=2, ebb={"stopGrace": "1s"})
    old = host.get(name).instance
    assert_timed_out(host.get(name, path))
    wait_for(lambda: [i for i in host.instances(name) if i["id"] != old], 20)
    told = host.told(name, "instance_unresponsive")
    assert "went on after maxDuration (1000 ms)" in told[0], told
    assert host.get(name).instance != old
    wait_for(lambda: old not in [i["id"] for i in host.instances(name)], 20)
    assert any("replaces one that ignored maxDuration" in t
               for t in host.told(name, "instance_starting"))


def test_others_in_flight_may_finish_until_the_second_deadline(host, service):
    name = service("probe", maxDuration=3, ebb={"stopGrace": "10s"})
    old = host.get(name).instance
    hang = later(lambda: host.get(name, "/hang"))
    wait_for(lambda: host.instance(name)["tickets"] == 1)
    assert_timed_out(hang.join())
    innocent = later(lambda: host.get(name, "/sleep?ms=2500"))
    wait_for(lambda: [i for i in host.instances(name) if i["id"] == old][0]["state"] == "draining")
    reply = innocent.join()
    assert reply.status == 200 and reply.instance == old
    wait_for(lambda: old not in [i["id"] for i in host.instances(name)], 20)


def test_stop_of_a_frozen_instance_lets_it_end_itself(host, service):
    name = service("probe")
    (instance,) = host.wait_frozen(name)
    host.cli("stop", instance["id"])
    wait_for(lambda: not host.instances(name), 10)
    assert "probe: signal 15, exiting" in host.cli("logs", name).out


def test_stop_of_a_frozen_one_that_ignores_sigterm_kills_it_after_its_grace(host, service):
    name = service("probe", env={"PROBE_MODE": "stubborn"}, ebb={"stopGrace": "1s"})
    (instance,) = host.wait_frozen(name)
    begun = time.monotonic()
    host.cli("stop", instance["id"])
    wait_for(lambda: not host.instances(name), 10)
    assert 0.9 < time.monotonic() - begun < 5 * SLOW
    assert "still there 1000 ms after SIGTERM" in host.told(name, "instance_stopped")[0]
