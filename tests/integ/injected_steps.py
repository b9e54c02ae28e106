# SPDX-License-Identifier: Apache-2.0
"""
Requests to ebb while one of its programs fails (injected_host.py). A step returns true when all went well and false
when a client got an honest error; it fails when an answer is wrong.
"""
import contextlib
import itertools
import json
import os
import socket
import stat

import oci
import web
from injected_host import honest
from waiting import slow, wait_for

COUNTER = itertools.count()


def well(*replies):
    return all(reply is not None and reply.status < 400 for reply in replies)


# --- the gateway ---------------------------------------------------------------------------------------
def serves(host):
    reply = host.get()
    assert reply is None or reply.status in (200, 502, 503, 504), reply
    return reply is not None and reply.status == 200


def thaws(host):
    """Its instance was frozen before."""
    def is_frozen():
        found = host.rest("GET", "/v1/instances?service=probe")
        return well(found) and [one["state"] for one in found.json["instances"]] == ["frozen"]
    wait_for(is_frozen, 20)
    return serves(host)


def bodies(host):
    """An answer that came whole is what was sent."""
    fine = True
    for size in (10, 20_000, 300_000):
        sent = b"".join(web.pattern(size))
        reply = host.get("/echo", method="POST", body=sent)
        if well(reply):
            assert reply.body == sent, f"{len(reply.body)} bytes are others than the {size} that were sent"
        fine = well(reply) and fine
    return fine


def streams(host):
    """Both ways at once, long and in chunks: spliced where it can be."""
    with honest():
        return web.echo(host.ebb.address, "probe.localhost", 1_000_000) and \
            web.echo(host.ebb.address, "probe.localhost", 500_000, chunked=True)
    return False


def early_ends(host):
    """Clients that go away in the middle, in both directions."""
    for request in (b"GET /sleep?ms=20 HTTP/1.1\r\nHost: probe.localhost\r\n\r\n",
                    b"POST /echo HTTP/1.1\r\nHost: probe.localhost\r\nContent-Length: 1000\r\n\r\nhalf"):
        with honest(), web.Raw(host.ebb.address) as raw:
            raw.send(request)
    return serves(host)


# --- IPC ---------------------------------------------------------------------------------------------
def works_behind_answers(host):
    """A hold, a line of the log and an end over IPC."""
    return well(host.get("/background?ms=1"))


def message(kind, **payload):
    payload["context"] = {"invocationId": "00112233445566778899aabbccddeeff"}
    return json.dumps({"type": kind, "payload": payload}).encode() + b"\0"


WORDS = {
    "lines": message("log", message="a\nb") + message("log", message="aGFsbG8=", encoding="base64", level="error"),
    "long ones": message("log", message="x" * 9000) * 8,
    "others": message("metric", a=1) + message("server-started", initDuration=1) + message("unknown"),
    "ends of nothing": message("end") + message("hold"),
    "wrong ones": b"{]\0",
}


def says_over_ipc(host):
    return all([well(host.get("/ipc?wait=0", method="POST", body=words)) for words in WORDS.values()])


def retires(host):
    """The instance asks to be replaced."""
    reply = host.get("/ipc?wait=0", method="POST", body=message("retire"))
    with contextlib.suppress(AssertionError):  # its wish may get lost
        wait_for(lambda: not reply or reply.instance not in [one["id"] for one in host.ebb.instances("probe")], 1)
    return well(reply) and serves(host)


# An instance that asks for it again and again is one whose starts fail, and is then started ever later.
retires.well, retires.calls = serves, ("sendmsg",)


def starts_anew(host):
    """Its instance ends, another comes."""
    found = host.rest("GET", "/v1/instances?service=probe")
    for one in found.json["instances"] if well(found) else []:
        host.rest("POST", f"/v1/instances/{one['id']}/stop")
    return well(found) and serves(host)


# --- the ledger -----------------------------------------------------------------------------------------
def bill(host):
    reply = host.rest("GET", "/v1/usage?service=probe")
    return well(reply) and bool(reply.json["services"])


def verify(host):
    """The ledger's rows are right; it may lack some while it cannot write."""
    reply = host.rest("POST", "/v1/ledger/verify")
    if well(reply):
        assert reply.json["chain_ok"] and reply.json["bad_row"] == 0, reply
    return well(reply) and reply.json["ok"]


# --- the API -----------------------------------------------------------------------------------------------
PAGES = ["/v1", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/node", "/v1/services", "/v1/services/probe",
         "/v1/services/probe/revisions", "/v1/services/probe/traffic", "/v1/services/probe/logs?tail=3", "/v1/instances",
         "/v1/images", "/v1/images/probe", "/v1/events?of=probe"]


def reads(host):
    return well(*[host.rest("GET", page) for page in PAGES])


def reads_usage(host):
    return well(*[host.rest("GET", "/v1/usage?format=" + kind) for kind in ("json", "focus", "cloudevents")])


def changes_a_service(host):
    """The settings that were accepted are shown."""
    memory = 128 + next(COUNTER) % 800
    done = host.rest("PUT", "/v1/services/other", {"image": "probe", "memory": memory, "maxInstances": 1})
    shown = host.rest("GET", "/v1/services/other")
    if well(done, shown):
        assert shown.json["memory"] == memory, (memory, shown)
    return well(done, shown)


def removes_a_service(host):
    name = f"gone-{next(COUNTER)}"
    made = host.rest("PUT", f"/v1/services/{name}", {"image": "probe"})
    done = host.rest("DELETE", f"/v1/services/{name}")
    shown = host.rest("GET", f"/v1/services/{name}")
    if well(done) and shown is not None:
        assert shown.status == 404, shown
    return well(made, done) and shown is not None and shown.status == 404


def shares_traffic(host):
    one, two = (host.rest("PUT", "/v1/services/shared", {"image": "probe", "memory": m}) for m in (200, 201))
    at = host.rest("GET", "/v1/services/shared/traffic")
    back = host.rest("POST", "/v1/services/shared/rollback", {})
    return well(one, two, at, back)


def uploads(host):
    """The same image again, under another name; then without it."""
    name = f"more-{next(COUNTER)}"
    made = host.rest("POST", f"/v1/images?format=oci-archive&name={name}", body=small_archive(), timeout=30)
    gone = host.rest("DELETE", f"/v1/images/{name}")
    return well(made, gone)


def follows_a_log(host):
    word = f"word-{next(COUNTER)}"
    with honest(), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(slow(3))
        sock.connect(host.ebb.socket)
        sock.sendall(b"GET /v1/services/probe/logs?follow=1&tail=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        got = sock.recv(65536)
        if not got.startswith(b"HTTP/1.1 200") or not well(host.get(f"/log?text={word}")):
            return False
        try:
            while data := sock.recv(65536):
                got += data
                if word.encode() in got:
                    return True
        except TimeoutError:
            pass  # a line of a log may be lost, and that is said in the log of the host
    return False


def orders_an_instance(host):
    found = host.rest("GET", "/v1/instances?service=probe")
    if not well(found) or not found.json["instances"]:
        return serves(host) and False
    name = found.json["instances"][0]["id"]
    host.rest("POST", f"/v1/instances/{name}/freeze")
    host.rest("POST", f"/v1/instances/{name}/thaw")
    return well(host.rest("GET", f"/v1/instances/{name}"), host.rest("GET", f"/v1/instances/{name}/why"),
                host.rest("GET", f"/v1/instances/{name}/logs"))


# --- images -------------------------------------------------------------------------------------------------
def small_archive():
    with open(host_file("small.tar", lambda path: oci.Image([oci.layer(oci.entry("f", b"x"))]).write_archive(path)), "rb") as f:
        return f.read()


def host_file(name, make, kept={}):
    import tempfile
    place = kept.setdefault("place", tempfile.TemporaryDirectory(prefix="ebb-steps-"))
    path = os.path.join(place.name, name)
    if not os.path.exists(path):
        make(path)
    return path


def layers(number):
    """Two layers, one above the other, with every kind of entry that a layer can have."""
    e, link, hard, fifo = oci.entry, b"2", b"1", b"6"
    below = oci.layer(e("n", b"%d" % number), e("etc"), e("etc/passwd", b"root:x:0:0::/:/bin/sh\nalice:x:7:8::/:/x\n"),
                      e("etc/group", b"root:x:0:\nmore:x:9:alice\n"), e("d", mode=0o750, uid=3, gid=4), e("d/gone", b"x"),
                      e("e"), e("e/old", b"x"), e("big", bytes(300_000)), e("lnk", kind=link, target="big"), e("sub"),
                      e("sub/hard", kind=hard, target="big"), e("pipe", kind=fifo), e("set", b"s", 0o4755))
    above = oci.layer(e("d/.wh.gone", b""), e("e/.wh..wh..opq", b""), e("e/new", b"new"), e("lnk2", kind=link, target="d"),
                      e("lnk2/through", b"y"), e("big", b"small now"), e("sub", mode=0o700, uid=5))
    return [below, above]


def tree(folder):
    """{path: facts} of all files below a folder, without the content of "n", which differs in each import."""
    found = {}
    for top, dirs, names in os.walk(folder):
        for name in dirs + names:
            path = os.path.join(top, name)
            st = os.lstat(path)
            inside = os.path.relpath(path, folder)
            what = [stat.filemode(st.st_mode), st.st_uid, st.st_gid]
            if not stat.S_ISCHR(st.st_mode):  # whiteouts have the time of the import
                what.append(int(st.st_mtime))
            if stat.S_ISREG(st.st_mode) and inside != "n":
                with open(path, "rb") as f:
                    what.append(hash(f.read()))
            elif stat.S_ISLNK(st.st_mode):
                what.append(os.readlink(path))
            try:
                what.append(sorted((n, os.getxattr(path, n, follow_symlinks=False))
                                   for n in os.listxattr(path, follow_symlinks=False)))
            except OSError:
                pass
            found[inside] = what
    return found


def pieces(host):
    folder = os.path.join(host.ebb.root, "images/pieces")
    return {name: os.path.join(folder, name) for name in os.listdir(folder)}


def imports(host):
    """An image that was imported is complete: each of its files with owner, mode, time and attributes."""
    number = next(COUNTER)
    path = os.path.join(host.place, "import.tar")
    oci.Image(layers(number), {"User": "alice"}).write_archive(path)
    before = pieces(host)
    done = host.ebb.cli("image", "import", "oci-archive:" + path, "-t", "imported", ok=False, timeout=60)
    assert done.code in (0, 1) and (done.code == 0 or done.err.strip()), done
    if done.code:
        return False
    made = [tree(at) for name, at in pieces(host).items() if name not in before]
    made.sort(key=lambda found: "n" in found)
    right = host.kept.setdefault("tree", made)
    assert made == right, [(k, one.get(k), other.get(k)) for one, other in zip(made, right)
                           for k in one.keys() | other.keys() if one.get(k) != other.get(k)]
    return True


STEPS = {
    "ebb-gateway": [serves, bodies, streams, early_ends],
    "ebb-ipc": [works_behind_answers, says_over_ipc, retires, starts_anew],
    "ebb-ledger": [bill, verify, starts_anew],
    "ebb-api": [reads, reads_usage, changes_a_service, removes_a_service, shares_traffic, uploads, follows_a_log,
                orders_an_instance, starts_anew],
    "ebb-unpack": [imports],
}
