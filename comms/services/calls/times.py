"""Days and times as a person gives them, beside those that a call has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from comms.errors import BadInput
from comms.rules.local_time import clock_of, instant_at


def read_time(day: date | None, at: time | None, zone: ZoneInfo, prefix: str) -> datetime | None:
    """Read `scheduled_date` and `scheduled_time` (or `actual_…`): None for neither, BadInput for one alone."""
    if day is None and at is None:
        return None
    if day is None or at is None:
        missing = "date" if day is None else "time"
        raise BadInput("give the date and the time, or neither", where=f"body.{prefix}_{missing}")
    instant = instant_at(day, at, zone)
    if instant is None:
        raise BadInput(f"there is no such time on this day in {zone.key}", where=f"body.{prefix}_time")
    return instant


def read_change(given: Mapping[str, Any], prefix: str, present: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Read what is given of a date and a time, the rest as the call has it; None where nothing changes.

    Compared is what is shown: a call that ended at 10:03:27 is not changed by 10:03.
    """
    shown = clock_of(present, zone) if present else (None, None)
    names = (f"{prefix}_date", f"{prefix}_time")
    for name, part in zip(names, shown, strict=True):
        if name in given and given[name] is None and part is not None:
            raise BadInput("cannot be taken away, only changed", where=f"body.{name}")
    day, at = (given.get(name, part) for name, part in zip(names, shown, strict=True))
    return None if (day, at) == shown else read_time(day, at, zone, prefix)


def require_past(at: datetime | None, now: datetime, prefix: str) -> None:
    if at is not None and at > now:
        raise BadInput("a call cannot have happened in the future", where=f"body.{prefix}_time")
