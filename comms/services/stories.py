"""What emails and calls go back to, for the events and the log lines about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.store.models import Email, EmailBatch, PhoneCall, PhoneCallBatch, PlacementRequest
from comms.store.outbox import Story


def stories_of_emails(session: Session, ids: Collection[int]) -> dict[str, Story]:
    """By key, `email:ID`; the origins are those that the requests had when they came into the email."""
    query = (
        select(Email.id, Email.correlation_id, EmailBatch.placement_request_id, EmailBatch.correlation_id)
        .outerjoin(EmailBatch, EmailBatch.email_id == Email.id)
        .where(Email.id.in_(sorted(ids)))
        .order_by(EmailBatch.priority, EmailBatch.id)
    )
    return _by_key("email", session.execute(query))


def stories_of_calls(session: Session, ids: Collection[int]) -> dict[str, Story]:
    """By key, `call:ID`."""
    query = (
        select(PhoneCall.id, PhoneCall.correlation_id, PlacementRequest.id, PlacementRequest.correlation_id)
        .outerjoin(PhoneCallBatch, PhoneCallBatch.phone_call_id == PhoneCall.id)
        .outerjoin(PlacementRequest, PlacementRequest.id == PhoneCallBatch.placement_request_id)
        .where(PhoneCall.id.in_(sorted(ids)))
        .order_by(PhoneCallBatch.priority, PhoneCallBatch.id)
    )
    return _by_key("call", session.execute(query))


def _by_key(kind: str, rows: Iterable[Any]) -> dict[str, Story]:
    made: dict[str, str | None] = {}
    origins: dict[str, dict[int, str | None]] = defaultdict(dict)
    for id_, correlation_id, request_id, origin in rows:
        made[f"{kind}:{id_}"] = correlation_id
        if request_id is not None:
            origins[f"{kind}:{id_}"][request_id] = origin
    return {key: Story(correlation_id, origins[key]) for key, correlation_id in made.items()}


def origin_ids(stories: Iterable[Story]) -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(origin for story in stories for origin in story.origins.values() if origin))
