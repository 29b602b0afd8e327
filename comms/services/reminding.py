"""Reminding a therapist of an email that nobody answered: an ordinary contact, made by a person.

The requests keep their places in the email that it reminds of; its follow-up call comes a contact window later.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from comms.errors import Conflict
from comms.rules.policy import ContactPolicy
from comms.rules.states import EmailStatus, RequestStatus
from comms.services.correspondence import Correspondence
from comms.services.earlier import REMINDER
from comms.services.emails.contact import check_override
from comms.services.following import (
    NEVER_ARRIVED,
    Earlier,
    Letter,
    Place,
    lock_earlier,
    send_letter,
    spoken_of,
)
from comms.store.models import EmailBatch, PhoneCallBatch, PlacementRequest
from comms.store.staff import audit


def remind_therapist(
    session: Session,
    email_id: int,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    correspondence: Correspondence,
    override_reason: str | None = None,
) -> int:
    """Write and queue a reminder about all that this email still waits for; return the id of the new one.

    Raises NotFound, Conflict where nothing is awaited, a call is booked or a reminder is still under way, and
    ContactRefused where the contact policy forbids it; `override_reason` breaks the window and is recorded.
    """
    check_override(override_reason)
    earlier = lock_earlier(session, email_id)
    _require_awaiting(earlier)
    places = _awaited(session, email_id)
    if not places:
        raise Conflict(f"email {email_id} waits for nobody any more: there is nothing to remind of")
    # one that was sent is over too: the next may follow when the contact rule allows it
    for under_way in spoken_of(session, email_id, REMINDER, NEVER_ARRIVED | {EmailStatus.SENT}).values():
        raise under_way
    letter = Letter(REMINDER, earlier, places)
    id_ = send_letter(session, letter, now, actor, policy, correspondence, override_reason)
    audit(session, actor, "email.remind", "email", email_id, now, reminder=id_, override=override_reason)
    return id_


def _require_awaiting(earlier: Earlier) -> None:
    if earlier.replies_to_email_id is not None:
        raise Conflict(f"email {earlier.id} speaks of email {earlier.replies_to_email_id}: remind of that one")
    if earlier.status != EmailStatus.SENT:
        raise Conflict(f"email {earlier.id} is {earlier.status}: a reminder is of an email that was sent")
    if earlier.response_received or earlier.closed_at is not None:
        raise Conflict(f"email {earlier.id} was answered or closed: there is nothing to remind of")


def _awaited(session: Session, email_id: int) -> list[Place]:
    """Those that still have their place in it; Conflict where one of them is to be spoken of on the phone."""
    called = exists().where(PhoneCallBatch.placement_request_id == EmailBatch.placement_request_id, PhoneCallBatch.live)
    query = (
        select(EmailBatch.placement_request_id, EmailBatch.number, EmailBatch.facts, called.label("called"))
        .join(PlacementRequest, PlacementRequest.id == EmailBatch.placement_request_id)
        .where(EmailBatch.email_id == email_id, EmailBatch.live, PlacementRequest.status == RequestStatus.IN_PROGRESS)
        .order_by(EmailBatch.priority, EmailBatch.id)
    )
    rows = session.execute(query).all()
    if any(row.called for row in rows):
        raise Conflict(f"a call about email {email_id} is booked: the therapist will be asked on the phone")
    return [Place(row.placement_request_id, row.number, row.facts) for row in rows]
