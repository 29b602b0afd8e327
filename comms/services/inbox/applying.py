"""What each event does, in the caller's transaction: facts go the road of the import, ends that of withdrawals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.rules.states import OPEN_REQUEST, TherapistStatus
from comms.services.inbox.shapes import (
    PAYLOADS,
    MatchCreated,
    MatchStatusChanged,
    PatientDeleted,
    PatientFacts,
    TherapistFacts,
)
from comms.services.intake import Kind, Record, import_record
from comms.services.intake.records import ImportReport
from comms.services.intake.stubs import keep_patient_stub, keep_therapist_stub
from comms.services.reopening import reopen_requests
from comms.services.stopping import stop_contacting
from comms.services.withdrawals import withdraw_requests
from comms.store.models import Patient, PlacementRequest, Therapist
from comms.store.staff import audit

ACTOR = "platform"
PATIENT_DELETED = "patient_deleted"

_HARMLESS = frozenset({"name_missing", "patient_deleted", "patient_changed", "therapist_changed"})
"""Refusals that say nothing against the event: too little is known yet, or an older word stands."""


@dataclass(frozen=True)
class Facts:
    """One stored event, and what is known of newer ones about the same subject."""

    event_type: str
    payload: dict[str, Any]
    newer_status: bool
    """A newer event about its status was applied before: what this one says of the status is out of date."""


class Unusable(Exception):
    """What the event says cannot be taken over; `fault` is a code of `services.intake.reasons`."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def apply_event(session: Session, event: Facts, now: datetime) -> bool:
    """Do what the event says; False where nothing had to change. Raises Unusable."""
    payload = PAYLOADS[event.event_type].model_validate(event.payload)
    return _EFFECTS[event.event_type](session, payload, event, now)


def _match_created(session: Session, match: MatchCreated, event: Facts, now: datetime) -> bool:
    """A pending request; whoever it names and nobody knows is kept as a stub until the facts come."""
    known = {"id": match.match_id, "patient_id": match.patient_id, "therapist_id": match.therapist_id}
    given = {name: value for name, value in match.match_data.items() if name not in ("status", "id", "match_id")}
    return _bring_in(session, Kind.PLACEMENT_REQUESTS, given | known, now)


def _match_status(session: Session, match: MatchStatusChanged, event: Facts, now: datetime) -> bool:
    if match.new_status == "in_bearbeitung":
        return False  # that is what we ourselves say there
    if match.new_status == "offen":
        opened = reopen_requests(session, [match.match_id], now)
        if opened:
            audit(session, ACTOR, "request.reopen", "placement_request", match.match_id, now)
        return bool(opened)
    return _bring_in(session, Kind.PLACEMENT_REQUESTS, {"id": match.match_id, "status": match.new_status}, now)


def _therapist_facts(session: Session, therapist: TherapistFacts, event: Facts, now: datetime) -> bool:
    facts = dict(therapist.therapist_data)
    if event.newer_status:
        facts.pop("status", None)
    new = keep_therapist_stub(session, therapist.therapist_id, now)
    return _bring_in(session, Kind.THERAPISTS, facts | {"id": therapist.therapist_id}, now) or new


def _therapist_blocked(session: Session, therapist: TherapistFacts, event: Facts, now: datetime) -> bool:
    """Blocked at once, also where nothing else is known; waiting emails and calls are canceled."""
    id_ = therapist.therapist_id
    keep_therapist_stub(session, id_, now)
    stopped = stop_contacting(session, [id_], now, TherapistStatus.BLOCKED.value)
    changed = _stand(session, id_, TherapistStatus.BLOCKED, now)
    return _other_facts(session, therapist, now) or changed or bool(stopped.emails or stopped.calls)


def _therapist_unblocked(session: Session, therapist: TherapistFacts, event: Facts, now: datetime) -> bool:
    keep_therapist_stub(session, therapist.therapist_id, now)
    changed = _stand(session, therapist.therapist_id, TherapistStatus.ACTIVE, now)
    return _other_facts(session, therapist, now) or changed


def _stand(session: Session, therapist_id: int, status: TherapistStatus, now: datetime) -> bool:
    other = update(Therapist).where(Therapist.id == therapist_id, Therapist.status != status)
    changed = session.scalar(
        other.values(status=status, updated_at=now, version=Therapist.version + 1)
        .returning(Therapist.id)
        .execution_options(synchronize_session=False)
    )
    if changed is None:
        return False
    audit(session, ACTOR, f"therapist.{status.value}", "therapist", therapist_id, now)
    return True


def _other_facts(session: Session, therapist: TherapistFacts, now: datetime) -> bool:
    facts = {name: value for name, value in therapist.therapist_data.items() if name != "status"}
    return bool(facts) and _bring_in(session, Kind.THERAPISTS, facts | {"id": therapist.therapist_id}, now)


def _patient_facts(session: Session, patient: PatientFacts, event: Facts, now: datetime) -> bool:
    if not patient.patient_data:
        return keep_patient_stub(session, patient.patient_id, now)
    return _bring_in(session, Kind.PATIENTS, patient.patient_data | {"id": patient.patient_id}, now)


def _patient_deleted(session: Session, patient: PatientDeleted, event: Facts, now: datetime) -> bool:
    """Withdraw the patient's requests everywhere and clear the facts; the ids stay."""
    id_ = patient.patient_id
    keep_patient_stub(session, id_, now)
    session.execute(select(Patient.id).where(Patient.id == id_).with_for_update(key_share=True)).all()
    theirs = select(PlacementRequest.id).where(
        PlacementRequest.patient_id == id_, PlacementRequest.status.in_(OPEN_REQUEST)
    )
    withdraw_requests(session, session.scalars(theirs).all(), now, PATIENT_DELETED)
    standing = update(Patient).where(Patient.id == id_, Patient.deleted_at.is_(None))
    cleared: dict[str, Any] = dict.fromkeys(_FACTS)
    deleted = session.scalar(
        standing.values(**cleared, deleted_at=now, updated_at=now, version=Patient.version + 1)
        .returning(Patient.id)
        .execution_options(synchronize_session=False)
    )
    if deleted is not None:
        audit(session, ACTOR, "patient.delete", "patient", id_, now)
    return deleted is not None


_FACTS = (
    "birth_date", "gender", "diagnosis", "insurance", "insurance_kind", "registered_on", "availability",
    "availability_faults", "open_to_group_therapy", "earlier_therapy", "last_session_on",
)  # fmt: skip

_EFFECTS: Mapping[str, Callable[[Session, Any, Facts, datetime], bool]] = {
    "match.created": _match_created,
    "match.status_changed": _match_status,
    "therapist.created": _therapist_facts,
    "therapist.updated": _therapist_facts,
    "therapist.blocked": _therapist_blocked,
    "therapist.unblocked": _therapist_unblocked,
    "patient.created": _patient_facts,
    "patient.updated": _patient_facts,
    "patient.deleted": _patient_deleted,
}


def _bring_in(session: Session, kind: Kind, fields: Mapping[str, Any], now: datetime) -> bool:
    report = import_record(session, Record(kind, "event", dict(fields)), now, actor=ACTOR)
    _require_taken(report)
    counts = report.counts_of(kind)
    return bool(counts.created or counts.updated or report.effects.total())


def _require_taken(report: ImportReport) -> None:
    refused = [note.reason for note in report.refusals if note.reason not in _HARMLESS]
    if refused:
        raise Unusable(refused[0])
