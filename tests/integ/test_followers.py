# SPDX-License-Identifier: Apache-2.0
"""Commands that follow go on over an upgrade in place and over deaths of ebb-api and ebbd: no line is missing, none
comes twice. A session of `ebb exec` says that it ended."""
import json
import os
import signal
import subprocess
import threading

import pytest

import pictures
from ebb import BIN
from ebbd_deaths import kill_ebbd
from upgradable import Upgradable
from waiting import wait_for


class Command:
    """A command of `ebb` that runs on; its lines are taken as they come."""

    def __init__(self, ebb, *words):
        self.process = subprocess.Popen([os.path.join(BIN, "ebb"), *words], env={**os.environ, "EBB_SOCKET": ebb.socket},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.said = [], []
        self.threads = [threading.Thread(target=self._take, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.said))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _take(pipe, lines):
        for line in pipe:
            lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        for thread in self.threads:
            thread.join(10)
        return code


@pytest.fixture
def ebb(new_ebb):
    one = new_ebb(Upgradable)
    one.import_image("oci-archive:" + pictures.probe_archive(), "probe")
    one.deploy("probe", "probe", "--max", 1)
    return one


def upgrade(ebb):
    ebb.upgrade(ebb.next if ebb.shown() == ebb.version else ebb.version)


def end_api(ebb):
    ebb.end_program("ebb-api")


CUTS = {"upgrade": upgrade, "death of ebb-api": end_api, "death of ebbd": kill_ebbd}


class Writer(threading.Thread):
    """Has the probe write numbered lines until it is told to end."""

    def __init__(self, ebb, service, texts):
        """texts() gives the lines that came to the command, in their order."""
        super().__init__(daemon=True)
        self.ebb, self.service, self.texts = ebb, service, texts
        self.count, self.over, self.lock = 0, False, threading.Lock()

    def run(self):
        while not self.over:
            with self.lock:
                assert self.ebb.get(self.service, f"/log?text=w-{self.count}").status == 200
                self.count += 1

    def write_over_cuts(self):
        self.start()
        for cut in [*CUTS.values(), None]:
            before = self.count
            wait_for(lambda n=before: self.count > n + 50, 30)
            if cut is end_api:
                with self.lock:  # lines that ebb-api has read and not written yet die with it
                    self.await_all()
                    cut(self.ebb)
            elif cut:
                cut(self.ebb)
        self.over = True
        self.join(60)
        self.await_all()

    def seen(self):
        return [text for text in self.texts() if text.startswith("w-")]

    def await_all(self):
        wait_for(lambda: len(self.seen()) >= self.count, 30, "all lines")
        assert self.seen() == [f"w-{n}" for n in range(self.count)]


def connected_again(command):
    return len([line for line in command.said if "connected again" in line])


def test_logs_go_on_without_a_gap(ebb):
    assert ebb.get("probe").status == 200
    with Command(ebb, "logs", "-f", "--json", "probe") as command:
        Writer(ebb, "probe", lambda: [json.loads(line)["line"] for line in command.lines]).write_over_cuts()
    assert connected_again(command), command.said


def test_events_go_on_without_a_gap(ebb):
    """Numbers rise by one over all deaths, and what happened meanwhile is told."""
    def happens(turn):
        ebb.cli("deploy", "probe", "--image", "probe", "--env", f"TURN={turn}")
        assert ebb.get("probe").status == 200

    def revs():
        return [json.loads(line)["rev"] for line in command.lines]
    with Command(ebb, "events", "-f", "--json") as command:
        happens("first")
        for turn, cut in CUTS.items():
            cut(ebb)
            happens(turn)
        last = ebb.rest("GET", "/v1/events").json
        wait_for(lambda: revs() and revs()[-1] >= last["rev"], 30, f"event {last['rev']}")
    found = revs()
    assert found == list(range(found[0], found[0] + len(found))), (found, command.said)
    kept = [event["rev"] for event in last["events"]]
    assert [rev for rev in found if kept[0] <= rev <= kept[-1]] == kept
    assert {"program_died", "upgraded"} <= {json.loads(line)["kind"] for line in command.lines}
    assert connected_again(command), command.said
    assert not [line for line in command.said if "missing" in line], command.said


@pytest.mark.parametrize("what", CUTS)
def test_a_deployment_that_waits_is_carried_through(ebb, what):
    """It is put again, and waited for again."""
    assert ebb.get("probe").status == 200
    for number in range(4):
        with Command(ebb, "deploy", "probe", "--image", "probe", "--max", "1", "--env", f"N={number}", "--wait") as command:
            CUTS[what](ebb)
            assert command.process.wait(60) == 0, (command.said, ebb.log())
        assert f"N={number}" in ebb.get("probe", "/env").text.splitlines()


def test_up_goes_on_without_a_gap(ebb, tmp_path):
    file = tmp_path / "ebb.json"
    file.write_text(json.dumps({"services": {"up": {"runtime": "container", "entrypoint": "probe", "maxInstances": 1}}}))
    with Command(ebb, "up", "--attach", "-f", str(file)) as command:
        wait_for(lambda: [line for line in command.said if "ebb: up;" in line], 60, "up")
        Writer(ebb, "up", lambda: [line.rsplit(" ", 1)[-1] for line in command.lines]).write_over_cuts()
        assert command.end() == 0, command.said
    wait_for(lambda: ebb.get("up").status == 404, 20)


@pytest.mark.parametrize("what", CUTS)
def test_a_session_says_that_it_ended(ebb, what):
    ebb.import_image("oci-archive:" + pictures.shell_archive(), "shell")
    ebb.apply({"shell": {"runtime": "container", "entrypoint": "shell", "maxInstances": 1}})
    assert ebb.get("shell").status == 200
    with Command(ebb, "exec", ebb.instance("shell")["id"], "--", "sh", "-c", "echo here; sleep 1000") as command:
        wait_for(lambda: command.lines == ["here"], 20)
        CUTS[what](ebb)
        assert command.process.wait(30) == 1
    assert [line for line in command.said if "cannot be taken up again" in line], command.said
