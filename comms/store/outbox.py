"""Events to be published: rows written in the transaction that makes the change they announce."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from comms.causes import cause_of
from comms.store.appending import append
from comms.store.models import OutboxEvent, table_of

_EVENTS = table_of(OutboxEvent)


@dataclass(frozen=True)
class Story:
    """What an email or a call goes back to: the work that made it, and {request id: what brought the request in}."""

    correlation_id: str | None = None
    origins: Mapping[int, str | None] = field(default_factory=dict)


_UNTOLD = Story()


def add_events(
    session: Session,
    event_type: str,
    payloads: Iterable[tuple[str, dict[str, Any]]],
    now: datetime,
    stories: Mapping[str, Story] | None = None,
) -> None:
    """Write one row per (key, payload). Keys are `email:ID` or `call:ID`; payloads hold ids, codes, times only.

    `stories` are by key.
    """
    rows = [
        {
            "event_id": str(uuid.uuid4()),
            "event_type": event_type,
            "key": key,
            "payload": payload,
            "created_at": now,
            **_whence(payload, (stories or {}).get(key, _UNTOLD)),
        }
        for key, payload in payloads
    ]
    append(session, _EVENTS, rows)


def _whence(payload: Mapping[str, Any], story: Story) -> dict[str, Any]:
    named = payload.get("placement_request_ids") or [payload.get("placement_request_id")]
    origins = dict.fromkeys(origin for id_ in named if (origin := story.origins.get(id_)))
    subjects = [*(f"request:{id_}" for id_ in named), f"therapist:{payload.get('therapist_id')}"]
    return {
        "correlation_id": story.correlation_id,
        "causation_id": cause_of(*subjects),
        "origin_ids": list(origins),
    }
