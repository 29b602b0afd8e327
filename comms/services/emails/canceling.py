"""A person withdraws an email before it is sent, and says what becomes of its requests."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.rules.states import OPEN_REQUEST
from comms.services.emails.queueing import lock_for
from comms.services.events import announce_emails
from comms.services.places import let_contacts_go, requests_in
from comms.services.reopening import reopen_waiting
from comms.services.withdrawals import CANCELED_BY_STAFF, withdraw_requests
from comms.store.models import PlacementRequest
from comms.store.staff import audit, resolve_items
from comms.store.transitions import move_email


class Requests(StrEnum):
    """What becomes of the requests in an email that is canceled: into the next batch, or closed for good."""

    REOPEN = "reopen"
    WITHDRAW = "withdraw"


def cancel_email(
    session: Session,
    email_id: int,
    now: datetime,
    actor: str,
    requests: Requests = Requests.REOPEN,
    reason: str | None = None,
) -> int:
    """Cancel a draft, a queued or a failed email and release its contact; return the new version.

    `reason` is what the person says, for the audit log. Requests that wait elsewhere too are not reopened.
    """
    lock_for(session, email_id, "cancel")
    version = move_email(session, "cancel", email_id, now, status_reason=CANCELED_BY_STAFF)
    let_contacts_go(session, [email_id])
    finish_cancellation(session, email_id, now, actor, requests)
    audit(session, actor, "email.cancel", "email", email_id, now, requests=requests.value, reason=reason)
    return version


def finish_cancellation(session: Session, email_id: int, now: datetime, actor: str, requests: Requests) -> None:
    """What every cancellation by a person brings: the event, the staff list, the requests."""
    announce_emails(session, "email_canceled", [email_id], now, {email_id: {"reason": CANCELED_BY_STAFF}})
    resolve_items(session, "email", [email_id], now, actor)
    settle_canceled(session, requests_in(session, [email_id]), now, requests)


def settle_canceled(session: Session, request_ids: Collection[int], now: datetime, requests: Requests) -> None:
    """Only what is still open: who cancels a confirmation does not undo the acceptance."""
    if requests is Requests.WITHDRAW:
        still_open = select(PlacementRequest.id).where(
            PlacementRequest.id.in_(sorted(request_ids)), PlacementRequest.status.in_(OPEN_REQUEST)
        )
        withdraw_requests(session, session.scalars(still_open).all(), now, CANCELED_BY_STAFF)
    else:
        reopen_waiting(session, request_ids, now)
