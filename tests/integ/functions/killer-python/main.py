# SPDX-License-Identifier: Apache-2.0
"""A server of Python's standard library that can die in every way, or get stuck."""
import http.server
import os
import signal
import time
import urllib.parse


def number(query, name, otherwise=0):
    return int(query.get(name, [otherwise])[0])


def sleep(query):
    """only=ID: the instance with this id sleeps; any other answers at once."""
    if query.get("only", [os.environ.get("EBB_INSTANCE")])[0] == os.environ.get("EBB_INSTANCE"):
        time.sleep(number(query, "ms") / 1000)
    return b"slept\n"


def oom(query):
    kept = []
    while True:
        kept.append(b"\1" * (1 << 20))


def spin(query):
    while True:
        pass


PATHS = {
    "/": lambda query: b"alive\n",
    "/sleep": sleep,
    "/exit": lambda query: os._exit(number(query, "code", 3)),
    "/segfault": lambda query: os.kill(os.getpid(), signal.SIGSEGV),
    "/oom": oom,
    "/spin": spin,
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        body = PATHS[url.path](urllib.parse.parse_qs(url.query))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


Server(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
