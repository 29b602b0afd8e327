"""Free slots against a brute-force oracle, the days on which clocks change, and a table of edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comms.rules.horizon import EPOCH, Horizon, cells_of, instant_of, local_day, make_horizon
from comms.rules.hours import WEEKDAYS, write_time
from comms.rules.policy import BERLIN, CallPolicy
from comms.rules.slots import Callers, Slot, SlotReason, Wish, check_slot, find_slot, make_callers

ALWAYS = {day: [("00:00", "24:00")] for day in WEEKDAYS}
MONDAY = datetime(2026, 11, 23, 11, 0, tzinfo=BERLIN)


def find(wish: Wish, policy: CallPolicy, now: datetime = MONDAY, taken: list[tuple[int, int]] | None = None) -> object:
    horizon = make_horizon(now, policy)
    return find_slot(horizon, wish, make_callers(horizon, policy, taken or []))


def local(slot: object) -> str:
    assert isinstance(slot, Slot)
    return slot.starts_at.astimezone(BERLIN).strftime("%d.%m. %H:%M")


def cell(day: int, hour: int, minute: int = 0) -> int:
    return cells_of(datetime(2026, 11, day, hour, minute, tzinfo=BERLIN), 5)[0]


TUESDAY_NINE = {"tuesday": [("09:00", "12:00")]}


@pytest.mark.parametrize(
    ("now", "windows", "expected"),
    [
        ("2026-11-23T11:00", TUESDAY_NINE, "24.11. 09:00"),
        ("2026-11-24T08:29", TUESDAY_NINE, "24.11. 09:00"),
        ("2026-11-24T08:30", TUESDAY_NINE, "24.11. 09:00"),
        ("2026-11-24T08:30:00.000001", TUESDAY_NINE, "24.11. 09:05"),
        ("2026-11-24T11:25", TUESDAY_NINE, "24.11. 11:55"),
        ("2026-11-24T11:26", TUESDAY_NINE, "01.12. 09:00"),
        ("2026-11-23T11:00", {"tuesday": [("07:00", "08:05")]}, "24.11. 08:00"),
        ("2026-11-23T11:00", {"tuesday": [("17:55", "19:00")]}, "24.11. 17:55"),
        ("2026-11-23T11:00", {"tuesday": [("12:00", "12:03"), ("13:00", "13:07")]}, "24.11. 13:00"),
    ],
)
def test_the_earliest_slot_keeps_lead_grid_and_both_hours(now: str, windows: dict, expected: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    assert local(find(Wish(windows), CallPolicy(), at)) == expected


def test_a_call_begins_at_the_very_end_of_the_look_ahead_and_not_after() -> None:
    policy = CallPolicy(look_ahead=timedelta(hours=22))
    assert local(find(Wish(TUESDAY_NINE), policy)) == "24.11. 09:00"
    assert find(Wish(TUESDAY_NINE), policy, MONDAY - timedelta(minutes=1)) is SlotReason.OUTSIDE_LOOK_AHEAD


def test_a_longer_call_needs_consecutive_cells_of_one_caller() -> None:
    policy = CallPolicy(minutes=10, callers=2)
    busy = [(1, cell(24, 9, 0)), (2, cell(24, 9, 5))]
    found = find(Wish(TUESDAY_NINE), policy, taken=busy)
    assert found == Slot(1, instant_of(cell(24, 9, 5)), 10)


def test_of_several_free_callers_the_lowest_calls() -> None:
    found = find(Wish(TUESDAY_NINE), CallPolicy(callers=3), taken=[(1, cell(24, 9))])
    assert found == Slot(2, instant_of(cell(24, 9)), 5)


def test_cells_of_callers_who_left_bind_nobody() -> None:
    assert local(find(Wish(TUESDAY_NINE), CallPolicy(callers=1), taken=[(2, cell(24, 9))])) == "24.11. 09:00"


def test_a_therapist_is_never_called_twice_at_once() -> None:
    wish = Wish(TUESDAY_NINE, taken=frozenset([cell(24, 9), cell(24, 9, 5)]))
    assert local(find(wish, CallPolicy(callers=5))) == "24.11. 09:10"


def test_not_before_is_kept() -> None:
    wish = Wish(TUESDAY_NINE, not_before=datetime(2026, 11, 24, 10, 1, tzinfo=BERLIN))
    assert local(find(wish, CallPolicy())) == "24.11. 10:05"


def test_not_before_the_past_changes_nothing() -> None:
    assert local(find(Wish(TUESDAY_NINE, not_before=EPOCH), CallPolicy())) == "24.11. 09:00"


def test_a_holiday_is_skipped() -> None:
    assert local(find(Wish(TUESDAY_NINE, holidays=frozenset([date(2026, 11, 24)])), CallPolicy())) == "01.12. 09:00"


TUESDAYS = frozenset([date(2026, 11, 24), date(2026, 12, 1)])


@pytest.mark.parametrize(
    ("wish", "policy", "taken", "reason"),
    [
        (Wish({}), CallPolicy(), [], SlotReason.NO_PHONE_HOURS),
        (Wish({"monday": []}), CallPolicy(), [], SlotReason.NO_PHONE_HOURS),
        (Wish({"sunday": [("09:00", "12:00")]}), CallPolicy(), [], SlotReason.OUTSIDE_CALLER_HOURS),
        (Wish({"monday": [("18:00", "20:00")]}), CallPolicy(), [], SlotReason.OUTSIDE_CALLER_HOURS),
        (Wish({"monday": [("09:00", "09:10")]}), CallPolicy(minutes=15), [], SlotReason.OUTSIDE_CALLER_HOURS),
        (Wish({"friday": [("09:00", "10:00")]}), CallPolicy(look_ahead=timedelta(days=2)), [],
         SlotReason.OUTSIDE_LOOK_AHEAD),
        (Wish(TUESDAY_NINE, not_before=datetime(2027, 1, 1, tzinfo=UTC)), CallPolicy(), [],
         SlotReason.OUTSIDE_LOOK_AHEAD),
        (Wish(TUESDAY_NINE, holidays=TUESDAYS), CallPolicy(), [], SlotReason.ONLY_HOLIDAYS),
        (Wish({"tuesday": [("09:00", "09:05")]}, taken=frozenset([cell(24, 9), cell(24, 9) + 7 * 288])), CallPolicy(),
         [], SlotReason.THERAPIST_BUSY),
        (Wish({"tuesday": [("09:00", "09:05")]}), CallPolicy(), [(1, cell(24, 9)), (1, cell(24, 9) + 7 * 288)],
         SlotReason.CALLERS_BUSY),
        (Wish({"tuesday": [("09:00", "09:05")]}, holidays=frozenset([date(2026, 12, 1)])), CallPolicy(),
         [(1, cell(24, 9))], SlotReason.CALLERS_BUSY),
    ],
)  # fmt: skip
def test_no_slot_has_its_reason(wish: Wish, policy: CallPolicy, taken: list, reason: SlotReason) -> None:
    assert find(wish, policy, taken=taken) is reason


def test_a_call_may_run_over_midnight() -> None:
    hours = {"sunday": [("23:55", "24:00")], "monday": [("00:00", "00:05")]}
    policy = CallPolicy(minutes=10, caller_hours=ALWAYS)
    assert local(find(Wish(hours), policy)) == "29.11. 23:55"


# clocks


def cells_of_day(day: date) -> int:
    begin = datetime(day.year, day.month, day.day, tzinfo=BERLIN)
    end = begin + timedelta(days=1)  # local midnight to local midnight
    return (end.astimezone(UTC) - begin.astimezone(UTC)) // timedelta(minutes=5)


@pytest.mark.parametrize(
    ("day", "in_the_day", "usable"),
    [
        (date(2027, 3, 27), 288, 288),
        (date(2027, 3, 28), 276, 276),
        (date(2027, 10, 30), 288, 288),
        (date(2027, 10, 31), 300, 288),
    ],
)
def test_skipped_times_have_no_cell_and_doubled_ones_have_one(day: date, in_the_day: int, usable: int) -> None:
    assert cells_of_day(day) == in_the_day
    assert sum(high - low for low, high, _ in local_day(day, BERLIN)) == usable
    assert len(_bits(_lay_one_day(day, ALWAYS))) == usable


@pytest.mark.parametrize(
    ("day", "window", "utc"),
    [
        (date(2027, 3, 28), ("01:55", "03:05"), ["00:55", "01:00"]),
        (date(2027, 3, 28), ("02:00", "03:00"), []),
        (date(2027, 3, 28), ("02:30", "03:10"), ["01:00", "01:05"]),
        (date(2027, 10, 31), ("02:50", "03:10"), ["00:50", "00:55", "02:00", "02:05"]),
        (date(2027, 10, 31), ("01:55", "02:05"), ["23:55", "00:00"]),
    ],
)
def test_windows_over_a_clock_change_are_these_instants(day: date, window: tuple[str, str], utc: list[str]) -> None:
    found = _lay_one_day(day, {WEEKDAYS[day.weekday()]: [window]})
    assert [instant.strftime("%H:%M") for instant in _bits(found)] == utc


def test_a_call_does_not_run_through_the_doubled_hour() -> None:
    policy = CallPolicy(minutes=10, caller_hours=ALWAYS)
    found = find(Wish({"sunday": [("02:55", "03:10")]}), policy, datetime(2027, 10, 30, 12, tzinfo=BERLIN))
    assert isinstance(found, Slot)
    assert found.starts_at == datetime(2027, 10, 31, 2, 0, tzinfo=UTC)


def _lay_one_day(day: date, windows: dict) -> tuple[Horizon, int]:
    begin = datetime(day.year, day.month, day.day, tzinfo=BERLIN)
    horizon = make_horizon(begin, CallPolicy(lead=timedelta(0), look_ahead=timedelta(days=1)))
    only = {WEEKDAYS[day.weekday()]: windows.get(WEEKDAYS[day.weekday()], [])}
    return horizon, horizon.hours(only)


def _bits(laid: tuple[Horizon, int]) -> list[datetime]:
    horizon, bits = laid
    return [instant_of(horizon.first + bit) for bit in range(bits.bit_length()) if bits >> bit & 1]


# a given slot


def check(
    at: datetime, wish: Wish | None = None, caller: int | None = None, taken: list[tuple[int, int]] | None = None
) -> object:
    policy = CallPolicy(callers=2)
    horizon = make_horizon(MONDAY, policy)
    return check_slot(horizon, wish or Wish(TUESDAY_NINE), make_callers(horizon, policy, taken or []), at, caller)


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=BERLIN)


BOTH_BUSY = [(1, cell(24, 9)), (2, cell(24, 9))]


@pytest.mark.parametrize(
    ("starts_at", "wish", "caller", "taken", "reason"),
    [
        (at(24, 9, 3), None, None, [], SlotReason.OFF_GRID),
        (at(24, 9, 0, 1), None, None, [], SlotReason.OFF_GRID),
        (at(23, 10, 55), None, None, [], SlotReason.IN_THE_PAST),
        (at(23, 11, 25), None, None, [], SlotReason.TOO_SOON),
        (at(24, 9), Wish(TUESDAY_NINE, not_before=at(24, 10)), None, [], SlotReason.TOO_SOON),
        (at(24, 9) + timedelta(days=14), None, None, [], SlotReason.OUTSIDE_LOOK_AHEAD),
        (at(24, 9), Wish({}), None, [], SlotReason.NO_PHONE_HOURS),
        (at(24, 8, 55), None, None, [], SlotReason.OUTSIDE_PHONE_HOURS),
        (at(24, 12), None, None, [], SlotReason.OUTSIDE_PHONE_HOURS),
        (at(24, 7), Wish(ALWAYS), None, [], SlotReason.OUTSIDE_CALLER_HOURS),
        (at(24, 9), Wish(TUESDAY_NINE, holidays=TUESDAYS), None, [], SlotReason.HOLIDAY),
        (at(24, 9), Wish(TUESDAY_NINE, taken=frozenset([cell(24, 9)])), None, [], SlotReason.THERAPIST_BUSY),
        (at(24, 9), None, None, BOTH_BUSY, SlotReason.CALLERS_BUSY),
        (at(24, 9), None, 1, BOTH_BUSY[:1], SlotReason.CALLERS_BUSY),
        (at(24, 9), None, 3, [], SlotReason.CALLERS_BUSY),
    ],
)
def test_a_given_slot_is_refused_with_its_reason(
    starts_at: datetime, wish: Wish | None, caller: int | None, taken: list, reason: SlotReason
) -> None:
    assert check(starts_at, wish, caller, taken) is reason


def test_a_given_slot_gets_the_lowest_free_caller_or_the_one_named() -> None:
    assert check(at(24, 9), taken=BOTH_BUSY[:1]) == Slot(2, at(24, 9).astimezone(UTC), 5)
    assert check(at(24, 9), caller=2) == Slot(2, at(24, 9).astimezone(UTC), 5)


# the oracle: walks through every instant and looks at a clock


def oracle(now: datetime, policy: CallPolicy, wish: Wish, busy: set[tuple[int, int]]) -> Slot | None:
    first = now + policy.lead
    start = EPOCH + -((EPOCH - first) // timedelta(minutes=5)) * timedelta(minutes=5)
    while start <= now + policy.look_ahead:
        for caller in range(1, policy.callers + 1):
            needed = [start + n * timedelta(minutes=5) for n in range(policy.minutes // 5)]
            if start >= (wish.not_before or start) and all(_fits(i, caller, policy, wish, busy) for i in needed):
                return Slot(caller, start, policy.minutes)
        start += timedelta(minutes=5)
    return None


def _fits(instant: datetime, caller: int, policy: CallPolicy, wish: Wish, busy: set[tuple[int, int]]) -> bool:
    clock = instant.astimezone(policy.zone)
    number = (instant - EPOCH) // timedelta(minutes=5)
    if clock.fold or clock.date() in wish.holidays or number in wish.taken or (caller, number) in busy:
        return False
    return all(_inside(clock, windows) for windows in (wish.windows, policy.caller_hours))


def _inside(clock: datetime, windows: dict) -> bool:
    minute = clock.hour * 60 + clock.minute
    spans = windows.get(WEEKDAYS[clock.weekday()], [])
    return any(_minutes(begin) <= minute and minute + 5 <= _minutes(end) for begin, end in spans)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _spans(most: int) -> st.SearchStrategy[list[tuple[str, str]]]:
    span = st.tuples(st.integers(0, 287), st.integers(1, 60)).map(
        lambda pair: (write_time(pair[0] * 5), write_time(min(1440, (pair[0] + pair[1]) * 5)))
    )
    return st.lists(span, max_size=most)


NEAR_CLOCK_CHANGES = st.sampled_from(
    [datetime(2027, 3, 27, tzinfo=UTC), datetime(2027, 10, 30, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC)]
)


@settings(max_examples=150, deadline=None)
@given(
    base=NEAR_CLOCK_CHANGES,
    offset=st.integers(0, 2 * 86_400),
    look_ahead=st.integers(1, 60),
    minutes=st.sampled_from([5, 10, 25]),
    callers=st.integers(1, 2),
    windows=st.dictionaries(st.sampled_from(WEEKDAYS), _spans(2), max_size=4),
    caller_hours=st.just(ALWAYS) | st.dictionaries(st.sampled_from(WEEKDAYS), _spans(2), min_size=3),
    busy=st.lists(st.tuples(st.integers(1, 2), st.integers(0, 200)), max_size=30),
    taken=st.lists(st.integers(0, 200), max_size=20),
    free_days=st.lists(st.integers(0, 3), max_size=2),
    wait=st.none() | st.integers(-60, 2000),
)
def test_the_slot_is_the_one_that_walking_through_every_instant_finds(
    base, offset, look_ahead, minutes, callers, windows, caller_hours, busy, taken, free_days, wait
) -> None:
    now = base + timedelta(seconds=offset)
    policy = CallPolicy(
        minutes=minutes, look_ahead=timedelta(hours=look_ahead), callers=callers, caller_hours=caller_hours
    )
    here = (now - EPOCH) // timedelta(minutes=5)
    wish = Wish(
        windows,
        frozenset(now.astimezone(BERLIN).date() + timedelta(days=day) for day in free_days),
        frozenset(here + cell for cell in taken),
        None if wait is None else now + timedelta(minutes=wait),
    )
    busy_cells = {(caller, here + cell) for caller, cell in busy}
    expected = oracle(now, policy, wish, busy_cells)
    found = find(wish, policy, now, sorted(busy_cells))
    if expected is None:
        assert isinstance(found, SlotReason)
    else:
        assert found == expected
        _also_checks(now, policy, wish, busy_cells, expected)


def _also_checks(now: datetime, policy: CallPolicy, wish: Wish, busy: set[tuple[int, int]], slot: Slot) -> None:
    """The rule for one given slot agrees with the one that finds it."""
    horizon = make_horizon(now, policy)
    callers: Callers = make_callers(horizon, policy, busy)
    assert check_slot(horizon, wish, callers, slot.starts_at) == slot


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Australia/Lord_Howe", "America/New_York"])
def test_every_local_time_that_exists_has_exactly_its_cell(zone: str) -> None:
    """A year, day by day: the pieces give the same cells as asking the clock for each."""
    where = ZoneInfo(zone)
    for number in range(365):
        day = date(2027, 1, 1) + timedelta(days=number)
        laid = [first + index for low, high, first in local_day(day, where) for index in range(high - low)]
        assert len(laid) == len(set(laid))
        assert all(instant_of(cell).astimezone(where).date() == day for cell in (laid[0], laid[-1]))
