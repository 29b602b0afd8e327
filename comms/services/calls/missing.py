"""Calls in which nobody was reached, or of which nobody noted anything: the next try, or the staff list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict
from comms.rules.policy import CallPolicy
from comms.rules.states import PhoneCallStatus
from comms.services.calls.facts import Call, lock_call, said
from comms.services.calls.scheduling import book_now
from comms.services.events import announce_call
from comms.store.contacts import call_holder, release
from comms.store.models import PhoneCall
from comms.store.session import Sessions, reading, writing
from comms.store.staff import audit, raise_item
from comms.store.transitions import move_call

NOT_REACHED = "not_reached"
NOT_RECORDED = "not_recorded"
SERVICE = "service"


@dataclass(frozen=True)
class MissedCall:
    """`retry_id` is the next try, at `next_try_at`; without one, `reason` says why: tries_used_up, no slot …"""

    call_id: int
    retry_id: int | None
    next_try_at: datetime | None
    reason: str | None


def miss_call(
    session: Session,
    call_id: int,
    now: datetime,
    policy: CallPolicy,
    *,
    actor: str,
    reason: str = NOT_REACHED,
    retry_after: datetime | None = None,
    notes: str | None = None,
) -> MissedCall:
    """Note that nobody was reached, and book the next try: not before `retry_after`, else a day after the missed one.

    Where there is no slot yet, the follow-up run goes on looking. Raises MoveNotAllowed unless it is scheduled.
    """
    _check(reason)
    call = lock_call(session, call_id)
    again = _earliest(call, retry_after, policy)
    move_call(session, "miss", call_id, now, status_reason=reason, retry_after=again, **said(notes=notes))
    release(session, [call_holder(call_id)])
    missed = _try_again(session, call, now, policy) if again else _give_up(session, call, now)
    at = missed.next_try_at and missed.next_try_at.isoformat()
    announce_call(session, "call_failed", call_id, now, reason=reason, next_try_at=at)
    audit(session, actor, "call.miss", "phone_call", call_id, now, reason=reason, retry_id=missed.retry_id)
    return missed


def _check(reason: str) -> None:
    """The reason is published: a code, never words."""
    if len(reason) > 40 or not re.fullmatch("[a-z][a-z0-9_]*", reason):
        raise BadInput("a short code such as line_busy; words belong into the notes", where="reason")


def _earliest(call: Call, retry_after: datetime | None, policy: CallPolicy) -> datetime | None:
    return (retry_after or call.starts_at + policy.retry_after) if call.try_number < policy.tries else None


def _try_again(session: Session, call: Call, now: datetime, policy: CallPolicy) -> MissedCall:
    booking = book_now(session, call.therapist_id, now, policy)
    next_id = booking.calls.get(call.therapist_id) or booking.joined.get(call.therapist_id)
    if next_id is None:
        return MissedCall(call.id, None, None, str(booking.refused.get(call.therapist_id, "nothing_left")))
    return MissedCall(
        call.id, next_id, session.scalar(select(PhoneCall.starts_at).where(PhoneCall.id == next_id)), None
    )


def _give_up(session: Session, call: Call, now: datetime) -> MissedCall:
    details = {"tries": call.try_number}
    raise_item(session, "phone_call", call.id, "tries_used_up", now, therapist_id=call.therapist_id, details=details)
    return MissedCall(call.id, None, None, "tries_used_up")


def close_unrecorded_calls(sessions: Sessions, now: datetime, policy: CallPolicy) -> tuple[MissedCall, ...]:
    """Note as missed every call whose local day ended without a note; each is a transaction with its next try."""
    today = now.astimezone(policy.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    with reading(sessions) as session:
        query = select(PhoneCall.id).where(PhoneCall.status == PhoneCallStatus.SCHEDULED, PhoneCall.starts_at < today)
        ids = session.scalars(query.order_by(PhoneCall.starts_at, PhoneCall.id)).all()
    closed = (_close(sessions, id_, now, policy) for id_ in ids)
    return tuple(missed for missed in closed if missed)


def _close(sessions: Sessions, call_id: int, now: datetime, policy: CallPolicy) -> MissedCall | None:
    try:
        with writing(sessions) as session:
            return miss_call(session, call_id, now, policy, actor=SERVICE, reason=NOT_RECORDED)
    except Conflict:
        return None  # somebody noted it just now
