# SPDX-License-Identifier: Apache-2.0
"""Load in parallel lanes: requests with pauses, each with a number of its own that the function counts."""
import http.client
import random
import threading
import time

from waiting import slow


class Lane(threading.Thread):
    """Requests one after the other; faults are a list of sentences."""

    def __init__(self, ebb, service, first, count, pause_s, path="/count?n={}", until=None):
        super().__init__(daemon=True)
        self.ebb, self.service, self.numbers = ebb, service, iter(range(first, first + count))
        self.pause_s, self.path, self.until = pause_s, path, until
        self.faults, self.answered, self.starts, self.worst_s = [], 0, {}, 0.0

    def run(self):
        connection = None
        for number in self.numbers:
            if self.until and self.until():
                break
            # Half of the requests on a connection the client keeps, half on new ones.
            connection = connection or http.client.HTTPConnection(*self.ebb.address, timeout=slow(30))
            try:
                self.ask(connection, number)
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(f"{number}: {error!r}")
                connection.close()
                connection = None
            if connection and random.random() < 0.5:
                connection.close()
                connection = None
            time.sleep(self.pause_s())  # the pause is what is tested
        if connection:
            connection.close()

    def ask(self, connection, number):
        begun = time.monotonic()
        connection.request("GET", self.path.format(number), headers={"Host": f"{self.service}.localhost"})
        answer = connection.getresponse()
        body = answer.read()
        self.worst_s = max(self.worst_s, time.monotonic() - begun)
        if answer.status != 200 or body.strip().strip(b'"') != str(number).encode():
            self.faults.append(f"{number}: {answer.status} {body[:200]!r}")
            return
        self.answered += 1
        start = answer.headers.get("x-ebb-start")
        self.starts[start] = self.starts.get(start, 0) + 1


def run(lanes):
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return {"answered": sum(lane.answered for lane in lanes),
            "faults": [f"{lane.service}: {fault}" for lane in lanes for fault in lane.faults],
            "starts": {s: sum(lane.starts.get(s, 0) for lane in lanes) for s in ("cold", "thaw", "warm")},
            "worst_s": max(lane.worst_s for lane in lanes)}


def assert_each_counted_once(ebb, service, answered):
    """The function itself saw as many numbers as were answered, none twice."""
    counts = ebb.get(service, "/counts").json
    assert counts == {"asked": answered, "twice": []}, (service, counts, answered)


def cycles(ebb, services):
    """(freezes, of which thawed by a request) of all instances there."""
    found = [i for s in services for i in ebb.instances(s)]
    return sum(i["freezes"] for i in found), sum(i["thaws"] for i in found)
