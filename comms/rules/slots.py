"""Free slots for calls: the earliest one, whether a given one is free, and why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from comms.rules.horizon import CELL, DAY_CELLS, EPOCH, Horizon, Windows, cells_of, instant_of, weekly
from comms.rules.hours import WEEKDAYS
from comms.rules.policy import CallPolicy


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
        for begin, end in weekly(windows, weekday):
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
