"""Facts about patients that need a word of their own: diagnosis and insurance."""

from __future__ import annotations

import re
from typing import Any

from comms.services.intake.values import Unusable, line

_CODE = r"[A-Z]\d{2}(?:\.(?:\d{1,2}|-))?[!*+†]?\s?[GVAZ]?[RLB]?"
_CODES = re.compile(rf"{_CODE}(?:\s*[,;/]\s*{_CODE})*")

_SELF = re.compile(r"selbst\s?zahl", re.I)
_PRIVATE = re.compile(r"\bprivat|\bPKV\b|\bbeihilfe", re.I)
_STATUTORY = re.compile(
    r"\b(?:AOK|BKK|IKK|GKV|TK|Techniker|Barmer|DAK|KKH|HEK|hkk|Knappschaft|SVLFG|gesetzlich\w*)\b|Betriebskrankenkasse",
    re.I,
)


def diagnosis(value: Any) -> str:
    """One ICD-10-GM code or several, with the letter of certainty if there is one; words are not kept."""
    text = line(value, 50).upper()
    if not _CODES.fullmatch(text):
        raise Unusable("not_an_icd_code")
    return text


def kind_of_insurance(insurance: str) -> str | None:
    """Tell statutory, private or self from an insurer's name; None where the name does not say so clearly."""
    if _SELF.search(insurance):
        return "self"
    private, statutory = _PRIVATE.search(insurance), _STATUTORY.search(insurance)
    if bool(private) == bool(statutory):
        return None
    return "private" if private else "statutory"
