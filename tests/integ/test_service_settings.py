# SPDX-License-Identifier: Apache-2.0
"""
Files of settings that are wrong: every key beyond its bounds, of another kind, twice, unknown; files that are no text.
A start names the file, the line and the key; a reload names them too, and nothing changes.
"""
import os
import re
import subprocess

import pytest

from ebb import BIN, PROJECT
from test_service_reload import Reloadable, names
from waiting import slow

MANY = ("listen", "trusted")  # keys that may stand in a file more than once
NO_NUMBER = ("", "-1", "+1", "0x10", "1e3", "1.0", "1 2", "1,2", "\u0661", "99999999999999999999999", "1 # one", "many")
WRONG_TEXT = {
    "listen": ["nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1,tls", "127.0.0.1:1,proxy", "x" * 64 + ":1"],
    "trusted": ["10.0.0.1/8", "10.0.0.0/33", "fd00::/129", "host.example", "10.0.0.0/", ",".join(["10.0.0.0/8"] * 17)],
    "log_level": ["", "loud", "INFO", "info debug"], "egress": ["", "yes", "ON"], "egress_default": ["", "all"],
    "domain": ["Example.org", ".example.org", "example.org.", "a..b", "example.org # ours", "-a.org", "ex_ample.org"],
    "egress_resolver": ["resolver", "::1", "192.0.2.256"], "net_pool": ["198.18.0.0/19", "198.18.0.1/20", "here"],
    "net_pool6": ["fd00::/63", "198.18.0.0/20"], "net_prefix": ["a", "abcdefghijk", "A-", "ebb_"],
}
# Sizes of the fields, with the NUL (runtime/supervisor/host/config.h).
LONG = {"cgroup": 64, "domain": 256, "node": 256, "api_group": 64, "log_level": 16, "egress": 8, "egress_default": 16,
        "egress_resolver": 48, "net_pool": 32, "net_pool6": 48, "net_prefix": 12}
UNKNOWN = ("queue-max = 5", "QUEUE_MAX = 5", "\ufeffqueue_max = 5", "queue_max 5", "queue_max", "= 5", "print_only = 1",
           "default_listener = 1")


def table():
    """{key: (least, most), or None for a text}"""
    with open(os.path.join(PROJECT, "docs/reference/ebbd-settings.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (?:`(\d+)\.\.(\d+)`|(\d+)\.\.(\d+)|[^|]*) \|", file.read(), re.M)
    return {name: (int(a or c), int(b or d)) if a or c else None for name, a, b, c, d in rows}


def wrong_lines():
    """(key, line) of all that no file may hold."""
    for key, bounds in table().items():
        if bounds:
            beyond = [str(bounds[1] + 1)] + ([str(bounds[0] - 1)] if bounds[0] else [])
            yield from ((key, f"{key} = {value}") for value in [*NO_NUMBER, *beyond])
            yield key, f"{key} = {bounds[0]}\n{key} = {bounds[0]}"
        yield from ((key, f"{key} = {value}") for value in WRONG_TEXT.get(key, ()))
        if not bounds and key not in MANY:
            yield key, f"{key} = {'x' * LONG.get(key, 1024)}"
            yield key, f"{key} = a\n{key} = a"
            yield key, f"{key} = a\0b"
    yield from ((line.partition("=")[0].strip().lstrip("\ufeff"), line) for line in UNKNOWN)


WRONG_FILES = {
    "a comment whose tail would be a setting": (b"#" + b"." * 2046 + b"queue_max = 5\n", "more than 2047 bytes"),
    "a zero in a comment": (b"# a\0b\n", "byte of zero"),
    "a zero behind a value": (b"queue_max = 5\0 000\n", "byte of zero"),
    "64 KiB and a byte": (b"#\n" * 32768 + b"\n", "more than 65536 bytes"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(9), "byte of zero"),
}


def load(path, *more):
    return subprocess.run([os.path.join(BIN, "ebbd"), "--root", os.path.dirname(path), "--config", path, *more, "-T"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=slow(20), check=False)


def write(path, text):
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_every_number_is_taken_at_both_ends(tmp_path):
    numbers = {key: bounds for key, bounds in table().items() if bounds}
    assert len(numbers) > 25
    for end in (0, 1):
        done = load(write(tmp_path / "conf", "".join(f"{key} = {bounds[end]}\n" for key, bounds in numbers.items())))
        assert done.returncode == 0, done.stderr
        shown = dict(line.split(" = ", 1) for line in done.stdout.splitlines())
        differ = {key for key, bounds in numbers.items() if shown[key] != str(bounds[end])}
        assert differ <= {"gateways"}, differ  # 0 means one for each core


def test_what_is_wrong_ends_the_start_with_its_place_and_name(tmp_path):
    for key, line in wrong_lines():
        path = write(tmp_path / "conf", f"# first\n{line}\n")
        done = load(path)
        assert done.returncode == 2, (line, done.stdout[:200])
        assert key in done.stderr or key in MANY or "byte of zero" in done.stderr, (line, done.stderr)
        at = 3 if line.count("\n") else 2
        named_by_key = key in ("domain", "log_level") or key.startswith(("egress", "net_")) or ",proxy" in line
        assert f"{path}:{at}: " in done.stderr or named_by_key, (line, done.stderr)


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_file_that_is_no_text_is_refused_as_a_whole(tmp_path, case):
    content, word = WRONG_FILES[case]
    done = load(write(tmp_path / "conf", content))
    assert done.returncode == 2 and word in done.stderr, done.stderr


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkdir(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        done = load(str(tmp_path / name))
        assert done.returncode == 2 and "is not a file" in done.stderr, done.stderr
    assert "No such file" in load(str(tmp_path / "none")).stderr


def test_spaces_comments_and_line_ends_of_other_systems_mean_nothing(tmp_path):
    done = load(write(tmp_path / "conf", "\r\n  # note\r\n\tqueue_max\t=\t7 \r\ndomain=example.test\nlisten = 127.0.0.1:1\n"
                                         "listen = 127.0.0.1:1\nlisten = 127.0.0.1:2"))
    assert done.returncode == 0, done.stderr
    assert {"queue_max = 7", "domain = example.test"} <= set(done.stdout.splitlines())
    assert re.findall(r"^listen = (.*)$", done.stdout, re.M) == ["127.0.0.1:1", "127.0.0.1:2"]
    done = load(write(tmp_path / "conf", "listen = 127.0.0.1:1\nlisten = 127.0.0.1:1,proxy\ntrusted = 127.0.0.1/32\n"))
    assert done.returncode == 2 and "with and without ,proxy" in done.stderr


def one_of_each_kind():
    """Wrong lines for a reload: of each key two, so that the test stays short."""
    taken = {}
    for key, line in wrong_lines():
        taken.setdefault(key, []).append(line)
    return [line for lines in taken.values() for line in (lines[0], lines[-1])]


def test_a_reload_of_what_is_wrong_changes_nothing(made):
    ebb = Reloadable(gateways=1)
    made.append(ebb.start())
    assert names(ebb.reload({"queue_max": "7", "drain_ms": "1234"}), "now") == {"queue_max", "drain_ms"}
    lines, shown = one_of_each_kind(), ebb.rest("GET", "/v1/node").json
    before = len(ebb.log_lines("event=settings_"))
    for content in [*(f"drain_ms = 99\n{line}\n" for line in lines if not line.startswith("drain_ms")),
                    *(content for content, _ in WRONG_FILES.values())]:
        ebb.reload_file(content)
    said = ebb.log_lines("event=settings_")[before:]
    assert len(said) > 80 and all("settings_refused" in line for line in said)
    assert ebb.rest("GET", "/v1/node").json["listeners"] == shown["listeners"]
    # Only what a good file changes is named: the wrong ones have changed nothing.
    assert names(ebb.reload({"queue_max": "7", "drain_ms": "1235"}), "now") == {"drain_ms"}
