"""What must hold after anything, as `comms check` asks it: for tests of everything."""

from __future__ import annotations

from datetime import timedelta

from comms.services.checking import Terms, check
from comms.store.engines import clock
from comms.store.session import Sessions, reading


def broken(sessions: Sessions, *, kafka: bool = False) -> dict[str, list[str]]:
    """Return {code: what breaks it}, without those that hold. With Kafka nothing may wait any more."""
    with reading(sessions) as session:
        terms = Terms(clock(session), kafka=kafka, patience=timedelta())
        return {found.invariant.code: list(found.rows) for found in check(session, terms)}
