"""The envelope around every event, as `platform_contract.md` has it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

PRODUCER = "communication-service"
VERSION = "1.0"


@dataclass(frozen=True)
class Stored:
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
    about = f'"eventId":"{event.event_id}","eventType":"{event.event_type}","version":"{VERSION}"'
    origin = f'"timestamp":"{event.created_at.isoformat()}","producer":"{PRODUCER}"'
    work = f'"correlationId":{json.dumps(event.correlation_id)},"causationId":{json.dumps(event.causation_id)}'
    return f'{{{about},{origin},{work},"originIds":{event.origin_ids or "[]"},"payload":{event.payload}}}'.encode()


def ids_in(messages: Iterable[bytes]) -> set[str]:
    """The ids of our own events among whatever stands on the topic."""
    found: set[str] = set()
    for message in messages:
        with suppress(ValueError):
            read = json.loads(message)
            if isinstance(read, dict) and read.get("producer") == PRODUCER and isinstance(read.get("eventId"), str):
                found.add(read["eventId"])
    return found
