"""Public holidays of the 16 Länder."""

from __future__ import annotations

from datetime import date
from functools import cache

from holidays import country_holidays

from comms.rules.horizon import Horizon

LANDS = frozenset(["BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"])


def holidays_ahead(land: str | None, default_land: str | None, horizon: Horizon) -> frozenset[date]:
    """Free days of the Land in the years of the horizon; Land unknown: of the default one, else the nationwide ones."""
    known = next((name for name in (land, default_land) if name in LANDS), None)
    years = {day.year for day, _, _ in horizon.days}
    return frozenset().union(*(_holidays(known, year) for year in years))


@cache
def _holidays(land: str | None, year: int) -> frozenset[date]:
    return frozenset(country_holidays("DE", subdiv=land, years=year))
