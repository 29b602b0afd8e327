"""Never again, at once: therapists who must not be contacted and mailboxes that must not be written to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from comms.rules.states import EmailStatus, PhoneCallStatus
from comms.services.calls import remove_from_calls
from comms.services.calls.removal import drop_call
from comms.services.places import NOT_HANDED_OVER, cancel_emails, lock_emails
from comms.services.reopening import reopen_waiting
from comms.store.models import Email, PhoneCall, PhoneCallBatch


@dataclass(frozen=True)
class Stopped:
    """Ids of what was canceled."""

    emails: tuple[int, ...] = ()
    calls: tuple[int, ...] = ()


def stop_contacting(session: Session, therapist_ids: Collection[int], now: datetime, reason: str) -> Stopped:
    """Cancel the waiting emails and the calls of therapists who became blocked, inactive or do_not_contact.

    Their requests are open again and wait with the therapist's reason. Drafts stay: queueing them is refused.
    """
    emails = stop_emails(session, now, reason, Email.therapist_id.in_(sorted(therapist_ids)))
    requests = _in_calls(session, therapist_ids)
    calls = remove_from_calls(session, now, reason, request_ids=requests)
    calls += _drop_calls_about_nobody(session, therapist_ids, now, reason)
    reopen_waiting(session, requests, now)
    return Stopped(tuple(emails), tuple(sorted(calls)))


def stop_emails(session: Session, now: datetime, reason: str, *conditions: ColumnElement[bool]) -> list[int]:
    """Cancel queued emails; what a sender holds cannot be handed over any more and is canceled at its next claim."""
    in_hand = lock_emails(session, Email.status == EmailStatus.SENDING, NOT_HANDED_OVER, *conditions)
    _take_from_senders(session, in_hand, now)
    waiting = lock_emails(session, Email.status == EmailStatus.QUEUED, *conditions)
    return cancel_emails(session, waiting, now, reason)


def _take_from_senders(session: Session, email_ids: Collection[int], now: datetime) -> None:
    """A new version makes the mark before the hand-over fail."""
    session.execute(
        update(Email)
        .where(Email.id.in_(email_ids))
        .values(version=Email.version + 1, updated_at=now)
        .execution_options(synchronize_session=False)
    )


def _drop_calls_about_nobody(session: Session, therapist_ids: Collection[int], now: datetime, reason: str) -> list[int]:
    """Cancel the calls in which there was no request to begin with."""
    left = PhoneCall.therapist_id.in_(sorted(therapist_ids)), PhoneCall.status == PhoneCallStatus.SCHEDULED
    calls = session.scalars(select(PhoneCall.id).where(*left).order_by(PhoneCall.id)).all()
    for call_id in calls:  # rarely more than one
        drop_call(session, call_id, now, reason)
    return list(calls)


def _in_calls(session: Session, therapist_ids: Collection[int]) -> list[int]:
    query = (
        select(PhoneCallBatch.placement_request_id)
        .join(PhoneCall, PhoneCall.id == PhoneCallBatch.phone_call_id)
        .where(
            PhoneCall.therapist_id.in_(sorted(therapist_ids)),
            PhoneCall.status == PhoneCallStatus.SCHEDULED,
            PhoneCallBatch.live,
        )
    )
    return sorted(set(session.scalars(query)))
