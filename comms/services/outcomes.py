"""What the answers of therapists mean for placement requests.

Status of a request: its own answer if that is a yes or a no; else withdrawn while the patient has a place; else open
or in progress. What the platform or staff withdrew stays withdrawn whatever a therapist answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.rules.states import Outcome, RequestStatus
from comms.services.places import lock_patients, take_out_of_replies
from comms.services.withdrawals import (
    PATIENT_PLACED,
    let_siblings_wait_again,
    withdraw_requests,
    withdraw_siblings,
)
from comms.store.models import PlacementRequest

_STATUS = {
    Outcome.REJECTED: RequestStatus.REJECTED,
    Outcome.ACCEPTED: RequestStatus.ACCEPTED,
    Outcome.NEEDS_FOLLOW_UP: RequestStatus.IN_PROGRESS,
}
ANSWERED = {Outcome.REJECTED: "therapist_rejected", Outcome.ACCEPTED: "therapist_accepted"}
"""Why a request is closed that a therapist decided on."""


def settle_requests(session: Session, outcomes: Mapping[int, Outcome], now: datetime) -> None:
    """Bring requests, and the other requests of their patients, to what was answered; also when an answer is corrected.

    The answers themselves (`email_batches`, `phone_call_batches`) are written before.
    """
    if not outcomes:
        return
    lock_patients(session, outcomes)
    known = _known(session, outcomes)
    for outcome, status in _STATUS.items():
        if moved := [id_ for id_ in outcomes if outcomes[id_] == outcome and _may_become(status, known[id_])]:
            _move(session, moved, status, ANSWERED.get(outcome), now)
    patients = {request.patient_id for request in known.values() if request.patient_id is not None}
    placed = _placed(session, patients)
    let_siblings_wait_again(session, patients - placed, now)
    if placed:
        withdraw_siblings(session, placed, now)


@dataclass(frozen=True)
class _Request:
    """As it was before the answer."""

    patient_id: int | None
    status: str
    status_reason: str | None


def _known(session: Session, ids: Collection[int]) -> dict[int, _Request]:
    query = select(
        PlacementRequest.id, PlacementRequest.patient_id, PlacementRequest.status, PlacementRequest.status_reason
    )
    rows = session.execute(query.where(PlacementRequest.id.in_(sorted(ids))))
    return {id_: _Request(patient_id, status, reason) for id_, patient_id, status, reason in rows}


def _may_become(status: RequestStatus, request: _Request) -> bool:
    """The withdrawal of a placed patient is our own conclusion, and an answer outweighs it."""
    if request.status == RequestStatus.WITHDRAWN:
        return request.status_reason == PATIENT_PLACED
    return request.status != status


def _move(session: Session, ids: Collection[int], status: RequestStatus, reason: str | None, now: datetime) -> None:
    if reason is not None:
        withdraw_requests(session, ids, now, reason, status)
    else:
        _go_on(session, ids, now)


def _go_on(session: Session, ids: Collection[int], now: datetime) -> None:
    """Keep requests in progress that need a follow-up, also when an earlier answer had closed them.

    No confirmation that still waits may speak of them.
    """
    take_out_of_replies(session, ids, now)
    session.execute(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(sorted(ids)))
        .values(
            status=RequestStatus.IN_PROGRESS,
            status_reason=None,
            closed_at=None,
            updated_at=now,
            version=PlacementRequest.version + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _placed(session: Session, patient_ids: Collection[int]) -> set[int]:
    accepted = PlacementRequest.status == RequestStatus.ACCEPTED
    query = select(PlacementRequest.patient_id).where(PlacementRequest.patient_id.in_(patient_ids), accepted)
    return set(session.scalars(query))
