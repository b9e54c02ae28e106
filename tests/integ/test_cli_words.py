# SPDX-License-Identifier: Apache-2.0
"""Messages of ebb to people: a mistake is named, near names are suggested, the same mistake ends with the same
status wherever it is found, and the output of a program is shown as the program meant it."""
import json
import os
import pty
import re
import subprocess

import pytest

from ebb import BIN
from waiting import wait_for


@pytest.fixture(scope="module")
def said(module_probe):
    module_probe.get("probe")
    return module_probe


@pytest.mark.parametrize("words, meant", [
    (["dploy"], "deploy"), (["inspct", "probe"], "inspect"), (["image", "improt", "x"], None),
    (["help", "trafic"], "traffic"), (["deploy", "--imge", "x"], "image"), (["ps", "--servce=x"], "service"),
])
def test_a_mistyped_word_is_an_error_that_suggests(said, words, meant):
    done = said.cli(*words, ok=False)
    assert done.code == 2
    if meant:
        assert f"did you mean '{meant}'?" in done.err, done.err


@pytest.mark.parametrize("words", [
    ["inspect", "prob"], ["rm", "prob"], ["rollback", "prob"], ["revisions", "prob"], ["traffic", "prob"],
    ["logs", "prob"], ["events", "prob"], ["usage", "--service", "prob"], ["ps", "--service", "prob"],
    ["image", "rm", "prob"],
], ids=" ".join)
def test_an_unknown_name_is_an_error_that_suggests(said, words):
    done = said.cli(*words, ok=False)
    assert done.code == 1 and done.out == ""
    assert "did you mean 'probe'?" in done.err, done.err
    assert said.cli(*words[:-1], "zebra", ok=False).code == 1


@pytest.mark.parametrize("verb", ["why", "stop", "freeze", "thaw"])
def test_an_unknown_instance_is_an_error_that_suggests(said, verb):
    instance = said.instance("probe")["id"]
    done = said.cli(verb, instance.replace("probe", "prbe"), ok=False)
    assert done.code == 1 and f"did you mean '{instance}'?" in done.err, done.err
    done = said.cli(verb, "probe", ok=False)
    assert done.code == 1 and "ebb ps --service probe" in done.err, done.err


def test_the_same_mistake_has_the_same_status_wherever_it_is_found(said):
    """The client finds a wrong number, the server what only it can know of the image."""
    here = said.cli("deploy", "x", "--image", "probe", "--memory", "3", ok=False)
    there = said.rest("PUT", "/v1/services/x", {"image": "probe", "memory": 3})
    assert here.code == 2 and there.status == 422
    ring = said.apply({"x": {"runtime": "container", "entrypoint": "probe", "ebb": {"ioUring": True}}}, ok=False)
    assert ring.code == 2 and "ebb.ioUring" in ring.err, ring.err
    assert said.cli("events", "--kind", "nosuch", ok=False).code == 2
    assert said.cli("usage", "--from", "2026-02-01", "--to", "2026-01-01", ok=False).code == 2
    assert said.cli("build", "./nosuch", "-t", "x", ok=False).code == 2
    assert said.cli("deploy", "-f", "./nosuch", ok=False).code == 2


def test_errors_of_the_server_speak_of_the_command_line(said):
    for words in (["rollback", "probe"], ["rollback", "probe", "77"], ["traffic", "probe", "77=100"]):
        done = said.cli(*words, ok=False)
        assert done.code != 0 and not re.search(r"\b(GET|PUT|POST|If-Match|/v1)\b", done.err), done.err


def test_version_and_help_of_a_group(said):
    assert re.fullmatch(r"ebb \d+\.\d+\.\d+\n", said.cli("--version").out)
    assert said.cli("--version").out == said.cli("version").out
    assert all(f"ebb image {verb}" in said.cli("help", "image").out for verb in ("import", "ls", "rm", "gc"))
    assert "ebb ledger verify" in said.cli("help", "ledger").out


def test_build_of_what_is_not_there_says_so(said):
    done = said.cli("build", "./nosuch", "-t", "x", ok=False)
    assert "No such file or directory" in done.err and "--runtime" not in done.err


def test_rollback_says_what_it_repeats(said):
    said.deploy("back", "probe")
    said.deploy("back", "probe", "--memory", "300")
    assert "back is at revision 3, which repeats revision 1 (image probe, " in said.cli("rollback", "back").out
    assert "which repeats revision 2 " in said.cli("rollback", "back", "2").out
    assert [r["revision"] for r in said.cli("revisions", "back", "--json").json] == [4, 3, 2, 1]
    said.cli("rm", "back")


def test_deploy_wait_proves_that_it_starts(said):
    """Without minInstances too: a service that cannot start is a failure, and its last words are shown."""
    done = said.cli("deploy", "good", "--image", "probe", "--wait")
    assert [i["state"] for i in said.instances("good")][0] in ("running", "frozen")
    document = os.path.join(said.root, "bad.json")
    with open(document, "w") as f:
        json.dump({"services": {"bad": {"runtime": "container", "entrypoint": "probe",
                                        "env": {"PROBE_MODE": "exit"}}}}, f)
    done = said.cli("deploy", "-f", document, "--wait", ok=False)
    assert done.code == 1 and "bad failed" in done.err, done.err
    assert "probe: told to exit at once" in done.err, done.err
    said.cli("rm", "good")


def shown_on_a_terminal(ebb, *words):
    leader, follower = pty.openpty()
    child = subprocess.Popen([os.path.join(BIN, "ebb"), "--socket", ebb.socket, *words], stdout=follower, stdin=subprocess.DEVNULL)
    os.close(follower)
    out = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(leader)
    assert child.wait(20) == 0
    return out.decode()


def test_colours_are_shown_on_a_terminal_and_left_out_elsewhere(said):
    said.get("probe", "/log?text=~[1;31mred~[0m_and_~[2Jcleared")
    wait_for(lambda: "cleared" in said.cli("logs", "probe").out)
    assert "red_and_\\x1b[2Jcleared" in said.cli("logs", "probe").out
    terminal = shown_on_a_terminal(said, "logs", "probe")
    assert "\x1b[1;31mred\x1b[0m_and_\\x1b[2Jcleared" in terminal


def test_a_long_line_is_shown_whole_and_its_parts_are_marked(said):
    line = "0123456789abcdef" * 6400
    said.get("probe", "/log?text=0123456789abcdef&times=6400")
    said.get("probe", "/log?text=behind")
    wait_for(lambda: "behind" in said.cli("logs", "probe").out)
    assert line in said.cli("logs", "probe").out
    parts = [p for p in said.cli("logs", "probe", "--json").json if "f01234" in p["line"]]
    assert len(parts) > 1 and [p.get("partial", False) for p in parts] == [True] * (len(parts) - 1) + [False]
