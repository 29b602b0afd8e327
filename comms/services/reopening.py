"""Opening placement requests again: to their place where they still have one, else to the next batch."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, or_, update
from sqlalchemy.orm import Session, aliased

from comms.causes import cause_of
from comms.rules.states import OPEN_REQUEST, EmailStatus, Outcome, RequestStatus
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest

REQUEST_WITHDRAWN = "request_withdrawn"
"""Why an email was canceled, or closed although nobody answered."""


def reopen_requests(session: Session, request_ids: Collection[int], now: datetime) -> list[int]:
    """Undo a withdrawal; return the ids that changed.

    A request goes back to its place in an email that was sent and still awaits an answer; what has no place is open.
    """
    _restore_places(session, request_ids, now)
    changed = _open(session, request_ids, now)
    _note_origin(session, changed)
    return changed


def _note_origin(session: Session, request_ids: Collection[int]) -> None:
    """From now on they go back to what opened them again."""
    causes = {id_: cause for id_ in request_ids if (cause := cause_of(f"request:{id_}"))}
    if causes:
        opened = update(PlacementRequest).where(PlacementRequest.id.in_(sorted(causes)))
        found = opened.values(correlation_id=case(causes, value=PlacementRequest.id))
        session.execute(found.execution_options(synchronize_session=False))


def reopen_waiting(session: Session, request_ids: Collection[int], now: datetime) -> list[int]:
    """Open the requests among these that are in progress and in no live place any more; closed ones stay closed."""
    return _open(session, request_ids, now, PlacementRequest.status.in_(OPEN_REQUEST))


def _open(session: Session, request_ids: Collection[int], now: datetime, *conditions: ColumnElement[bool]) -> list[int]:
    status = case((_is_held(), RequestStatus.IN_PROGRESS.value), else_=RequestStatus.OPEN.value)
    changed = session.scalars(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(sorted(request_ids)), PlacementRequest.status != status, *conditions)
        .values(status=status, status_reason=None, closed_at=None, updated_at=now, version=PlacementRequest.version + 1)
        .returning(PlacementRequest.id)
        .execution_options(synchronize_session=False)
    )
    return sorted(changed)


def _is_held() -> ColumnElement[bool]:
    """In a live email or call, or answered "needs follow-up": then it is on the staff list."""
    email = exists().where(
        EmailBatch.placement_request_id == PlacementRequest.id,
        or_(EmailBatch.live, EmailBatch.response_outcome == Outcome.NEEDS_FOLLOW_UP),
    )
    call = exists().where(PhoneCallBatch.placement_request_id == PlacementRequest.id, PhoneCallBatch.live)
    return or_(email, call)


def _restore_places(session: Session, request_ids: Collection[int], now: datetime) -> None:
    """Give back the place in the latest email that still awaits, unless a follow-up call for it was already made."""
    other = aliased(EmailBatch)
    awaits = exists().where(
        Email.id == EmailBatch.email_id,
        Email.status.in_([EmailStatus.SENT, EmailStatus.IN_DOUBT]),
        or_(Email.closed_at.is_(None), Email.status_reason == REQUEST_WITHDRAWN),
        Email.followed_up_at.is_(None),
    )
    newer = exists().where(
        other.placement_request_id == EmailBatch.placement_request_id,
        or_(other.live, other.id > EmailBatch.id),
    )
    called = exists().where(PhoneCallBatch.placement_request_id == EmailBatch.placement_request_id, PhoneCallBatch.live)
    restored = session.scalars(
        update(EmailBatch)
        .where(
            EmailBatch.placement_request_id.in_(sorted(request_ids)),
            EmailBatch.included,
            EmailBatch.response_outcome.is_(None),
            awaits,
            ~newer,
            ~called,
        )
        .values(live=True, version=EmailBatch.version + 1)
        .returning(EmailBatch.email_id)
        .execution_options(synchronize_session=False)
    )
    _await_again(session, set(restored), now)


def _await_again(session: Session, email_ids: Collection[int], now: datetime) -> None:
    """Undo the closing of emails in which nobody was awaited any more."""
    closed = update(Email).where(Email.id.in_(email_ids), Email.status_reason == REQUEST_WITHDRAWN)
    session.execute(
        closed.values(closed_at=None, status_reason=None, updated_at=now).execution_options(synchronize_session=False)
    )
