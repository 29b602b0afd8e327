"""The columns of an entry, the same whatever it tells of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, Integer, Select, String, Text, and_, cast, literal, null, select

from comms.store.models import AuditEntry, UtcDateTime

_UNSAID: dict[str, ColumnElement[Any]] = {
    "email_id": cast(null(), BigInteger),
    "phone_call_id": cast(null(), BigInteger),
    "placement_request_id": cast(null(), BigInteger),
    "code": cast(null(), String(60)),
    "actor": cast(null(), String(100)),
    "scheduled_at": cast(null(), UtcDateTime),
    "next_date": cast(null(), Date),
    "last_at": cast(null(), UtcDateTime),
    "times": cast(null(), Integer),
    "text": cast(null(), Text),
}

REASON = AuditEntry.details["reason"].as_string()
"""What a person gave as the reason."""


def entry(event: Any, at: Any, id_: Any, **said: Any) -> Select[Any]:
    named = _UNSAID | said
    return select(
        at.label("at"),
        id_.label("id"),
        (literal(event) if isinstance(event, str) else event).label("event"),
        *(named[name].label(name) for name in _UNSAID),
    )


def audited(subject: str, id_: Any, *actions: str) -> ColumnElement[bool]:
    """What persons (or this service in their place) did to a row."""
    return and_(AuditEntry.subject_type == subject, AuditEntry.subject_id == id_, AuditEntry.action.in_(actions))
