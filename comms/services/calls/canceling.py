"""A person drops a call: its emails are closed for good, and the person says what becomes of its requests."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.services.calls.facts import lock_call
from comms.services.calls.removal import drop_call
from comms.services.reopening import reopen_waiting
from comms.services.withdrawals import CANCELED_BY_STAFF, withdraw_requests
from comms.store.models import Email, EmailBatch
from comms.store.staff import audit


class Requests(StrEnum):
    """What becomes of the placement requests of something that a person cancels."""

    REOPEN = "reopen"
    WITHDRAW = "withdraw"


def cancel_call(
    session: Session, call_id: int, now: datetime, requests: Requests, *, actor: str, reason: str | None = None
) -> list[int]:
    """Cancel a scheduled call; return the requests that were opened again or withdrawn.

    `reason` is a person's words, for the audit log. Raises MoveNotAllowed for a call that is not scheduled.
    """
    call = lock_call(session, call_id)
    drop_call(session, call_id, now, CANCELED_BY_STAFF)
    concerned = sorted({*call.request_ids, *_held(session, call.email_ids)})
    _close_emails(session, call.email_ids, now)
    if requests is Requests.WITHDRAW:
        changed = list(withdraw_requests(session, concerned, now, CANCELED_BY_STAFF).requests)
    else:
        changed = reopen_waiting(session, concerned, now)
    audit(session, actor, "call.cancel", "phone_call", call_id, now, requests=requests.value, reason=reason)
    return changed


def _held(session: Session, email_ids: tuple[int, ...]) -> list[int]:
    query = select(EmailBatch.placement_request_id).where(EmailBatch.email_id.in_(email_ids), EmailBatch.live)
    return list(session.scalars(query))


def _close_emails(session: Session, email_ids: tuple[int, ...], now: datetime) -> None:
    """Nothing more is awaited from them, and they hold no request any more."""
    closing = update(Email).where(Email.id.in_(email_ids), Email.closed_at.is_(None))
    session.execute(closing.values(closed_at=now, updated_at=now).execution_options(synchronize_session=False))
    ending = update(EmailBatch).where(EmailBatch.email_id.in_(email_ids), EmailBatch.live)
    session.execute(
        ending.values(live=False, version=EmailBatch.version + 1).execution_options(synchronize_session=False)
    )
