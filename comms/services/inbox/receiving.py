"""Storing what was polled, in one transaction; afterwards its offsets may be committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from comms.ports import IncomingMessage
from comms.services.inbox.dead_letters import CONSUMER
from comms.services.inbox.reading import LARGEST, Event, Poison, read_message
from comms.store.engines import insert_for
from comms.store.models import DeadLetter, InboxEvent


@dataclass(frozen=True)
class Received:
    """What became of the messages of one poll; `new` are events that nobody stored before."""

    messages: int
    new: int
    known: int
    unknown: int
    dead: int
    event_ids: tuple[str, ...] = ()
    """Of the new ones."""


def receive(session: Session, messages: Sequence[IncomingMessage], now: datetime) -> Received:
    """Store events once, by their id, and keep what cannot be used with its coordinates and the reason."""
    read = [(message, read_message(message)) for message in messages]
    events = [(message, found) for message, found in read if isinstance(found, Event)]
    poison = [(message, found) for message, found in read if isinstance(found, Poison)]
    new = _store(session, InboxEvent, [_event_row(*each, now) for each in events])
    _store(session, DeadLetter, [_dead_row(*each, now) for each in poison])
    return Received(
        messages=len(read),
        new=len(new),
        known=len(events) - len(new),
        unknown=len(read) - len(events) - len(poison),
        dead=len(poison),
        event_ids=tuple(map(str, new)),
    )


def _store(
    session: Session, model: type[InboxEvent | DeadLetter], rows: Iterable[dict[str, Any]]
) -> Sequence[str | None]:
    """Insert what is not there yet; return the event ids of what was new."""
    given = list(rows)
    if not given:
        return ()
    new = insert_for(session)(model).on_conflict_do_nothing().returning(model.event_id)
    return session.scalars(new, given).all()


def _event_row(message: IncomingMessage, event: Event, now: datetime) -> dict[str, Any]:
    return {**vars(event), **_coordinates(message), "consumer": CONSUMER, "received_at": now}


def _dead_row(message: IncomingMessage, poison: Poison, now: datetime) -> dict[str, Any]:
    kept = message.value if message.value is not None and len(message.value) <= LARGEST else None
    return {**vars(poison), **_coordinates(message), "content": kept, "at": now}


def _coordinates(message: IncomingMessage) -> dict[str, Any]:
    return {"topic": message.topic, "partition": message.partition, "topic_offset": message.offset}
