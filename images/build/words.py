# SPDX-License-Identifier: Apache-2.0
"""Messages of the builder, and its settings."""
import os
import sys


class Refused(Exception):
    """Ends the build with a sentence for the user."""


def plain(text):
    """Foreign text without control characters, so that a terminal only shows it."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    text = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c in "\t\n" else "?" for c in text)


def name(path):
    """A foreign path for use in a sentence: on one line, and cut if it is long."""
    text = plain(path).replace("\n", "?").replace("\t", "?")
    return text if len(text) <= 200 else text[:120] + "..." + text[-70:]


def say(text):
    print(text, file=sys.stderr, flush=True)


def setting(key, default, least=1, most=1 << 32):
    """A number from the environment variable key, or default without it. Refuses a number out of bounds."""
    text = os.environ.get(key, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise Refused(f"{key}={name(text)}: a number from {least} to {most} is wanted")
    return int(text)


def source_date():
    """SOURCE_DATE_EPOCH, the time for all files in seconds; None if each file keeps its own time."""
    if "SOURCE_DATE_EPOCH" not in os.environ:
        return None
    return setting("SOURCE_DATE_EPOCH", 0, 0, (1 << 33) - 1)
