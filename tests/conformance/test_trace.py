# SPDX-License-Identifier: Apache-2.0
"""W3C Trace Context: a valid traceparent is passed on, with its tracestate; else a trace begins here."""
import re

import pytest

from peer import forwarded, same_each_time

TRACE, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
VALID = b"00-" + TRACE + b"-" + PARENT + b"-01"


def got(gw, up, *fields):
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"
    assert gw.ask(raw)[0] == 200
    return up.got()


def test_a_valid_traceparent_is_passed_on_with_its_tracestate(gw, up):
    """Trace Context, 4.3: forwarding without a change is allowed"""
    fields = [b"Traceparent: " + VALID, b"tracestate: a=1,b=2", b"TraceState: c=3"]
    assert same_each_time(got(gw, up, *fields)) == forwarded(b"GET /", *fields, traced=True)


def test_a_later_version_is_passed_on(gw, up):
    """Trace Context, 4.3: parse what is known of a higher version"""
    field = b"traceparent: cc-" + TRACE + b"-" + PARENT + b"-01-later"
    assert same_each_time(got(gw, up, field)) == forwarded(b"GET /", field, traced=True)


def test_a_trace_begins_with_the_request_id(gw, up):
    """Trace Context, 4.2: no traceparent, a new one"""
    raw = got(gw, up)
    request = re.search(rb"x-ebb-id: (\w+)\r\n", raw)[1]
    assert b"traceparent: 00-" + request + b"-" + request[16:] + b"-01\r\n" in raw


@pytest.mark.parametrize("value", [
    b"", b"00-1-2-01", b"ff-" + VALID[3:], VALID + b"-x", VALID.upper(), b"00-" + b"0" * 32 + VALID[35:],
    VALID[:36] + b"0" * 16 + b"-01", VALID[:-1], VALID + b"," + VALID, VALID[:2] + b"_" + VALID[3:]])
def test_an_invalid_traceparent_ends_here_with_its_tracestate(gw, up, value):
    """Trace Context, 3.3.1.6: a vendor must not use an invalid one, nor its tracestate"""
    raw = got(gw, up, b"traceparent: " + value, b"tracestate: a=1")
    assert same_each_time(raw) == forwarded(b"GET /")


def test_two_traceparents_are_none(gw, up):
    """Trace Context, 3.2: there is one"""
    raw = got(gw, up, b"traceparent: " + VALID, b"traceparent: " + VALID)
    assert same_each_time(raw) == forwarded(b"GET /")


def test_a_tracestate_alone_ends_here(gw, up):
    """Trace Context, 3.3"""
    assert same_each_time(got(gw, up, b"tracestate: a=1")) == forwarded(b"GET /")
