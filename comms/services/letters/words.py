"""Frozen facts in the words of a language: the one table from which both parts of a letter are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from comms.rules.hours import WEEKDAYS


@dataclass(frozen=True)
class Words:
    """Everything a letter says that is not in a template."""

    code: str
    labels: dict[str, str]
    insurance: dict[str, str]
    yes_no: dict[bool, str]
    under: str
    from_on: str
    between: str
    weekdays: tuple[str, ...]
    halves: dict[str, str]
    months: tuple[str, ...]
    numbers: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    """What can be answered by one click: the word on the link, and the sentence it begins the reply with."""
    reply: str
    unsubscribe: str
    no_facts: str


GERMAN = Words(
    code="de",
    labels={
        "age_band": "Altersgruppe",
        "diagnosis": "Diagnose (ICD-10)",
        "insurance": "Versicherung",
        "availability": "Zeitlich verfügbar",
        "group_therapy": "Offen für Gruppentherapie",
        "earlier_therapy": "Frühere Psychotherapie",
        "waiting_since": "Wartet seit",
    },
    insurance={"statutory": "gesetzlich", "private": "privat", "self": "Selbstzahlung"},
    yes_no={True: "ja", False: "nein"},
    under="unter {high} Jahren",
    from_on="ab {low} Jahren",
    between="{low} bis {high} Jahre",
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    halves={"morning": "vormittags", "afternoon": "nachmittags", "both": "ganztags"},
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni"),
        *("Juli", "August", "September", "Oktober", "November", "Dezember"),
    ),
    numbers=("zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"),
    answers=(
        ("Platz anbieten", "ja, ich kann einen Platz anbieten."),
        ("Zurzeit kein Platz", "zurzeit leider nicht."),
        ("Rückfrage", "ich habe eine Rückfrage."),
    ),
    reply="AW: ",
    unsubscribe="Abmeldung",
    no_facts="Nähere Angaben liegen uns noch nicht vor.",
)

ENGLISH = Words(
    code="en",
    labels={
        "age_band": "Age group",
        "diagnosis": "Diagnosis (ICD-10)",
        "insurance": "Insurance",
        "availability": "Available",
        "group_therapy": "Open to group therapy",
        "earlier_therapy": "Previous psychotherapy",
        "waiting_since": "Waiting since",
    },
    insurance={"statutory": "statutory", "private": "private", "self": "self-paying"},
    yes_no={True: "yes", False: "no"},
    under="under {high}",
    from_on="{low} or over",
    between="{low} to {high}",
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    halves={"morning": "mornings", "afternoon": "afternoons", "both": "all day"},
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    numbers=("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    answers=(
        ("Offer a place", "yes, I can offer a place."),
        ("No place at present", "unfortunately not at present."),
        ("Ask a question", "I have a question."),
    ),
    reply="Re: ",
    unsubscribe="Unsubscribe",
    no_facts="We do not have any further details yet.",
)

WORDS = {"de": GERMAN, "en": ENGLISH}

_BAND = re.compile(r"([0-9]{1,2})(?:-([0-9]{2})|\+)")
_DIAGNOSIS = re.compile(r"[A-Z][0-9]{2}(?:\.[0-9]{1,2})?")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def fact_lines(facts: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """Say frozen facts as (label, value), in the order of the table; what is not one of our codes is left out."""
    said = ((label, _SAYERS[key](facts[key], words)) for key, label in words.labels.items() if key in facts)
    return [(label, value) for label, value in said if value]


def day(when: date | None, words: Words) -> str | None:
    """Write a date: 23.11.2026 in German, 23 November 2026 in English."""
    if when is None:
        return None
    return f"{when:%d.%m.%Y}" if words is GERMAN else f"{when.day} {words.months[when.month - 1]} {when.year}"


def number_in_words(count: int, words: Words) -> str:
    """Write two to twelve as a word, anything else in digits."""
    return words.numbers[count - 2] if 2 <= count <= len(words.numbers) + 1 else str(count)


def _age_band(value: Any, words: Words) -> str | None:
    band = _BAND.fullmatch(str(value))
    if band is None:
        return None
    low, high = int(band[1]), band[2]
    if high is None:
        return words.from_on.format(low=low)
    return words.between.format(low=low, high=int(high)) if low else words.under.format(high=int(high) + 1)


def _diagnosis(value: Any, words: Words) -> str | None:
    return str(value) if _DIAGNOSIS.fullmatch(str(value)) else None


def _insurance(value: Any, words: Words) -> str | None:
    return words.insurance.get(str(value))


def _yes_no(value: Any, words: Words) -> str | None:
    return words.yes_no[value] if isinstance(value, bool) else None


def _availability(value: Any, words: Words) -> str | None:
    if not isinstance(value, Mapping):
        return None
    days = ((name, _halves(value.get(code), words)) for code, name in zip(WEEKDAYS, words.weekdays, strict=True))
    return ", ".join(f"{name} {halves}" for name, halves in days if halves)


def _halves(value: Any, words: Words) -> str | None:
    known = [half for half in ("morning", "afternoon") if isinstance(value, list | tuple) and half in value]
    return words.halves["both" if len(known) > 1 else known[0]] if known else None


def _month(value: Any, words: Words) -> str | None:
    found = _MONTH.fullmatch(str(value))
    return f"{words.months[int(found[2]) - 1]} {found[1]}" if found else None


_SAYERS: dict[str, Callable[[Any, Words], str | None]] = {
    "age_band": _age_band,
    "diagnosis": _diagnosis,
    "insurance": _insurance,
    "availability": _availability,
    "group_therapy": _yes_no,
    "earlier_therapy": _yes_no,
    "waiting_since": _month,
}
