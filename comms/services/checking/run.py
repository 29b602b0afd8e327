"""Ask the database for everything that breaks an invariant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from comms.services.checking import announcements, calls, contacts, passing, publishing, received, requests
from comms.services.checking.invariant import Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *requests.INVARIANTS,
    *contacts.INVARIANTS,
    *calls.INVARIANTS,
    *announcements.INVARIANTS,
    *publishing.INVARIANTS,
    *received.INVARIANTS,
    *passing.INVARIANTS,
)
"""In the order in which they are told."""


@dataclass(frozen=True)
class Terms:
    """What the invariants are measured by; `now` is the database's time."""

    now: datetime
    window: timedelta = timedelta(hours=168)
    """Between two contacts."""
    kafka: bool = False
    """Whether events have somewhere to go."""
    patience: timedelta = timedelta(minutes=15)
    """So long an event may wait, ours for the broker, the platform's for a run."""

    def as_parameters(self) -> dict[str, Any]:
        """The names that the queries use."""
        return {
            "window_seconds": self.window.total_seconds(),
            "waiting_since": self.now - self.patience,
            "lease_ended": self.now - passing.GRACE,
            "begun": self.now - passing.LONGEST_RUN,
        }


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold, and the rows that break it, as `kind:ID`."""

    invariant: Invariant
    rows: tuple[str, ...]


def check(session: Session, terms: Terms, invariants: Iterable[Invariant] = INVARIANTS) -> list[Broken]:
    """Return what does not hold; changes nothing. Ask in one reading transaction, or later queries see later rows."""
    asked = terms.as_parameters()
    found = (
        Broken(invariant, tuple(sorted(set(session.scalars(invariant.query, asked)))))
        for invariant in invariants
        if terms.kafka or not invariant.kafka
    )
    return [broken for broken in found if broken.rows]
