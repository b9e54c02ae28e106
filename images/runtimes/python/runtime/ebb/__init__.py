# SPDX-License-Identifier: Apache-2.0
"""The calls that a function may make to ebb: from ebb import wait_until, request_id, deadline.

wait_until(work) keeps the instance awake after the response until work ends or maxDuration passes; work
is a coroutine, a task, a future, or a function, which then runs in a thread of its own.
"""
from ebb.request import current
from ebb.work import wait_until

__all__ = ["deadline", "request_id", "wait_until"]


def request_id():
    """The id of the request being served (x-ebb-id), or None outside of one."""
    request = current()
    return request.id if request else None


def deadline():
    """The time when the request's maxDuration is over, in seconds since the epoch, or None outside of a request."""
    request = current()
    return request.deadline if request else None
