# SPDX-License-Identifier: Apache-2.0
"""Workloads over and over: ebbd holds afterwards what it held before."""
import os

import leaks
import oci
import pictures
import web
from waiting import throughout, wait_for


SPARE_FDS = 32  # a gateway keeps sockets and pipes in stock; more than this is no stock


def held(ebb):
    """Everything countable that ebbd and its programs hold."""
    programs = sorted(leaks.read(f"/proc/{p}/comm").strip()
                      for p in leaks.descendants(ebb.process.pid))
    fds = {name: sum(len(os.listdir(f"/proc/{p}/fd")) for p in ebb.programs(name))
           for name in ("ebb-gateway", "ebb-api", "ebb-ledger", "ebb-ipc")}
    return {"programs": programs, "fds": {**fds, "ebbd": ebb.fd_count()},
            "cgroups": len(leaks.cgroup_dirs(ebb.config["cgroup"])),
            "mounts": len([m for m in leaks.read(f"/proc/{ebb.ebbd_pid}/mountinfo").splitlines() if ebb.root in m])}


def settled(ebb):
    """held(), once it has been the same for half a second (stocks are refilled with a delay)."""
    ebb.wait_armed()
    def same():
        seen = throughout(0.5, lambda: held(ebb), every_s=0.05)
        return seen[0] if all(one == seen[0] for one in seen) else None
    return wait_for(same)


def no_more(now, before, spare):
    gateway, rest = now["fds"].pop("ebb-gateway"), dict(before, fds=dict(before["fds"]))
    return gateway <= rest["fds"].pop("ebb-gateway") + spare and now == rest


def assert_repeats(ebb, work, rounds, spare=SPARE_FDS):
    """After two rounds, which fill caches and pools, more rounds add nothing to held(). A leak of one descriptor in
    each piece of work must be more than spare in all, or it is not seen."""
    work()
    work()
    before = settled(ebb)
    for _ in range(rounds):
        work()
    try:
        wait_for(lambda: no_more(held(ebb), before, spare), 5)
    except AssertionError:
        assert held(ebb) == before


def test_deploying_and_removing(probe):
    def work():
        probe.deploy("again", "probe")
        assert probe.get("again").status == 200
        probe.cli("rm", "again")
        wait_for(lambda: not probe.instances("again"))
    assert_repeats(probe, work, 10)


def test_freezing_and_thawing(probe):
    def work():
        assert probe.get("probe").status == 200
        probe.wait_frozen("probe")
        # Undone at once, ebb would learn to wait longer.
        assert set(throughout(0.03, lambda: probe.instance("probe")["state"], every_s=0.01)) == {"frozen"}
    assert_repeats(probe, work, 50)


def test_crashing(probe):
    def work():
        probe.get("probe", "/crash", method="POST")
        wait_for(lambda: not probe.instances("probe"))
    assert_repeats(probe, work, 10)


def test_failing_to_start(probe):
    probe.apply({"bad": {"runtime": "container", "entrypoint": "probe", "command": ["/nothing"]}},
                ok=False)

    def work():
        assert probe.get("bad").status in (502, 503)
        wait_for(lambda: not probe.instances("bad"))
    assert_repeats(probe, work, 10)


def test_importing_and_removing_images(ebb, tmp_path):
    def work():
        ebb.import_image("oci-archive:" + pictures.probe_archive(), "again")
        ebb.cli("image", "rm", "again")
        ebb.cli("image", "gc")
    assert_repeats(ebb, work, 3)
    assert os.listdir(os.path.join(ebb.root, "images/pieces")) == []


def test_failing_imports(ebb, tmp_path):
    image = pictures.probe_image(layers=[oci.layer(oci.entry("a", b"x" * 100000))])
    digest = image.manifest["layers"][0]["digest"]
    image.blobs[digest] = image.blobs[digest][:-7]
    source = "oci:" + image.write_dir(str(tmp_path / "x"))
    assert_repeats(ebb, lambda: ebb.import_image(source, "x", ok=False), 4)


def test_connections_that_come_and_go(probe):
    """The stock of a gateway for an instance grows with how many connect at once, to 64. A second instance, which
    a slow host starts for so many at once, would be held, too."""
    probe.deploy("probe", "probe", "--max", 1)
    def work():
        web.many(30, lambda i: probe.get("probe"))
        for _ in range(10):
            with web.Raw(probe.address) as raw:
                raw.send(b"GET / HT")
        probe.wait_frozen("probe")
    assert_repeats(probe, work, 5, spare=64 * len(probe.programs("ebb-gateway")))


def test_clients_that_leave_in_the_middle(probe):
    def work():
        for _ in range(5):
            with web.Raw(probe.address) as raw:
                raw.send(b"GET /size?bytes=50000000 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
                raw.read_until(b"\r\n\r\n")
        wait_for(lambda: not [i for i in probe.instances() if i["tickets"]])
        probe.wait_frozen("probe")
    assert_repeats(probe, work, 8)


def test_nothing_is_left_when_it_ends_with_many_instances(probe):
    probe.deploy("many", "probe", "--concurrency", 1, "--max", 20)
    replies = web.many(20, lambda i: probe.get("many", "/sleep?ms=2000"))
    assert {r.status for r in replies} == {200}
    assert len({r.instance for r in replies}) > 5
    probe.stop()


def test_nothing_is_left_when_it_ends_with_frozen_instances(probe):
    probe.deploy("cold", "probe", "--min", 5)
    wait_for(lambda: len(probe.instances("cold")) == 5)
    probe.wait_frozen("cold")
    probe.stop()
