"""Free slots for calls: weekly windows of local time laid over the real days ahead, five minutes a cell.

A cell is counted in 300 s since 1970 (UTC); the days ahead are the bits of one integer, bit 0 the first cell in which
a call may begin. Times that the clock change skips have no cell; times that it doubles have the first of their two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from comms.rules.hours import WEEKDAYS
from comms.rules.policy import CallPolicy

CELL = timedelta(minutes=5)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_CELLS = 288

Windows = Mapping[str, Sequence[Sequence[str]]]


class SlotReason(StrEnum):
    """Why there is no slot, or why a call cannot stand in a given one; the first that holds."""

    OFF_GRID = "off_grid"
    IN_THE_PAST = "in_the_past"
    TOO_SOON = "too_soon"
    OUTSIDE_LOOK_AHEAD = "outside_look_ahead"
    NO_PHONE_HOURS = "no_phone_hours"
    OUTSIDE_PHONE_HOURS = "outside_phone_hours"
    OUTSIDE_CALLER_HOURS = "outside_caller_hours"
    ONLY_HOLIDAYS = "only_holidays"
    HOLIDAY = "holiday"
    THERAPIST_BUSY = "therapist_busy"
    CALLERS_BUSY = "callers_busy"


@dataclass(frozen=True)
class Slot:
    """Where a call may stand; `starts_at` is in UTC."""

    caller: int
    starts_at: datetime
    minutes: int

    @property
    def cells(self) -> range:
        return cells_of(self.starts_at, self.minutes)


@dataclass(frozen=True)
class Wish:
    """Whom the call is for: weekly phone hours, free days of the Land, cells already taken, and an earliest instant."""

    windows: Windows
    holidays: frozenset[date] = frozenset()
    taken: frozenset[int] = frozenset()
    not_before: datetime | None = None


def cells_of(starts_at: datetime, minutes: int) -> range:
    """Number the cells of a call that begins on the grid."""
    first = (starts_at - EPOCH) // CELL
    return range(first, first + -(-minutes // 5))


def instant_of(cell: int) -> datetime:
    return EPOCH + cell * CELL


@lru_cache(maxsize=2048)
def local_day(day: date, zone: ZoneInfo) -> tuple[tuple[int, int, int], ...]:
    """Say where a local day lies in UTC: pieces (first local cell, past the last, first UTC cell), as the clocks go."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # local by intent, the zone comes below
    pieces: list[tuple[int, int, int]] = []
    for index in range(DAY_CELLS):
        local = (midnight + index * CELL).replace(tzinfo=zone)
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


def _weekly(windows: Windows, weekday: str) -> list[tuple[int, int]]:
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
                for begin, end in _weekly(windows, weekday):
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


@dataclass
class Callers:
    """Callers 1..N: the hours they share, and what each has taken so far (grows as calls are booked)."""

    horizon: Horizon
    windows: Windows
    hours: int
    taken: dict[int, int] = field(default_factory=dict)

    def take(self, caller: int, cells: Iterable[int]) -> None:
        if caller in self.taken:
            self.taken[caller] |= self.horizon.bits(cells)


def make_callers(horizon: Horizon, policy: CallPolicy, taken: Iterable[tuple[int, int]] = ()) -> Callers:
    """`taken` has pairs (caller, cell); cells of callers whom the policy no longer has are ignored."""
    callers = Callers(
        horizon, policy.caller_hours, horizon.hours(policy.caller_hours), dict.fromkeys(range(1, policy.callers + 1), 0)
    )
    for caller, cell in taken:
        callers.take(caller, (cell,))
    return callers


def find_slot(horizon: Horizon, wish: Wish, callers: Callers) -> Slot | SlotReason:
    """Find the earliest slot (the lowest caller of several), or the reason why there is none."""
    free = horizon.hours(wish.windows, wish.holidays) & callers.hours & ~horizon.bits(wish.taken)
    open_bits = _from(horizon, wish.not_before) & horizon.starts
    best: tuple[int, int] | None = None
    for caller, taken in callers.taken.items():
        possible = horizon.beginnings(free & ~taken) & open_bits
        if possible:
            offset = (possible & -possible).bit_length() - 1
            best = min(best or (offset, caller), (offset, caller))
    if best is None:
        return _why_none(horizon, wish, callers)
    return Slot(best[1], instant_of(horizon.first + best[0]), horizon.minutes)


def _from(horizon: Horizon, earliest: datetime | None) -> int:
    """The bits at or after an instant."""
    if earliest is None:
        return horizon.starts
    offset = max(0, -((EPOCH - earliest) // CELL) - horizon.first)
    return horizon.starts >> offset << offset


def _why_none(horizon: Horizon, wish: Wish, callers: Callers) -> SlotReason:
    open_bits = _from(horizon, wish.not_before)
    if not any(wish.windows.values()):
        return SlotReason.NO_PHONE_HOURS
    if not _ever_together(wish.windows, callers.windows, horizon.minutes):
        return SlotReason.OUTSIDE_CALLER_HOURS
    if not horizon.beginnings(horizon.hours(wish.windows) & callers.hours) & open_bits:
        return SlotReason.OUTSIDE_LOOK_AHEAD
    working = horizon.hours(wish.windows, wish.holidays) & callers.hours
    if not horizon.beginnings(working) & open_bits:
        return SlotReason.ONLY_HOLIDAYS
    if not horizon.beginnings(working & ~horizon.bits(wish.taken)) & open_bits:
        return SlotReason.THERAPIST_BUSY
    return SlotReason.CALLERS_BUSY


def _ever_together(one: Windows, other: Windows, minutes: int) -> bool:
    """Tell whether a call fits into both in some week without holidays and clock changes."""
    both = _week(one) & _week(other)
    for _ in range(1, -(-minutes // 5)):
        both &= both >> 1
    return both != 0


def _week(windows: Windows) -> int:
    bits = 0
    for number, weekday in enumerate((*WEEKDAYS, WEEKDAYS[0])):  # Monday again: Sunday night runs into it
        for begin, end in _weekly(windows, weekday):
            bits |= ((1 << max(0, end - begin)) - 1) << (number * DAY_CELLS + begin)
    return bits


def check_slot(
    horizon: Horizon, wish: Wish, callers: Callers, starts_at: datetime, caller: int | None = None
) -> Slot | SlotReason:
    """Tell whether a call may stand at a given instant: the slot (with the lowest free caller unless one is named)."""
    reason = _outside(horizon, wish, starts_at)
    if reason:
        return reason
    bit = 1 << ((starts_at - EPOCH) // CELL - horizon.first)
    reason = _not_for(horizon, wish, callers, bit)
    if reason:
        return reason
    names = callers.taken if caller is None else [caller] if caller in callers.taken else []
    free = (name for name in names if horizon.beginnings(~callers.taken[name]) & bit)
    found = next(free, None)
    return SlotReason.CALLERS_BUSY if found is None else Slot(found, starts_at.astimezone(UTC), horizon.minutes)


def _outside(horizon: Horizon, wish: Wish, starts_at: datetime) -> SlotReason | None:
    if (starts_at - EPOCH) % CELL:
        return SlotReason.OFF_GRID
    if starts_at < horizon.now:
        return SlotReason.IN_THE_PAST
    cell = (starts_at - EPOCH) // CELL
    if cell < horizon.first or (wish.not_before and starts_at < wish.not_before):
        return SlotReason.TOO_SOON
    return SlotReason.OUTSIDE_LOOK_AHEAD if cell > horizon.last else None


def _not_for(horizon: Horizon, wish: Wish, callers: Callers, bit: int) -> SlotReason | None:
    if not any(wish.windows.values()):
        return SlotReason.NO_PHONE_HOURS
    if not horizon.beginnings(horizon.hours(wish.windows)) & bit:
        return SlotReason.OUTSIDE_PHONE_HOURS
    if not horizon.beginnings(callers.hours) & bit:
        return SlotReason.OUTSIDE_CALLER_HOURS
    if not horizon.beginnings(horizon.hours(wish.windows, wish.holidays)) & bit:
        return SlotReason.HOLIDAY
    if not horizon.beginnings(~horizon.bits(wish.taken)) & bit:
        return SlotReason.THERAPIST_BUSY
    return None
