"""What a row makes of what is stored: the columns after it, or the reason why it does not go in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from comms.rules.states import TherapistStatus
from comms.services.intake.fields import Columns
from comms.services.intake.health import kind_of_insurance
from comms.services.intake.records import Kind
from comms.services.intake.rows import Row, RowRefused

_SIDES = ("patient", "therapist")
_UNWRITTEN = frozenset({"learned_at", "created_at", "updated_at", "version", "correlation_id"})


@dataclass(frozen=True)
class Change:
    """One row of the database before (None: there was none) and after; equal when the row said nothing new."""

    row: Row
    before: Columns | None
    after: Columns

    @property
    def fields(self) -> list[str]:
        """Names of the columns that differ."""
        before = self.before or {}
        return sorted(column for column in self.after.keys() - _UNWRITTEN if self.after[column] != before.get(column))


_NEW: dict[Kind, Columns] = {
    Kind.THERAPISTS: {
        "language": "de",
        "status": TherapistStatus.ACTIVE.value,
        "potentially_available": False,
        "email_refused_at": None,
    },
    Kind.PATIENTS: {"deleted_at": None},
    Kind.PLACEMENT_REQUESTS: {"status": "open", "status_reason": None, "closed_at": None},
}


def merge(row: Row, before: Columns | None, blank: Columns, now: datetime) -> Change:
    """Lay a row over what is stored: given columns change, absent ones stay. RowRefused when the result cannot stand.

    `blank` has every column of the kind.
    """
    fresh = blank | _NEW[row.kind] | {"id": row.id, "version": 1, "created_at": now}
    after = (before or fresh) | row.given
    _SPECIAL[row.kind](row, before, after)
    change = Change(row, before, after)
    if before is None or change.fields:
        after |= {"learned_at": now, "updated_at": now}
    return change


def _therapist(row: Row, before: Columns | None, after: Columns) -> None:
    if not has_name(after):
        spoiled = next((column for column in ("last_name", "practice_name") if column in row.faulty), None)
        raise RowRefused(spoiled or "last_name", row.faulty[spoiled] if spoiled else "name_missing")
    after["facts_missing"] = False
    if before and after["mailbox"] != before["mailbox"]:
        after["email_refused_at"] = None


def _patient(row: Row, before: Columns | None, after: Columns) -> None:
    if after["deleted_at"]:
        raise RowRefused(None, "patient_deleted")
    after["facts_missing"] = False
    if "insurance" in row.given and "insurance_kind" not in row.given:
        told = kind_of_insurance(after["insurance"] or "")
        same = before is not None and before["insurance"] == after["insurance"]
        after["insurance_kind"] = told or (after["insurance_kind"] if same else None)


def _request(row: Row, before: Columns | None, after: Columns) -> None:
    """Where it stands (status) is not merged: that moves by `requests`, together with emails and calls."""
    if before is None:
        if missing := next((side for side in _SIDES if after[f"{side}_id"] is None), None):
            raise RowRefused(f"{missing}_id", f"{missing}_missing")
        return
    if changed := changed_side(row.given, before):
        raise RowRefused(f"{changed}_id", f"{changed}_changed")
    after["status"] = before["status"]


_SPECIAL = {Kind.THERAPISTS: _therapist, Kind.PATIENTS: _patient, Kind.PLACEMENT_REQUESTS: _request}


def has_name(facts: Columns) -> bool:
    """Say whether there is somebody to write to: a person or a practice."""
    return bool(facts["last_name"] or facts["practice_name"])


def is_stub(request: Columns) -> bool:
    """Say whether a request is known by name only; its therapist is then the one it was named with."""
    return request["patient_id"] is None


def changed_side(given: Columns, before: Columns) -> str | None:
    """Name the side, patient or therapist, that a row wants to exchange in a request that has both."""
    if is_stub(before):
        return None
    return next((s for s in _SIDES if given.get(f"{s}_id", before[f"{s}_id"]) != before[f"{s}_id"]), None)


def why_not_contacted(facts: Columns) -> str | None:
    """The reason of the platform's facts not to contact a therapist at all, as `rules.contact` names them."""
    if facts["status"] != TherapistStatus.ACTIVE:
        return str(facts["status"])
    return "do_not_contact" if facts["do_not_contact"] else None
