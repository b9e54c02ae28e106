# SPDX-License-Identifier: Apache-2.0
"""An ordinary program that asks for a name: urllib, with a CA of the test's own."""
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request


def wsgi(environ, start_response):
    url = urllib.parse.parse_qs(environ["QUERY_STRING"])["url"][0]
    trusted = ssl.create_default_context(cadata=os.environ["TEST_CA"])
    try:
        with urllib.request.urlopen(url, timeout=10, context=trusted) as answer:
            status, body = "200 OK", answer.read()
    except (OSError, urllib.error.URLError) as error:
        status, body = "502 Bad Gateway", str(error).encode()
    start_response(status, [("Content-Type", "text/plain")])
    return [body]
