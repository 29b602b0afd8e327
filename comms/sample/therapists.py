"""One therapist of the sample by its number; every sixtieth plays the same part."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any

from comms.sample.hours import phone_hours
from comms.sample.people import ENGLISH, in_an_address, person
from comms.sample.places import address, telephone

FIRST_ID = 1001

_PARTS: dict[str, frozenset[int]] = {
    "without_email": frozenset({7, 22, 37, 52}),
    "blocked": frozenset({11, 41}),
    "inactive": frozenset({13}),
    "not_yet": frozenset({17, 47}),
    "english": frozenset({3, 33, 58}),
    "practice_only": frozenset({28}),
    "hours_with_a_mistake": frozenset({35}),
    "without_phone": frozenset({16}),
    "without_hours": frozenset({49}),
    "international_domain": frozenset({8}),
}
_SHARED = {24: 24, 25: 24, 26: 24, 44: 44, 45: 44, 54: 54, 55: 54}
"""Who shares a mailbox with whom: one of three, two of two."""

UNANSWERED = frozenset({0, 10, 20, 24, 30, 40, 50})
"""Written to eight days ago, no answer: due for a call. One of them shares its mailbox."""
ASKED_RECENTLY = frozenset({5, 15})
"""Written to three days ago."""
REJECTED = frozenset({2, 12, 32})
"""Said no two weeks ago: cooling."""


def part_of(number: int) -> int:
    return number % 60


def plays(number: int, part: str) -> bool:
    return part_of(number) in _PARTS[part]


def therapist(seed: int, number: int, today: date) -> dict[str, Any]:
    """Describe therapist `number` (from 0) in the platform's fields."""
    dice = Random(f"{seed}:therapist:{number}")
    leader = _leader(number)
    town, where = address(Random(f"{seed}:address:{number if leader is None else leader}"))
    facts: dict[str, Any] = {"id": FIRST_ID + number, **person(dice), **where}
    facts |= {
        "telefon": telephone(dice, town),
        "status": "aktiv",
        "telefonische_erreichbarkeit": phone_hours(dice),
        "potenziell_verfuegbar": dice.random() < 0.2,
        "naechster_kontakt_moeglich": _past(dice, today),
    }
    facts |= _particulars(facts, number, today, dice)
    return facts | {"email": _email(facts, number, leader, dice)}


def _past(dice: Random, today: date) -> str | None:
    return (today - timedelta(days=dice.randint(1, 90))).isoformat() if dice.random() < 0.1 else None


def _email(facts: dict[str, Any], number: int, leader: int | None, dice: Random) -> str | None:
    if plays(number, "without_email"):
        return None
    if leader is not None:  # the same mailbox, however the others spell it
        return f"{'empfang' if leader == number else 'Empfang'}@gemeinschaftspraxis-{FIRST_ID + leader}.example"
    if facts["nachname"] is None:
        return f"info@zentrum-{facts['id']}.example"
    first, last = in_an_address(facts["vorname"]), in_an_address(facts["nachname"])
    if plays(number, "international_domain"):
        return f"{first}@praxis-grünewald-{facts['id']}.example"
    forms = (
        f"praxis@{last}-{facts['id']}.example",
        f"{first}.{last}@psychotherapie-{facts['id']}.example",
        f"{first[:1]}.{last}@praxis-{facts['id']}.example",
    )
    return dice.choice(forms)


def _leader(number: int) -> int | None:
    part = part_of(number)
    return number - part + _SHARED[part] if part in _SHARED else None


def _particulars(facts: dict[str, Any], number: int, today: date, dice: Random) -> dict[str, Any]:
    """Return what is different about those who play a part."""
    changed: dict[str, Any] = {}
    if plays(number, "blocked") or plays(number, "inactive"):
        changed["status"] = "gesperrt" if plays(number, "blocked") else "inaktiv"
    if plays(number, "not_yet"):
        changed["naechster_kontakt_moeglich"] = (today + timedelta(days=dice.randint(10, 60))).strftime("%d.%m.%Y")
    if plays(number, "english"):
        changed |= {"sprache": "en", "nachname": dice.choice(ENGLISH)}
    if plays(number, "practice_only"):
        nobody = dict.fromkeys(("anrede", "titel", "vorname", "nachname", "geschlecht"))
        changed |= nobody | {"praxisname": f"Zentrum für Psychotherapie {facts['ort']}"}
    if (leader := _leader(number)) is not None:
        changed["praxisname"] = f"Gemeinschaftspraxis {FIRST_ID + leader}"
    return changed | _unreachable(number)


def _unreachable(number: int) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if plays(number, "without_phone"):
        changed["telefon"] = None
    if plays(number, "without_hours"):
        changed["telefonische_erreichbarkeit"] = None
    if plays(number, "hours_with_a_mistake"):
        changed["telefonische_erreichbarkeit"] = {"Dienstag": ["09:00-09:25", "16:00-15:35"], "Feiertag": ["10-11"]}
    return changed
