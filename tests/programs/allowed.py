# SPDX-License-Identifier: Apache-2.0
"""
The differences that are allowed between the answers of a program behind ebb and of the same program run plainly. Each
needs a reason that lies outside of ebb: a fault of the gateway is mended in the gateway.
"""
import re


def but(answer, name):
    """An answer without this field."""
    return answer.status, {n: v for n, v in answer.shown().items() if n != name}, answer.body


def without_id(answer):
    return answer.status, answer.shown(), re.sub(rb"Request ID: [\w-]+", b"", answer.body)


# name: (programs, or None for all; whether this is it, None: they are asked so that it cannot be; why it may be)
ALLOWED = {
    "lost plainly": (
        None, lambda exchange, request, plainly, through: plainly.status == "lost",
        "The program ended the connection without an answer. ebb asks again if it may, or says 502."),
    "id in a page": (
        ("mojolicious",), lambda exchange, request, plainly, through: without_id(plainly) == without_id(through),
        "Its page of an error has a number of its own for each request."),
    "inode in ETag": (
        ("lighttpd", "http-server"),
        lambda exchange, request, plainly, through: but(plainly, "etag") == but(through, "etag"),
        "Their ETag is made of the number of the file's inode, which is of a file system, not of a file."),
    "pipelines": (
        ("puma", "puma-one-thread", "sinatra", "starman", "redis-webdis"), None,
        "They take the next request for a body, or lose it, when both come at once. ebb sends one request after the "
        "other; so they are asked here without ebb, too."),
    "gently": (
        ("redis-webdis",), None,
        "It loses its place in requests whose body comes apart, and gives the answers to clients that left to others; so "
        "it is sent no bodies, and nobody leaves."),
    "reset": (
        ("webrick",), lambda exchange, request, plainly, through: request.body and through.status in ("cut", "lost", 502),
        "It ends a connection with a body unread; what its kernel had not sent of the answer by then (Nagle) is lost."),
    "reset late": (
        ("jdk-httpserver",), lambda exchange, request, plainly, through: len(request.body) > 65536
        and through.status in ("cut", "lost", 502),
        "It reads at most 64 KiB of a body that its handler left, and ends the connection beyond that; what its kernel had "
        "not sent of the answer by then (Nagle) is lost."),
    "silence": (
        ("hypercorn-fastapi",), lambda exchange, request, plainly, through: through.status == "silent",
        "After answers to bodies that it does not read, one in some thousand connections is neither served nor ended."),
    "body unread": (
        ("socat-sh",), lambda exchange, request, plainly, through: request.body and through.status == 502,
        "The shell reads no body, and socat then may end before it has passed the answer on."),
}
