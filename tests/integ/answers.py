# SPDX-License-Identifier: Apache-2.0
"""
The answer that each attempt of `escapes` must get, so that a wrong argument (EINVAL, ESRCH, EFAULT) or a file that
happens to be missing is never counted as a refusal. A strict service gets ENOSYS for calls that its filter does not
list.
"""
import re

# (the attempt: "FAMILY WORDS", its answer, the answer of a strict service or None for the same)
ANSWERS = [
    (r"mount \S+.*", "EPERM", "ENOSYS"),
    (r"namespace (unshare) .*", "EPERM", "ENOSYS"),
    (r"namespace clone3 .*", "ENOSYS", None),
    (r"namespace clone .*", "EPERM", None),
    (r"namespace setns /proc/self/ns/\w+", "EPERM", "ENOSYS"),
    (r"namespace setns /proc/1/ns/\w+", "EACCES", None),  # opening it is refused already
    (r"process prlimit of .*", "EPERM", None),
    (r"process .*", "EPERM", "ENOSYS"),
    (r"host sync", "ENOSYS", None),
    (r"host .*", "EPERM", "ENOSYS"),
    (r"bpf .*", "EPERM", "ENOSYS"),
    (r"perf .*", "EPERM", "ENOSYS"),
    (r"userfaultfd .*", "EPERM", "ENOSYS"),
    (r"io_uring enter", "EPERM", None),
    (r"io_uring .*", "EPERM", "ENOSYS"),
    (r"handle name_to_handle_at", "ENOSYS", None),
    (r"handle .*", "EPERM", "ENOSYS"),
    (r"keyring .*", "EPERM", "ENOSYS"),
    (r"unknown .*", "ENOSYS", None),
    (r"socket socket 16 \d+ \d+", "EPROTONOSUPPORT", None),  # netlink: NETLINK_ROUTE only
    (r"socket socket (2|10) 3 \d+", "EPERM", None),  # raw
    (r"socket socket (2|10) 1 (132|255|262|768)", "EPROTONOSUPPORT", None),  # from mptcp libraries fall back
    (r"socket socket (2|10) \d+ \d+", "ENOSYS", None),
    (r"socket socket \d+ \d+ \d+", "EAFNOSUPPORT", None),
    (r"device mknod .*", "EPERM", "ENOSYS"),
    (r"request IPT_SO_SET_REPLACE", "EPERM", None),
    (r"request .*", "ENOSYS", None),
    (r"tty .*", "EPERM", None),
    (r"path open /proc/1/\S+", "EACCES", None),
    (r"path open /dev/\S+", "ENOENT", None),  # a /dev of its own, with no such node
    (r"path write /proc/1/\S+", "EACCES", None),
    (r"path write /(dev|sys)/\S+", "EROFS", None),
    (r"path write to /proc/\S+", "EPERM|EACCES", None),
    (r"path (mkdir|unlink) .*", "EROFS", None),
    (r"write write /(proc|sys)/\S+", "EACCES|EROFS", None),  # somebody else's file, or a read-only mount
    (r"convention .*", "SIGSYS", None),
]


def wrong(family, answer, what, strict):
    """None if the attempt got the answer that it must get, else a sentence that says what is wrong."""
    for pattern, usual, of_strict in ANSWERS:
        if not re.fullmatch(pattern, f"{family} {what}"):
            continue
        expected = (of_strict if strict and of_strict else usual).split("|")
        return None if answer in expected else f"{family} {what}: {answer}, not {' or '.join(expected)}"
    return f"{family} {what}: nobody wrote down what it must hear ({answer})"
