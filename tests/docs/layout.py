# SPDX-License-Identifier: Apache-2.0
"""JSON for people: a value that fits on a line stands on one."""
import json

WIDTH = 120


def one_line(value):
    return json.dumps(value, ensure_ascii=False)


def broken(value, indent):
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{inner}{one_line(key)}: {laid_out(item, indent + 2, len(one_line(key)) + 2)}"
                 for key, item in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"
    items = [inner + laid_out(item, indent + 2, 0) for item in value]
    return "[\n" + ",\n".join(items) + "\n" + " " * indent + "]"


def laid_out(value, indent=0, used=0, width=None):
    """One line if it fits behind what stands there already (indent and `used`), else a line per member."""
    line = one_line(value)
    if not isinstance(value, (dict, list)) or (indent and indent + used + len(line) < (width or WIDTH)):
        return line
    return broken(value, indent)


def document(value):
    return laid_out(value) + "\n"
