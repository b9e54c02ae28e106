# SPDX-License-Identifier: Apache-2.0
"""Every request is accounted for: counters per service in /metrics, lines of JSON in the access log."""
import glob
import json
import os
import re
import signal

import pytest

import pictures
import web
from waiting import wait_for


@pytest.fixture
def logged(new_ebb):
    """A service `probe` behind two gateways that log every request."""
    return serving(new_ebb, access_log=1)


def serving(new_ebb, gateways=2, **settings):
    ebb = new_ebb(gateways=gateways, settings=settings)
    ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    ebb.deploy("probe", "probe", "--max", 1, "--max-duration", 1)
    return ebb


def access(ebb):
    lines = []
    for path in glob.glob(os.path.join(ebb.config["log_dir"], "_access", "gateway-*.log*")):
        with open(path) as f:
            lines += [json.loads(line) for line in f]
    return sorted(lines, key=lambda line: line["time"])


def metrics(ebb, service="probe"):
    """{family: {label value: number}} of one service; the value of a histogram's buckets by bound."""
    found = {}
    for line in ebb.rest("GET", "/metrics").body.decode().splitlines():
        match = re.fullmatch(r'(ebb_request\w+)\{service="(\w*)"(?:,\w+="([^"]*)")?\} ([0-9.]+)', line)
        if match and match[2] == service:
            found.setdefault(match[1], {})[match[3] or ""] = float(match[4])
    return found


def test_a_line_says_what_happened_to_its_request(logged):
    reply = logged.get("probe", "/echo", method="POST", body=b"x" * 1000,
                       headers={"User-Agent": 'a "quoted" \xff one'})
    assert reply.status == 200
    line, = wait_for(lambda: access(logged))
    assert line["id"] == reply.headers["x-ebb-id"] and line["instance"] == reply.instance
    assert line["method"] == "POST" and line["target"] == "/echo"
    assert line["host"] == "probe.localhost" and line["service"] == "probe"
    assert line["status"] == 200 and line["start"] == "cold" and "error" not in line
    assert line["chosen"] == "only"
    assert line["user_agent"] == 'a "quoted" \xff one' and line["peer"] == "127.0.0.1"
    assert line["bytes_in"] == 1000 and line["bytes_out"] == 1000
    assert 0 < line["queue_us"] <= line["first_byte_us"] <= line["total_us"]


def test_each_request_has_one_line_and_is_counted_once(logged):
    logged.get("probe")
    web.many(40, lambda i: logged.get("probe", "/sleep?ms=50").status)
    logged.wait_frozen("probe")
    assert logged.get("probe").start == "thaw"
    assert logged.get("probe", "/status?code=404").status in (404, 400, 200)
    wait_for(lambda: len(access(logged)) == 43)
    assert len({line["id"] for line in access(logged)}) == 43
    found = metrics(logged)
    assert sum(found["ebb_requests_total"].values()) == 43
    starts = found["ebb_request_starts_total"]
    assert starts["cold"] >= 1 and starts["thaw"] >= 1 and sum(starts.values()) == 43
    assert found["ebb_request_choices_total"] == {
        "only": 43, "fullest": 0, "woken": 0, "saturated": 0, "older": 0}
    assert found["ebb_request_duration_seconds_bucket"]["+Inf"] == 43
    assert found["ebb_request_duration_seconds_bucket"]["0.025000"] <= 3 + 1
    assert found["ebb_request_duration_seconds_count"][""] == 43
    assert found["ebb_request_duration_seconds_sum"][""] >= 40 * 0.05


def test_the_last_request_of_a_connection_has_one_line_too(logged):
    last = [logged.get("probe", headers={"Connection": "close"}).headers["x-ebb-id"] for _ in range(3)]
    behind = logged.get("probe").headers["x-ebb-id"]
    lines = wait_for(lambda: (found := access(logged)) and {*last, behind} <= {line["id"] for line in found} and found)
    assert len(lines) == 4 and sum(metrics(logged)["ebb_requests_total"].values()) == 4


def test_errors_are_counted_by_kind(logged):
    assert logged.get("probe", "/sleep?ms=5000").status == 504
    assert logged.http("/", host="nobody.localhost").status == 404
    with web.Raw(logged.address) as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: probe.localhost\r\nBad Header: x\r\n\r\n")
        assert b" 400 " in raw.read_to_end()
    with web.Raw(logged.address) as raw:  # goes away
        raw.send(b"GET /sleep?ms=900 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n")
        wait_for(lambda: logged.instance("probe")["tickets"] >= 1)
    wait_for(lambda: len(access(logged)) == 4)
    by_status = {line["status"]: line for line in access(logged)}
    assert by_status[504]["error"] == "MAX_DURATION"
    assert by_status[404]["error"] == "NO_SERVICE" and "service" not in by_status[404]
    assert by_status[400]["error"] == "BAD_REQUEST" and "method" not in by_status[400]
    assert by_status[0]["aborted"] is True
    found = metrics(logged)
    assert found["ebb_request_errors_total"]["max_duration"] == 1
    assert found["ebb_requests_total"]["aborted"] == 1
    assert found["ebb_requests_total"]["5xx"] == 1
    nobody = metrics(logged, "")
    assert nobody["ebb_requests_total"]["4xx"] == 2
    assert nobody["ebb_request_errors_total"]["bad_request"] == 1


def test_counters_outlive_a_gateway(new_ebb):
    ebb = serving(new_ebb, gateways=1)
    for _ in range(5):
        assert ebb.get("probe").status == 200
    wait_for(lambda: sum(metrics(ebb)["ebb_requests_total"].values()) == 5)
    ebb.end_program("ebb-gateway")
    wait_for(lambda: len(ebb.programs("ebb-gateway")) == 1)
    ebb.end_program("ebb-api")

    def both():
        try:
            return ebb.get("probe").status == 200 and metrics(ebb)
        except OSError:
            return None
    found = wait_for(both)
    assert sum(found["ebb_requests_total"].values()) >= 6
    assert not glob.glob(os.path.join(ebb.config["log_dir"], "_access", "*"))  # off by default


def test_one_of_n_is_logged_and_every_error(new_ebb):
    ebb = serving(new_ebb, access_log=10)
    web.many(400, lambda i: ebb.get("probe").status)
    for _ in range(3):
        ebb.get("probe", "/sleep?ms=3000")
    wait_for(lambda: len([line for line in access(ebb) if line["status"] == 504]) == 3)
    assert 10 <= len([line for line in access(ebb) if line["status"] == 200]) <= 90  # of 400, 40 expected


def test_a_log_nobody_reads_holds_up_no_request(logged):
    """ebb-api is stopped: the pipe fills, lines are lost, requests are not."""
    api, = logged.programs("ebb-api")
    os.kill(api, signal.SIGSTOP)
    try:
        long = "/" + "x" * 400
        for _ in range(4):
            assert set(web.many(100, lambda i: [logged.get("probe", long).status for _ in range(25)][-1])) <= {
                200, 404}
    finally:
        os.kill(api, signal.SIGCONT)
    wait_for(lambda: sum(metrics(logged)["ebb_requests_total"].values()) == 10000, 20)
