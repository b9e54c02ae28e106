# SPDX-License-Identifier: Apache-2.0
"""Files of packaging/ as documents show them: a block behind the line "`packaging/...`:" is that file, whole."""
import os
import re

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"^(`(packaging/[^`]+)`:\n```\w+\n).*?^```$", re.M | re.S)
LICENCE = re.compile(r"^[#/ ]*SPDX-License-Identifier: .*\n")


def shown(text):
    def block(match):
        with open(os.path.join(PROJECT, match[2]), encoding="utf-8") as file:
            return f"{match[1]}{LICENCE.sub('', file.read())}```"
    return BLOCK.sub(block, text)
