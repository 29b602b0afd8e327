"""What each column accepts, how long it may be, and what its absence means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comms.rules.availability import read_availability
from comms.services.intake import health, lands, names, reachability, values
from comms.services.intake.json_rows import Doubled
from comms.services.intake.records import Kind
from comms.services.intake.values import Unusable

Columns = dict[str, Any]
MAX_FAULTS = 50


@dataclass(frozen=True)
class Field:
    """`read` gives the columns of a value; `empty` is what null (and an unusable value) means.

    `binding`: a bad value refuses the row, because the row is nothing without it, or because it holds back a contact
    that must not happen. `kept_by_null`: null says nothing here and changes nothing.
    """

    read: Callable[[Any], Columns]
    empty: Columns = field(default_factory=dict)
    binding: bool = False
    kept_by_null: bool = False


def _one(column: str, read: Callable[[Any], Any], empty: Any = None, **how: bool) -> Field:
    return Field(lambda value: {column: read(value)}, {column: empty}, **how)


def _text(column: str, longest: int, read: Callable[[Any, int], str] = values.line, **how: bool) -> Field:
    return _one(column, lambda value: read(value, longest), **how)


def _word(column: str, table: Mapping[str, str], reason: str, empty: Any = None, **how: bool) -> Field:
    return _one(column, lambda value: values.one_word(value, table, reason), empty, **how)


def _hours(column: str) -> Field:
    def read(value: Any) -> Columns:
        found = read_availability(_with_doubles(value))
        windows = {day: [list(window) for window in found.windows[day]] for day in found.windows}
        return {column: windows or None, f"{column}_faults": found.faults[:MAX_FAULTS] or None}

    return Field(read, {column: None, f"{column}_faults": None})


def _with_doubles(value: Any) -> Any:
    """Hand a JSON object with a weekday twice on as text: a mapping would lose one of the two."""
    if not isinstance(value, Doubled):
        return value
    try:
        pairs = (f"{json.dumps(name)}: {json.dumps(hours)}" for name, hours in value.pairs)
        return "{" + ", ".join(pairs) + "}"
    except TypeError:
        raise Unusable("not_a_value") from None


def _contact_refusal(value: Any) -> str | None:
    """The reason not to contact somebody; a bare yes is one too, a bare no is none."""
    if not isinstance(value, str) or names.word(value[:20]) in names.YES_NO:
        return "ohne Angabe von Gründen" if values.yes_no(value) else None
    return values.lines(value, 2000)


_SHARED_ID = Field(lambda value: {"id": values.id_(value)}, binding=True)

FIELDS: dict[Kind, dict[str, Field]] = {
    Kind.THERAPISTS: {
        "id": _SHARED_ID,
        "salutation": _word("salutation", names.SALUTATION, "unknown_salutation"),
        "title": _text("title", 100),
        "first_name": _text("first_name", 100),
        "last_name": _text("last_name", 100),
        "practice_name": _text("practice_name", 200),
        "email": Field(reachability.email_address, {"email": None, "mailbox": None}),
        "phone": Field(reachability.phone_number, {"phone": None, "phone_extension": None}),
        "street": _text("street", 200),
        "postal_code": _one("postal_code", values.postal_code),
        "city": _text("city", 100),
        "land": _one("land", lands.land),
        "language": _word("language", names.LANGUAGE, "unknown_language", "de"),
        "status": _word("status", names.THERAPIST_STATUS, "unknown_status", binding=True, kept_by_null=True),
        "phone_availability": _hours("phone_availability"),
        "potentially_available": _one("potentially_available", values.yes_no, False),
        "next_contact_possible": _one("next_contact_possible", values.day, binding=True),
        "do_not_contact": _one("do_not_contact", _contact_refusal, binding=True),
    },
    Kind.PATIENTS: {
        "id": _SHARED_ID,
        "birth_date": _one("birth_date", values.day),
        "gender": _text("gender", 20),
        "diagnosis": _one("diagnosis", health.diagnosis),
        "insurance": _text("insurance", 100),
        "insurance_kind": _word("insurance_kind", names.INSURANCE_KIND, "unknown_insurance_kind"),
        "registered_on": _one("registered_on", values.day),
        "availability": _hours("availability"),
        "open_to_group_therapy": _one("open_to_group_therapy", values.yes_no),
        "earlier_therapy": _one("earlier_therapy", values.yes_no),
        "last_session_on": _one("last_session_on", values.day),
    },
    Kind.PLACEMENT_REQUESTS: {
        "id": _SHARED_ID,
        "patient_id": _one("patient_id", values.id_, binding=True, kept_by_null=True),
        "therapist_id": _one("therapist_id", values.id_, binding=True, kept_by_null=True),
        "status": _word("status", names.REQUEST_STATUS, "unknown_status", binding=True, kept_by_null=True),
        "priority": _one("priority", values.whole_number),
        "notes": _text("notes", 10_000, values.lines),
        "requested_at": _one("requested_at", values.instant),
    },
}
