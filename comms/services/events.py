"""What is published of emails and calls: ids, codes and times, as `platform_contract` lists them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.store.models import Email, EmailBatch, PhoneCall, PhoneCallBatch, PhoneCallEmail
from comms.store.outbox import add_events


def announce_emails(
    session: Session,
    event: str,
    ids: Collection[int],
    now: datetime,
    extra: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Write one `communication.email_…` event per email; `event` is e.g. "email_sent", `extra` adds fields by email id."""
    if not ids:
        return
    requests = _requests_of_emails(session, ids)
    emails = session.execute(select(Email.id, Email.therapist_id).where(Email.id.in_(sorted(ids))).order_by(Email.id))
    payloads = (
        (
            f"email:{id_}",
            {"email_id": id_, "therapist_id": therapist_id, "placement_request_ids": requests[id_]}
            | dict((extra or {}).get(id_, {})),
        )
        for id_, therapist_id in emails
    )
    add_events(session, f"communication.{event}", payloads, now)


def _requests_of_emails(session: Session, ids: Collection[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    rows = session.execute(
        select(EmailBatch.email_id, EmailBatch.placement_request_id)
        .where(EmailBatch.email_id.in_(sorted(ids)), EmailBatch.included)
        .order_by(EmailBatch.priority, EmailBatch.id)
    )
    for email_id, request_id in rows:
        found[email_id].append(request_id)
    return found


def announce_call(session: Session, event: str, call_id: int, now: datetime, **extra: Any) -> None:
    """Write one `communication.call_…` event; `event` is e.g. "call_scheduled"."""
    call = session.execute(
        select(PhoneCall.therapist_id, PhoneCall.starts_at, PhoneCall.duration_minutes).where(PhoneCall.id == call_id)
    ).one()
    payload: dict[str, Any] = {
        "call_id": call_id,
        "therapist_id": call.therapist_id,
        "email_ids": emails_of_call(session, call_id),
        "placement_request_ids": requests_of_call(session, call_id),
    }
    if event == "call_scheduled":
        payload |= {"scheduled_at": call.starts_at.isoformat(), "duration_minutes": call.duration_minutes}
    add_events(session, f"communication.{event}", [(f"call:{call_id}", payload | extra)], now)


def emails_of_call(session: Session, call_id: int) -> list[int]:
    """Ids of the unanswered emails that a call follows up."""
    query = select(PhoneCallEmail.email_id).where(PhoneCallEmail.phone_call_id == call_id)
    return sorted(session.execute(query).scalars())


def requests_of_call(session: Session, call_id: int) -> list[int]:
    """Ids of the placement requests still spoken of in a call, in its order."""
    query = (
        select(PhoneCallBatch.placement_request_id)
        .where(PhoneCallBatch.phone_call_id == call_id, PhoneCallBatch.included)
        .order_by(PhoneCallBatch.priority, PhoneCallBatch.id)
    )
    return list(session.execute(query).scalars())


def announce_response(
    session: Session,
    key: str,
    therapist_id: int,
    request_id: int | None,
    outcome: str | None,
    source: str,
    now: datetime,
) -> None:
    """Write `communication.response_recorded`. `key` is `email:ID` or `call:ID`; `source` says who reported it."""
    kind, id_ = key.split(":")
    payload = {
        f"{kind}_id": int(id_),
        "therapist_id": therapist_id,
        "placement_request_id": request_id,
        "outcome": outcome,
        "source": source,
    }
    add_events(session, "communication.response_recorded", [(key, payload)], now)
