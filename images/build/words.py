# SPDX-License-Identifier: Apache-2.0
"""Messages of the builder, and its settings."""
import os
import sys


class Refused(Exception):
    """The build ends with this sentence."""


def plain(text):
    """Text of others, shown to a person: no control characters, so that no terminal obeys it."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\t\n" else "?" for c in text)


def name(path):
    """A path of others in a sentence: on one line, and not endless."""
    text = plain(path).replace("\n", "?").replace("\t", "?")
    return text if len(text) <= 200 else text[:120] + "..." + text[-70:]


def say(text):
    print(text, file=sys.stderr, flush=True)


def setting(key, default, least=1, most=1 << 32):
    """A number from the environment."""
    text = os.environ.get(key, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Refused(f"{key}={name(text)}: a number from {least} to {most} is wanted")
    return int(text)


def source_date():
    """SOURCE_DATE_EPOCH, or None: every file keeps its own time."""
    if "SOURCE_DATE_EPOCH" not in os.environ:
        return None
    return setting("SOURCE_DATE_EPOCH", 0, 0, (1 << 33) - 1)
