"""Names of weekdays and notations of times, German and English; minutes since midnight."""

from __future__ import annotations

import re
import unicodedata

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60
LONGEST = 200
"""Characters in one notation of windows; what is longer is no notation."""

_NAMES = {
    "monday": "mon montag montags mo",
    "tuesday": "tues tue tu dienstag dienstags die di",
    "wednesday": "weds wed we mittwoch mittwochs mit mi",
    "thursday": "thurs thur thu th donnerstag donnerstags don do",
    "friday": "fri freitag freitags fre fr",
    "saturday": "sat samstag samstags sonnabend sonnabends sam sa",
    "sunday": "sun su sonntag sonntags son so",
}
_WEEKDAY_OF = {name: day for day, names in _NAMES.items() for name in (day, *names.split())}

_DASH = r"(?:[-‐‑‒–—−]|\bbis\b|\bto\b)"
_TIME = r"(?P<{0}h>[0-9]{{1,2}})(?:[:.](?P<{0}m>[0-9]{{2}})(?::00)?)?(?:\s?(?:uhr|h)\b)?"
_RANGE = re.compile(rf"(?:(?:von|from)\s)?\s*{_TIME.format('a')}\s*{_DASH}\s*{_TIME.format('b')}")
_ONE = re.compile(_TIME.format("a"))
_BETWEEN = re.compile(r"\s*(?:[,;/&+|\n]|\bund\b|\band\b)\s*")
_DAYS = re.compile(rf"(?P<first>[a-z]+)\.?(?:\s*{_DASH}\s*(?P<last>[a-z]+)\.?)?\s*:?")


def plain(text: str) -> str:
    """Make what only looks different equal: case, full-width forms, blanks."""
    return unicodedata.normalize("NFKC", text).strip("\ufeff \t\r\n").lower()


def split(text: str) -> list[str]:
    """Cut at commas, semicolons, slashes, line ends and "und"; empty parts are left out."""
    return [part for part in (piece.strip() for piece in _BETWEEN.split(text)) if part]


def read_days(text: str) -> list[str] | None:
    """Read "Mo", "montags", "Mon." or "Mo-Fr" (it may run over the week's end); None for anything else."""
    found = _DAYS.fullmatch(plain(text)) if len(text) <= LONGEST else None
    first = found and _WEEKDAY_OF.get(found["first"])
    last = found and _WEEKDAY_OF.get(found["last"] or found["first"])
    if not first or not last:
        return None
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
    return [WEEKDAYS[(start + step) % 7] for step in range((end - start) % 7 + 1)]


def leading_days(text: str) -> tuple[list[str] | None, str]:
    """Split "mo-fr 9-12" into its days and the rest; no days at the front give None and the whole text."""
    found = _DAYS.match(text)
    days = read_days(found[0]) if found else None
    return (days, text[found.end() :].strip()) if found and days else (None, text)


def read_time(text: str) -> int | None:
    """Read "9", "09:00", "9.30 Uhr" or "24:00" as minutes since midnight."""
    found = _ONE.fullmatch(plain(text)) if len(text) <= LONGEST else None
    return _minutes(found["ah"], found["am"]) if found else None


def read_range(text: str) -> tuple[int | None, int | None] | None:
    """Read "9-12", "09:00 – 12:00 Uhr", "von 9 bis 12"; None if it has not that shape, None inside for no such time."""
    found = _RANGE.fullmatch(plain(text)) if len(text) <= LONGEST else None
    return (_minutes(found["ah"], found["am"]), _minutes(found["bh"], found["bm"])) if found else None


def _minutes(hours: str, minutes: str | None) -> int | None:
    if int(minutes or 0) > 59:
        return None
    total = int(hours) * 60 + int(minutes or 0)
    return total if total <= DAY_MINUTES else None


def write_time(minutes: int) -> str:
    """Write minutes since midnight as HH:MM; the end of the day is 24:00."""
    return f"{minutes // 60:02}:{minutes % 60:02}"
