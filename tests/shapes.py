"""Every event that any test makes is held against its documented shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from comms.services import events
from comms.services.published import PUBLISHED
from comms.store.outbox import Story

_add_events = events.add_events


def _checked(
    session: Session,
    event_type: str,
    payloads: Iterable[tuple[str, dict[str, Any]]],
    now: datetime,
    stories: Mapping[str, Story],
) -> None:
    given = list(payloads)
    for key, payload in given:
        shape = PUBLISHED[event_type].model_validate_json(json.dumps(payload))
        id_ = getattr(shape, "email_id", None) or getattr(shape, "call_id", None)
        assert key in (f"email:{id_}", f"call:{id_}"), (event_type, key)
        assert key in stories, (event_type, key)
    _add_events(session, event_type, given, now, stories)


def check_shapes() -> None:
    """From now on in this process."""
    events.add_events = _checked
