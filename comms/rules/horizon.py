"""The days ahead: weekly windows of local time laid over real days, five minutes a cell.

A cell is counted in 300 s since 1970 (UTC); the days ahead are the bits of one integer, bit 0 the first cell in which
a call may begin. Times that the clock change skips have no cell; times that it doubles have the first of their two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from comms.rules.hours import WEEKDAYS
from comms.rules.policy import CallPolicy

CELL = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_CELLS = 288

Windows = Mapping[str, Sequence[Sequence[str]]]


def cells_of(starts_at: datetime, minutes: int) -> range:
    """Number the cells of a call that begins on the grid."""
    first = (starts_at - EPOCH) // CELL
    return range(first, first + -(-minutes // 5))


def instant_of(cell: int) -> datetime:
    return EPOCH + cell * CELL


@lru_cache(maxsize=2048)
def local_day(day: date, zone: ZoneInfo) -> tuple[tuple[int, int, int], ...]:
    """Say where a local day lies in UTC: pieces (first local cell, past the last, first UTC cell), as the clocks go."""
    midnight = datetime.combine(day, time(), zone)
    pieces: list[tuple[int, int, int]] = []
    for index in range(DAY_CELLS):
        local = midnight + index * CELL  # on the clock, not in time
        instant = local.astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != local.replace(tzinfo=None):
            continue  # the clocks skip it
        cell = (instant - EPOCH) // CELL
        if pieces and pieces[-1][1] == index and pieces[-1][2] + index - pieces[-1][0] == cell:
            pieces[-1] = (pieces[-1][0], index + 1, pieces[-1][2])
        else:
            pieces.append((index, index + 1, cell))
    return tuple(pieces)


@lru_cache(maxsize=4096)
def _local_cell(text: str, up: bool) -> int:
    minutes = int(text[:2]) * 60 + int(text[3:])
    return -(-minutes // 5) if up else minutes // 5


def weekly(windows: Windows, weekday: str) -> list[tuple[int, int]]:
    """The windows of one weekday as local cells: (first, past the last)."""
    return [(_local_cell(start, True), _local_cell(end, False)) for start, end in windows.get(weekday, ())]


@dataclass(frozen=True)
class Horizon:
    """The days ahead: a call may begin in the cells `first` to `last` (both included)."""

    now: datetime
    zone: ZoneInfo
    minutes: int
    first: int
    last: int
    days: tuple[tuple[date, str, tuple[tuple[int, int, int], ...]], ...]

    @property
    def starts(self) -> int:
        """The bits in which a call may begin."""
        return (1 << max(0, self.last - self.first + 1)) - 1

    def hours(self, windows: Windows, free_days: frozenset[date] = frozenset()) -> int:
        """Lay weekly windows over the days ahead, without the free days."""
        bits = 0
        for day, weekday, pieces in self.days:
            if day not in free_days:
                for begin, end in weekly(windows, weekday):
                    bits |= self._lay(begin, end, pieces)
        return bits

    def _lay(self, begin: int, end: int, pieces: tuple[tuple[int, int, int], ...]) -> int:
        bits = 0
        for low, high, cell in pieces:
            start, stop = max(begin, low), min(end, high)
            offset = cell + start - low - self.first
            if start < stop:
                run = (1 << (stop - start)) - 1
                bits |= run << offset if offset >= 0 else run >> -offset
        return bits

    def bits(self, cells: Iterable[int]) -> int:
        """Turn cell numbers into bits; what lies before the horizon is left out."""
        found = 0
        for cell in cells:
            if cell >= self.first:
                found |= 1 << (cell - self.first)
        return found

    def beginnings(self, free: int) -> int:
        """Keep the bits from which a whole call fits into free cells."""
        whole = free
        for step in range(1, -(-self.minutes // 5)):
            whole &= free >> step
        return whole & self.starts


def make_horizon(now: datetime, policy: CallPolicy) -> Horizon:
    """Look from `now` as far as the policy allows; lead and look-ahead count to the beginning of a call."""
    first = -((EPOCH - (now + policy.lead)) // CELL)
    last = (now + policy.look_ahead - EPOCH) // CELL
    day = instant_of(first).astimezone(policy.zone).date()
    until = (instant_of(max(first, last)) + timedelta(minutes=policy.minutes)).astimezone(policy.zone).date()
    dates = [day + timedelta(days=step) for step in range((until - day).days + 1)]
    days = tuple((each, WEEKDAYS[each.weekday()], local_day(each, policy.zone)) for each in dates)
    return Horizon(now, policy.zone, policy.minutes, first, last, days)
