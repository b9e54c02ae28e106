# SPDX-License-Identifier: Apache-2.0
"""Calls the service of a binding with the client of Python itself."""
import os
import urllib.error
import urllib.request
from urllib.parse import parse_qs


def app(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    url = os.environ[query["env"][0]] + query.get("path", ["/"])[0]
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            status, body = f"{answer.status} OK", answer.read()
    except urllib.error.HTTPError as error:
        status, body = f"{error.code} {error.reason}", error.read()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
