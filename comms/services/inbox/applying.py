"""What events do, in the caller's transaction: facts go the road of the import, ends that of withdrawals.

All functions take events of one type about different subjects, and return the ids of the subjects that changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.causes import cause_of, events_about
from comms.rules.states import OPEN_REQUEST, TherapistStatus
from comms.services.inbox.told import Told
from comms.services.intake import Kind, Record, import_together
from comms.services.intake.stubs import keep_stubs
from comms.services.stopping import stop_contacting
from comms.services.withdrawals import reopen_requests, withdraw_requests
from comms.store.models import Patient, PlacementRequest, Therapist
from comms.store.staff import audit_each

ACTOR = "platform"
PATIENT_DELETED = "patient_deleted"

_HARMLESS = frozenset({"name_missing", "patient_deleted", "patient_changed", "therapist_changed"})
"""Refusals that say nothing against the event: too little is known yet, or an older word stands."""

Group = Sequence[Told]


class Unusable(Exception):
    """What these events say cannot be taken over; `faults` has codes of `services.intake.reasons` by subject."""

    def __init__(self, faults: Mapping[int, str]) -> None:
        super().__init__(", ".join(sorted(set(faults.values()))))
        self.faults = faults


def apply_events(session: Session, events: Group, now: datetime) -> Collection[int]:
    """Do what they say. Raises Unusable, and then nothing of it may be committed."""
    return _EFFECTS[events[0].event_type](session, events, now)


def _matches_created(session: Session, events: Group, now: datetime) -> Collection[int]:
    """Pending requests; whoever they name and nobody knows is kept as a stub until the facts come."""
    news = [event for event in events if not event.out_of_date]
    return _bring_in(session, Kind.PLACEMENT_REQUESTS, {event.id: _request(event.payload) for event in news}, now)


def _request(payload: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in payload["match_data"].items() if name not in ("status", "id", "match_id")}
    return given | {"patient_id": payload["patient_id"], "therapist_id": payload["therapist_id"]}


def _match_statuses(session: Session, events: Group, now: datetime) -> Collection[int]:
    """`in_bearbeitung` changes nothing: that is what we ourselves say there."""
    told = defaultdict(list)
    for event in events:
        if not event.out_of_date:
            told[event.payload["new_status"]].append(event.id)
    opened = reopen_requests(session, told["offen"], now) if told["offen"] else []
    audit_each(session, ACTOR, "request.reopen", "placement_request", opened, now)
    closing = {id_: {"status": status} for status in ("abgelehnt", "angenommen") for id_ in told[status]}
    return {*opened, *_bring_in(session, Kind.PLACEMENT_REQUESTS, closing, now)}


def _therapist_facts(session: Session, events: Group, now: datetime) -> Collection[int]:
    new = keep_stubs(session, Kind.THERAPISTS, _ids(events), now)
    return {*new, *_bring_in(session, Kind.THERAPISTS, {event.id: event.facts for event in events}, now)}


def _therapists_blocked(session: Session, events: Group, now: datetime) -> Collection[int]:
    """Blocked at once, also where nothing else is known; waiting emails and calls are canceled."""
    keep_stubs(session, Kind.THERAPISTS, _ids(events), now)
    blocked = [event.id for event in events if event.stands]
    stop_contacting(session, blocked, now, TherapistStatus.BLOCKED.value)
    changed = _stand(session, blocked, TherapistStatus.BLOCKED, now)
    return {*changed, *_other_facts(session, events, now)}


def _therapists_unblocked(session: Session, events: Group, now: datetime) -> Collection[int]:
    keep_stubs(session, Kind.THERAPISTS, _ids(events), now)
    changed = _stand(session, [event.id for event in events if event.stands], TherapistStatus.ACTIVE, now)
    return {*changed, *_other_facts(session, events, now)}


def _stand(session: Session, ids: Collection[int], status: TherapistStatus, now: datetime) -> Sequence[int]:
    other = update(Therapist).where(Therapist.id.in_(sorted(ids)), Therapist.status != status)
    changed = session.scalars(
        other.values(status=status, updated_at=now, version=Therapist.version + 1)
        .returning(Therapist.id)
        .execution_options(synchronize_session=False)
    ).all()
    audit_each(session, ACTOR, f"therapist.{status.value}", "therapist", changed, now)
    return changed


def _other_facts(session: Session, events: Group, now: datetime) -> Collection[int]:
    """What stands beside the status; one that was decided by a later event comes with the facts."""
    facts = {event.id: event.facts for event in events}
    for event in events:
        if event.stands:
            del facts[event.id]["status"]
    return _bring_in(session, Kind.THERAPISTS, {id_: given for id_, given in facts.items() if given}, now)


def _patient_facts(session: Session, events: Group, now: datetime) -> Collection[int]:
    new = keep_stubs(session, Kind.PATIENTS, _ids(events), now)
    facts = {event.id: event.facts for event in events if event.facts}
    return {*new, *_bring_in(session, Kind.PATIENTS, facts, now)}


def _patients_deleted(session: Session, events: Group, now: datetime) -> Collection[int]:
    """Withdraw the patients' requests everywhere and clear the facts; the ids stay."""
    ids = _ids(events)
    keep_stubs(session, Kind.PATIENTS, ids, now)
    session.execute(
        select(Patient.id).where(Patient.id.in_(ids)).order_by(Patient.id).with_for_update(key_share=True)
    ).all()
    _withdraw_all(session, ids, now)
    standing = update(Patient).where(Patient.id.in_(ids), Patient.deleted_at.is_(None))
    cleared: dict[str, Any] = dict.fromkeys(_FACTS)
    deleted = session.scalars(
        standing.values(**cleared, deleted_at=now, updated_at=now, version=Patient.version + 1)
        .returning(Patient.id)
        .execution_options(synchronize_session=False)
    ).all()
    audit_each(session, ACTOR, "patient.delete", "patient", deleted, now)
    return deleted


def _withdraw_all(session: Session, patient_ids: Collection[int], now: datetime) -> None:
    theirs = select(PlacementRequest.id, PlacementRequest.patient_id).where(
        PlacementRequest.patient_id.in_(patient_ids), PlacementRequest.status.in_(OPEN_REQUEST)
    )
    patients = {row.id: row.patient_id for row in session.execute(theirs)}
    causes = {f"request:{id_}": cause_of(f"patient:{patient_id}") for id_, patient_id in patients.items()}
    with events_about({request: cause for request, cause in causes.items() if cause}):
        withdraw_requests(session, list(patients), now, PATIENT_DELETED)


_FACTS = (
    "birth_date", "gender", "diagnosis", "insurance", "insurance_kind", "registered_on", "availability",
    "availability_faults", "open_to_group_therapy", "earlier_therapy", "last_session_on",
)  # fmt: skip

_EFFECTS: Mapping[str, Callable[[Session, Group, datetime], Collection[int]]] = {
    "match.created": _matches_created,
    "match.status_changed": _match_statuses,
    "therapist.created": _therapist_facts,
    "therapist.updated": _therapist_facts,
    "therapist.blocked": _therapists_blocked,
    "therapist.unblocked": _therapists_unblocked,
    "patient.created": _patient_facts,
    "patient.updated": _patient_facts,
    "patient.deleted": _patients_deleted,
}


def _ids(events: Iterable[Told]) -> list[int]:
    return sorted(event.id for event in events)


def _bring_in(session: Session, kind: Kind, facts: Mapping[int, Mapping[str, Any]], now: datetime) -> Collection[int]:
    """Bring facts in by id; a fault of one is told by its id, and then nothing of all this is committed."""
    records = [Record(kind, str(id_), {**given, "id": id_}) for id_, given in facts.items()]
    taken = import_together(session, records, now, actor=ACTOR)
    faults = {int(note.place): note.reason for note in taken.report.refusals if note.reason not in _HARMLESS}
    if faults:
        raise Unusable(faults)
    return taken.changed
