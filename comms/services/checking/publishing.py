"""What stands in the outbox goes out, and in the order of its key."""

from __future__ import annotations

from sqlalchemy import text

from comms.services.checking.invariant import Invariant, dated

_UNPUBLISHED = dated(
    """
    SELECT 'event:' || id FROM outbox_events
    WHERE published_at IS NULL AND parked_at IS NULL AND created_at <= :waiting_since""",
    "waiting_since",
)

_OVERTAKEN = text("""
    SELECT 'event:' || a.id FROM outbox_events a WHERE a.parked_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM audit_log l WHERE l.subject_type = 'event' AND l.subject_id = a.id)
    AND EXISTS (SELECT 1 FROM outbox_events b WHERE b.key = a.key AND b.id > a.id AND b.published_at IS NOT NULL
                AND (a.published_at IS NULL OR b.published_at < a.published_at))""")
"""Whoever parks an event lets those behind it pass; an audit entry says so, also when it is tried again."""

INVARIANTS = (
    Invariant("event_not_published", "an event that is not parked is published within minutes", _UNPUBLISHED, True),
    Invariant("event_overtaken", "events with one key are published in their order", _OVERTAKEN),
)
