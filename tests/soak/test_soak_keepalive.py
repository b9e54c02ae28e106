# SPDX-License-Identifier: Apache-2.0
"""1,000 requests with gaps of 0 to 20 s against Node servers with their default keep-alive of 5 s."""
import os

import soaks


def test_a_thousand_requests_with_pauses_lose_nothing(new_ebb):
    soaks.pauses(new_ebb(gateways=2), int(os.environ.get("SOAK_REQUESTS", "1000")), 20, count=50)
