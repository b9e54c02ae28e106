# SPDX-License-Identifier: Apache-2.0
"""The errors with which a gateway answers clients: what its sources can say, and what each means."""
import glob
import re
import sys

# (status, code): when. Which there are is read from the sources; a pair without words, or words
# without a pair, is an error.
WORDS = {
    (400, "BAD_REQUEST"): "the request breaks a rule of HTTP, or its chunked body is malformed",
    (404, "NO_SERVICE"): "no service has this host and path",
    (408, "BODY_TOO_SLOW"): "a body came slower than `body_rate_min`",
    (408, "REQUEST_TIMEOUT"): "the head was not whole within `head_timeout_ms`",
    (413, "BODY_TOO_LARGE"): "the body has more than `body_bytes_max` bytes",
    (414, "TARGET_TOO_LONG"): "the target has more than `target_bytes_max` bytes",
    (417, "EXPECTATION_FAILED"): "`expect` says anything but 100-continue",
    (426, "UPGRADE_REQUIRED"): "a WebSocket of another version than 13; the answer names it",
    (431, "HEAD_TOO_LARGE"): "the head is beyond `head_bytes_max` or `head_fields_max`",
    (501, "NOT_IMPLEMENTED"): "a method or a transfer coding that ebb does not offer",
    (502, "BAD_RESPONSE"): "the function's answer is no HTTP, or broke off before it began",
    (502, "INSTANCE_CRASHED"): "the instance died under the request; the message says by what",
    (503, "INSTANCE_CRASHED"): "requests like this one ended instances; try again after `retry-after`",
    (503, "OVERLOADED"): "no room: all instances are full and the queue too, the host is, or a table of ebb",
    (503, "STARTING"): "ebb does not know its services yet",
    (503, "TOO_MANY_CONNECTIONS"): "the client's address has more than `address_connections_max`",
    (504, "MAX_DURATION"): "the function took longer than maxDuration",
    (505, "VERSION_NOT_SUPPORTED"): "another version of HTTP",
}


def said_in(text):
    """(status, code) pairs of one source file."""
    found = set(re.findall(r"reply_error\([^,]*,[^,]*, (\d{3}), \"([A-Z_]+)\"", text))
    found |= set(re.findall(r"case (\d{3}):\s*return \"([A-Z_]+)\";", text))
    found |= {("400", code) for code in re.findall(r"default:\s*return \"([A-Z_]{3,})\";", text)}
    found |= {(status, code) for status, code in re.findall(r"(\d{3}) \? \"([A-Z_]{3,})\"", text)}
    found |= {("503", code) for code in re.findall(r"\[REPLY_\w+\] = \{\"([A-Z_]+)\"", text)}
    return {(int(status), code) for status, code in found}


def errors():
    said = set()
    for path in glob.glob("runtime/gateway/**/*.c", recursive=True):
        with open(path, encoding="utf-8") as file:
            said |= said_in(file.read())
    if said != set(WORDS):
        sys.exit(f"tests/docs/edge.py: {sorted(said ^ set(WORDS))}: said by a gateway or described, not both")
    return [{"status": status, "code": code, "words": WORDS[status, code]} for status, code in sorted(WORDS)]
