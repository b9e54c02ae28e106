# SPDX-License-Identifier: Apache-2.0
"""A client of queues as one inside an instance is: its socket is made in the network namespace of the instance."""
import ctypes
import http.client
import json
import os
import re
import socket
import threading

CLONE_NEWNET = 0x40000000
PORT = 29901  # of the first binding
LIBC = ctypes.CDLL(None, use_errno=True)


def connect(pid, port, timeout=120):  # an instance without CPU time of ebb-flow waits for more
    """A connection to a port of that process's loopback."""
    made = []

    def enter():
        try:
            fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:  # it is dead
            made.append(error)
            return
        try:
            if LIBC.setns(fd, CLONE_NEWNET) != 0:  # of this thread alone, which ends behind it
                made.append(OSError(ctypes.get_errno(), "setns"))
                return
            s = socket.socket()
            s.settimeout(timeout)
            try:
                s.connect(("127.0.0.1", port))
            except OSError as error:
                s.close()
                made.append(error)
                return
            made.append(s)
        finally:
            os.close(fd)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


class Reply:
    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Message:
    def __init__(self, head, body):
        self.head = {k.strip().lower(): v.strip() for k, v in
                     (line.split(":", 1) for line in head.decode("ascii").split("\r\n") if line)}
        self.body = body
        self.id, self.receipt = self.head["vqs-message-id"], self.head["vqs-receipt-handle"]
        self.count = int(self.head["vqs-delivery-count"])


def parts(reply):
    boundary = b"--" + re.search("boundary=(.*)", reply.headers["content-type"]).group(1).encode()
    pieces = reply.body.split(boundary)
    assert pieces[0].strip() == b"" and pieces[-1].strip() == b"--", reply.body
    return [Message(*piece[2:-2].split(b"\r\n\r\n", 1)) for piece in pieces[1:-1]]


class Inside:
    """Requests to the queues of an instance over one connection, which is made anew when it ends."""
    base = "/api/v3/topic/"

    def __init__(self, ebb, service, port=PORT):
        self.pid, self.port, self.http = ebb.instance(service)["pid"], port, None

    def ask(self, method, path, body=None, headers=None):
        if self.http is None:
            self.http = http.client.HTTPConnection("127.0.0.1", self.port)
            self.http.sock = connect(self.pid, self.port)
        try:
            self.http.request(method, self.base + path, body, headers or {})
            return Reply(self.http.getresponse())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.http:
            self.http.close()
        self.http = None

    def send(self, topic, body=b"{}", **headers):
        reply = self.ask("POST", topic, body, {"Content-Type": "application/json",
                                              **{k.replace("_", "-"): str(v) for k, v in headers.items()}})
        assert reply.status == 201, reply
        return reply.json["messageId"]

    def take(self, topic, consumer="one", most=1, lease=30):
        reply = self.ask("POST", f"{topic}/consumer/{consumer}", None,
                         {"Vqs-Max-Messages": str(most), "Vqs-Visibility-Timeout-Seconds": str(lease)})
        assert reply.status in (200, 204), reply
        return parts(reply) if reply.status == 200 else []

    def acknowledge(self, topic, consumer, receipt):
        return self.ask("DELETE", f"{topic}/consumer/{consumer}/lease/{receipt}")

    def extend(self, topic, consumer, receipt, seconds):
        return self.ask("PATCH", f"{topic}/consumer/{consumer}/lease/{receipt}",
                        json.dumps({"visibilityTimeoutSeconds": seconds}), {"Content-Type": "application/json"})
