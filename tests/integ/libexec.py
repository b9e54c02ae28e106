# SPDX-License-Identifier: Apache-2.0
"""A directory of ebb's programs in which some are others: an attacker's, or built to fail on order."""
import os

from ebb import BIN


def libexec(place, others):
    """Links to all programs in `place`; others: {name: path} of those that are not ebb's own. The directory."""
    for name in os.listdir(BIN):
        if name.startswith("ebb") and os.path.isfile(os.path.join(BIN, name)):
            os.symlink(others.get(name, os.path.join(BIN, name)), os.path.join(place, name))
    return str(place)
