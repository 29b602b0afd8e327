"""What of a patient may stand in a letter: codes, frozen when the email is made.

Source: `domain.md`, "What may stand in an email before a therapist has accepted". Nothing here can carry a name, a day
of birth, an address or free text: every value is a boolean or one of a fixed set of codes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from comms.rules.hours import WEEKDAYS, read_time
from comms.store.models import Patient

_CODE = re.compile(r"([A-Z][0-9]{2})(?:\.(?:-|([0-9](?:-|[0-9])?)))?[*+!#†]?\s*([GVAZ]?)")
"""ICD-10-GM: category, subcategory, mark, certainty."""

_EXCLUDED = "A"
"""Certainty "Ausschluss": the patient does not have it, so it is no fact about the patient."""

_BANDS = (18, 30, 40, 50, 60, 70, 80)
_OLDEST = 120
_NOON = 12 * 60
_DAY = 24 * 60
_SESSION = 50
"""Minutes of one session: less than that in a half-day is no availability."""

INSURANCE_KINDS = frozenset({"statutory", "private", "self"})


def patient_facts(patient: Patient, today: date, detail: str) -> dict[str, Any]:
    """Return language-neutral facts, safe for JSON; a fact that is missing or unreadable has no key.

    `detail` is category, full or none (of the diagnosis). Keys: age_band ("30-39", "0-17", "80+"), diagnosis ("F32"),
    insurance, availability ({"monday": ["morning"]}), group_therapy, earlier_therapy, waiting_since ("2026-03").
    """
    found = {
        "age_band": age_band(patient.birth_date, today),
        "diagnosis": diagnosis(patient.diagnosis, detail),
        "insurance": patient.insurance_kind if patient.insurance_kind in INSURANCE_KINDS else None,
        "availability": half_days(patient.availability) or None,
        "group_therapy": patient.open_to_group_therapy,
        "earlier_therapy": patient.earlier_therapy,
        "waiting_since": month(patient.registered_on, today),
    }
    return {key: value for key, value in found.items() if value is not None}


def age_band(born: date | None, today: date) -> str | None:
    """Return the ten years in which the age lies; None for a birth date in the future or of another century."""
    if born is None:
        return None
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if not 0 <= age <= _OLDEST:
        return None
    if age >= _BANDS[-1]:
        return f"{_BANDS[-1]}+"
    lows = (0, *_BANDS)
    return next(f"{low}-{high - 1}" for low, high in zip(lows, _BANDS, strict=False) if age < high)


def diagnosis(given: str | None, detail: str) -> str | None:
    """Return the ICD-10 category (F32), with `full` the subcategory too (F32.1), never the certainty letter.

    None for what is not exactly one code, and for a diagnosis that was excluded.
    """
    code = _CODE.fullmatch((given or "").strip().upper())
    if detail == "none" or code is None or code[3] == _EXCLUDED:
        return None
    category, below = code[1], (code[2] or "").rstrip("-")
    return f"{category}.{below}" if detail == "full" and below else category


def half_days(windows: dict[str, Any] | None) -> dict[str, list[str]]:
    """Turn weekly windows into half-days, Monday first; less than a session counts where a day has nothing else."""
    found = {day: _halves(windows[day]) for day in WEEKDAYS if windows and windows.get(day)}
    return {day: halves for day, halves in found.items() if halves}


def _halves(windows: Sequence[Sequence[str]]) -> list[str]:
    minutes = {"morning": 0, "afternoon": 0}
    for window in windows:
        start, end = (read_time(text) for text in window)
        if start is not None and end is not None:
            minutes["morning"] += _overlap(start, end, 0, _NOON)
            minutes["afternoon"] += _overlap(start, end, _NOON, _DAY)
    enough = [half for half, length in minutes.items() if length >= _SESSION]
    longest = max(minutes, key=lambda half: minutes[half])
    return enough or ([longest] if minutes[longest] else [])


def _overlap(start: int, end: int, low: int, high: int) -> int:
    return max(0, min(end, high) - max(start, low))


def month(day: date | None, today: date) -> str | None:
    """Return the month as "2026-03"; None for a day in the future."""
    return f"{day:%Y-%m}" if day is not None and day <= today else None
