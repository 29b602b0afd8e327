"""Nobody is called about these emails any more: staff say so, and the therapist may be written to again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.services.calls.conditions import UNANSWERED
from comms.services.places import lock_emails
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PhoneCallEmail, StaffItem

WITHOUT_CALL = frozenset({"tries_used_up", "no_slot"})
"""Reasons on the staff list whose closing means: there will be no call."""


def give_up_calling(session: Session, item: StaffItem, now: datetime) -> list[int]:
    """Close the unanswered emails that this item is about; return the requests that wait nowhere because of it."""
    if item.reason == "tries_used_up":
        emails = _of_call(session, item.subject_id)
        return sorted({*_requests_of_call(session, item.subject_id), *close_emails(session, emails, now)})
    return close_emails(session, _never_called_about(session, item.subject_id, item.since), now)


def close_emails(session: Session, email_ids: Collection[int], now: datetime) -> list[int]:
    """Await nothing more from these unanswered emails and end their places; return the requests that stood in them."""
    pending = lock_emails(session, Email.id.in_(sorted(email_ids)), UNANSWERED)
    closing = update(Email).where(Email.id.in_(pending)).values(closed_at=now, updated_at=now)
    session.execute(closing.execution_options(synchronize_session=False))
    ended = session.scalars(
        update(EmailBatch)
        .where(EmailBatch.email_id.in_(pending), EmailBatch.live)
        .values(live=False, version=EmailBatch.version + 1)
        .returning(EmailBatch.placement_request_id)
        .execution_options(synchronize_session=False)
    )
    return sorted(ended)


def _of_call(session: Session, call_id: int) -> list[int]:
    return list(session.scalars(select(PhoneCallEmail.email_id).where(PhoneCallEmail.phone_call_id == call_id)))


def _requests_of_call(session: Session, call_id: int) -> list[int]:
    query = select(PhoneCallBatch.placement_request_id).where(
        PhoneCallBatch.phone_call_id == call_id, PhoneCallBatch.included, PhoneCallBatch.outcome.is_(None)
    )
    return list(session.scalars(query))


def _never_called_about(session: Session, therapist_id: int, since: datetime) -> list[int]:
    """A therapist's emails from before the search for a slot began."""
    query = select(Email.id).where(
        Email.therapist_id == therapist_id, Email.followed_up_at.is_(None), Email.handed_over_at <= since
    )
    return list(session.scalars(query))
