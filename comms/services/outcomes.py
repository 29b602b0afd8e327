"""What the answers of therapists mean for placement requests.

Status of a request: its own answer if that is a yes or a no; else withdrawn while the patient has a place; else open
or in progress. What the platform or staff withdrew stays withdrawn whatever a therapist answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from comms.rules.states import Outcome, RequestStatus
from comms.services.places import lock_patients
from comms.services.reopening import reopen_requests
from comms.services.unfinished import list_unfinished
from comms.services.withdrawals import PATIENT_PLACED, withdraw_requests, withdraw_siblings
from comms.store.models import PlacementRequest

_STATUS = {Outcome.REJECTED: RequestStatus.REJECTED, Outcome.ACCEPTED: RequestStatus.ACCEPTED}
_REASON = {Outcome.REJECTED: "therapist_rejected", Outcome.ACCEPTED: "therapist_accepted"}


def settle_requests(session: Session, outcomes: Mapping[int, Outcome], now: datetime) -> None:
    """Bring requests, and the other requests of their patients, to what was answered; also when an answer is corrected.

    The answers themselves (`email_batches`, `phone_call_batches`) are written before.
    """
    lock_patients(session, outcomes)
    for outcome, status in _STATUS.items():
        wanted = _with(outcomes, outcome)
        moved = _may_move(session, wanted, PlacementRequest.status != status)
        withdraw_requests(session, moved, now, _REASON[outcome], status)
    _go_on(session, _with(outcomes, Outcome.NEEDS_FOLLOW_UP), now)
    patients = _patients_of(session, outcomes)
    placed = _placed(session, patients)
    _unplace(session, patients - placed, now)
    withdraw_siblings(session, placed, now)


def _with(outcomes: Mapping[int, Outcome], wanted: Outcome) -> list[int]:
    return sorted(id_ for id_, outcome in outcomes.items() if outcome == wanted)


def _may_move(session: Session, ids: Collection[int], *conditions: ColumnElement[bool]) -> list[int]:
    answers_count = or_(
        PlacementRequest.status != RequestStatus.WITHDRAWN, PlacementRequest.status_reason == PATIENT_PLACED
    )
    query = select(PlacementRequest.id).where(PlacementRequest.id.in_(ids), answers_count, *conditions)
    return list(session.scalars(query))


def _go_on(session: Session, ids: Collection[int], now: datetime) -> None:
    """ "Needs follow-up" keeps a request in progress, also when an earlier answer had closed it."""
    session.execute(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(_may_move(session, ids)), PlacementRequest.status != RequestStatus.IN_PROGRESS)
        .values(
            status=RequestStatus.IN_PROGRESS,
            status_reason=None,
            closed_at=None,
            updated_at=now,
            version=PlacementRequest.version + 1,
        )
        .execution_options(synchronize_session=False)
    )


def _patients_of(session: Session, request_ids: Collection[int]) -> set[int]:
    query = select(PlacementRequest.patient_id).where(PlacementRequest.id.in_(sorted(request_ids)))
    return set(session.scalars(query))


def _placed(session: Session, patient_ids: Collection[int]) -> set[int]:
    accepted = PlacementRequest.status == RequestStatus.ACCEPTED
    query = select(PlacementRequest.patient_id).where(PlacementRequest.patient_id.in_(patient_ids), accepted)
    return set(session.scalars(query))


def _unplace(session: Session, patient_ids: Collection[int], now: datetime) -> None:
    """The acceptance was a mistake: what it withdrew waits again, and is on the staff list again where it was."""
    withdrawn = session.scalars(
        select(PlacementRequest.id).where(
            PlacementRequest.patient_id.in_(sorted(patient_ids)),
            PlacementRequest.status == RequestStatus.WITHDRAWN,
            PlacementRequest.status_reason == PATIENT_PLACED,
        )
    ).all()
    reopen_requests(session, withdrawn, now)
    list_unfinished(session, withdrawn, now)
