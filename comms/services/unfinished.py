"""Answers that leave something to do: requests without an outcome, and those that need a follow-up."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from comms.rules.states import Outcome, RequestStatus
from comms.services.calls.conditions import UNANSWERED
from comms.store.models import Email, EmailBatch, PhoneCallEmail, PlacementRequest
from comms.store.staff import raise_items, resolve_items

REASON = {None: "outcome_missing", Outcome.NEEDS_FOLLOW_UP.value: "needs_follow_up"}


def list_unfinished(session: Session, request_ids: Collection[int], now: datetime) -> None:
    """Bring the staff list up to date for these requests: what still needs a person is on it, the rest is not."""
    rows = session.execute(
        select(
            EmailBatch.placement_request_id, EmailBatch.response_outcome, EmailBatch.therapist_id, EmailBatch.email_id
        )
        .join(Email, Email.id == EmailBatch.email_id)
        .join(PlacementRequest, PlacementRequest.id == EmailBatch.placement_request_id)
        .where(
            EmailBatch.placement_request_id.in_(sorted(request_ids)),
            EmailBatch.included,
            Email.response_received,
            PlacementRequest.status == RequestStatus.IN_PROGRESS,
        )
        .order_by(EmailBatch.id)
    ).all()
    for outcome, reason in REASON.items():
        found = {row.placement_request_id: row for row in rows if row.response_outcome == outcome}
        resolve_items(session, "placement_request", set(request_ids) - found.keys(), now, "service", [reason])
        raise_items(
            session,
            "placement_request",
            {id_: row.therapist_id for id_, row in found.items()},
            reason,
            now,
            {id_: {"email_id": row.email_id} for id_, row in found.items()},
        )


def forget_last_tries(session: Session, email_id: int, now: datetime) -> None:
    """Nobody has to be reached any more about this email; calls about other unanswered ones stay on the list."""
    other = aliased(PhoneCallEmail)
    also = exists().where(other.phone_call_id == PhoneCallEmail.phone_call_id, other.email_id == Email.id, UNANSWERED)
    query = select(PhoneCallEmail.phone_call_id).where(PhoneCallEmail.email_id == email_id, ~also)
    resolve_items(session, "phone_call", list(session.scalars(query)), now, "service", ["tries_used_up"])
