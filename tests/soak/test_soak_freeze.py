# SPDX-License-Identifier: Apache-2.0
"""100,000 freezes and thaws at random moments under load, all kinds of programs at once."""
import os

import soaks


def test_a_hundred_thousand_freezes_lose_and_double_nothing(new_ebb):
    soaks.freezes(new_ebb(gateways=2), list(soaks.KINDS), int(os.environ.get("SOAK_CYCLES", "100000")),
                  services_each=int(os.environ.get("SOAK_SERVICES", "6")))
