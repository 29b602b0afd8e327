"""Emails of every status, and what the tests of moves and answers look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.store import contacts
from comms.store.models import (
    AuditEntry,
    DeliveryAttempt,
    Email,
    EmailBatch,
    OutboxEvent,
    PhoneCall,
    PhoneCallBatch,
    PlacementRequest,
    StaffItem,
    Therapist,
)
from tests.factories import NOW, make_email, make_request, make_sent_email, make_therapist

WINDOW = timedelta(hours=168)
HANDED_OVER = NOW - timedelta(hours=1)


def email_in(
    session: Session, status: str, *, patients: int = 1, therapist: Therapist | None = None, **facts: Any
) -> Email:
    """An email to a therapist of its own, consistent with its status, that holds its contact where it should."""
    therapist = therapist or make_therapist(session)
    requests = [make_request(session, therapist) for _ in range(patients)]
    return email_about(session, status, therapist, requests, **facts)


def email_about(
    session: Session, status: str, therapist: Therapist, requests: Sequence[PlacementRequest], **facts: Any
) -> Email:
    if status == "sent":
        email = make_sent_email(session, therapist, list(requests), at=HANDED_OVER, **facts)
    else:
        email = make_email(session, therapist, list(requests), status=status, **(_of_status(status) | facts))
    if status in ("sent", "in_doubt", "bounced") or email.handed_over_at:
        _attempt(session, email, {"sent": "accept", "bounced": "accept", "in_doubt": "lose"}.get(status))
    if status in ("queued", "sending", "sent", "in_doubt"):
        hold(session, email)
    session.flush()
    return email


def _of_status(status: str) -> dict[str, Any]:
    return {
        "sending": {"owner": "sender-1", "lease_until": NOW + timedelta(minutes=2), "attempt": 1},
        "in_doubt": {"handed_over_at": HANDED_OVER, "attempt": 1},
        "bounced": {"handed_over_at": HANDED_OVER, "sent_at": HANDED_OVER, "attempt": 1},
        "failed": {"attempt": 1, "error_kind": "permanent_content"},
    }.get(status, {})


def _attempt(session: Session, email: Email, outcome: str | None) -> None:
    session.add(
        DeliveryAttempt(
            email_id=email.id,
            attempt=email.attempt,
            owner="sender-1",
            started_at=HANDED_OVER,
            handed_over_at=email.handed_over_at,
            finished_at=HANDED_OVER if outcome else None,
            outcome=outcome,
        )
    )


def hold(session: Session, email: Email) -> None:
    """Claim therapist and mailbox as the batch did, and let a sent email's contact have happened."""
    holder = contacts.email_holder(email.id)
    at = email.handed_over_at or NOW - timedelta(hours=2)
    assert contacts.claim(session, {holder: keys_of(email)}, at, WINDOW) == {holder}
    if email.status in ("sent", "in_doubt"):
        contacts.happened(session, {holder: at})


def keys_of(email: Email) -> list[str]:
    return [contacts.therapist_key(email.therapist_id), contacts.mailbox_key(email.mailbox)]


def holders(session: Session, email: Email) -> set[tuple[str | None, datetime | None]]:
    """(holder, last contact) of the therapist's and the mailbox's key, as a set: usually they agree."""
    known = contacts.states(session, keys_of(email))
    return {known.get(key, (None, None)) for key in keys_of(email)}


def events(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """Every event so far, (type without its prefix, payload), in order."""
    rows = session.execute(select(OutboxEvent.event_type, OutboxEvent.payload).order_by(OutboxEvent.id))
    return [(kind.removeprefix("communication."), payload) for kind, payload in rows]


def event_types(session: Session) -> list[str]:
    return [kind for kind, _ in events(session)]


def audited(session: Session) -> list[tuple[str, str, int | None]]:
    query = select(AuditEntry.actor, AuditEntry.action, AuditEntry.subject_id).order_by(AuditEntry.id)
    return [(actor, action, id_) for actor, action, id_ in session.execute(query)]


def fresh(session: Session, row: Any) -> Any:
    """The row as the database has it now."""
    session.refresh(row)
    return row


def request_ids(session: Session, email: Email) -> list[int]:
    query = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email.id).order_by(EmailBatch.id)
    return list(session.scalars(query))


def statuses(session: Session, *ids: int) -> list[str]:
    """Status of requests, in the order asked for."""
    query = select(PlacementRequest.id, PlacementRequest.status).where(PlacementRequest.id.in_(ids))
    known = dict(session.execute(query).all())
    return [known[id_] for id_ in ids]


def places(session: Session, email: Email) -> dict[int, tuple[bool, bool]]:
    """{request: (included, live)} of one email."""
    query = select(EmailBatch.placement_request_id, EmailBatch.included, EmailBatch.live)
    rows = session.execute(query.where(EmailBatch.email_id == email.id).order_by(EmailBatch.id))
    return {id_: (included, live) for id_, included, live in rows}


def staff_items(session: Session) -> set[tuple[str, int, str]]:
    query = select(StaffItem.subject_type, StaffItem.subject_id, StaffItem.reason)
    return {(kind, id_, reason) for kind, id_, reason in session.execute(query.where(StaffItem.resolved_at.is_(None)))}


def call_about(session: Session, therapist_id: int, request_id: int, email_id: int | None = None) -> PhoneCall:
    """A call tomorrow that holds the request's live place."""
    call = PhoneCall(
        therapist_id=therapist_id,
        caller=1,
        starts_at=NOW + timedelta(days=1),
        duration_minutes=5,
        kind="first",
        status="scheduled",
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(call)
    session.flush()
    place = PhoneCallBatch(
        phone_call_id=call.id, placement_request_id=request_id, email_id=email_id, priority=1, created_at=NOW
    )
    session.add(place)
    session.flush()
    return call
