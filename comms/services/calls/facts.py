"""One call as it is before a person notes something about it, with the rows around it locked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.services.events import emails_of_call
from comms.services.places import lock_emails, lock_patients
from comms.store.models import Email, PhoneCall, PhoneCallBatch


@dataclass(frozen=True)
class Call:
    id: int
    therapist_id: int
    status: str
    starts_at: datetime
    duration_minutes: int
    caller: int
    try_number: int
    actual_at: datetime | None
    retry_after: datetime | None
    email_ids: tuple[int, ...]
    request_ids: tuple[int, ...]
    """Still spoken of: neither answered otherwise nor withdrawn."""


_LINKED = ("email_ids", "request_ids")


def lock_call(session: Session, call_id: int) -> Call:
    """Lock patients, emails and the call, in this order, and load it; NotFound if there is none."""
    requests = _requests(session, call_id)
    emails = emails_of_call(session, call_id)
    lock_patients(session, requests)
    lock_emails(session, Email.id.in_(emails))
    columns = (getattr(PhoneCall, name) for name in Call.__dataclass_fields__ if name not in _LINKED)
    query = select(*columns).where(PhoneCall.id == call_id)
    row = session.execute(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound("phone call", call_id)
    return Call(
        **row._mapping,
        email_ids=tuple(emails_of_call(session, call_id)),
        request_ids=tuple(_requests(session, call_id)),
    )


def said(**words: str | None) -> dict[str, Any]:
    """Column values of what a person said; what was not said keeps its column."""
    return {name: text for name, text in words.items() if text is not None}


def _requests(session: Session, call_id: int) -> list[int]:
    query = select(PhoneCallBatch.placement_request_id).where(
        PhoneCallBatch.phone_call_id == call_id, PhoneCallBatch.included
    )
    return list(session.scalars(query.order_by(PhoneCallBatch.priority, PhoneCallBatch.id)))
