"""What kind of rows a file holds: told by its name, else by the fields of its rows."""

from __future__ import annotations

from collections.abc import Iterable

from comms.services.intake.names import column_of, columns, word
from comms.services.intake.records import Kind

_IN_NAMES = {
    Kind.THERAPISTS: ("therapist", "therapeut"),
    Kind.PATIENTS: ("patient",),
    Kind.PLACEMENT_REQUESTS: ("request", "anfrage"),
}
_LISTS = {
    "therapists": Kind.THERAPISTS,
    "therapeuten": Kind.THERAPISTS,
    "patients": Kind.PATIENTS,
    "patienten": Kind.PATIENTS,
    "placement_requests": Kind.PLACEMENT_REQUESTS,
    "platzanfragen": Kind.PLACEMENT_REQUESTS,
    "anfragen": Kind.PLACEMENT_REQUESTS,
}
_TELLING = {
    Kind.PATIENTS: columns(Kind.PATIENTS) - {"id", "gender"},
    Kind.THERAPISTS: columns(Kind.THERAPISTS) - {"id", "status"},
}
"""Columns that say what a row is about; patients first: the platform's patients have names and addresses too."""


def kind_of_file(stem: str) -> Kind | None:
    """Tell the kind from a file's name; None if it names no kind, or two."""
    named = [kind for kind, words in _IN_NAMES.items() if any(part in word(stem) for part in words)]
    return named[0] if len(named) == 1 else None


def kind_of_list(name: str) -> Kind | None:
    """Tell the kind from the name of a list inside a file: `therapists`, `Patienten`, `placementRequests` …"""
    return _LISTS.get(word(name[:100]))


def kind_of_fields(names: Iterable[str]) -> Kind | None:
    """Tell the kind from the names of a row's fields."""
    given = list(names)
    pair = {column_of(Kind.PLACEMENT_REQUESTS, name) for name in given} & {"patient_id", "therapist_id"}
    if len(pair) == 2:
        return Kind.PLACEMENT_REQUESTS
    for kind, telling in _TELLING.items():
        if any(column_of(kind, name) in telling for name in given):
            return kind
    return Kind.PLACEMENT_REQUESTS if pair else None
