"""The one table of names: the platform's German fields and our English ones, and the words for their values."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from comms.services.intake.records import Kind

_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[\s\-./]+")

_FIELDS: dict[Kind, dict[str, str]] = {
    Kind.THERAPISTS: {
        "id": "id therapist_id therapeut_id",
        "salutation": "salutation anrede",
        "title": "title titel",
        "first_name": "first_name vorname",
        "last_name": "last_name nachname",
        "practice_name": "practice_name practice praxis praxisname",
        "email": "email e_mail mail",
        "phone": "phone telefon telefonnummer",
        "street": "street strasse",
        "postal_code": "postal_code plz postleitzahl",
        "city": "city ort",
        "land": "land bundesland",
        "language": "language sprache",
        "status": "status",
        "phone_availability": "phone_availability telefonische_erreichbarkeit",
        "potentially_available": "potentially_available potenziell_verfuegbar",
        "next_contact_possible": "next_contact_possible naechster_kontakt_moeglich",
        "do_not_contact": "do_not_contact nicht_kontaktieren",
    },
    Kind.PATIENTS: {
        "id": "id patient_id",
        "birth_date": "birth_date geburtsdatum",
        "gender": "gender geschlecht",
        "diagnosis": "diagnosis diagnose",
        "insurance": "insurance krankenkasse",
        "insurance_kind": "insurance_kind versicherungsart",
        "registered_on": "registered_on startdatum",
        "availability": "availability zeitliche_verfuegbarkeit",
        "open_to_group_therapy": "open_to_group_therapy offen_fuer_gruppentherapie",
        "earlier_therapy": "earlier_therapy psychotherapieerfahrung",
        "last_session_on": "last_session_on letzter_kontakt",
    },
    Kind.PLACEMENT_REQUESTS: {
        "id": "id placement_request_id platzanfrage_id match_id",
        "patient_id": "patient_id",
        "therapist_id": "therapist_id therapeut_id",
        "status": "status",
        "priority": "priority prioritaet",
        "notes": "notes notizen",
        "requested_at": "requested_at created_at erstellt_am",
    },
}

NOT_KEPT = {Kind.THERAPISTS: frozenset({"geschlecht"})}
"""Fields of the platform that are known and of no use here."""

THERAPIST_STATUS = {
    "aktiv": "active", "active": "active",
    "gesperrt": "blocked", "blocked": "blocked",
    "inaktiv": "inactive", "inactive": "inactive",
}  # fmt: skip
REQUEST_STATUS = {
    "offen": "open", "open": "open",
    "in_bearbeitung": "in_progress", "in_progress": "in_progress",
    "abgelehnt": "rejected", "rejected": "rejected",
    "angenommen": "accepted", "accepted": "accepted",
    "zurueckgezogen": "withdrawn", "withdrawn": "withdrawn",
}  # fmt: skip
SALUTATION = {"frau": "frau", "fr": "frau", "herr": "herr", "hr": "herr", "divers": "divers"}
LANGUAGE = {"de": "de", "deutsch": "de", "german": "de", "en": "en", "englisch": "en", "english": "en"}
YES_NO = {
    "true": True, "ja": True, "yes": True, "1": True,
    "false": False, "nein": False, "no": False, "0": False,
}  # fmt: skip
INSURANCE_KIND = {
    "statutory": "statutory", "gesetzlich": "statutory", "gkv": "statutory",
    "private": "private", "privat": "private", "pkv": "private",
    "self": "self", "selbstzahler": "self", "selbstzahlerin": "self",
}  # fmt: skip


@lru_cache(maxsize=4096)
def word(text: str) -> str:
    """Fold a name or a word to the form of the tables, e.g. `offenFürGruppentherapie`, `In Bearbeitung`."""
    split = _CAMEL.sub("_", unicodedata.normalize("NFC", text).strip())
    return _BETWEEN.sub("_", split.casefold().translate(_LETTERS)).strip("_")


def column_of(kind: Kind, name: str) -> str | None:
    """Translate a field's name to our column; None for a field that has no place here."""
    return _columns(kind).get(word(name)) if len(name) <= 100 else None


def is_known(kind: Kind, name: str) -> bool:
    """Say whether the platform has such a field, kept here or not."""
    return column_of(kind, name) is not None or word(name[:100]) in NOT_KEPT.get(kind, ())


@cache
def _columns(kind: Kind) -> dict[str, str]:
    return {name: column for column, names in _FIELDS[kind].items() for name in names.split()}


def columns(kind: Kind) -> frozenset[str]:
    """Our columns of a kind."""
    return frozenset(_FIELDS[kind])
