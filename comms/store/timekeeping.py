"""The database's clock, for a process that would ask it hundreds of times a second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from comms.store.engines import clock

FRESH = 1.0
"""Seconds for which an answer is carried on."""
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Nobody sets it, and it goes on while the machine sleeps."""


class Timekeeper:
    """Asks the database now and then, and counts on by what has passed on this machine since the answer.

    So it is never ahead of the database, and behind it by the way of one answer at most: the clock of this machine does
    not matter, as with `clock`.
    """

    def __init__(self) -> None:
        self._answer: tuple[float, datetime] | None = None

    def now(self, session: Session) -> datetime:
        """Tell the time (UTC); asks in this session's transaction where the last answer is no longer fresh."""
        answer = self._answer
        if answer is None or _since_boot() - answer[0] > FRESH:
            told = clock(session)
            self._answer = answer = (_since_boot(), told)
        at, told = answer
        return told + timedelta(seconds=_since_boot() - at)


def _since_boot() -> float:
    return time.clock_gettime(_SINCE_BOOT)
