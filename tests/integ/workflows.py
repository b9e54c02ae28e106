# SPDX-License-Identifier: Apache-2.0
"""A World of workflows as one inside an instance is, by plain HTTP."""
import base64
import itertools

from queues import Inside

COUNTER = itertools.count()


def new_id(kind="wrun"):
    return f"{kind}_{next(COUNTER):06}"


class World(Inside):
    base = "/api/ebb/workflow/v1/"

    def get(self, path, **fields):
        return self.ask("GET", path, None, words(fields))

    def make(self, run, event, meta=b"", data=b"", query="", **fields):
        """One event of a run: the reply."""
        return self.ask("POST", f"runs/{run}/events{query}", meta + data, words(
            {"event": event, "spec": 3, **({"meta_bytes": len(meta)} if meta else {}), **fields}))

    def event(self, run, event, *args, **fields):
        """The same where it has to be taken: its answer."""
        reply = self.make(run, event, *args, **fields)
        assert reply.status == 201, reply
        return reply.json

    def run(self, name="shop//order", data=b"in", deployment="dpl_1", started=True):
        run = new_id()
        self.event(run, "run_created", b'{"a":1}', data, name=name, deployment=deployment)
        if started:
            self.event(run, "run_started")
        return run

    def rows(self, path, limit=1000, **fields):
        """All rows of a list, page by page."""
        found, cursor, separator = [], "", "&" if "?" in path else "?"
        while True:
            reply = self.get(f"{path}{separator}limit={limit}" + (f"&cursor={cursor}" if cursor else ""), **fields)
            assert reply.status == 200, reply
            found += reply.json["data"]
            if not reply.json["hasMore"]:
                return found
            cursor = reply.json["cursor"]

    def append(self, stream, run, body=b"", close=False, frames=False, once=None):
        return self.ask("POST", f"streams/{stream}?run={run}", body, words(
            {**({"close": 1} if close else {}), **({"frames": 1} if frames else {}), **({"once": once} if once else {})}))

    def read(self, stream, query=""):
        reply = self.get(f"streams/{stream}?{query}")
        assert reply.status == 200, reply
        return reply.json


def words(fields):
    return {"x-ebb-" + k.replace("_", "-"): str(v) for k, v in fields.items()}


def octets(text):
    return base64.b64decode(text)


def frames(*chunks):
    return b"".join(len(c).to_bytes(4, "big") + c for c in chunks)


def refused(reply, status, code):
    assert reply.status == status and reply.json["code"] == code and reply.json["error"], reply
    return reply.json
