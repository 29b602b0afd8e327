"""What is published of emails and calls: ids, codes and times, as `platform_contract` lists them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from comms.services.stories import Mentioned, mention_emails, stories_of_calls, stories_of_emails
from comms.store.models import PhoneCall, PhoneCallBatch, PhoneCallEmail
from comms.store.outbox import add_events


def announce_emails(
    session: Session,
    event: str,
    ids: Collection[int],
    now: datetime,
    extra: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Write one `communication.email_…` event per email; `event` is e.g. "email_sent", `extra` adds fields by id."""
    if ids:
        announce_mentioned(session, event, mention_emails(session, ids), now, extra)


def announce_mentioned(
    session: Session,
    event: str,
    emails: Collection[Mentioned],
    now: datetime,
    extra: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """The same, where it is known what is to be said of them."""
    payloads = ((email.key, _about(email) | dict((extra or {}).get(email.id, {}))) for email in emails)
    add_events(session, f"communication.{event}", payloads, now, {email.key: email.story for email in emails})


def _about(email: Mentioned) -> dict[str, Any]:
    return {"email_id": email.id, "therapist_id": email.therapist_id, "placement_request_ids": email.request_ids}


def announce_call(session: Session, event: str, call_id: int, now: datetime, **extra: Any) -> None:
    """Write one `communication.call_…` event; `event` is e.g. "call_scheduled"."""
    announce_calls(session, event, [call_id], now, {call_id: extra})


def announce_calls(
    session: Session,
    event: str,
    ids: Collection[int],
    now: datetime,
    extra: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Write one `communication.call_…` event per call; `extra` adds fields by call id."""
    emails = _of_calls(session, PhoneCallEmail.email_id, ids, PhoneCallEmail.email_id)
    order = (PhoneCallBatch.priority, PhoneCallBatch.id)
    requests = _of_calls(session, PhoneCallBatch.placement_request_id, ids, *order, where=PhoneCallBatch.included)
    query = select(PhoneCall.id, PhoneCall.therapist_id, PhoneCall.starts_at, PhoneCall.duration_minutes)
    payloads = []
    for call in session.execute(query.where(PhoneCall.id.in_(sorted(ids))).order_by(PhoneCall.id)):
        payload: dict[str, Any] = {
            "call_id": call.id,
            "therapist_id": call.therapist_id,
            "email_ids": emails[call.id],
            "placement_request_ids": requests[call.id],
        }
        if event == "call_scheduled":
            payload |= {"scheduled_at": call.starts_at.isoformat(), "duration_minutes": call.duration_minutes}
        payloads.append((f"call:{call.id}", payload | dict((extra or {}).get(call.id, {}))))
    add_events(session, f"communication.{event}", payloads, now, stories_of_calls(session, ids))


_ALL = true()


def _of_calls(
    session: Session, column: Any, ids: Collection[int], *order: Any, where: Any = _ALL
) -> dict[int, list[int]]:
    """List one column of a table of calls by call."""
    call_id = column.class_.phone_call_id
    found: dict[int, list[int]] = defaultdict(list)
    query = select(call_id, column).where(call_id.in_(sorted(ids)), where).order_by(*order)
    for id_, value in session.execute(query):
        found[id_].append(value)
    return found


def emails_of_call(session: Session, call_id: int) -> list[int]:
    """Ids of the unanswered emails that a call follows up."""
    return _of_calls(session, PhoneCallEmail.email_id, [call_id], PhoneCallEmail.email_id)[call_id]


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
    announce_responses(session, key, therapist_id, {request_id: outcome}, source, now)


def announce_responses(
    session: Session,
    key: str,
    therapist_id: int,
    outcomes: Mapping[int, str | None] | Mapping[int | None, str | None] | Mapping[None, None],
    source: str,
    now: datetime,
) -> None:
    """Write one `communication.response_recorded` per request, {request id: outcome}."""
    kind, id_ = key.split(":")
    stories = {"email": stories_of_emails, "call": stories_of_calls}[kind](session, [int(id_)])
    about: dict[str, Any] = {f"{kind}_id": int(id_), "therapist_id": therapist_id}
    payloads = (
        (key, about | {"placement_request_id": request_id, "outcome": outcome, "source": source})
        for request_id, outcome in outcomes.items()
    )
    add_events(session, "communication.response_recorded", payloads, now, stories)
