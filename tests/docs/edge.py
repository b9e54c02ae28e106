# SPDX-License-Identifier: Apache-2.0
"""Words for the errors with which a gateway answers clients; the rows are EDGE_ERRORS of the gateway."""
import sys

WORDS = {
    "BAD_HEAD": "the head breaks a rule of HTTP",
    "BAD_CHUNKS": "the chunked body is malformed",
    "BAD_HANDSHAKE": "the opening handshake of a WebSocket breaks a rule",
    "NO_SERVICE": "no service has this host and path, or the service of a binding was removed",
    "HEAD_TIMEOUT": "the head was not whole within `head_timeout_ms`",
    "BODY_TOO_SLOW": "a body came slower than `body_rate_min`",
    "BODY_TOO_LARGE": "the body has more bytes than `body_bytes_max` or the service's `ebb.maxBody` allow",
    "TARGET_TOO_LONG": "the target has more than `target_bytes_max` bytes",
    "EXPECTATION_FAILED": "`expect` says anything but 100-continue",
    "UPGRADE_REQUIRED": "a WebSocket of another version than 13; the answer names it",
    "HEAD_TOO_LARGE": "the head is beyond `head_bytes_max` or `head_fields_max`",
    "NOT_IMPLEMENTED": "a method or a transfer coding that ebb does not offer",
    "BAD_RESPONSE": "the function's answer is no HTTP, or broke off before it began",
    "INSTANCE_CRASHED": "the instance died under the request; the message says by what",
    "BANNED": "requests like this one ended instances in a row",
    "OVERLOADED": "no instance had room in time, the queue or the host is full, or no instance can be started now",
    "STARTING": "ebb does not know its services yet",
    "NO_SLOT": "the gateway has `connections_max` connections",
    "TOO_MANY_CONNECTIONS": "the client's address has more than `address_connections_max`, or an instance calls"
                            " others with too many connections",
    "MAX_DURATION": "the function took longer than maxDuration",
    "VERSION": "another version of HTTP",
    "LOOP_DETECTED": "a call through bindings is number 16 of a chain",
}


def with_words(rows):
    """The rows, each with its words; a row without words, or words without a row, ends this."""
    names = {row["name"] for row in rows}
    if names != set(WORDS):
        sys.exit(f"tests/docs/edge.py: {sorted(names ^ set(WORDS))}: a row of EDGE_ERRORS or words, not both")
    return [{**row, "words": WORDS[row["name"]]} for row in rows]
