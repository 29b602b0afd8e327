"""The envelope around every event, as `platform_contract.md` has it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

PRODUCER = "communication-service"
VERSION = "1.0"


def envelope(event_id: str, event_type: str, at: datetime, payload: str) -> bytes:
    """Write one event as JSON; the timestamp carries its offset, `payload` is JSON already."""
    about = f'"eventId":"{event_id}","eventType":"{event_type}","version":"{VERSION}"'
    return f'{{{about},"timestamp":"{at.isoformat()}","producer":"{PRODUCER}","payload":{payload}}}'.encode()


def ids_in(messages: Iterable[bytes]) -> set[str]:
    """The ids of our own events among whatever stands on the topic."""
    found: set[str] = set()
    for message in messages:
        with suppress(ValueError):
            read = json.loads(message)
            if isinstance(read, dict) and read.get("producer") == PRODUCER and isinstance(read.get("eventId"), str):
                found.add(read["eventId"])
    return found
