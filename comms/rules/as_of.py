"""As of which instant a job acts, and whether it may send: a job can be asked to act as if it were another time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Standing(StrEnum):
    """What a job may do."""

    FULL = "full"
    DRY = "dry_run"
    """Decides and writes nothing."""
    FUTURE = "future_instant"
    """Writes as if it were then, and sends nothing."""
    REFUSED = "refused_in_production"
    """Production acts as of another time in dry runs only."""


@dataclass(frozen=True)
class AsOf:
    at: datetime
    standing: Standing

    @property
    def may_send(self) -> bool:
        return self.standing is Standing.FULL


def act_as_of(given: datetime | None, now: datetime, *, dry_run: bool, production: bool) -> AsOf:
    """Decide for a job that was `given` an instant, or was not and acts as of `now`."""
    if dry_run:
        return AsOf(given or now, Standing.DRY)
    if given is None:
        return AsOf(now, Standing.FULL)
    if production:
        return AsOf(given, Standing.REFUSED)
    return AsOf(given, Standing.FUTURE if given > now else Standing.FULL)
