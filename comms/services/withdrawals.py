"""Closing placement requests and opening them again, wherever they wait."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from comms.rules.states import OPEN_REQUEST, RequestStatus
from comms.services import reopening
from comms.services.calls import remove_from_calls
from comms.services.places import lock_patients, take_out_of_emails
from comms.services.reopening import reopen_waiting
from comms.services.stopping import Stopped, stop_contacting
from comms.services.unfinished import list_unfinished
from comms.store.models import PlacementRequest
from comms.store.staff import resolve_items

PATIENT_PLACED = "patient_placed"
CANCELED_BY_STAFF = "canceled_by_staff"

__all__ = [
    "CANCELED_BY_STAFF",
    "PATIENT_PLACED",
    "Stopped",
    "Withdrawal",
    "let_siblings_wait_again",
    "reopen_requests",
    "stop_contacting",
    "take_out",
    "withdraw_requests",
    "withdraw_siblings",
]


@dataclass(frozen=True)
class Withdrawal:
    """Ids of what was really changed, each sorted."""

    requests: tuple[int, ...] = ()
    emails_stale: tuple[int, ...] = ()
    """Emails that wait and now speak of fewer patients."""
    emails_canceled: tuple[int, ...] = ()
    calls_canceled: tuple[int, ...] = ()


def withdraw_requests(
    session: Session,
    request_ids: Collection[int],
    now: datetime,
    reason: str,
    status: RequestStatus = RequestStatus.WITHDRAWN,
) -> Withdrawal:
    """Close requests with `status` and take them out of emails and calls; those that have the status stay as they are.

    A request accepted in this way withdraws the same patient's other open requests too; one that was accepted and is
    no more lets them wait again.
    """
    lock_patients(session, request_ids)
    placed = _patients_placed_by(session, request_ids)
    done = _withdraw(session, request_ids, now, reason, status, PlacementRequest.status != status)
    if status is RequestStatus.ACCEPTED:
        return _plus(done, withdraw_siblings(session, _patients_of(session, done.requests), now))
    let_siblings_wait_again(session, placed, now)
    return done


def reopen_requests(session: Session, request_ids: Collection[int], now: datetime) -> list[int]:
    """Undo an end; return the ids that changed. If it was the patient's place, the other requests wait again too."""
    lock_patients(session, request_ids)
    placed = _patients_placed_by(session, request_ids)
    opened = reopening.reopen_requests(session, request_ids, now)
    return sorted({*opened, *let_siblings_wait_again(session, placed, now)})


def let_siblings_wait_again(session: Session, patient_ids: Collection[int], now: datetime) -> list[int]:
    """Open what was withdrawn for a place that those of these patients who have none any more had; return the ids.

    What still needed a person is on the staff list again.
    """
    theirs = PlacementRequest.patient_id.in_(sorted(patient_ids))
    placed = select(PlacementRequest.patient_id).where(theirs, PlacementRequest.status == RequestStatus.ACCEPTED)
    waited = select(PlacementRequest.id).where(
        theirs,
        PlacementRequest.status == RequestStatus.WITHDRAWN,
        PlacementRequest.status_reason == PATIENT_PLACED,
        PlacementRequest.patient_id.not_in(placed),
    )
    withdrawn = session.scalars(waited).all() if patient_ids else ()
    if withdrawn:
        reopening.reopen_requests(session, withdrawn, now)
        list_unfinished(session, withdrawn, now)
    return sorted(withdrawn)


def withdraw_siblings(session: Session, patient_ids: Collection[int], now: datetime) -> Withdrawal:
    """Withdraw what is still open for patients who have a place now."""
    siblings = session.scalars(
        select(PlacementRequest.id).where(
            PlacementRequest.patient_id.in_(sorted(patient_ids)), PlacementRequest.status.in_(OPEN_REQUEST)
        )
    ).all()
    still_open = PlacementRequest.status.in_(OPEN_REQUEST)
    return _withdraw(session, siblings, now, PATIENT_PLACED, RequestStatus.WITHDRAWN, still_open)


def take_out(session: Session, request_ids: Collection[int], now: datetime, reason: str) -> Withdrawal:
    """Take requests out of emails and calls without closing them: those that waited there are open again."""
    lock_patients(session, request_ids)
    done = _end_places(session, request_ids, now, reason)
    reopen_waiting(session, request_ids, now)
    return done


def _patients_of(session: Session, request_ids: Collection[int]) -> set[int]:
    query = select(PlacementRequest.patient_id).where(PlacementRequest.id.in_(sorted(request_ids)))
    return {id_ for id_ in session.scalars(query) if id_ is not None}


def _patients_placed_by(session: Session, request_ids: Collection[int]) -> set[int]:
    query = select(PlacementRequest.patient_id).where(
        PlacementRequest.id.in_(sorted(request_ids)), PlacementRequest.status == RequestStatus.ACCEPTED
    )
    return {id_ for id_ in session.scalars(query) if id_ is not None}


def _withdraw(
    session: Session,
    request_ids: Collection[int],
    now: datetime,
    reason: str,
    status: RequestStatus,
    condition: ColumnElement[bool],
) -> Withdrawal:
    ids = sorted(request_ids)
    if not ids:
        return Withdrawal()
    before = _end_places(session, ids, now, reason)
    closed = _close(session, ids, now, reason, status, condition)
    # closing waits for a batch that is just now taking a request in: take it out of that one too
    after = _end_places(session, ids, now, reason)
    resolve_items(session, "placement_request", ids, now, "service")
    return _plus(_plus(before, Withdrawal(requests=tuple(sorted(closed)))), after)


def _end_places(session: Session, ids: Collection[int], now: datetime, reason: str) -> Withdrawal:
    emails = take_out_of_emails(session, ids, now)
    calls = remove_from_calls(session, now, reason, request_ids=ids)
    return Withdrawal(
        emails_stale=tuple(sorted(emails.stale - emails.canceled)),
        emails_canceled=tuple(sorted(emails.canceled)),
        calls_canceled=tuple(sorted(calls)),
    )


def _plus(one: Withdrawal, other: Withdrawal) -> Withdrawal:
    return Withdrawal(
        requests=tuple(sorted({*one.requests, *other.requests})),
        emails_stale=tuple(sorted({*one.emails_stale, *other.emails_stale} - {*other.emails_canceled})),
        emails_canceled=tuple(sorted({*one.emails_canceled, *other.emails_canceled})),
        calls_canceled=tuple(sorted({*one.calls_canceled, *other.calls_canceled})),
    )


def _close(
    session: Session,
    ids: Collection[int],
    now: datetime,
    reason: str,
    status: RequestStatus,
    condition: ColumnElement[bool],
) -> list[int]:
    closed = session.scalars(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(ids), condition)
        .values(
            status=status, status_reason=reason, closed_at=now, updated_at=now, version=PlacementRequest.version + 1
        )
        .returning(PlacementRequest.id)
        .execution_options(synchronize_session=False)
    )
    return list(closed)
