"""Events of ours, written as services write them: numbered per key, so that their order on a topic can be told."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from comms.services.events import add_events
from comms.store.models import OutboxEvent
from comms.store.outbox import Story
from comms.store.session import Sessions, reading, writing
from tests.factories import NOW


def write(sessions: Sessions, keys: int, each: int, first: int = 0) -> None:
    """Write `each` events for every one of `keys` emails; those of place 0 first, then those of place 1 …"""
    stories = {f"email:{key}": Story() for key in range(1, keys + 1)}
    with writing(sessions) as session:
        for place in range(first, first + each):
            at = NOW + timedelta(minutes=place)
            rows = (
                (f"email:{key}", {"email_id": key, "therapist_id": 1, "placement_request_ids": [key],
                                  "sent_at": at.isoformat()})
                for key in range(1, keys + 1)
            )  # fmt: skip
            add_events(session, "communication.email_sent", rows, at, stories)


def unpublished(sessions: Sessions) -> int:
    with reading(sessions) as session:
        query = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.published_at.is_(None))
        return session.scalar(query) or 0


def event_ids(sessions: Sessions) -> set[str]:
    with reading(sessions) as session:
        return set(session.scalars(select(OutboxEvent.event_id)))
