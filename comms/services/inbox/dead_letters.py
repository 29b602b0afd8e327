"""Messages that could not be used: kept with their coordinates and the reason, shown, and tried again by a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, NotFound
from comms.ports import IncomingMessage
from comms.services.inbox.reading import Event, Poison, read_message
from comms.store.engines import insert_for
from comms.store.models import DeadLetter, InboxEvent
from comms.store.staff import audit

CONSUMER = "communication-service"
"""Whose inbox it is."""


@dataclass(frozen=True)
class DeadLetterView:
    """Codes and coordinates; what stood in the message is in the database only."""

    id: int
    topic: str
    partition: int
    topic_offset: int
    event_id: str | None
    event_type: str | None
    reason: str
    place: str | None
    at: datetime
    replayed_at: datetime | None


def list_dead_letters(session: Session, *, replayed: bool = False, limit: int = 100) -> list[DeadLetterView]:
    """List the newest; those that were replayed only where asked for."""
    columns = (getattr(DeadLetter, name) for name in DeadLetterView.__dataclass_fields__)
    query = select(*columns).order_by(DeadLetter.id.desc()).limit(limit)
    if not replayed:
        query = query.where(DeadLetter.replayed_at.is_(None))
    return [DeadLetterView(**row._mapping) for row in session.execute(query)]


def bury(session: Session, row: InboxEvent, reason: str, now: datetime) -> None:
    """Make a stored event a dead letter, in the transaction that gives it up."""
    again = {
        "eventId": row.event_id,
        "eventType": row.event_type,
        "version": "1.0",
        "timestamp": row.occurred_at.isoformat(),
        "payload": row.payload,
    }
    letter = {
        "topic": row.topic,
        "partition": row.partition,
        "topic_offset": row.topic_offset,
        "event_id": row.event_id,
        "event_type": row.event_type,
        "reason": reason,
        "content": json.dumps(again).encode(),
        "at": now,
    }
    upsert = insert_for(session)(DeadLetter).values(letter)
    anew = {"reason": reason, "at": now, "replayed_at": None}
    session.execute(upsert.on_conflict_do_update(index_elements=["topic", "partition", "topic_offset"], set_=anew))
    given_up = update(InboxEvent).where(InboxEvent.id == row.id)
    session.execute(
        given_up.values(handled_at=now, outcome="dead", fault=reason, next_attempt_at=None).execution_options(
            synchronize_session=False
        )
    )


def replay_dead_letter(session: Session, id_: int, now: datetime, actor: str) -> None:
    """Give a message another chance: the next run handles it. NotFound; Conflict where it still cannot be read."""
    letter = session.get(DeadLetter, id_, populate_existing=True, with_for_update=True)
    if letter is None:
        raise NotFound("dead letter", id_)
    if letter.replayed_at is not None:
        raise Conflict(f"dead letter {id_} was replayed before")
    message = IncomingMessage(letter.topic, letter.partition, letter.topic_offset, letter.at, letter.content)
    found = read_message(message)
    if not isinstance(found, Event):
        reason = found.reason if isinstance(found, Poison) else "unknown_type"
        raise Conflict(f"dead letter {id_} still cannot be read: {reason}")
    _store_again(session, message, found, now)
    letter.replayed_at = now
    audit(session, actor, "dead_letter.replay", "dead_letter", id_, now, reason=letter.reason)


def _store_again(session: Session, message: IncomingMessage, event: Event, now: datetime) -> None:
    row = {
        **vars(event),
        "consumer": CONSUMER,
        "topic": message.topic,
        "partition": message.partition,
        "topic_offset": message.offset,
        "received_at": now,
    }
    fresh = {"handled_at": None, "outcome": None, "attempts": 0, "fault": None, "next_attempt_at": None}
    upsert = insert_for(session)(InboxEvent).values(row)
    again = upsert.on_conflict_do_update(
        index_elements=["consumer", "event_id"], set_=fresh, where=InboxEvent.outcome == "dead"
    )
    session.execute(again)
