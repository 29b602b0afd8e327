"""An outcome was recorded by mistake and nothing is known instead: the email stays answered, the request waits."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from comms.errors import Conflict
from comms.rules.policy import BERLIN
from comms.rules.states import EmailStatus, Outcome, RequestStatus
from comms.services.answer_rows import write_answer
from comms.services.events import announce_responses
from comms.services.outcomes import ANSWERED, settle_requests
from comms.services.places import lock_emails, lock_patients
from comms.services.unfinished import list_unfinished
from comms.services.withdrawals import PATIENT_PLACED
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest
from comms.store.staff import audit


def take_back_outcome(
    session: Session, email_id: int, request_id: int, now: datetime, actor: str, zone: ZoneInfo = BERLIN
) -> None:
    """Leave a request of an answered email without an outcome, as if the answer had not spoken of it.

    It is in progress again and on the staff list, what its acceptance withdrew waits again, the cooling period is
    recomputed. The email stays answered: somebody did write. Does nothing where there is no outcome. Conflict where
    the request has a second one: which of them counted for what cannot be told apart.
    """
    lock_patients(session, [request_id])
    lock_emails(session, Email.id == email_id)
    if not _forget(session, email_id, request_id):
        return
    _require_only_answer(session, request_id)
    if _follows_from_answer(session, request_id):
        settle_requests(session, {request_id: Outcome.NEEDS_FOLLOW_UP}, now)  # that too leaves it in progress
    _await_again(session, email_id, request_id)
    email = session.execute(
        select(Email.therapist_id, Email.response_content, Email.response_date).where(Email.id == email_id)
    ).one()
    write_answer(session, email_id, email.response_content, email.response_date or now, now, zone)
    list_unfinished(session, [request_id], now)
    announce_responses(session, f"email:{email_id}", email.therapist_id, {request_id: None}, "staff", now)
    audit(session, actor, "email.take_back", "email", email_id, now, placement_request_id=request_id)


def _forget(session: Session, email_id: int, request_id: int) -> bool:
    forgotten = session.scalars(
        update(EmailBatch)
        .where(
            EmailBatch.email_id == email_id,
            EmailBatch.placement_request_id == request_id,
            EmailBatch.response_outcome.is_not(None),
        )
        .values(response_outcome=None, responded_at=None, version=EmailBatch.version + 1)
        .returning(EmailBatch.id)
        .execution_options(synchronize_session=False)
    )
    return bool(forgotten.all())


def _require_only_answer(session: Session, request_id: int) -> None:
    in_email = exists().where(EmailBatch.placement_request_id == request_id, EmailBatch.response_outcome.is_not(None))
    in_call = exists().where(PhoneCallBatch.placement_request_id == request_id, PhoneCallBatch.outcome.is_not(None))
    if session.scalar(select(or_(in_email, in_call))):
        text = f"placement request {request_id} has an outcome in another email or call too; record the right one here"
        raise Conflict(text)


def _follows_from_answer(session: Session, request_id: int) -> bool:
    """False where the platform or staff closed it: that stays, whatever was answered."""
    reason = session.scalar(select(PlacementRequest.status_reason).where(PlacementRequest.id == request_id))
    return reason in (*ANSWERED.values(), PATIENT_PLACED)


def _await_again(session: Session, email_id: int, request_id: int) -> None:
    """Give the request its place in this email back, unless it waits in another one or in a call by now."""
    other = aliased(EmailBatch)
    elsewhere = exists().where(other.placement_request_id == request_id, other.live)
    called = exists().where(PhoneCallBatch.placement_request_id == request_id, PhoneCallBatch.live)
    sent = exists().where(Email.id == email_id, Email.status.in_([EmailStatus.SENT, EmailStatus.IN_DOUBT]))
    waits = exists().where(PlacementRequest.id == request_id, PlacementRequest.status == RequestStatus.IN_PROGRESS)
    session.execute(
        update(EmailBatch)
        .where(EmailBatch.email_id == email_id, EmailBatch.placement_request_id == request_id)
        .where(sent, waits, ~elsewhere, ~called)
        .values(live=True)
        .execution_options(synchronize_session=False)
    )
