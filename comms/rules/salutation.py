"""Forms of address in German and English. Source: `domain.md`, "Form of address"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum

LONGEST_NAME = 100
"""Characters; a longer "name" is a mistake of the data and is cut, so that a letter stays a letter."""

_WORD = re.compile(r"[^\W\d_]+")
_DOCTOR = frozenset({"dr", "drin", "doktor", "doktorin", "doctor"})


@dataclass(frozen=True)
class Addressee:
    """Whom a letter speaks to. `salutation` is frau, herr, divers or None; names as the platform gave them.

    `greeting` is a line frozen earlier: it wins over everything else.
    """

    language: str = "de"
    salutation: str | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    practice_name: str | None = None
    greeting: str | None = None

    @classmethod
    def frozen(cls, language: str, greeting: str) -> Addressee:
        """Speak to somebody as an earlier version of the same letter did."""
        return cls(language=language, greeting=greeting)


class Degree(IntEnum):
    """The only titles that count; the highest is spoken alone."""

    NONE = 0
    DOCTOR = 1
    PROFESSOR = 2


@dataclass(frozen=True)
class _Words:
    forms: dict[str, str]
    degrees: dict[Degree, str]
    by_degree: str | None
    in_full: str
    nobody: str


_LANGUAGES = {
    "de": _Words(
        forms={"frau": "Sehr geehrte Frau", "herr": "Sehr geehrter Herr"},
        degrees={Degree.DOCTOR: "Dr.", Degree.PROFESSOR: "Professor"},
        by_degree=None,
        in_full="Guten Tag",
        nobody="Sehr geehrte Damen und Herren,",
    ),
    "en": _Words(
        forms={"frau": "Dear Ms.", "herr": "Dear Mr."},
        degrees={Degree.DOCTOR: "Dr.", Degree.PROFESSOR: "Professor"},
        by_degree="Dear",
        in_full="Dear",
        nobody="Dear Sir or Madam,",
    ),
}
LANGUAGES = tuple(_LANGUAGES)


def greeting(to: Addressee) -> str:
    """Write the first line of a letter, comma included; an unknown language is spoken to in German."""
    if to.greeting:
        return to.greeting
    words = _LANGUAGES.get(to.language, _LANGUAGES["de"])
    first, last, degree = clean_name(to.first_name), clean_name(to.last_name), degree_of(to.title)
    opening = _opening(words, (to.salutation or "").strip().casefold(), degree)
    if opening and last:
        return f"{_spaced(opening, last)},"
    if last and (first or degree):
        return f"{_spaced(words.in_full, words.degrees.get(degree), first, last)},"
    return words.nobody


def _opening(words: _Words, salutation: str, degree: Degree) -> str | None:
    """What stands before the last name alone; None where the person must be named in full."""
    title = words.degrees.get(degree)
    if words.by_degree and title:
        return _spaced(words.by_degree, title)
    form = words.forms.get(salutation)
    return form and _spaced(form, title)


def name_on_envelope(to: Addressee) -> str:
    """Write the name beside the address in To: "Dr. Andrea Müller", else the practice, else nothing."""
    degree = _LANGUAGES["de"].degrees.get(degree_of(to.title))
    first, last = clean_name(to.first_name), clean_name(to.last_name)
    return _spaced(degree, first, last) if last else clean_name(to.practice_name)


def degree_of(title: str | None) -> Degree:
    """Read the highest degree out of a title; diplomas, masters and job titles are none."""
    words = [word.casefold() for word in _WORD.findall(title or "")]
    if any(word == "prof" or word.endswith(("professor", "professorin")) for word in words):
        return Degree.PROFESSOR
    return Degree.DOCTOR if _DOCTOR.intersection(words) else Degree.NONE


def clean_name(name: str | None) -> str:
    """Take line ends, control and direction marks out of a name; "" when no letter is left in it."""
    composed = unicodedata.normalize("NFC", name or "")
    shown = " ".join("".join(map(_printed, composed)).split())[:LONGEST_NAME].rstrip()
    return shown if any(map(str.isalpha, shown)) else ""


def _printed(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category.startswith("C") else character


def _spaced(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)
