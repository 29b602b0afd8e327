"""Public holidays of the 16 Länder, against dates that everybody can look up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from comms.rules.horizon import make_horizon
from comms.rules.policy import CallPolicy
from comms.services.calls.holidays import LANDS, holidays_ahead

YEAR = make_horizon(datetime(2027, 1, 1, tzinfo=UTC), CallPolicy(look_ahead=timedelta(days=60)))

NATIONWIDE = {
    date(2027, 1, 1),
    date(2027, 3, 26),
    date(2027, 3, 29),
    date(2027, 5, 1),
    date(2027, 5, 6),
    date(2027, 5, 17),
    date(2027, 10, 3),
    date(2027, 12, 25),
    date(2027, 12, 26),
}


def test_there_are_sixteen() -> None:
    assert len(LANDS) == 16


@pytest.mark.parametrize("land", sorted(LANDS))
def test_the_nationwide_holidays_hold_in_every_land(land: str) -> None:
    assert holidays_ahead(land, None, YEAR) >= NATIONWIDE


@pytest.mark.parametrize(
    ("day", "lands"),
    [
        (date(2027, 1, 6), "BW BY ST"),
        (date(2027, 3, 8), "BE MV"),
        (date(2027, 3, 28), "BB"),
        (date(2027, 5, 27), "BW BY HE NW RP SL"),
        (date(2027, 9, 20), "TH"),
        (date(2027, 10, 31), "BB HB HH MV NI SH SN ST TH"),
        (date(2027, 11, 1), "BW BY NW RP SL"),
        (date(2027, 11, 17), "SN"),
    ],
)
def test_a_regional_holiday_holds_in_its_lands_only(day: date, lands: str) -> None:
    assert {land for land in LANDS if day in holidays_ahead(land, None, YEAR)} == set(lands.split())


@pytest.mark.parametrize(
    ("land", "default", "as_in"),
    [
        (None, None, None),
        ("XX", None, None),
        (None, "BY", "BY"),
        ("XX", "BY", "BY"),
        ("BE", "BY", "BE"),
        ("", "SN", "SN"),
    ],
)
def test_an_unknown_land_has_the_default_ones_holidays_else_the_nationwide(
    land: str | None, default: str | None, as_in: str | None
) -> None:
    expected = holidays_ahead(as_in, None, YEAR) if as_in else NATIONWIDE
    assert holidays_ahead(land, default, YEAR) == expected


def test_a_horizon_over_new_year_has_the_holidays_of_both_years() -> None:
    horizon = make_horizon(datetime(2026, 12, 24, tzinfo=UTC), CallPolicy())
    assert {date(2026, 12, 25), date(2027, 1, 1)} <= holidays_ahead("BE", None, horizon)
