"""Weekly phone hours, from 25 minutes at a time, in all the notations in which they come."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

_GERMAN = ("montag", "dienstag", "mittwoch", "donnerstag", "freitag")
_ENGLISH = ("monday", "tuesday", "wednesday", "thursday", "friday")
_SHORT = ("Mo", "Di", "Mi", "Do", "Fr")

Windows = dict[int, list[tuple[int, int]]]
"""Minutes since midnight by day of the week, Monday is 0."""


def phone_hours(dice: Random) -> Any:
    """Throw phone hours as a contract therapist has them: 100 to 200 minutes a week, or a few long windows."""
    return dice.choice(_NOTATIONS)(_short(dice) if dice.random() < 0.7 else _long(dice))


def half_days(dice: Random) -> Any:
    """Throw when a patient can come."""
    days = sorted(dice.sample(range(5), dice.randint(1, 4)))
    windows = {day: [dice.choice(((480, 720), (780, 1080), (900, 1200), (480, 1080)))] for day in days}
    return dice.choice(_NOTATIONS[:4])(windows)


def _short(dice: Random) -> Windows:
    windows: Windows = {}
    for day in sorted(dice.sample(range(5), dice.randint(2, 4))):
        start = dice.choice((8, 9, 12, 13, 17)) * 60 + dice.choice((0, 5, 30, 35))
        windows[day] = [(start, start + 25)]
        if dice.random() < 0.6:
            windows[day].append((start + 60, start + 60 + dice.choice((25, 50))))
    return windows


def _long(dice: Random) -> Windows:
    days = sorted(dice.sample(range(5), dice.randint(2, 3)))
    starts = {day: dice.choice((8, 9, 10, 13, 14)) * 60 for day in days}
    return {day: [(start, start + dice.choice((60, 90, 120, 180)))] for day, start in starts.items()}


def _clock(minutes: int, between: str = ":") -> str:
    return f"{minutes // 60:02d}{between}{minutes % 60:02d}"


def _dashed(windows: Windows, day: int, dash: str = "-") -> list[str]:
    return [f"{_clock(start)}{dash}{_clock(end)}" for start, end in windows[day]]


def _objects(windows: Windows) -> dict[str, Any]:
    return {_ENGLISH[d]: [{"start": _clock(s), "end": _clock(e)} for s, e in w] for d, w in windows.items()}


def _von_bis(windows: Windows) -> dict[str, Any]:
    return {_SHORT[d]: [{"von": _clock(s), "bis": _clock(e)} for s, e in w] for d, w in windows.items()}


def _sentence(windows: Windows) -> str:
    return ", ".join(f"{_SHORT[day]} {' und '.join(_dashed(windows, day))}" for day in windows)


_NOTATIONS: tuple[Callable[[Windows], Any], ...] = (
    lambda w: {_GERMAN[day]: _dashed(w, day) for day in w},
    _objects,
    lambda w: {_SHORT[day]: _dashed(w, day) for day in w},
    lambda w: json.dumps(_objects(w)),
    lambda w: {_GERMAN[day].upper(): _dashed(w, day, " – ") for day in w},
    lambda w: {_SHORT[day]: [[_clock(start), _clock(end)] for start, end in w[day]] for day in w},
    _von_bis,
    _sentence,
)
