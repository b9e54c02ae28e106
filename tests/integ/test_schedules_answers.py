# SPDX-License-Identifier: Apache-2.0
"""A gateway in an attacker's hands answers ebb-flow. Words that are no answer fail the run, ebb-flow lives, and the next
delivery to an honest gateway is as ever."""
import contextlib
import glob
import os
import socket
import threading

import pytest

import pictures
from test_schedules import daily, over, put, run

OK = b"HTTP/1.1 200 OK\r\n"
# Answers that end the run as failed.
BROKEN = {
    "nothing": b"", "no head": b"hello\r\n\r\n", "a cut head": OK + b"content-le", "no version": b"200 OK\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\n\r\n", "version 0.9": b"HTTP/0.9 200 OK\r\n\r\n", "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\n\r\n", "status 1000": b"HTTP/1.1 1000 High\r\n\r\n", "binary": bytes(range(256)) + b"\r\n\r\n",
    "no colon": OK + b"abc\r\n\r\n", "no name": OK + b": x\r\n\r\n", "space in a name": OK + b"a b: x\r\n\r\n",
    "space before the colon": OK + b"content-length : 3\r\n\r\nabc", "folded": OK + b"a: b\r\n c\r\n\r\n",
    "NUL": OK + b"a: b\0c\r\n\r\n", "bare CR": OK + b"a: b\rc\r\n\r\n", "control": OK + b"a: \x01\r\n\r\n",
    "two lengths": OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", "length of words": OK + b"content-length: 3x\r\n\r\nabc",
    "a negative length": OK + b"content-length: -3\r\n\r\nabc", "a huge length": OK + b"content-length: 99999999999999999999\r\n\r\nabc",
    "length and chunks": OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"transfer-encoding: gzip\r\n\r\nabc", "codings": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk of words": OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n", "a huge chunk": OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a chunk without end": OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n", "chunks that stop": OK + b"transfer-encoding: chunked\r\n\r\n3\r\nab",
    "a broken trailer": OK + b"transfer-encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
    "a long extension": OK + b"transfer-encoding: chunked\r\n\r\n3;" + b"x" * 9000 + b"\r\nabc\r\n0\r\n\r\n",
    "a long head": OK + b"a: " + b"x" * 70000 + b"\r\n\r\n", "many fields": OK + b"a: b\r\n" * 2000 + b"\r\n",
    "short": OK + b"content-length: 10\r\n\r\nabc", "interim for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
    "a bare LF": b"HTTP/1.1 200 OK\nabc\n\n",
}
# Unusual, and an answer all the same.
FINE = {
    "until the end": OK + b"\r\nabc", "1.0": b"HTTP/1.0 200 OK\r\n\r\nabc", "no reason": b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n",
    "interim first": b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 3\r\n\r\nabc",
    "chunks and trailers": OK + b"transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@contextlib.contextmanager
def in_place_of_the_gateways(path):
    """A listener of ours at the path of the gateways' socket."""
    os.rename(path, path + ".kept")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen(8)
        listener.settimeout(60)
        yield listener
    finally:
        listener.close()
        os.rename(path + ".kept", path)


def answer_once(listener, answer):
    with listener.accept()[0] as peer:
        asked = peer.recv(65536)
        with contextlib.suppress(OSError):  # it may have heard enough
            peer.sendall(answer)
        return asked


@pytest.fixture(scope="module")
def flow(module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    put(module_ebb, "web", {"schedules": {"tidy": daily("/", retries=0)}})
    (path,) = glob.glob(module_ebb.root + "/**/gateways.sock", recursive=True)
    return module_ebb, path


def pid_of(ebb):
    (found,) = ebb.programs("ebb-flow")
    return found


def outcome(flow, answer):
    ebb, path = flow
    with in_place_of_the_gateways(path) as listener:
        asked = []
        thread = threading.Thread(target=lambda: asked.append(answer_once(listener, answer)))
        thread.start()
        ident = run(ebb, "tidy")
        found = over(ebb, ident, 60)
        thread.join()
    assert asked[0].startswith(b"POST / HTTP/1.1\r\n") and ident.encode() in asked[0], asked
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_answer_fails_the_run_and_nothing_else(flow, name):
    before = pid_of(flow[0])
    found = outcome(flow, BROKEN[name])
    assert (found["state"], found["attempts"]) == ("failed", 1) and found["text"].startswith(("the answer was none", "the connection ended")), found
    assert pid_of(flow[0]) == before


@pytest.mark.parametrize("name", FINE)
def test_an_unusual_answer_is_one(flow, name):
    assert outcome(flow, FINE[name])["state"] == "done"


def test_the_next_delivery_to_an_honest_gateway_is_as_ever(flow):
    assert over(flow[0], run(flow[0], "tidy"))["state"] == "done"
