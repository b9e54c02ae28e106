# SPDX-License-Identifier: Apache-2.0
"""
Each program of ebb, instances, and some of them at once get SIGKILL under load of all kinds, and nothing but the victims'
own is lost (deaths.py). `make deaths N=200` is the long version: N rounds of each kind, or of KINDS='ebb-unpack instance'.
"""
import os
import random

import pytest

import counts
import pictures
from deaths import KINDS, Rounds, prepare

ROUNDS = int(os.environ.get("EBB_DEATHS", "1"))
CHOSEN = os.environ.get("EBB_DEATHS_KINDS", "").split() or KINDS
SEED = int(os.environ.get("EBB_SEED", "0")) or random.randrange(1, 10 ** 6)

pytestmark = pytest.mark.skipif(pictures.IN_VM, reason="an interpreter is too slow under emulation")


def test_a_death_costs_only_its_own(new_ebb):
    ebb = new_ebb(gateways=2, settings={"log_level": "info"})
    prepare(ebb)
    rounds = Rounds(ebb, SEED)
    counts.note(f"deaths: seed {SEED}")
    out = os.environ.get("EBB_DEATHS_OUT")
    try:
        rounds.begin()
        for _ in range(ROUNDS):
            for kind in CHOSEN:
                rounds.round(kind)
            assert ebb.cli("ledger", "verify", timeout=300).code == 0
            if out:
                rounds.save(out)
    finally:
        rounds.lanes.stop()
        for line in rounds.says():
            counts.note("deaths: " + line)
    assert not rounds.failures, "\n".join(rounds.failures)
    assert not ebb.log_lines("event=bug|event=forbidden_call")
