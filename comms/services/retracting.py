"""An answer was recorded by mistake: the email is unanswered again, as if nobody had written."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, NotFound
from comms.rules.states import PhoneCallStatus
from comms.services.places import close_if_nobody_is_awaited, lock_with_patients
from comms.services.unfinished import list_unfinished
from comms.store.models import Email, EmailBatch, PhoneCall, PhoneCallEmail
from comms.store.staff import audit

ANSWERED = "answered"
"""Why `record_answer` cancels a call."""


def retract_answer(session: Session, email_id: int, now: datetime, actor: str) -> None:
    """Take an answer back; the follow-up call that it canceled is due again. Does nothing where there is no answer.

    Conflict where a request has an outcome (correct that one first), or where a call about it was really made or is
    still booked: then more is known than this answer.
    """
    lock_with_patients(session, email_id)
    answered = session.scalar(select(Email.response_received).where(Email.id == email_id))
    if answered is None:
        raise NotFound("email", email_id)
    if not answered:
        return
    _require_nothing_follows(session, email_id)
    _forget(session, email_id, now)
    asked = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
    if request_ids := list(session.scalars(asked)):
        close_if_nobody_is_awaited(session, [email_id], now)
    list_unfinished(session, request_ids, now)
    audit(session, actor, "email.retract_answer", "email", email_id, now)


def _require_nothing_follows(session: Session, email_id: int) -> None:
    known = EmailBatch.email_id == email_id, EmailBatch.response_outcome.is_not(None)
    if decided := session.scalars(select(EmailBatch.placement_request_id).where(*known)).all():
        named = ", ".join(map(str, sorted(decided)))
        raise Conflict(f"the answer to email {email_id} has an outcome for placement request {named}: correct it there")
    made = exists().where(
        PhoneCall.id == PhoneCallEmail.phone_call_id,
        (PhoneCall.status != PhoneCallStatus.CANCELED) | (PhoneCall.status_reason != ANSWERED),
    )
    if session.scalar(select(PhoneCallEmail.phone_call_id).where(PhoneCallEmail.email_id == email_id, made).limit(1)):
        raise Conflict(f"email {email_id} was followed up by a call: record what is known now instead")


def _forget(session: Session, email_id: int, now: datetime) -> None:
    session.execute(
        update(Email)
        .where(Email.id == email_id)
        .values(
            response_received=False,
            response_date=None,
            response_content=None,
            followed_up_at=None,
            version=Email.version + 1,
            updated_at=now,
        )
        .execution_options(synchronize_session=False)
    )
