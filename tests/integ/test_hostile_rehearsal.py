# SPDX-License-Identifier: Apache-2.0
"""Each program that confines itself says its rare messages under its filter (--rehearse): at every level, of every
error, with any date, and its last words. `make check-filters` counts the lines that other tests run there."""
import os
import re
import signal
import subprocess

import pytest

import counts
from ebb import BIN
from waiting import slow

PROGRAMS = ["ebb-gateway", "ebb-api", "ebb-ledger", "ebb-flow", "ebb-ipc", "ebb-net", "ebb-dns", "ebb-tick", "ebb-unpack"]
LEVELS = ["error", "warn", "info", "debug"]


def rehearse(program, what, level="info"):
    done = subprocess.run([os.path.join(BIN, program), "--rehearse", what], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=slow(20), env={"EBB_LOG": level}, cwd="/")
    return done.returncode, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_everything_it_may_ever_say_passes_its_filter(program, level):
    code, said = rehearse(program, "all", level)
    assert code == 0 and "forbidden_call" not in said, said[-500:]
    shown = LEVELS.index(level if program != "ebb-unpack" else "info")
    assert re.findall(r"^ts=\S+ level=(\w+) prog=\S+ event=rehearsal level=\d$", said, re.M) == LEVELS[:shown + 1]
    assert len(re.findall(r'event=rehearsal errno=-?\d+ name=\S+ text="[^"]+"$', said, re.M)) == 152
    if shown >= LEVELS.index("info"):
        assert "date=1970-01-01T00:00:00.000000Z" in said and "date=9999-12-31T23:59:59.999999Z" in said


@pytest.mark.parametrize("what,word", [("must", "event=bug check="), ("heap", "double free detected"),
                                       ("stack", "stack smashing detected")])
@pytest.mark.parametrize("program", PROGRAMS)
def test_last_words_are_the_cause_and_not_a_forbidden_call(program, what, word):
    code, said = rehearse(program, what)
    assert code == -signal.SIGABRT and word in said and "forbidden_call" not in said, (code, said)


def test_another_word_is_refused():
    assert [rehearse(program, "nonsense")[0] for program in PROGRAMS] == [1] * len(PROGRAMS)
    counts.note(f"rehearsal: {len(PROGRAMS)} programs said all they may ever say under their filters, at "
                f"{len(LEVELS)} levels, and died in three ways with the cause")
