"""Between the clock on the wall and instants: days and times as people in one time zone say them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def instant_at(day: date, at: time, zone: ZoneInfo) -> datetime | None:
    """Find the instant, the first of two where the clocks go back; None for a time that the day does not have."""
    local = datetime.combine(day, at, zone)
    try:
        instant = local.astimezone(UTC)
        shown = instant.astimezone(zone)
    except OverflowError:
        return None  # the very first and last hours of the calendar
    return instant if shown.replace(tzinfo=None) == local.replace(tzinfo=None) else None


def latest(at: time, zone: ZoneInfo, now: datetime) -> datetime:
    """Find the latest instant up to `now` at which the clock showed `at`; days without that time are passed over."""
    day = now.astimezone(zone).date()
    while (instant := instant_at(day, at, zone)) is None or instant > now:
        day -= timedelta(days=1)
    return instant


def bounds_of(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Say when a local day begins and when the next one does."""
    return _midnight(day, zone, _FIRST), _LAST if day == date.max else _midnight(day + timedelta(days=1), zone, _LAST)


def _midnight(day: date, zone: ZoneInfo, beyond: datetime) -> datetime:
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return beyond


def clock_of(instant: datetime, zone: ZoneInfo) -> tuple[date, time]:
    """Show an instant as a local day and its hours and minutes."""
    local = instant.astimezone(zone)
    return local.date(), local.time().replace(second=0, microsecond=0)
