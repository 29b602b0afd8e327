"""Towns with their Land, and telephone numbers that belong to nobody."""

from __future__ import annotations

from random import Random
from typing import NamedTuple


class Town(NamedTuple):
    name: str
    postal_codes: tuple[str, ...]
    land: str
    dialled: str | None = None
    """Area code and block reserved for films and books (Bundesnetzagentur); None: a mobile number instead."""


TOWNS = (
    Town("Berlin", ("10115", "10437", "10827", "12043", "13357"), "BE", "030 23125"),
    Town("Hamburg", ("20095", "20259", "22303"), "HH", "040 66969"),
    Town("München", ("80331", "80799", "81541"), "BY", "089 99998"),
    Town("Köln", ("50667", "50823"), "NW", "0221 4710"),
    Town("Frankfurt am Main", ("60311", "60594"), "HE", "069 90009"),
    Town("Stuttgart", ("70173", "70197"), "BW"),
    Town("Düsseldorf", ("40210", "40477"), "NW"),
    Town("Leipzig", ("04109", "04229"), "SN"),
    Town("Dresden", ("01067", "01307"), "SN"),
    Town("Hannover", ("30159", "30451"), "NI"),
    Town("Bremen", ("28195", "28203"), "HB"),
    Town("Nürnberg", ("90402",), "BY"),
    Town("Münster", ("48143",), "NW"),
    Town("Freiburg im Breisgau", ("79098",), "BW"),
    Town("Mainz", ("55116",), "RP"),
    Town("Saarbrücken", ("66111",), "SL"),
    Town("Kiel", ("24103",), "SH"),
    Town("Lübeck", ("23552",), "SH"),
    Town("Rostock", ("18055",), "MV"),
    Town("Potsdam", ("14467",), "BB"),
    Town("Magdeburg", ("39104",), "ST"),
    Town("Halle (Saale)", ("06108",), "ST"),
    Town("Erfurt", ("99084",), "TH"),
    Town("Jena", ("07743",), "TH"),
    Town("Göttingen", ("37073",), "NI"),
)
_WEIGHTS = tuple(len(town.postal_codes) * (3 if town.dialled else 1) for town in TOWNS)
_STREETS = (
    "Lindenstraße", "Hauptstraße", "Bahnhofstraße", "Goethestraße", "Schillerplatz", "Am Alten Markt", "Bergstraße",
    "Kastanienallee", "Rosenweg", "Mühlengasse", "Königsallee", "Straße der Jugend", "An der Weißen Elster",
    "Kirchplatz",
)  # fmt: skip


def address(dice: Random) -> tuple[Town, dict[str, str]]:
    """Throw a town with postal address and Land."""
    town = dice.choices(TOWNS, _WEIGHTS)[0]
    number = f"{dice.randint(1, 180)}{dice.choice(('', '', '', '', ' a', ' b', '–' + str(dice.randint(181, 190))))}"
    return town, {
        "strasse": f"{dice.choice(_STREETS)} {number}",
        "plz": dice.choice(town.postal_codes),
        "ort": town.name,
        "bundesland": town.land,
    }


def telephone(dice: Random, town: Town) -> str:
    """Throw a number, in one of the ways in which people write it."""
    if town.dialled is None:
        return f"0176 040690{dice.randint(0, 99):02d}"
    area, block = town.dialled.split(" ")
    number = f"{block}{dice.randint(0, 999):03d}"
    forms = (f"{area} {number}", f"{area}/{number}", f"({area}) {number}", f"+49 {area[1:]} {number}")
    extension = dice.choice(("", "", "", "", f"-{dice.randint(10, 99)}"))
    return dice.choice(forms) + extension
