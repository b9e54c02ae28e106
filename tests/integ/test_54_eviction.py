# SPDX-License-Identifier: Apache-2.0
"""Frozen instances stay until their room is wanted; then the least recently used goes first."""
import threading

import pytest

import pictures
from waiting import wait_for


@pytest.fixture
def small(new_ebb):
    def make(*names, services=None, **settings):
        ebb = new_ebb(settings={"armed": 1, "memory_reserve_mb": 0, **settings})
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
        ebb.apply({n: {"runtime": "container", "entrypoint": "probe", "maxInstances": 1,
                       **(services or {}).get(n, {})} for n in names})
        return ebb
    return make


def evicted(ebb):
    found = ebb.cli("events", "--json").json
    found = found if isinstance(found, list) else found["events"]
    return [(e["service"], e["text"]) for e in found if e["kind"] == "instance_evicted"]


def use(ebb, *names, path="/"):
    for name in names:
        assert ebb.get(name, path).status == 200
        ebb.wait_frozen(name)


def test_the_least_recently_used_makes_place(small):
    ebb = small("a", "b", "c", instances_max=2)
    use(ebb, "a", "b", "a")
    assert ebb.get("c").status == 200
    assert [name for name, _ in evicted(ebb)] == ["b"]
    assert "instances_max" in evicted(ebb)[0][1] and "for service c" in evicted(ebb)[0][1]
    wait_for(lambda: not ebb.instances("b"))
    assert ebb.instance("a")["state"] == "frozen"
    assert ebb.get("b").status == 200 and ebb.get("b").start != "cold"


def test_one_after_the_other_for_hundreds_of_starts_no_request_fails(small):
    names = [f"s{n}" for n in range(6)]
    ebb = small(*names, instances_max=3)
    for _ in range(4):
        use(ebb, *names)
    assert len(evicted(ebb)) >= 10


def test_who_works_and_who_is_wanted_stays(small):
    ebb = small("kept", "works", "c", instances_max=2, services={"kept": {"minInstances": 1}})
    wait_for(lambda: ebb.instances("kept"))
    ebb.wait_frozen("kept")
    use(ebb, "works")
    answers = []
    worker = threading.Thread(target=lambda: answers.append(ebb.get("works", "/sleep?ms=2000")))
    worker.start()
    wait_for(lambda: ebb.instance("works")["tickets"] == 1)
    reply = ebb.get("c")
    assert reply.status == 503 and reply.headers["x-ebb-error"] == "OVERLOADED"
    assert not evicted(ebb)
    worker.join()
    assert answers[0].status == 200
    ebb.wait_frozen("works")
    assert ebb.get("c").status == 200
    assert [name for name, _ in evicted(ebb)] == ["works"]
    assert ebb.instance("kept")["state"] == "frozen"


def test_memory_of_the_budget_is_given_back(small):
    ebb = small("a", "b", "c", memory_max_mb=240)
    use(ebb, "a", "b", path="/alloc?mb=90&keep=1")
    assert ebb.get("c").status == 200
    ((name, text),) = evicted(ebb)
    assert name == "a" and "memory_max_mb" in text and "gives back 9" in text


def test_below_the_hosts_reserve_frozen_ones_go_and_starts_go_on(small):
    ebb = small("a", "b", "c", memory_reserve_mb=1 << 22)
    use(ebb, "a")
    assert ebb.get("b").status == 200
    assert [name for name, _ in evicted(ebb)] == ["a"]
    assert "memory_reserve_mb" in evicted(ebb)[0][1]


def test_nothing_is_evicted_while_there_is_room(small):
    ebb = small("a", "b", "c", memory_max_mb=4096, instances_max=10)
    use(ebb, "a", "b", "c", "a")
    assert not evicted(ebb)
    assert len(ebb.instances()) == 3
