# SPDX-License-Identifier: Apache-2.0
"""Each system call that a program's filter allows fails in turn, with each error that it can have; so do malloc and
the operations of the gateway's ring. The program goes on, or ends with the cause in the log, never by SIGSYS or a
fault; ebbd starts it again, and no client gets a wrong answer. EBB_ERRORS=all tries every error, as make check-filters
does."""
import errno as E
import os
import re

import pytest

import counts
import injector
from injected_host import Host
from injected_runs import ALL, some, spread, try_calls, try_no_memory
from injected_steps import STEPS, bill, changes_a_service, imports, reads_usage, says_over_ipc, serves, thaws, verify
from waiting import wait_for

RING = {  # RING_x of runtime/gateway/ring/ring.h: how such an operation may end
    "ACCEPT": (1, (E.EMFILE, E.ENFILE, E.ENOBUFS, E.ENOMEM, E.ECONNABORTED)),
    "TIMER": (5, (E.ENOMEM,)),
    "CLIENT_RECV": (6, (E.ECONNRESET, E.ENOBUFS, E.ENOMEM, E.ETIMEDOUT)),
    "CLIENT_SEND": (7, (E.EPIPE, E.ECONNRESET, E.ENOBUFS, E.ENOMEM)),
    "CLIENT_POLL": (8, (E.ENOMEM,)),
    "CLIENT_GONE": (9, (E.ENOMEM,)),
    "UP_RECV": (10, (E.ECONNRESET, E.ENOBUFS, E.ENOMEM, E.ETIMEDOUT)),
    "UP_SEND": (11, (E.ENOBUFS, E.ENOMEM)),  # (not EPIPE: when an instance closes, the gateway receives the end, too)
    "UP_POLL": (12, (E.ENOMEM,)),
    "UP_CONNECT": (13, (E.ECONNREFUSED, E.EAGAIN, E.ENOMEM, E.ETIMEDOUT)),
    "UP_LOOK": (14, (E.ENOMEM,)),
}


@pytest.fixture(scope="module")
def host():
    assert os.path.isdir(injector.INJECTED), f"no {injector.INJECTED}: make injected"
    made = Host()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_fault(host):
    yield
    faults, host.faults = host.faults, []
    assert not faults, f"{len(faults)} errors ended badly:\n" + "\n\n".join(faults)


@pytest.mark.parametrize("program", STEPS)
def test_no_error_of_the_kernel_ends_it_without_a_word(host, program):
    try_calls(host, program, STEPS[program])


KNOWN = [  # faults seen once
    ("ebb-gateway", thaws, "pwrite64", E.EIO),     # a thaw that failed, and a request that waited for ever
    ("ebb-unpack", imports, "getdents64", E.EIO),  # a whiteout that hid half, and the import was well
    ("ebb-ledger", bill, "recvmsg", E.ENOMEM),     # a channel between two programs that never came back
    ("ebb-ledger", bill, "sendmsg", E.ETOOMANYREFS),
    ("ebb-api", reads_usage, "recvmsg", E.ENOMEM),
]


@pytest.mark.parametrize("program,step,call,error", KNOWN)
def test_what_went_wrong_once(host, program, step, call, error):
    count = host.learn(step, program)[call]
    assert [first for first in spread(count, count if ALL else 3) if host.try_order(step, program, call, error, first)]


@pytest.mark.parametrize("program,step", [("ebb-ipc", says_over_ipc), ("ebb-api", changes_a_service),
                                          ("ebb-ledger", verify)])
def test_what_went_wrong_once_without_memory(host, program, step):
    """JSON that was read into no memory; a chain that could not be read and was called damaged."""
    for first in spread(host.learn_memory(step, program), 100 if ALL else 16):
        host.try_memory(step, program, first - 1)  # (messages over IPC may come after the answer)


@pytest.mark.parametrize("program", [p for p in STEPS if p != "ebb-unpack"])
def test_no_lack_of_memory_ends_it_without_a_word(host, program):
    try_no_memory(host, program, STEPS[program])


@pytest.mark.parametrize("what", RING)
def test_no_failed_operation_of_the_ring_ends_a_gateway(host, what):
    number, errors = RING[what]
    met = 0
    for step in STEPS["ebb-gateway"]:
        for after in range(20 if ALL else 2):
            for error in some(errors, after):
                met += bool(host.try_ring(step, (what, number), error, after))
    counts.note(f"ring: {met} times {what} failed")


@pytest.mark.parametrize("program", STEPS)
def test_a_forbidden_call_is_named_in_the_log_and_in_an_event(host, program):
    """The real program, its real filter, at any moment."""
    if program == "ebb-unpack":
        host.injector.at_filter = lambda process: injector.say_forbidden(process.pid)
        try:
            host.ebb.cli("image", "import", "oci-archive:" + host.archive(), "-t", "ends", ok=False)
        finally:
            host.injector.at_filter = None
    else:
        injector.say_forbidden(wait_for(lambda: next(filter(injector.hears, host.ebb.programs(program)), None)))
    text = ": its filter forbids socket (call 41)"

    def told():
        reply = host.rest("GET", "/v1/events?kind=program_died")
        return reply and reply.status == 200 and [e["text"] for e in reply.json["events"] if text in e["text"] and program in e["text"]]
    assert wait_for(told, 20)
    said = rf"prog={program}(-0)? event=forbidden_call nr=41 name=socket"
    assert program == "ebb-unpack" or re.search(said, host.said())
    wait_for(lambda: serves(host), 20)
    host.read_to_here()
