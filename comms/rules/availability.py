"""Weekly phone hours: read in every notation, turned into windows of local time.

Read are a mapping, its JSON text, and plain text such as "Mo-Fr 9-12, Mi 14-16:30". A fault is a place and a code
("monday[1]: end_before_start"): it never repeats what was written. The rest counts, whatever stands beside it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comms.rules.hours import DAY_MINUTES, WEEKDAYS, leading_days, plain, read_days, read_range, read_time, split
from comms.rules.hours import write_time as written

GRID = 5
"""Minutes in a cell; calls begin on this grid."""
LONGEST_TEXT = 20_000

_ENDS = (("start", "end"), ("von", "bis"), ("from", "to"))


@dataclass(frozen=True)
class Availability:
    """`windows` is canonical ({"monday": [("09:00", "12:00")]}); `faults` name what could not be read and where."""

    windows: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class _Refused(Exception):
    """One place could not be read; the text is its code."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every key it has, also the second of two equal ones."""


@dataclass
class _Reading:
    ranges: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)

    def fault(self, place: str, code: str) -> None:
        """Note it once, however often it stands in one place."""
        if (line := f"{place}: {code}") not in self.faults:
            self.faults.append(line)

    def add(self, days: Iterable[str], place: str, item: Any) -> None:
        """Read one item, or each part of a text with several windows, for these days."""
        for part in (split(plain(item)) or [""]) if isinstance(item, str) else [item]:
            try:
                found = _range(part)
            except _Refused as refused:
                self.fault(place, str(refused))
            else:
                for day in days:
                    self.ranges[day].append(found)


def read_availability(given: object) -> Availability:
    """Read phone hours in any notation; None and nothing are no hours, and no fault."""
    reading = _Reading()
    if isinstance(given, str):
        _read_text(reading, given)
    elif isinstance(given, Mapping):
        _read_pairs(reading, given.items())
    elif given is not None:
        reading.fault("hours", "not_a_mapping")
    windows = {day: _windows(reading, day) for day in WEEKDAYS if day in reading.ranges}
    return Availability({day: found for day, found in windows.items() if found}, reading.faults)


def _read_text(reading: _Reading, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        return reading.fault("hours", "too_long")
    text = text.strip("\ufeff \t\r\n")
    if text[:1] not in ("{", "[", '"'):
        return _read_sentence(reading, plain(text))
    try:
        given = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return reading.fault("hours", "not_json")
    if isinstance(given, _Pairs):
        return _read_pairs(reading, given)
    return reading.fault("hours", "not_a_mapping")


def _read_pairs(reading: _Reading, pairs: Iterable[tuple[Any, Any]]) -> None:
    for position, (key, value) in enumerate(pairs, start=1):
        days = [day for part in split(plain(key)) for day in read_days(part) or [""]] if isinstance(key, str) else []
        if not days or "" in days:
            reading.fault(f"entry {position}", "unknown_weekday")
            continue
        listed = isinstance(value, list | tuple) and not isinstance(value, _Pairs)
        for index, item in enumerate(value if listed else [] if value is None else [value]):
            reading.add(dict.fromkeys(days), f"{days[0]}[{index}]", item)


def _read_sentence(reading: _Reading, text: str) -> None:
    """Read "mo, mi 9-12 und 14-16; fr 10-11": days gather until hours come, hours belong to the days before them."""
    days: list[str] = []
    had_hours = True
    for position, part in enumerate(split(text), start=1):
        named, rest = leading_days(part)
        if named:
            days, had_hours = (named if had_hours else days + named), False
        if rest and days:
            before = len(reading.faults)
            reading.add(dict.fromkeys(days), f"part {position}", rest)
            days = days if len(reading.faults) == before else []  # what follows must not fall to the wrong day
            had_hours = True
        elif rest:
            reading.fault(f"part {position}", "unknown_weekday")
    if not had_hours:
        reading.fault(days[-1], "no_hours")


def _range(item: Any) -> tuple[int, int]:
    """Read one window as minutes since midnight."""
    if isinstance(item, str):
        return _checked(read_range(item))
    if isinstance(item, Mapping | _Pairs):
        return _checked(_named_ends(list(item) if isinstance(item, _Pairs) else list(item.items())))
    if isinstance(item, list | tuple) and len(item) == 2:
        return _checked((_time(item[0]), _time(item[1])))
    raise _Refused("not_a_window")


def _named_ends(pairs: list[tuple[Any, Any]]) -> tuple[int | None, int | None] | None:
    named = {plain(key): value for key, value in pairs if isinstance(key, str)}
    if len(named) != len(pairs):
        raise _Refused("named_twice")
    ends = next((pair for pair in _ENDS if set(pair) <= named.keys()), None)
    return (_time(named[ends[0]]), _time(named[ends[1]])) if ends else None


def _time(value: Any) -> int | None:
    return read_time(value) if isinstance(value, str) else None


def _checked(found: tuple[int | None, int | None] | None) -> tuple[int, int]:
    if found is None:
        raise _Refused("not_a_window")
    start, end = found
    if start is None or end is None or start == DAY_MINUTES:
        raise _Refused("not_a_time")
    if end <= start:
        raise _Refused("end_before_start")
    return start, end


def _windows(reading: _Reading, day: str) -> list[tuple[str, str]]:
    """Merge what overlaps or touches, then round starts up to the grid; a window without one whole cell is a fault."""
    merged: list[list[int]] = []
    for start, end in sorted(reading.ranges[day]):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    rounded = [(-(-start // GRID) * GRID, end) for start, end in merged]
    if any(end - start < GRID for start, end in rounded):
        reading.fault(day, "too_short")
    return [(written(start), written(end)) for start, end in rounded if end - start >= GRID]
