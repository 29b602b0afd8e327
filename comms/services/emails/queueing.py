"""A person sends an email: a draft for the first time, or one that failed once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, MoveNotAllowed, NotFound
from comms.rules.policy import ContactPolicy
from comms.rules.states import OPEN_REQUEST, RequestStatus, move, verbs_from
from comms.services.earlier import IS_REMINDER, STILL_AWAITED
from comms.services.emails.contact import check_override, take_contact
from comms.services.places import earlier_doubt, lock_emails, requests_in
from comms.store.models import Email, EmailBatch, PhoneCallBatch, PlacementRequest
from comms.store.staff import audit, resolve_items
from comms.store.transitions import move_email

EnsureBytes = Callable[[Session, int], None]
"""Builds the bytes of one draft and stores them in its row (`Email.raw`), in the session it is given."""


def queue_email(
    session: Session,
    email_id: int,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    *,
    override_reason: str | None = None,
    ensure_bytes: EnsureBytes | None = None,
) -> int:
    """Queue a draft, claim the contact and put its requests in progress; return the new version.

    ContactRefused says why not and until when; `override_reason` breaks the window and is recorded.
    """
    check_override(override_reason)
    lock_for(session, email_id, "queue")
    _require_bytes(session, email_id, ensure_bytes)
    require_open_requests(session, email_id)
    take_contact(session, email_id, now, policy, override_reason)
    version = move_email(
        session, "queue", email_id, now, queued_at=now, next_attempt_at=now, override_reason=override_reason
    )
    put_in_progress(session, email_id, now)
    audit(session, actor, "email.queue", "email", email_id, now, override=override_reason)
    return version


def requeue_email(
    session: Session,
    email_id: int,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    *,
    override_reason: str | None = None,
) -> int:
    """Queue an email that failed once more, with attempts from the start; return the new version.

    The contact is claimed again. Conflict where a request of it waits elsewhere by now.
    """
    check_override(override_reason)
    lock_for(session, email_id, "requeue")
    require_open_requests(session, email_id)
    take_contact(session, email_id, now, policy, override_reason)
    version = move_email(session, "requeue", email_id, now, **fresh_start(now, override_reason))
    put_in_progress(session, email_id, now)
    resolve_items(session, "email", [email_id], now, actor)
    audit(session, actor, "email.requeue", "email", email_id, now, override=override_reason)
    return version


def fresh_start(now: datetime, override_reason: str | None) -> dict[str, Any]:
    """Column values of an email that goes out again as if it never had; `attempt` counts on."""
    recorded = {} if override_reason is None else {"override_reason": override_reason}
    return recorded | {
        "status_reason": None,
        "queued_at": now,
        "next_attempt_at": now,
        "first_attempt_at": None,
        "retry_count": 0,
        "handed_over_at": earlier_doubt(),
        "error_kind": None,
        "error_message": None,
    }


def lock_for(session: Session, email_id: int, verb: str) -> None:
    """Lock the email and check the move before anything else; NotFound or MoveNotAllowed."""
    lock_emails(session, Email.id == email_id)
    status = session.scalar(select(Email.status).where(Email.id == email_id))
    if status is None:
        raise NotFound("email", email_id)
    if status not in move("email", verb).sources:
        raise MoveNotAllowed(f"email {email_id}", status, verb, verbs_from("email", status))


def _require_bytes(session: Session, email_id: int, ensure_bytes: EnsureBytes | None) -> None:
    has_bytes = select(Email.raw.is_not(None)).where(Email.id == email_id)
    if not session.scalar(has_bytes) and ensure_bytes is not None:
        ensure_bytes(session, email_id)
    if not session.scalar(has_bytes):
        raise Conflict(f"email {email_id} has no letter yet: it was never rendered")


def require_open_requests(session: Session, email_id: int) -> None:
    """Conflict where somebody in it is closed by now, or spoken of in a call that is booked; confirmations may be."""
    if session.scalar(select(Email.replies_to_email_id).where(Email.id == email_id, IS_REMINDER, ~STILL_AWAITED)):
        raise Conflict(f"email {email_id} reminds of an email that awaits no answer any more")
    ordinary = select(Email.id).where(Email.id == email_id, or_(Email.replies_to_email_id.is_(None), IS_REMINDER))
    asked = (
        select(PlacementRequest.id)
        .join(EmailBatch, EmailBatch.placement_request_id == PlacementRequest.id)
        .where(EmailBatch.email_id.in_(ordinary), EmailBatch.included)
        .order_by(PlacementRequest.id)
    )
    closed = session.scalars(asked.where(PlacementRequest.status.not_in(OPEN_REQUEST))).all()
    if closed:
        raise Conflict(f"placement request {_listed(closed)} in email {email_id} is closed; write a new email")
    in_call = exists().where(PhoneCallBatch.placement_request_id == PlacementRequest.id, PhoneCallBatch.live)
    called = session.scalars(asked.where(in_call)).all()
    if called:
        raise Conflict(f"placement request {_listed(called)} in email {email_id} waits in a call; cancel that first")


def _listed(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids))


def put_in_progress(session: Session, email_id: int, now: datetime) -> None:
    session.execute(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(requests_in(session, [email_id])), PlacementRequest.status == RequestStatus.OPEN)
        .values(status=RequestStatus.IN_PROGRESS, updated_at=now, version=PlacementRequest.version + 1)
        .execution_options(synchronize_session=False)
    )
