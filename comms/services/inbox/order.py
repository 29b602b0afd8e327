"""Which stored events are due, which of them may go together, and what was said later about the same subject."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from comms.store.models import InboxEvent, PlacementRequest

PATIENCE = timedelta(days=7)
"""So long a status waits for its creation."""

WINDOW = 500
"""Events among which those that may go together are looked for."""


@dataclass(frozen=True)
class Due:
    """One event that may be tried."""

    id: int
    subject: str | None
    event_type: str


@dataclass(frozen=True)
class Word:
    """What an event said that is handled already."""

    event_type: str
    payload: dict[str, Any]


def load_due(session: Session, now: datetime) -> list[Due]:
    """Load the oldest that may be tried, in the order in which they happened."""
    query = select(InboxEvent.id, InboxEvent.subject, InboxEvent.event_type).where(
        InboxEvent.handled_at.is_(None), is_due(now)
    )
    rows = session.execute(query.order_by(InboxEvent.occurred_at, InboxEvent.id).limit(WINDOW))
    return [Due(row.id, row.subject, row.event_type) for row in rows]


def pick(due: Iterable[Due], limit: int) -> list[int]:
    """Choose the oldest event and those of its type that are, like it, the first of their subject."""
    first: dict[str | None, Due] = {}
    for event in due:
        first.setdefault(event.subject, event)
    types = [event.event_type for event in first.values()]
    return [event.id for event in first.values() if event.event_type == types[0]][:limit]


def later_words(session: Session, ids: Collection[int]) -> dict[int, list[Word]]:
    """What later events about the same subjects said that were handled before; by event, oldest first.

    Also what changed nothing: facts of a therapist without a name stand nowhere else.
    """
    later = aliased(InboxEvent)
    query = (
        select(InboxEvent.id, later.event_type, later.payload)
        .join(later, and_(later.subject == InboxEvent.subject, _before(InboxEvent, later)))
        .where(InboxEvent.id.in_(sorted(ids)), later.outcome.in_(("applied", "unchanged", "older")))
        .order_by(later.occurred_at, later.id)
    )
    found: dict[int, list[Word]] = defaultdict(list)
    for row in session.execute(query):
        found[row.id].append(Word(row.event_type, row.payload))
    return found


def is_due(now: datetime) -> ColumnElement[bool]:
    """Of what is not handled, what may be tried; what failed a moment ago holds back what is newer of its subject."""
    earlier = aliased(InboxEvent)
    held_back = exists().where(
        earlier.subject == InboxEvent.subject,
        earlier.handled_at.is_(None),
        earlier.next_attempt_at > now,
        _before(earlier, InboxEvent),
    )
    its_time = or_(InboxEvent.next_attempt_at.is_(None), InboxEvent.next_attempt_at <= now)
    return and_(its_time, ~waits(), ~held_back)


def is_lost(now: datetime) -> ColumnElement[bool]:
    return and_(InboxEvent.received_at < now - PATIENCE, waits())


def waits() -> ColumnElement[bool]:
    """A status whose request nobody created yet."""
    is_status = InboxEvent.event_type == "match.status_changed"
    request_id = cast(func.substr(InboxEvent.subject, len("request:") + 1), BigInteger)
    created = exists().where(
        PlacementRequest.id == case((is_status, request_id)),  # CASE: the others' subjects are no numbers
        PlacementRequest.patient_id.is_not(None),
    )
    return and_(is_status, ~created)


def _before(one: type[InboxEvent], other: type[InboxEvent]) -> ColumnElement[bool]:
    """By the platform's clock; what bears the same instant by its arrival."""
    same = and_(one.occurred_at == other.occurred_at, one.id < other.id)
    return or_(one.occurred_at < other.occurred_at, same)
