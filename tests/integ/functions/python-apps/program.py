# SPDX-License-Identifier: Apache-2.0
"""A program that listens itself."""
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from a program\n")


HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
