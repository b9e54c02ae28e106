# SPDX-License-Identifier: Apache-2.0
"""Queues by the calls of ebb.h, in a C program on both of its backends (functions/native)."""
import glob
import os
import re
import socket
import subprocess
import threading

import pytest

import pictures
import web
from ebb import PROJECT
from test_runtimes_native import BACKENDS
from waiting import wait_for


def trigger(topic, path, **more):
    return {"type": "queue/v2beta", "topic": topic, "path": path, "retryAfterSeconds": 0, **more}


@pytest.fixture(scope="module", params=BACKENDS)
def app(request, module_ebb):
    module_ebb.import_image("oci-archive:" + pictures.apps_archive("native"), "more")
    common = {"runtime": "container", "entrypoint": "more", "maxInstances": 1, "maxConcurrency": 1000, "memory": 2048}
    settings, module_ebb.space = {"ioUring": request.param}, "ring" if request.param else "epoll"
    module_ebb.apply({
        "shop": {**common, "ebb": {**settings, "queues": module_ebb.space},
                 "experimentalTriggers": [trigger("bills", "/bill", consumer="billing")]},
        "lonely": {**common, "ebb": settings}})
    yield module_ebb
    for name in ("shop", "lonely"):
        module_ebb.cli("rm", name)
        wait_for(lambda: not module_ebb.instances(name))


class Answer:
    """The end of a call as the program heard it: the error, the text, and messages as (topic, consumer, id, receipt, count, type, body)."""

    def __init__(self, body):
        line, _, rest = body.partition(b"\n")
        error, _, text = line.decode().partition(" ")
        self.error, self.text, self.messages = int(error), text, []
        while rest:
            line, _, rest = rest.partition(b"\n")
            topic, consumer, ident, receipt, count, size, kind = line.decode().split(" ", 6)
            assert rest[int(size)] == 0, "there is a NUL behind the body"
            self.messages.append((topic, consumer, ident, receipt, int(count), kind, rest[:int(size)]))
            rest = rest[int(size) + 1:]


def ask(app, name, body=b"", service="shop", **words):
    query = "&".join(f"{k}={v}" for k, v in words.items())
    reply = app.get(service, f"/queue/{name}?{query}", method="POST", body=body)
    assert reply.status == 200, reply
    return reply.body.decode() if reply.body.startswith(b"-> ") else Answer(reply.body)


def send(app, topic, body, **words):
    answer = ask(app, "send", body, topic=topic, **words)
    assert answer.error == 0, answer.text
    return answer.text


def receive(app, topic, **words):
    answer = ask(app, "receive", topic=topic, consumer="one", **words)
    assert (answer.error, answer.text) == (0, "")
    return answer.messages


def acknowledge(app, topic, receipt):
    return ask(app, "acknowledge", topic=topic, consumer="one", receipt=receipt)


def test_messages_are_polled_with_each_byte_as_it_was(app):
    bodies = [b"", b"\r\n", b"\r\n--ebb", b"\r\n\r\n--\r\n", bytes(range(256)), b"x" * 60000]
    ids = [send(app, "bytes", body) for body in bodies]
    messages = receive(app, "bytes", max=10)
    assert [(m[2], m[6]) for m in messages] == list(zip(ids, bodies))
    assert {(m[:2], m[4], m[5]) for m in messages} == {(("bytes", "one"), 1, "application/octet-stream")}
    for m in messages:
        assert acknowledge(app, "bytes", m[3]).error == 0
    assert receive(app, "bytes") == []
    late = acknowledge(app, "bytes", messages[0][3])
    assert late.error == 404 and "acknowledged before" in late.text


def test_what_was_taken_comes_again_in_the_time_that_is_asked(app):
    send(app, "again", b"x", type="text/plain")
    counts = [receive(app, "again", seconds=0)[0][4]]
    (second,) = receive(app, "again")
    assert ask(app, "extend", topic="again", consumer="one", receipt=second[3], seconds=0).error == 0
    (third,) = receive(app, "again")
    assert [*counts, second[4], third[4], third[5]] == [1, 2, 3, "text/plain"]
    stale = acknowledge(app, "again", second[3])
    assert stale.error == 409 and "only the newest receipt counts" in stale.text
    assert acknowledge(app, "again", third[3]).error == 0


def test_the_words_of_a_message_are_kept(app):
    first = send(app, "words", b"1", once="k")
    assert send(app, "words", b"2", once="k") == first
    for n in (b"a0", b"a1"):
        send(app, "words", n, key="lane")
    send(app, "words", b"late", delay=1, keep=60)
    assert [m[6] for m in receive(app, "words", max=10)] == [b"1", b"a0"]
    (late,) = wait_for(lambda: receive(app, "words", max=10))
    assert late[6] == b"late"
    app.cli("queue", "purge", f"{app.space}/words")


def bills(app, number):
    rows = [line.split(" ") for line in app.get("shop", "/bills").text.splitlines()]
    return [(r[0], r[1], int(r[3]), r[4]) for r in rows if r[2] == number]


@pytest.mark.parametrize("body, deliveries", [(b"pay", 1), (b"again", 2), (b"later", 2)])
def test_a_message_that_was_pushed_is_read_and_acknowledged_by_the_answer(app, body, deliveries):
    number = send(app, "bills", body, type="text/plain")
    wait_for(lambda: len(bills(app, number)) == deliveries)
    assert bills(app, number) == [("bills", "billing", n + 1, "text/plain") for n in range(deliveries)]
    wait_for(lambda: [q["messages"] for q in app.cli("queue", "ls", "--json").json
                      if (q["namespace"], q["topic"]) == (app.space, "bills")] == [0])


def test_a_request_that_is_no_message_is_known(app):
    reply = app.get("lonely", "/bill", method="POST", body="pay")
    assert reply.status == 400 and reply.text == "no message\n"


def test_a_request_that_ends_before_its_call_hears_nothing_of_it(app):
    for _ in range(20):
        assert app.get("shop", "/queue/early").text == "answered\n"
    wait_for(lambda: len(app.cli("queue", "peek", f"{app.space}/early", "--json").json) == 20)
    app.cli("queue", "purge", f"{app.space}/early")


@pytest.mark.parametrize("name, words, says", [
    ("send", {"topic": "or.ders"}, "Invalid argument"),
    ("send", {"topic": "t/consumer/c"}, "Invalid argument"),
    ("send", {}, "Invalid argument"),
    ("send", {"topic": "t", "key": ""}, "Invalid argument"),
    ("send", {"topic": "t", "once": "k" * 290, "key": "k" * 290, "type": "k" * 290}, (400, "256 bytes")),
    ("send", {"topic": "t", "size": (4 << 20) + 1}, "Message too long"),
    ("send", {"topic": "t", "keep": 5}, (400, "60 to 604800")),
    ("receive", {"topic": "t"}, "Invalid argument"),
    ("receive", {"topic": "t", "consumer": "c", "max": 11}, (400, "1 to 10")),
    ("acknowledge", {"topic": "t", "consumer": "c"}, "Invalid argument"),
    ("acknowledge", {"topic": "t", "consumer": "c", "receipt": "1-2"}, (400, "receipt")),
])
def test_a_call_that_cannot_be_done_says_what_is_wrong(app, name, words, says):
    answer = ask(app, name, **words)
    if isinstance(says, str):
        assert says in answer, answer
    else:
        assert answer.error == says[0] and says[1] in answer.text, answer.text


def test_a_service_without_queues_is_told_how_to_have_some(app):
    reply = app.get("lonely", "/queue/send?topic=t", method="POST", body="x")
    assert reply.text == "-> No such device or address\n"
    said = wait_for(lambda: app.cli("logs", "--request", reply.headers["x-ebb-id"], "lonely").out)
    assert re.search("EBB_QUEUE_URL is not set.*experimentalTriggers", said)


# --- answers that no ebb-flow gives ---------------------------------------------------------------------------
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: multipart/mixed; boundary=b\r\n"
PART = b"--b\r\ncontent-type: a\r\nvqs-message-id: 1\r\nvqs-receipt-handle: 1-1-1\r\nvqs-delivery-count: 1\r\n\r\nx"
BAD_MESSAGE = 74


def whole(body, head=HEAD):
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("answer, error", [
    (whole(PART + b"\r\n--b--\r\n"), 0),
    (b"", BAD_MESSAGE),
    (b"HTTP/1.1 200 OK\r\n", BAD_MESSAGE),
    (b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{}", BAD_MESSAGE),
    (b"\n\n\r\n\r\n", BAD_MESSAGE),
    (whole(b"", b"SMTP"), BAD_MESSAGE),
    (whole(b"", b"HTTP/1.1 204 No Content\r\n"), 0),
    (whole(b'{"error":"a \\"b', b"HTTP/1.1 500 No\r\n"), 500),
    (whole(b""), BAD_MESSAGE),
    (whole(b"--b"), BAD_MESSAGE),
    (whole(b"--b\r\n\r\n"), BAD_MESSAGE),
    (whole(PART), BAD_MESSAGE),
    (whole(PART + b"\r\n--b"), BAD_MESSAGE),
    (whole((PART + b"\r\n") * 11 + b"--b--\r\n"), BAD_MESSAGE),
    (whole(PART.replace(b"vqs-message-id", b"other") + b"\r\n--b--\r\n"), BAD_MESSAGE),
    (whole(b"", HEAD.replace(b"boundary=b", b"boundary=" + b"b" * 99)), BAD_MESSAGE),
])
def test_no_answer_harms_the_program(program, answer, error):
    """The program is built with AddressSanitizer and UBSan, whose complaint would end it."""
    with socket.create_server(("127.0.0.1", 0)) as queues:
        def serve():
            sock, _ = queues.accept()
            with sock:
                while b"\r\n\r\n" not in sock.recv(65536):
                    pass
                sock.sendall(answer)
        threading.Thread(target=serve, daemon=True).start()
        reply = program(queues.getsockname()[1])
    heard = Answer(reply.partition(b"\r\n\r\n")[2])
    assert abs(heard.error) == error, reply
    assert len(heard.messages) == (error == 0 and b"--b--" in answer)
    assert heard.text == ('a "b' if error == 500 else "")


def test_queues_that_are_not_there_are_an_error(program):
    with socket.create_server(("127.0.0.1", 0)) as queues:
        port = queues.getsockname()[1]
    assert Answer(program(port).partition(b"\r\n\r\n")[2]).error == -111


@pytest.fixture(scope="module", name="binary")
def one_binary(tmp_path_factory):
    path, folder = str(tmp_path_factory.mktemp("native") / "server"), os.path.join(PROJECT, "images/runtimes/native")
    subprocess.run(["cc", "-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", folder, "-o", path,
                    *glob.glob(folder + "/*.c"), os.path.join(PROJECT, "tests/integ/functions/native/server.c"), "-luring"],
                   check=True)
    return path


@pytest.fixture(name="program")
def one_program(binary):
    """A function of the port of queues: the answer of the program to a poll there."""
    started = []

    def poll(port):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        started.append(subprocess.Popen(["/bin/sh", "-c", f"LISTEN_FDS=1 LISTEN_PID=$$ exec {binary} 3<&0"], stdin=listener,
                                        env={**os.environ, "EBB_QUEUE_URL": f"http://127.0.0.1:{port}"}))
        address = listener.getsockname()
        listener.close()
        with web.Raw(address) as raw:
            raw.send(b"POST /queue/receive?topic=t&consumer=c&max=10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return raw.read_to_end()
    yield poll
    for one in started:
        one.terminate()
        assert one.wait(30) == 0
