"""The 16 Länder: codes as in ISO 3166-2:DE, and their names."""

from __future__ import annotations

from typing import Any

from comms.services.intake.names import word
from comms.services.intake.values import Unusable, line

LANDS = {
    "BB": "Brandenburg",
    "BE": "Berlin",
    "BW": "Baden-Württemberg",
    "BY": "Bayern",
    "HB": "Bremen",
    "HE": "Hessen",
    "HH": "Hamburg",
    "MV": "Mecklenburg-Vorpommern",
    "NI": "Niedersachsen",
    "NW": "Nordrhein-Westfalen",
    "RP": "Rheinland-Pfalz",
    "SH": "Schleswig-Holstein",
    "SL": "Saarland",
    "SN": "Sachsen",
    "ST": "Sachsen-Anhalt",
    "TH": "Thüringen",
}
_BY_NAME = {word(name): code for code, name in LANDS.items()} | {
    "nrw": "NW", "bavaria": "BY", "lower_saxony": "NI", "saxony": "SN", "saxony_anhalt": "ST", "hesse": "HE",
    "thuringia": "TH", "rhineland_palatinate": "RP", "north_rhine_westphalia": "NW",
}  # fmt: skip
_THE_COUNTRY = frozenset({"de", "deutschland", "germany", "bundesrepublik_deutschland"})
"""In many a file the column `Land` holds the country."""


def land(value: Any) -> str | None:
    """Read a Land as its code, with or without `DE-`, or by its name; None when only the country is named.

    Never guessed from the postal code: several cross the borders between Länder.
    """
    text = word(line(value, 50))
    code = text.removeprefix("de_").upper()
    if code in LANDS:
        return code
    if text in _THE_COUNTRY:
        return None
    if text not in _BY_NAME:
        raise Unusable("unknown_land")
    return _BY_NAME[text]
