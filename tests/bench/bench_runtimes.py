# SPDX-License-Identifier: Apache-2.0
"""Node and Python: the first request to a prewarmed instance (ready and frozen) beside a request to a warm one, and
a cold start from an image with baked code beside one without."""
import time

import pictures
from bench_thaw import Client
from figures import Row, both
from peers import first_byte_s
from waiting import pass_time, wait_for

EXAMPLES = {"Node, Express": "node-express", "Python, Starlette": "python-starlette"}
# A start that uses none of the code baked into the image.
UNBAKED = {"node-express": {"NODE_DISABLE_COMPILE_CACHE": "1"},
           "python-starlette": {"PYTHONPYCACHEPREFIX": "/nowhere"}}
REST_S = 0.1  # a freeze that is undone at once teaches ebb to wait longer with the next
SETTLED_S = 0.3  # the first freeze of a Node instance ends at once, for a timer that is due then


def service(name, **more):
    return {"runtime": "container", "entrypoint": name, "maxInstances": 1, "memory": 2048, **more}


def state(ebb, name):
    return [i["state"] for i in ebb.instances(name)]


def prewarmed_us(ebb, name):
    """Microseconds of the first request ever to an instance that minInstances started and that is ready and
    frozen. None if a timer of the program had thawed the instance just then."""
    ebb.apply({"prewarmed": service(name, minInstances=1)})
    wait_for(lambda: state(ebb, "prewarmed") == ["frozen"], 30)
    pass_time(SETTLED_S)
    wait_for(lambda: state(ebb, "prewarmed") == ["frozen"], 30)
    pass_time(REST_S)
    first, how = Client(ebb.address, "prewarmed").ask_us()
    ebb.cli("rm", "prewarmed")
    wait_for(lambda: not ebb.instances("prewarmed"))
    return first if how == "thaw" else None


def warm_us(ebb, name):
    """A request to an instance that is awake and has served, after the same rest."""
    client = Client(ebb.address, name + "-warm")
    client.ask_us()
    pass_time(REST_S)
    took, how = client.ask_us()
    assert how == "warm", how
    return took


def cold_ms(ebb, name):
    """To the first byte, and the CPU used by then."""
    took = first_byte_s(ebb.address, name + ".localhost", until_s=60)
    (instance,) = ebb.instances(name)
    ebb.rest("POST", f"/v1/instances/{instance['id']}/stop")
    wait_for(lambda: not ebb.instances(name), 20)
    return took * 1000, instance["cpu_us"] / 1000


def rows_of(ebb, title, name, count):
    ebb.import_image("oci-archive:" + pictures.example_archive(name), name)
    ebb.apply({name + "-warm": service(name, ebb={"freezeAfter": "1h"}), "baked": service(name),
               "unbaked": service(name, env=UNBAKED[name])})
    prewarmed, warm, baked, unbaked = [], [], [], []
    for _ in range(count):
        prewarmed.append(prewarmed_us(ebb, name))
        warm.append(warm_us(ebb, name))
        baked.append(cold_ms(ebb, "baked"))
        unbaked.append(cold_ms(ebb, "unbaked"))
    ebb.cli("rm", name + "-warm", "baked", "unbaked")
    prewarmed = [us for us in prewarmed if us is not None]
    (baked, baked_cpu), (unbaked, unbaked_cpu) = (map(list, zip(*found)) for found in (baked, unbaked))
    print(f"  {title}: prewarmed {both(prewarmed)}, warm {both(warm)} us; cold, baked {both(baked)}, "
          f"not baked {both(unbaked)} ms", flush=True)
    return [Row(f"prewarmed, {title}, p50", "us", prewarmed, warm, "warm"),
            Row(f"cold, baked, {title}, p50", "ms", baked, unbaked, "not baked"),
            Row(f"cold, CPU, baked, {title}, p50", "ms", baked_cpu, unbaked_cpu, "not baked")]


def rows(ebb, quick):
    begun = time.monotonic()
    found = [row for title, name in EXAMPLES.items()
             for row in rows_of(ebb, title, name, 5 if quick else 15)]
    print(f"  {time.monotonic() - begun:.0f} s", flush=True)
    return found
