# SPDX-License-Identifier: Apache-2.0
"""A freeze poisons nothing: short versions of what tests/soak does at length."""
import pytest

import soaks
from waiting import slow

pytestmark = soaks.not_in_vm


def test_pauses_around_nodes_keep_alive_lose_no_request(new_ebb):
    """Node's own default: an idle connection is closed after 5 s."""
    soaks.pauses(new_ebb(gateways=2), requests=60, pause_most_s=7, count=20)


@pytest.mark.parametrize("kind", soaks.KINDS)
def test_hundreds_of_freezes_under_load_lose_and_double_nothing(new_ebb, kind):
    soaks.freezes(new_ebb(gateways=2), [kind], cycles=400 if kind in ("c", "ring") else 100,
                  deadline_s=slow(120))
