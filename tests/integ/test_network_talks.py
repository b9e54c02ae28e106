# SPDX-License-Identifier: Apache-2.0
"""An instance that waits for somebody on a connection of its own is not frozen; idle connections keep nobody awake; and
data for a frozen instance's connections wake it, in time and once.

The programs themselves measure how long an answer or a message took, in Node, Python and C, in a host and a world of the
test's own.
"""
import itertools
import os
import random
import re
import subprocess
import sys
import time

import pytest

import pictures
import worlds
from networks import dial, probes
from test_fluid_timers import Metronome
from waiting import SLOW, pass_time, slow, wait_for
from worlds import PUBLIC4, PUBLIC6

PORT = 7000
APPS = ("talks-node", "talks-python")
ANSWER_MS = int(2000 * SLOW)
LATE_MS = 1000 * SLOW  # of which the first fetch of a program loads its client
WAKE_LATE_MS = 50 * SLOW
MESSAGES = 120
NUMBERS = itertools.count(1)
pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter takes half a minute there")


@pytest.fixture(scope="module", name="world")
def one_world():
    for name in APPS:
        pictures.apps_archive(name)  # the world has no network to build them
    with worlds.World() as one:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "talk_server.py")
        process = subprocess.Popen(one.inside(one.world, sys.executable, "-B", script, str(PORT), PUBLIC4, PUBLIC6),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        one.servers.append(process)
        assert process.stdout.readline() == "ready\n"

        def talk(order):
            process.stdin.write(order + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()
        one.talk = talk
        yield one


@pytest.fixture(scope="module", name="ebb")
def one_ebb(world):
    with probes(world, settings={"egress_resolver": worlds.ROUTER4}) as one:
        for name in APPS:
            one.import_image("oci-archive:" + pictures.apps_archive(name), name)
        yield one


@pytest.fixture(params=APPS, name="app")
def one_app(request):
    return request.param


def deploy(server, name, image, egress="internet", bindings=(), **more):
    server.apply({name: {"runtime": "container", "entrypoint": image, "maxInstances": 1, "memory": 512,
                      "bindings": list(bindings), **{"ebb": {"egress": egress}, **more}}})
    assert server.get(name).status == 200
    return name


def why(ebb, name):
    return ebb.cli("why", ebb.instance(name)["id"]).out


def wait_why(ebb, name, word, deadline_s=10):
    return wait_for(lambda: word in (text := why(ebb, name)) and text, deadline_s, word)


def fetched(ebb, name, count=1):
    return wait_for(lambda: len(found := ebb.get(name, "/fetched").json) >= count and found)


def fetch_later(ebb, name, url, after=500, count=1):
    assert ebb.get(name, f"/later?url={url}&after={after}&count={count}").status == 200


def test_the_answer_to_a_timer_s_fetch_is_read_when_it_comes(ebb, app):
    name = deploy(ebb, f"timed-{app}", app)
    fetch_later(ebb, name, f"http://{PUBLIC4}:{PORT}/slow%3Fms={ANSWER_MS}", count=2)
    text = wait_why(ebb, name, f"tcp {PUBLIC4}:{PORT} owes an answer")
    assert "it waits for the network" in text and "at the latest (maxDuration)" in text, text
    before = ebb.usage(name)
    (frozen,) = wait_for(lambda: ebb.wait_frozen(name, 2 * ANSWER_MS / 1000 + 10))
    asked = frozen["invocations"]
    found = fetched(ebb, name, 2)
    assert [one["text"] for one in found] == ["slow", "slow"]
    assert all(ANSWER_MS <= one["ms"] + 1 < ANSWER_MS + LATE_MS for one in found), (found, asked)
    after = ebb.usage(name)
    assert after["awake_us"] - before["awake_us"] > ANSWER_MS * 500, "the time that it waited is provisioned"


def test_idle_connections_keep_nobody_awake(ebb, app):
    name = deploy(ebb, f"pool-{app}", app)
    for address in (PUBLIC4, PUBLIC6):
        assert ebb.get(name, f"/keep?to={address}&port={PORT}&count=5&words=hello").json == ["open"] * 5
    ebb.wait_frozen(name)
    frozen = ebb.instance(name)
    pass_time(1)
    if app != APPS[0]:  # a timer of Node's own may have thawed it
        assert ebb.instance(name)["cpu_us"] == frozen["cpu_us"]
    assert [one["line"] for one in ebb.get(name, "/heard").json] == ["hi"] * 10
    ebb.wait_frozen(name)


def test_an_answer_that_never_comes_is_waited_for_once_and_not_longer_than_max_duration(ebb):
    limit_s = int(slow(3))
    name = deploy(ebb, "never", "talks-node", maxDuration=limit_s)
    fetch_later(ebb, name, f"http://{PUBLIC4}:{PORT}/slow%3Fms=600000", after=0)
    wait_why(ebb, name, "owes an answer", limit_s)
    ebb.wait_frozen(name, limit_s + 10)
    assert ebb.get(name).start == "thaw"
    ebb.wait_frozen(name, limit_s / 2)


def test_a_call_through_a_binding_is_waited_for(ebb):
    ebb.rest("PUT", "/v1/services/callee", {"image": "probe", "maxInstances": 1})
    name = deploy(ebb, "caller", "talks-node", egress="none",
                  bindings=[{"type": "service", "service": "callee", "format": "url", "env": "API_URL"}])
    assert ebb.get(name, f"/later?env=API_URL&path=/sleep%3Fms={ANSWER_MS}&after=500").status == 200
    wait_why(ebb, name, "tcp 127.0.0.1:")
    ebb.wait_frozen(name, 10 + ANSWER_MS / 1000)
    (one,) = fetched(ebb, name)
    assert ANSWER_MS <= one["ms"] + 1 < ANSWER_MS + LATE_MS, one


# ---- data for the frozen ----

def subscribe(ebb, name, topic, to=PUBLIC4, kind="keep"):
    assert ebb.get(name, f"/{kind}?to={to}&port={PORT}&count=1&words=sub%20{topic}").status == 200
    ebb.wait_frozen(name)
    assert [one["line"] for one in heard(ebb, name)] == ["ok"]
    ebb.wait_frozen(name)


def heard(ebb, name):
    return ebb.get(name, "/heard").json


def wakes(ebb, name):
    return [e["text"] for e in ebb.events(ebb.instance(name)["id"], "instance_thawed") if "for the network" in e["text"]]


def counter(ebb, name, what):
    text = ebb.rest("GET", "/metrics").text
    return float(re.search(rf'ebb_instance_{what}{{[^}}]*service="{name}"[^}}]*}} ([0-9.e+-]+)', text).group(1))


HEARERS = [(APPS[0], PUBLIC4, "keep"), (APPS[0], PUBLIC6, "keep"), (APPS[0], PUBLIC4, "datagrams"),
           (APPS[0], PUBLIC6, "datagrams"), (APPS[1], PUBLIC4, "keep"), (APPS[1], PUBLIC6, "keep"),
           ("probe", PUBLIC4, "keep"), ("probe", PUBLIC6, "datagrams")]  # the probe is a program in C


def test_messages_at_random_moments_are_handled_once_in_order_and_in_time(ebb, world):
    names = [deploy(ebb, f"hears-{n}", app) for n, (app, _, _) in enumerate(HEARERS)]
    topics, sent = [f"t{next(NUMBERS)}" for _ in names], {name: [] for name in names}
    for name, topic, (_, to, kind) in zip(names, topics, HEARERS):
        subscribe(ebb, name, topic, to, kind)
    asked = {name: ebb.instance(name)["invocations"] for name in names}
    slowest_ms = 0  # of the server's own answers to the test
    with Metronome() as metronome:
        for n in range(MESSAGES):
            pass_time(random.uniform(0.005, 0.1))
            which = random.randrange(len(names))
            sent[names[which]].append((f"message-{n}", time.time() * 1000))
            assert world.talk(f"say {topics[which]} message-{n}") == "done 1"
            slowest_ms = max(slowest_ms, time.time() * 1000 - sent[names[which]][-1][1])
        for name in names:
            ebb.wait_frozen(name)
    busy = 3 if os.getloadavg()[0] < 2 * os.cpu_count() else 30  # others wait for a CPU, too
    for name in names:
        assert ebb.instance(name)["invocations"] == asked[name], "no request thawed it"
        found = heard(ebb, name)
        assert [one["line"] for one in found] == [words for words, _ in sent[name]]
        late = max((one["at"] - at for one, (_, at) in zip(found, sent[name])), default=0)
        assert late < WAKE_LATE_MS + busy * (metronome.worst_ms + slowest_ms), (name, late, metronome.worst_ms, slowest_ms)
        assert len(wakes(ebb, name)) <= len(found) == len(sent[name])
        if found:
            assert wakes(ebb, name) and counter(ebb, name, "wake_seconds_total") > 0
        ebb.cli("rm", name)


def test_why_and_events_name_what_woke_it_and_the_time_is_billed(ebb, world):
    name = deploy(ebb, "named", APPS[0], ebb={"egress": "internet", "freezeAfter": int(1000 * SLOW)})
    topic = f"t{next(NUMBERS)}"
    subscribe(ebb, name, topic)
    before = ebb.instance(name)
    world.talk(f"say {topic} hello")
    text = wait_why(ebb, name, "thawed for the network")
    assert f"tcp {PUBLIC4}:{PORT} spoke" in text, text
    (after,) = ebb.wait_frozen(name)
    assert f"for the network: tcp {PUBLIC4}:{PORT} spoke" in wakes(ebb, name)[-1]
    wake_us = after["wake_us"] - before["wake_us"]
    assert wake_us > 0.9e6 * SLOW and after["cpu_us"] > before["cpu_us"]
    assert after["awake_us"] - before["awake_us"] == pytest.approx(wake_us, abs=1e5 * SLOW)  # no request was there
    bill = ebb.usage(name)
    assert bill["wakes"] == after["wakes"] and bill["wake_us"] == after["wake_us"] <= bill["awake_us"]


def test_answers_to_a_request_that_thawed_it_are_no_wakes(ebb):
    name = deploy(ebb, "asks", "probe", ebb={"egress": "internet", "freezeAfter": 10})
    for _ in range(20):
        ebb.wait_frozen(name)
        assert dial(ebb, name, PUBLIC4).startswith("got "), ebb.log()
    (one,) = ebb.wait_frozen(name)
    assert one["freezes"] >= 20 and (one["wakes"], one["wake_us"]) == (0, 0), wakes(ebb, name)


def test_wakes_beyond_the_budget_of_their_service_are_late_and_counted(ebb, world):
    """200 a second. Each instance has a connection, and one message goes to all of them."""
    count, topic = 240, f"t{next(NUMBERS)}"
    ebb.apply({"crowd": {"runtime": "container", "entrypoint": "probe", "minInstances": count, "maxInstances": count,
                         "memory": 64, "env": {"PROBE_HEARS": f"{PUBLIC4} {PORT} 1 sub {topic}"},
                         "ebb": {"egress": "internet", "freezeAfter": 10, "initTimeout": "60s"}}})
    wait_for(lambda: [one["state"] for one in ebb.instances("crowd")] == ["frozen"] * count, 60)
    assert world.talk(f"say {topic} hello") == f"done {count}"
    wait_for(lambda: sum(one["wakes"] for one in ebb.instances("crowd")) == count, 10)
    found = ebb.instances("crowd")
    assert [one["wakes"] for one in found] == [1] * count
    assert 0 < sum(one["wakes_late"] for one in found) <= count - 200
    ebb.cli("rm", "crowd")


def test_probes_and_acknowledgements_wake_nobody(ebb, app):
    name = deploy(ebb, f"probed-{app}", app)
    for address in (PUBLIC4, PUBLIC6):
        subscribe(ebb, name, f"t{next(NUMBERS)}", address)
    frozen = ebb.instance(name)
    pass_time(3)  # three probes on each connection
    after = ebb.instance(name)
    assert wakes(ebb, name) == []
    if app != APPS[0]:  # a timer of Node's own may have thawed it
        assert (after["state"], after["cpu_us"], after["freezes"]) == ("frozen", frozen["cpu_us"], frozen["freezes"])


def test_a_reply_to_a_message_does_not_keep_it_awake(ebb, world, app):
    name = deploy(ebb, f"pongs-{app}", app)
    topic = f"t{next(NUMBERS)}"
    subscribe(ebb, name, topic)
    for n in range(3):
        frozen = ebb.instance(name)
        world.talk(f"say {topic} ping")
        wait_for(lambda: ebb.instance(name)["freezes"] > frozen["freezes"], 5, f"a freeze after ping {n}")
    assert [one["line"] for one in heard(ebb, name)] == ["ping"] * 3


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_end_of_a_connection_wakes_unless_it_is_idle_in_a_pool(ebb, world, how):
    name, topic, pool = deploy(ebb, f"ended-{how}", APPS[1]), f"t{next(NUMBERS)}", f"p{next(NUMBERS)}"
    subscribe(ebb, name, pool)
    subscribe(ebb, name, topic)
    world.talk(f"say {topic} hello")  # that peer speaks by itself
    wait_for(lambda: wakes(ebb, name))
    ebb.wait_frozen(name)
    count = len(wakes(ebb, name))
    world.talk(f"{how} {pool}")
    pass_time(0.5)
    assert len(wakes(ebb, name)) == count
    world.talk(f"{how} {topic}")
    wait_for(lambda: len(wakes(ebb, name)) > count)
    assert "ended the connection" in wakes(ebb, name)[-1]


def test_late_data_wait_for_the_next_thaw(ebb, world):
    name = deploy(ebb, "late", APPS[1], ebb={"egress": "internet", "network": "late"})
    topic = f"t{next(NUMBERS)}"
    subscribe(ebb, name, topic)
    frozen = ebb.instance(name)
    for n in range(20):
        world.talk(f"say {topic} message-{n}")
    pass_time(0.5)
    assert wakes(ebb, name) == [] and frozen["state"] == "frozen"
    assert wait_for(lambda: [one["line"] for one in heard(ebb, name)]) == [f"message-{n}" for n in range(20)]


def test_a_word_that_is_none_is_refused(ebb):
    reply = ebb.rest("PUT", "/v1/services/wrong", {"image": APPS[0], "ebb": {"network": "soon"}})
    assert reply.status == 422 and "ebb.network" in reply.text and "wake" in reply.text, reply.text
