"""One row that a client of the API puts: as an import brings it in, but whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import BadFields, Conflict, FieldFault, MoveNotAllowed
from comms.rules.states import OPEN_REQUEST, RequestStatus
from comms.services.intake.importing import import_record
from comms.services.intake.moves import BY_PLATFORM
from comms.services.intake.reasons import explain
from comms.services.intake.records import ImportReport, Kind, Note, Record
from comms.store.models import PlacementRequest

_STATE_OF_THINGS = frozenset({"patient_changed", "therapist_changed", "patient_deleted"})
"""Reasons for which the row is well formed and what is stored forbids it."""

_OF_A_STATUS = frozenset({"taken_as_open", "already_closed"})
"""Warnings that are no fault of a field: what becomes of a status is looked at by itself."""


_IDS = {Kind.THERAPISTS: "therapist_id", Kind.PATIENTS: "patient_id", Kind.PLACEMENT_REQUESTS: "request_id"}
"""As the paths name them."""


@dataclass(frozen=True)
class Put:
    """`created` says that the row is new, `changed` that it says something else than before."""

    created: bool
    changed: bool


def put_facts(session: Session, kind: Kind, id_: int, given: Mapping[str, Any], now: datetime, actor: str) -> Put:
    """Create or change one therapist, patient or placement request; what is not `given` stays, None clears.

    Raises BadFields for every value that an import would have left out, and Conflict where the state of things forbids
    the change: the caller's transaction must end with it, because parts may have been written.
    """
    report = import_record(session, Record(kind, "body", {"id": id_, **given}), now, actor=actor)
    _require_whole(kind, report)
    if kind is Kind.PLACEMENT_REQUESTS and (status := given.get("status")):
        _require_status(session, id_, RequestStatus(status))
    counts = report.counts_of(kind)
    return Put(created=counts.created > 0, changed=counts.unchanged == 0)


def _require_whole(kind: Kind, report: ImportReport) -> None:
    notes = [*report.refusals, *(note for note in report.warnings if note.reason not in _OF_A_STATUS)]
    if standing := next((note for note in notes if note.reason in _STATE_OF_THINGS), None):
        raise Conflict(explain(standing.reason))
    if notes:
        raise BadFields([FieldFault(_place(kind, note), note.reason, explain(note.reason)) for note in notes])


def _place(kind: Kind, note: Note) -> str:
    if note.field == "id":
        return f"path.{_IDS[kind]}"
    return f"body.{note.field}" if note.field else "body"


def _require_status(session: Session, id_: int, told: RequestStatus) -> None:
    """Which open one it is follows from its emails and calls; any other status must have been taken over."""
    query = select(PlacementRequest.status, PlacementRequest.status_reason).where(PlacementRequest.id == id_)
    status, reason = session.execute(query).one()
    if told == status or {told, status} <= OPEN_REQUEST:
        return
    allowed = {RequestStatus.OPEN, *BY_PLATFORM} - {status} if reason in BY_PLATFORM.values() else ()
    raise MoveNotAllowed(f"placement request {id_}", status, f"become {told}", sorted(allowed))
