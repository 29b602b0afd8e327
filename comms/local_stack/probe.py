"""`python -m comms.local_stack.probe WHAT`: says by its exit code whether a part of the service lives.

WHAT is a URL that must answer 200, or a file that a program touches at every turn. Containers are asked every few
seconds, so it needs the standard library only, and no shell.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

SILENCE = 120.0
"""Seconds: a turn of relay or launcher may wait this long for brokers that do not answer."""


def lives(what: str, now: float) -> bool:
    """Ask the URL, or look at the age of the file."""
    return is_healthy(what) if what.startswith("http://") else is_fresh(Path(what), now)


def is_healthy(url: str) -> bool:
    """Say whether it answers 200 there now."""
    try:
        with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - http to this machine
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def is_fresh(file: Path, now: float) -> bool:
    """Say whether it was touched lately."""
    try:
        return now - file.stat().st_mtime < SILENCE
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if lives(sys.argv[1], time.time()) else 1)
