"""The envelope around every event, as `platform_contract.md` has it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

import orjson

PRODUCER = "communication-service"
VERSION = "1.0"


class Stored(NamedTuple):
    """An event as its row has it; `payload` and `origin_ids` are JSON already."""

    event_id: str
    event_type: str
    created_at: datetime
    correlation_id: str | None
    causation_id: str | None
    origin_ids: str | None
    payload: str


def envelope(event: Stored) -> bytes:
    """Write one event as JSON; the timestamp carries its offset."""
    return orjson.dumps(
        {
            "eventId": event.event_id,
            "eventType": event.event_type,
            "version": VERSION,
            "timestamp": event.created_at,
            "producer": PRODUCER,
            "correlationId": event.correlation_id,
            "causationId": event.causation_id,
            "originIds": orjson.Fragment(event.origin_ids or "[]"),
            "payload": orjson.Fragment(event.payload),
        }
    )


def ids_in(messages: Iterable[bytes]) -> set[str]:
    """The ids of our own events among whatever stands on the topic."""
    found: set[str] = set()
    for message in messages:
        with suppress(ValueError):
            read = orjson.loads(message)
            if isinstance(read, dict) and read.get("producer") == PRODUCER and isinstance(read.get("eventId"), str):
                found.add(read["eventId"])
    return found
