"""Facts about therapists and patients: whose are needed, asked for in portions, brought in as snapshots with their age.

Every portion is asked for outside a transaction and brought in before the next one: whatever ends a run keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, false, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from comms.ports import PlatformDirectory, PlatformService
from comms.rules.states import OPEN_REQUEST
from comms.services.intake import Kind, Record, import_records
from comms.store.engines import MAX_KEYS
from comms.store.models import Patient, PlacementRequest, Therapist
from comms.store.session import Sessions, reading, writing

ACTOR = "platform"
PORTION = 200

Counts = dict[str, Any]
"""Numbers by name, and `faults`: numbers by service and code."""

_KINDS = {PlatformService.THERAPIST: Kind.THERAPISTS, PlatformService.PATIENT: Kind.PATIENTS}
_MODELS: dict[PlatformService, type[Therapist] | type[Patient]] = {
    PlatformService.THERAPIST: Therapist,
    PlatformService.PATIENT: Patient,
}
_NAMED_AS: dict[PlatformService, InstrumentedAttribute[Any]] = {
    PlatformService.THERAPIST: PlacementRequest.therapist_id,
    PlatformService.PATIENT: PlacementRequest.patient_id,
}


def fetch_missing_facts(
    sessions: Sessions,
    directory: PlatformDirectory,
    therapist_ids: Collection[int],
    patient_ids: Collection[int],
    now: datetime,
) -> Counts:
    """Ask about those of these ids of whom nothing is known here, and bring in what the platform says.

    Whoever is not learned now stays as it was. Opens its own transactions, none during a call.
    """
    counts = no_counts()
    for service, ids in ((PlatformService.THERAPIST, therapist_ids), (PlatformService.PATIENT, patient_ids)):
        if service in directory.services:
            with reading(sessions) as session:
                missing = [id_ for portion in portions(sorted(set(ids))) for id_ in _missing(session, service, portion)]
            _learn(sessions, directory, service, missing, now, counts)
    return counts


def fetch_facts_of_requests(
    sessions: Sessions, directory: PlatformDirectory, request_ids: Collection[int], now: datetime
) -> Counts:
    """Do the same for the therapists and patients of these requests."""
    therapists: set[int] = set()
    patients: set[int | None] = set()
    with reading(sessions) as session:
        for portion in portions(sorted(set(request_ids)), MAX_KEYS):
            sides = select(PlacementRequest.therapist_id, PlacementRequest.patient_id)
            for therapist_id, patient_id in session.execute(sides.where(PlacementRequest.id.in_(portion))):
                therapists.add(therapist_id)
                patients.add(patient_id)
    return fetch_missing_facts(sessions, directory, therapists, {id_ for id_ in patients if id_ is not None}, now)


def refresh_facts(sessions: Sessions, directory: PlatformDirectory, now: datetime, max_age: timedelta) -> Counts:
    """Ask about everybody in an open request of whom nothing is known (they first), or nothing new for `max_age`."""
    counts = no_counts()
    for service in _KINDS:
        if service in directory.services:
            with reading(sessions) as session:
                outdated = _outdated(session, service, now - max_age)
            _learn(sessions, directory, service, outdated, now, counts)
    return counts


def no_counts() -> Counts:
    return {"therapists_learned": 0, "patients_learned": 0, "faults": {}}


def portions(ids: Sequence[int], size: int = PORTION) -> Iterator[Sequence[int]]:
    """Cut into parts of at most `size`."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _missing(session: Session, service: PlatformService, ids: Collection[int]) -> list[int]:
    model = _MODELS[service]
    settled = set(session.scalars(select(model.id).where(model.id.in_(ids), or_(~model.facts_missing, _gone(service)))))
    return [id_ for id_ in ids if id_ not in settled]


def _outdated(session: Session, service: PlatformService, learned_until: datetime) -> list[int]:
    model, named = _MODELS[service], _NAMED_AS[service]
    asked_for = select(named).where(PlacementRequest.status.in_(OPEN_REQUEST), named.is_not(None))
    too_old = or_(model.facts_missing, model.learned_at.is_(None), model.learned_at <= learned_until)
    query = select(model.id).where(model.id.in_(asked_for), too_old, ~_gone(service))
    return list(session.scalars(query.order_by(model.facts_missing.desc(), model.learned_at, model.id)))


def _gone(service: PlatformService) -> ColumnElement[bool]:
    """Deleted patients keep their id, and nothing else is to be learned of them."""
    return Patient.deleted_at.is_not(None) if service is PlatformService.PATIENT else false()


def _learn(
    sessions: Sessions,
    directory: PlatformDirectory,
    service: PlatformService,
    ids: Sequence[int],
    now: datetime,
    counts: Counts,
) -> None:
    for portion in portions(ids):
        answers = directory.facts(service, portion)
        told = {answer.id: answer.fields for answer in answers if answer.fields is not None}
        refused = _bring_in(sessions, service, told, now)
        learned = told.keys() - refused.keys()
        _note_age(sessions, service, learned, now)
        counts[f"{service}s_learned"] += len(learned)
        count_faults(counts, service, [*refused.values(), *(answer.fault for answer in answers if answer.fault)])


def _bring_in(
    sessions: Sessions, service: PlatformService, told: Mapping[int, Mapping[str, Any]], now: datetime
) -> dict[int, str]:
    """Return {id: reason} of those whose facts cannot be used."""
    places = {f"{service} {id_}": id_ for id_ in told}
    records = [Record(_KINDS[service], place, told[id_]) for place, id_ in places.items()]
    report = import_records(sessions, records, now, actor=ACTOR)
    return {places[note.place]: note.reason for note in report.refusals}


def _note_age(sessions: Sessions, service: PlatformService, ids: Collection[int], now: datetime) -> None:
    """Say of facts that are the same as before that they are fresh; that is no change of the row."""
    model = _MODELS[service]
    older = (model.id.in_(sorted(ids)), model.learned_at < now)
    with writing(sessions) as session:
        session.execute(select(model.id).where(*older).order_by(model.id).with_for_update(key_share=True)).all()
        session.execute(update(model).where(*older).values(learned_at=now))


def count_faults(counts: Counts, service: PlatformService, codes: Iterable[str]) -> None:
    """Add codes to the faults, under the name of the service."""
    counts["faults"] = dict(Counter(counts["faults"]) + Counter(f"{service}_{code}" for code in codes))
