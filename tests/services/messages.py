"""Messages of the platform, as its services write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from comms.ports import IncomingMessage
from tests.factories import NOW

_offsets: Iterator[int] = count(1)


def message(value: bytes | None, topic: str = "matching-events", partition: int = 0) -> IncomingMessage:
    return IncomingMessage(topic, partition, next(_offsets), NOW, value)


def event_bytes(event_type: str, *, at: datetime = NOW, event_id: str | None = "", **payload: Any) -> bytes:
    """One event; its id is made up unless given, and left out for None. The timestamp has no offset: the platform's."""
    envelope: dict[str, Any] = {
        "eventType": event_type,
        "version": "1.0",
        "timestamp": at.replace(tzinfo=None).isoformat(),
        "producer": "matching-service",
        "payload": payload,
    }
    if event_id is not None:
        envelope["eventId"] = event_id or f"event-{next(_offsets)}"
    return json.dumps(envelope).encode()


def event(event_type: str, *, minutes: int = 0, event_id: str | None = "", **payload: Any) -> IncomingMessage:
    """An event that happened so many minutes after NOW."""
    return message(event_bytes(event_type, at=NOW + timedelta(minutes=minutes), event_id=event_id, **payload))


THERAPIST = {
    "anrede": "Frau", "titel": "Dr. med.", "vorname": "Andrea", "nachname": "Müller", "email": "a@therapie.example",
    "telefon": "030 1234567", "status": "aktiv", "telefonische_erreichbarkeit": {"montag": ["09:00-12:00"]},
}  # fmt: skip
PATIENT = {"geburtsdatum": "1988-04-17", "diagnose": "F32.1 G", "krankenkasse": "AOK", "startdatum": "2026-03-02"}
