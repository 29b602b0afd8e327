"""What the platform said has one effect: it is applied once, or it is one dead letter."""

from __future__ import annotations

from sqlalchemy import text

from comms.services.checking.invariant import Invariant, dated

_WITHOUT_EFFECT = text("""
    SELECT 'inbox:' || i.id FROM inbox_events i WHERE i.outcome IN ('applied', 'unchanged', 'older') AND (
        (i.subject LIKE 'request:%' AND NOT EXISTS
            (SELECT 1 FROM placement_requests r WHERE 'request:' || r.id = i.subject))
        OR (i.subject LIKE 'therapist:%' AND NOT EXISTS
            (SELECT 1 FROM therapists t WHERE 'therapist:' || t.id = i.subject))
        OR (i.event_type IN ('patient.created', 'patient.updated') AND NOT EXISTS
            (SELECT 1 FROM patients p WHERE 'patient:' || p.id = i.subject)))""")

_DEAD_AND_ALIVE = text("""
    SELECT 'inbox:' || i.id FROM inbox_events i LEFT JOIN dead_letters d ON d.topic = i.topic
    AND d.partition = i.partition AND d.topic_offset = i.topic_offset AND d.replayed_at IS NULL
    WHERE (i.outcome = 'dead' AND d.id IS NULL) OR (i.outcome <> 'dead' AND d.id IS NOT NULL)""")

_NOT_HANDLED = dated(
    """
    SELECT 'inbox:' || i.id FROM inbox_events i WHERE i.handled_at IS NULL AND i.received_at <= :waiting_since
    AND (i.next_attempt_at IS NULL OR i.next_attempt_at <= :waiting_since)
    AND NOT (i.event_type = 'match.status_changed' AND NOT EXISTS
        (SELECT 1 FROM placement_requests r WHERE 'request:' || r.id = i.subject))""",
    "waiting_since",
)
"""A status may wait for its request."""

INVARIANTS = (
    Invariant("inbound_without_effect", "an event that was applied left what it is about", _WITHOUT_EFFECT),
    Invariant("inbound_dead_and_alive", "an event is applied, or one dead letter, never both", _DEAD_AND_ALIVE),
    Invariant("inbound_not_handled", "an event that can be applied is applied within minutes", _NOT_HANDLED, True),
)
