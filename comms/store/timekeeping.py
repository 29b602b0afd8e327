"""The database's clock, for a process that would ask it hundreds of times a second."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from comms.store.engines import clock

FRESH = 1.0
"""Seconds for which an answer is carried on."""
PROMPT = 0.05
"""Seconds within which it must have come: one that was held up says what the time was, to its asker only."""
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Nobody sets it, and it goes on while the machine is suspended."""


class Timekeeper:
    """Asks the database now and then, and counts on by what has passed on this machine since the answer.

    So it is behind the database by no more than PROMPT, and ahead of it only where that one's clock was set back, for
    no longer than FRESH. The clock of this machine does not matter, as with `clock`.
    """

    def __init__(self) -> None:
        self._answer: tuple[float, datetime] | None = None

    def now(self, session: Session) -> datetime:
        """Tell the time (UTC); asks in this session's transaction where the last answer is no longer fresh."""
        answer, begun = self._answer, _since_boot()
        if answer is not None and begun - answer[0] <= FRESH:
            return answer[1] + timedelta(seconds=begun - answer[0])
        told, ended = clock(session), _since_boot()
        if ended - begun <= PROMPT and self._answer is answer:  # nobody else's came first
            self._answer = ended, told
        return told


def _since_boot() -> float:
    return time.clock_gettime(_SINCE_BOOT)
