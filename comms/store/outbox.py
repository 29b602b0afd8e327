"""Events to be published: rows written in the transaction that makes the change they announce."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from comms.store.models import OutboxEvent, table_of

_NEW = insert(table_of(OutboxEvent))


def add_events(
    session: Session, event_type: str, payloads: Iterable[tuple[str, dict[str, Any]]], now: datetime
) -> None:
    """Write one row per (key, payload). Keys are `email:ID` or `call:ID`; payloads hold ids, codes, times only."""
    rows = [
        {
            "event_id": str(uuid.uuid4()),
            "event_type": event_type,
            "key": key,
            "payload": payload,
            "created_at": now,
        }
        for key, payload in payloads
    ]
    if rows:
        session.execute(_NEW, rows)
