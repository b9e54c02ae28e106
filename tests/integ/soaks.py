# SPDX-License-Identifier: Apache-2.0
"""The two loads of tests/soak and test_fluid_cycles: pauses against keep-alive, and as many freezes as possible."""
import random
import time

import pytest

import lanes
import pictures
from test_runtimes_ring import HAS_RING

not_in_vm = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

# Kind -> image: a static C server that knows nothing of ebb, a program on ebb.h (on epoll; as `ring` on the
# restricted io_uring), and ordinary programs for Node and Python.
KINDS = {"c": "probe", "native": "native", "node": "node-timers", "python": "python-timers"}
if HAS_RING:
    KINDS["ring"] = "native"


def archive(image):
    return pictures.probe_archive() if image == "probe" else pictures.apps_archive(image)


def deploy(ebb, services, **ebb_settings):
    """services: {name: image}"""
    for image in set(services.values()):
        ebb.import_image("oci-archive:" + archive(image), image)
    ebb.apply({name: {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 1024,
                      "ebb": {"ioUring": name.startswith("ring"), **ebb_settings}}
               for name, image in services.items()})


def no_eintr_surfaced(ebb, services):
    for name in services:
        out = ebb.cli("logs", name).out
        assert "EINTR" not in out and "Interrupted system call" not in out, out[-2000:]


def pauses(ebb, requests, pause_most_s, count):
    """One lane for each service, so that the pause is a pause of the server."""
    names = [f"ka{n}" for n in range(count)]
    deploy(ebb, {name: KINDS["node"] for name in names})
    for name in names:
        assert ebb.get(name).status == 200
    each = requests // count
    # All of the range, and in a third of the lanes half of the time around Node's 5 s.
    made = [lanes.Lane(ebb, name, 0, each,
                       lambda n=n: random.uniform(4.9, 5.1) if n % 3 == 0 and random.random() < 0.5
                       else random.uniform(0, pause_most_s))
            for n, name in enumerate(names)]
    begun = time.monotonic()
    result = lanes.run(made)
    print(f"\n{result['answered']} requests, pauses 0-{pause_most_s} s, {time.monotonic() - begun:.0f} s, "
          f"{result['starts']}, slowest {result['worst_s'] * 1000:.0f} ms")
    assert not result["faults"], result["faults"][:10]
    assert result["answered"] == each * count
    assert result["starts"]["cold"] == 0


def freezes(ebb, kinds, cycles, services_each=2, deadline_s=3000):
    """Requests come at random moments around the freeze, which comes as soon as it may."""
    names = {f"{kind}{n}": KINDS[kind] for kind in kinds for n in range(services_each)}
    deploy(ebb, names, freezeAfter=1)
    for name in names:
        assert ebb.get(name).status == 200
    begun = time.monotonic()
    seen = [time.monotonic(), 0]

    def enough():
        now = time.monotonic()
        if now - seen[0] > 1:
            seen[:] = now, lanes.cycles(ebb, names)[0]
        return seen[1] >= cycles or now - begun > deadline_s

    made = {name: lanes.Lane(ebb, name, 0, 1 << 20, lambda: random.uniform(0, 0.03), until=enough)
            for name in names}
    result = lanes.run(made.values())
    took = time.monotonic() - begun
    frozen, thawed = lanes.cycles(ebb, names)
    print(f"\n{kinds}: {frozen} freezes ({thawed} undone by a request), {result['answered']} requests, "
          f"{took:.0f} s, {result['starts']}, slowest {result['worst_s'] * 1000:.0f} ms, "
          f"{len(result['faults'])} faults")
    ended = ebb.log_lines("event=instance_(failed|stopped|evicted|retired|unresponsive)")
    assert not result["faults"], (result["faults"][:10], ended)
    assert not ended, ended
    for name, lane in made.items():
        lanes.assert_each_counted_once(ebb, name, lane.answered)
    no_eintr_surfaced(ebb, names)
    assert frozen >= cycles, f"only {frozen} freezes within {took:.0f} s"
