"""Reading single values: each function takes what a file held and returns what a column keeps, or raises Unusable."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from comms.services.intake.json_rows import NotAValue
from comms.services.intake.names import YES_NO, word

LARGEST_ID = 2**53
"""Beyond it JSON readers of other languages round."""

_BERLIN = ZoneInfo("Europe/Berlin")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))
"""Soft hyphens, zero-width spaces and direction marks come with copied text and mean nothing."""
_JOINERS = "\u200c\u200d"
"""Cf characters that belong to words and emoji."""
_GERMAN_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Unusable(Exception):
    """The value cannot be kept; `reason` is a code of `reasons`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_blank(value: Any) -> bool:
    """Say whether it stands for a fact that is not known."""
    return value is None or (isinstance(value, str) and not value.translate(_INVISIBLE).strip())


def id_(value: Any) -> int:
    """A platform id, as a number or as its digits."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()):
        value = int(value)
    if type(value) is not int or not 1 <= value <= LARGEST_ID:
        raise Unusable("not_an_id")
    return value


def line(value: Any, longest: int) -> str:
    """One line of text, spaces collapsed, composed (NFC); never cut."""
    return _checked(re.sub(r"[ \u00a0\u2000-\u200a\u202f\u3000]+", " ", _text(value)).strip(), longest)


def lines(value: Any, longest: int) -> str:
    """Text that may have several lines; ends of lines become LF."""
    text = re.sub(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", _text(value)).strip()
    _checked(text.translate({10: " ", 9: " "}), longest)
    return text


def _text(value: Any) -> str:
    if isinstance(value, NotAValue):
        raise Unusable("not_a_value")
    if type(value) is int:
        value = str(value)  # a spreadsheet's or JSON's number where text is meant, such as a postal code
    if not isinstance(value, str):
        raise Unusable("not_text")
    return unicodedata.normalize("NFC", value.translate(_INVISIBLE))


def _checked(text: str, longest: int) -> str:
    if len(text) > longest:
        raise Unusable("too_long")
    if "\0" in text:
        raise Unusable("nul")
    for character in text:
        if reason := _forbidden(character):
            raise Unusable(reason)
    return text


def _forbidden(character: str) -> str | None:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return "control_characters"
    if category == "Cs":
        return "broken_text"
    return "hidden_characters" if category == "Cf" and character not in _JOINERS else None


def yes_no(value: Any) -> bool:
    """Strictly: "maybe" is neither."""
    if isinstance(value, bool):
        return value
    found = YES_NO.get(word(value[:20])) if isinstance(value, str) else {0: False, 1: True}.get(_int(value))
    if found is None:
        raise Unusable("not_yes_or_no")
    return found


def _int(value: Any) -> int:
    return value if type(value) is int else -1


def whole_number(value: Any) -> int:
    """A small whole number."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,9}", value.strip()):
        value = int(value)
    if type(value) is not int or abs(value) > 2**31 - 1:
        raise Unusable("not_a_number")
    return value


def postal_code(value: Any) -> str:
    """Five digits; the leading zero that a spreadsheet or JSON number lost is put back."""
    text = line(value, 10).upper().removeprefix("D-")
    if not re.fullmatch(r"[0-9]{4,5}", text):
        raise Unusable("not_a_postal_code")
    return text.zfill(5)


def day(value: Any) -> date:
    """A date, ISO or TT.MM.JJJJ, from 1900 to 2100; of an instant its day in Berlin."""
    if not isinstance(value, str):
        raise Unusable("not_a_date")
    text = value.strip()
    found = _day_of(text) or _instant_of(text)
    if found is None:
        raise Unusable("not_a_date")
    if not 1900 <= found.year <= 2100:
        raise Unusable("implausible_date")
    return found.astimezone(_BERLIN).date() if isinstance(found, datetime) else found


def instant(value: Any) -> datetime:
    """A point in time; without an offset it is UTC, as the platform writes it; a date is its midnight in Berlin."""
    if not isinstance(value, str):
        raise Unusable("not_a_date")
    text = value.strip()
    start = _day_of(text)
    found = datetime(start.year, start.month, start.day, tzinfo=_BERLIN) if start else _instant_of(text)
    if found is None:
        raise Unusable("not_a_date")
    if not 1900 <= found.year <= 2100:
        raise Unusable("implausible_date")
    return found.astimezone(UTC)


def _day_of(text: str) -> date | None:
    try:
        if german := _GERMAN_DATE.fullmatch(text):
            return date(*(int(part) for part in reversed(german.groups())))
        return date.fromisoformat(text) if _ISO_DATE.fullmatch(text) else None
    except ValueError:
        return None


def _instant_of(text: str) -> datetime | None:
    if not _ISO_DATE.match(text) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def one_word(value: Any, table: Mapping[str, str], reason: str) -> str:
    """Look a word up in a table of names; Unusable with `reason` if it is not there."""
    found = table.get(word(value)) if isinstance(value, str) and len(value) <= 50 else None
    if found is None:
        raise Unusable(reason)
    return found
