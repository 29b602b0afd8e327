"""Taking requests out of calls: an answer came, or the request was withdrawn. An empty call is canceled."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, exists, or_, select, update
from sqlalchemy.orm import Session

from comms.rules.states import PhoneCallStatus
from comms.services.calls.conditions import AHEAD, UNANSWERED
from comms.services.events import announce_call
from comms.store.contacts import call_holder, release
from comms.store.models import Email, PhoneCall, PhoneCallBatch, PhoneCallEmail
from comms.store.staff import resolve_items
from comms.store.transitions import move_call


def remove_from_calls(
    session: Session,
    now: datetime,
    reason: str,
    *,
    request_ids: Collection[int] = (),
    email_ids: Collection[int] = (),
) -> list[int]:
    """Take requests, and all that came through answered emails, out of calls ahead; return the calls canceled by it.

    `reason` says why a call that nobody is left in is canceled: answered, request_withdrawn …
    """
    touched = _exclude(session, request_ids, email_ids) | _calls_about(session, email_ids)
    if not touched:
        return []
    session.execute(
        update(PhoneCall)
        .where(PhoneCall.id.in_(sorted(touched)))
        .values(version=PhoneCall.version + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )
    empty = _empty(session, touched, email_ids)
    for call_id in empty:  # rarely more than one
        drop_call(session, call_id, now, reason)
    return empty


def drop_call(session: Session, call_id: int, now: datetime, reason: str) -> None:
    """Cancel one scheduled call, release its contact, announce it."""
    move_call(session, "cancel", call_id, now, status_reason=reason)
    release(session, [call_holder(call_id)])
    announce_call(session, "call_canceled", call_id, now, reason=reason)
    resolve_items(session, "phone_call", [call_id], now, "service")


def _exclude(session: Session, request_ids: Collection[int], email_ids: Collection[int]) -> set[int]:
    ahead = select(PhoneCall.id).where(AHEAD)
    taken_out = session.scalars(
        update(PhoneCallBatch)
        .where(
            _concerns(request_ids, email_ids),
            PhoneCallBatch.included,
            PhoneCallBatch.phone_call_id.in_(ahead),
        )
        .values(included=False, live=False, version=PhoneCallBatch.version + 1)
        .returning(PhoneCallBatch.phone_call_id)
        .execution_options(synchronize_session=False)
    )
    return set(taken_out)


def _concerns(request_ids: Collection[int], email_ids: Collection[int]) -> ColumnElement[bool]:
    return or_(
        PhoneCallBatch.placement_request_id.in_(sorted(request_ids)), PhoneCallBatch.email_id.in_(sorted(email_ids))
    )


def _calls_about(session: Session, email_ids: Collection[int]) -> set[int]:
    """Calls that follow up these emails, also where no request stands behind them."""
    query = select(PhoneCallEmail.phone_call_id).join(PhoneCall).where(PhoneCallEmail.email_id.in_(sorted(email_ids)))
    return set(session.scalars(query.where(AHEAD)))


def _empty(session: Session, call_ids: Collection[int], answered: Collection[int]) -> list[int]:
    """Scheduled calls in which no request is left, nor an unanswered email that never asked for one."""
    request = exists().where(PhoneCallBatch.phone_call_id == PhoneCall.id, PhoneCallBatch.included)
    asked = exists().where(PhoneCallBatch.phone_call_id == PhoneCall.id, PhoneCallBatch.email_id == Email.id)
    email = exists().where(
        PhoneCallEmail.phone_call_id == PhoneCall.id,
        PhoneCallEmail.email_id == Email.id,
        Email.id.not_in(sorted(answered)),
        UNANSWERED,
        ~asked,
    )
    query = select(PhoneCall.id).where(
        PhoneCall.id.in_(sorted(call_ids)), PhoneCall.status == PhoneCallStatus.SCHEDULED, ~request, ~email
    )
    return sorted(session.scalars(query))
