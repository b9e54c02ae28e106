# SPDX-License-Identifier: Apache-2.0
"""A server that talks to others on its own, in threads that block: fetches, and connections that stay open."""
import http.server
import json
import os
import signal
import socket
import threading
import time
import urllib.parse
import urllib.request

fetched, kept, heard = [], [], []


def fetch(url, after, count):
    time.sleep(after / 1000)
    for _ in range(count):
        begun = time.monotonic()
        try:
            with urllib.request.urlopen(url) as reply:
                text = reply.read().decode()
        except OSError as error:
            text = str(error)
        fetched.append({"text": text, "ms": (time.monotonic() - begun) * 1000})


def listen(one, lines):
    try:
        for line in lines:
            heard.append({"line": line.strip(), "at": time.time() * 1000})
            if line == "ping\n":
                one.sendall(b"pong\n")
    except OSError:
        pass  # a reset is an end, too
    heard.append({"line": "closed", "at": time.time() * 1000})


def keep(to, port, count, words):
    for _ in range(count):
        one = socket.create_connection((to, port))
        one.sendall(words.encode() + b"\n")
        lines = one.makefile("r", encoding="utf-8")
        heard.append({"line": lines.readline().strip(), "at": time.time() * 1000})
        kept.append(one)
        threading.Thread(target=listen, args=(one, lines), daemon=True).start()
    return ["open"] * count


def drain():
    said, heard[:] = heard[:], []
    return said


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        q = dict(urllib.parse.parse_qsl(url.query))
        result = None
        if url.path == "/later":
            target = q.get("url") or os.environ[q["env"]] + q["path"]
            threading.Thread(target=fetch, args=(target, int(q["after"]), int(q.get("count", 1))), daemon=True).start()
        elif url.path == "/keep":
            result = keep(q["to"], int(q["port"]), int(q["count"]), q["words"])
        elif url.path == "/fetched":
            result = fetched
        elif url.path == "/heard":
            result = drain()
        body = json.dumps(result).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever(poll_interval=3600)
