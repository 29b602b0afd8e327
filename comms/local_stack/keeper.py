"""Ends what a killed supervisor left behind. Run as a script by path; needs the standard library only.

It reads lines from its standard input, which the supervisor holds open: `+17` puts process group 17 into its care,
`-17` takes it out. When the pipe closes, the supervisor is gone: what is still in its care is ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL."""


def watch(lines: Iterable[str]) -> set[int]:
    """Follow the supervisor's words until they end; return the groups that are still in care."""
    groups: set[int] = set()
    for line in lines:
        sign, group = line[0], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def signal_group(group: int, what: int) -> bool:
    """Send a signal (0: only ask) to a process group; False when it has no process any more."""
    try:
        os.killpg(group, what)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: set[int], grace: float = GRACE) -> None:
    """SIGTERM, a moment, SIGKILL."""
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if signal_group(group, 0)}
    for group in left:
        signal_group(group, signal.SIGKILL)


def main() -> None:
    """Outlive Ctrl-C, SIGTERM and a closed terminal, so as to be there when they were meant for the supervisor."""
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(what, signal.SIG_IGN)
    with suppress(ValueError, OSError):
        end(watch(sys.stdin))


if __name__ == "__main__":
    main()
