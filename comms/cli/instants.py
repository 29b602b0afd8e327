"""Instants and dates on the command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from comms.errors import BadInput


def read_instant(given: str, zone: ZoneInfo, where: str = "--at") -> datetime:
    """Read ISO 8601; without an offset it is local time. BadInput for anything else."""
    try:
        instant = datetime.fromisoformat(given)
    except ValueError:
        raise BadInput(
            "not an instant; write it like 2026-11-23T01:00 or 2026-11-23T01:00+01:00", where=where
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)
