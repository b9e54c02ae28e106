# SPDX-License-Identifier: Apache-2.0
"""The two loads of tests/soak and test_53: pauses against keep-alive, and as many freezes as possible."""
import random
import time

import pytest

import lanes
import pictures

not_in_vm = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")

# image, settings: the probe is a static C server, the others ordinary programs.
KINDS = {"c": "probe", "node": "node-timers", "python": "python-timers"}


def archive(image):
    return pictures.probe_archive() if image == "probe" else pictures.apps_archive(image)


def deploy(ebb, services, **ebb_settings):
    """services: {name: image}"""
    for image in set(services.values()):
        ebb.import_image("oci-archive:" + archive(image), image)
    ebb.apply({name: {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 1024,
                      "ebb": ebb_settings} for name, image in services.items()})


def no_eintr_surfaced(ebb, services):
    for name in services:
        out = ebb.cli("logs", name).out
        assert "EINTR" not in out and "Interrupted system call" not in out, out[-2000:]


def pauses(ebb, requests, pause_most_s, count):
    names = {f"ka{n}": KINDS["node"] for n in range(min(count, 6))}
    deploy(ebb, names)
    each = requests // count
    # Each lane has a part of the range of pauses, so that all of it is covered; and some hit the 5 s.
    made = [lanes.Lane(ebb, list(names)[n % len(names)], n * each, each,
                       lambda n=n: random.choice([random.uniform(0, pause_most_s),
                                                  random.uniform(4.9, 5.1) if n % 3 == 0 else 0.2]))
            for n in range(count)]
    begun = time.monotonic()
    result = lanes.run(made)
    print(f"\n{result['answered']} requests, pauses 0-{pause_most_s} s, {time.monotonic() - begun:.0f} s, "
          f"{result['starts']}, slowest {result['worst_s'] * 1000:.0f} ms")
    assert not result["faults"], result["faults"][:10]
    assert result["answered"] == each * count


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
    assert not result["faults"], result["faults"][:10]
    for name, lane in made.items():
        lanes.assert_each_counted_once(ebb, name, lane.answered)
    no_eintr_surfaced(ebb, names)
    assert frozen >= cycles, f"only {frozen} freezes within {took:.0f} s"
