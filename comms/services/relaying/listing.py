"""Our own events as staff see them: published, waiting, parked; tried again or put aside by a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, NotFound
from comms.store.models import OutboxEvent
from comms.store.staff import audit

BY_STAFF = "parked_by_staff"


class EventState(StrEnum):
    WAITING = "waiting"
    PUBLISHED = "published"
    PARKED = "parked"


@dataclass(frozen=True)
class EventLine:
    """Ids, codes and times; there is nothing else in an event."""

    id: int
    event_id: str
    event_type: str
    key: str
    created_at: datetime
    published_at: datetime | None
    attempts: int
    fault: str | None
    parked_at: datetime | None
    parked_reason: str | None

    @property
    def state(self) -> EventState:
        if self.published_at:
            return EventState.PUBLISHED
        return EventState.PARKED if self.parked_at else EventState.WAITING


@dataclass(frozen=True)
class EventDetails(EventLine):
    payload: dict[str, Any]
    next_attempt_at: datetime | None


def list_events(session: Session, *, state: EventState | None = None, limit: int = 20) -> list[EventLine]:
    """List the newest."""
    columns = (getattr(OutboxEvent, name) for name in EventLine.__dataclass_fields__)
    query = select(*columns).order_by(OutboxEvent.id.desc()).limit(limit)
    if state is not None:
        query = query.where(*_IS[state])
    return [EventLine(**row._mapping) for row in session.execute(query)]


_IS: dict[EventState, tuple[ColumnElement[bool], ...]] = {
    EventState.WAITING: (OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_(None)),
    EventState.PUBLISHED: (OutboxEvent.published_at.is_not(None),),
    EventState.PARKED: (OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_not(None)),
}


def show_event(session: Session, id_: int) -> EventDetails:
    """Everything about one event; NotFound."""
    columns = (getattr(OutboxEvent, name) for name in EventDetails.__dataclass_fields__)
    row = session.execute(select(*columns).where(OutboxEvent.id == id_)).one_or_none()
    if row is None:
        raise NotFound("event", id_)
    return EventDetails(**row._mapping)


def retry_event(session: Session, id_: int, now: datetime, actor: str) -> None:
    """Try an event that waits or is parked with the next round, with tries from the start."""
    fresh = {"parked_at": None, "parked_reason": None, "attempts": 0, "next_attempt_at": None, "fault": None}
    _change(session, id_, "retry", fresh, now, actor)


def park_event(session: Session, id_: int, now: datetime, actor: str) -> None:
    """Put a waiting event aside, so that its key goes on without it."""
    _change(session, id_, "park", {"parked_at": now, "parked_reason": BY_STAFF}, now, actor)


def _change(session: Session, id_: int, verb: str, values: dict[str, Any], now: datetime, actor: str) -> None:
    waiting = update(OutboxEvent).where(OutboxEvent.id == id_, OutboxEvent.published_at.is_(None)).values(values)
    changed = session.scalar(waiting.returning(OutboxEvent.id).execution_options(synchronize_session=False))
    if changed is None:
        show_event(session, id_)
        raise Conflict(f"event {id_} is published: there is nothing to {verb}")
    audit(session, actor, f"event.{verb}", "event", id_, now)
