"""Letters that speak of an earlier email: confirmations of what was accepted in it, reminders while it is unanswered.

Both name it in `Email.replies_to_email_id` and hold no request themselves: a confirmation because its requests are
closed, a reminder because they keep their places in the email that it reminds of, where the answer is recorded too.
A confirmation stands outside the contact rule, a reminder is an ordinary contact.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from comms.rules.states import EmailStatus
from comms.services.letters.context import EarlierEmail
from comms.services.stopping import stop_emails
from comms.store.models import Email, EmailBatch

CONFIRMATION = "confirmation"
REMINDER = "follow_up"
"""Names of their templates."""

NO_LONGER_AWAITED = "no_longer_awaited"
"""Why a reminder is canceled: the email that it reminds of was answered, or closed."""

IS_REMINDER = and_(Email.template == REMINDER, Email.replies_to_email_id.is_not(None))

_earlier = aliased(Email)
STILL_AWAITED = exists().where(
    _earlier.id == Email.replies_to_email_id,
    _earlier.status == EmailStatus.SENT,
    ~_earlier.response_received,
    _earlier.closed_at.is_(None),
)
"""The email that this one reminds of still awaits an answer."""


def load_earlier(session: Session, email_ids: Collection[int], zone: ZoneInfo) -> dict[int, EarlierEmail]:
    """Say of each of these emails, by id, what a later letter may tell about it; dates are local."""
    patients = (
        select(func.count())
        .where(EmailBatch.email_id == Email.id, EmailBatch.included)
        .correlate(Email)
        .scalar_subquery()
    )
    query = select(Email.id, Email.sent_at, Email.response_date, Email.template, patients.label("patients"))
    return {
        row.id: EarlierEmail(
            sent_on=_day(row.sent_at, zone),
            answered_on=_day(row.response_date, zone),
            numbered=row.template is not None and row.patients > 1,
        )
        for row in session.execute(query.where(Email.id.in_(sorted(email_ids))))
    }


def _day(at: datetime | None, zone: ZoneInfo) -> date | None:
    return at.astimezone(zone).date() if at else None


def stop_reminders(session: Session, email_id: int, now: datetime) -> None:
    """Keep reminders of this email from being sent; one that the relay has already cannot be called back."""
    stop_emails(session, now, NO_LONGER_AWAITED, IS_REMINDER, Email.replies_to_email_id == email_id)


def stop_needless_reminders(session: Session, now: datetime) -> list[int]:
    """Cancel reminders that wait although nothing is awaited any more, however that came about."""
    return stop_emails(session, now, NO_LONGER_AWAITED, IS_REMINDER, ~STILL_AWAITED)
