"""The clock on the wall and instants, also on the two days of the year on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest

from comms.rules.local_time import bounds_of, clock_of, instant_at
from comms.rules.policy import BERLIN

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize(
    ("day", "at", "instant"),
    [
        (date(2026, 11, 24), time(10), datetime(2026, 11, 24, 9, tzinfo=UTC)),
        (date(2026, 7, 1), time(10), datetime(2026, 7, 1, 8, tzinfo=UTC)),
        (SPRING, time(1, 59), datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        (SPRING, time(3), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (AUTUMN, time(2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (AUTUMN, time(3), datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)
def test_a_local_time_is_the_first_instant_that_shows_it(day: date, at: time, instant: datetime) -> None:
    assert instant_at(day, at, BERLIN) == instant


@pytest.mark.parametrize(("day", "at"), [(SPRING, time(2)), (SPRING, time(2, 59)), (date.min, time(0, 30))])
def test_a_time_that_the_day_does_not_have_is_no_instant(day: date, at: time) -> None:
    assert instant_at(day, at, BERLIN) is None


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (AUTUMN, 25), (date(2026, 11, 24), 24)])
def test_a_day_is_as_long_as_the_clocks_make_it(day: date, hours: int) -> None:
    begin, end = bounds_of(day, BERLIN)
    assert end - begin == timedelta(hours=hours)
    assert clock_of(begin, BERLIN) == (day, time())


def test_3000_days_in_a_row_join_without_a_gap_and_only_the_changing_ones_are_not_288_cells_long() -> None:
    days = [date(2027, 1, 1) + timedelta(days=number) for number in range(3000)]
    bounds = [bounds_of(day, BERLIN) for day in days]

    assert all(end == begin for (_, end), (begin, _) in pairwise(bounds))
    unusual = {day: (end - begin) // timedelta(minutes=5) for day, (begin, end) in zip(days, bounds, strict=True)}
    assert {day: cells for day, cells in unusual.items() if cells != 288} == {
        day: {3: 276, 10: 300}[day.month]
        for day in days
        if day.month in (3, 10) and day.weekday() == 6 and day.day > 24  # the last Sunday
    }
    assert (unusual[date(2027, 3, 28)], unusual[date(2027, 10, 31)], unusual[date(2028, 2, 29)]) == (276, 300, 288)


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_first_and_the_last_day_of_the_calendar_have_bounds_too(day: date) -> None:
    begin, end = bounds_of(day, BERLIN)
    assert begin < end
