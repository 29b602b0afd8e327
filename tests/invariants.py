"""What must hold after anything: one query per invariant, each returning the rows that break it."""

from __future__ import annotations

from sqlalchemy import text

from comms.store.session import Sessions, reading

INVARIANTS = {
    "a request is open, closed, in a live email or call, or on the staff list": """
        SELECT r.id FROM placement_requests r WHERE r.status = 'in_progress'
        AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.placement_request_id = r.id AND b.live)
        AND NOT EXISTS (SELECT 1 FROM phone_call_batches b WHERE b.placement_request_id = r.id AND b.live)
        AND NOT EXISTS (SELECT 1 FROM staff_items s WHERE s.resolved_at IS NULL AND (
            (s.subject_type = 'placement_request' AND s.subject_id = r.id)
            OR (s.subject_type = 'email' AND s.subject_id IN
                (SELECT email_id FROM email_batches WHERE placement_request_id = r.id AND included))
            OR (s.subject_type = 'phone_call' AND s.subject_id IN
                (SELECT phone_call_id FROM phone_call_batches WHERE placement_request_id = r.id AND included))
            OR (s.subject_type = 'therapist' AND s.subject_id = r.therapist_id)))""",
    "an open request is in no live email or call": """
        SELECT r.id FROM placement_requests r WHERE r.status = 'open' AND (
        EXISTS (SELECT 1 FROM email_batches b WHERE b.placement_request_id = r.id AND b.live)
        OR EXISTS (SELECT 1 FROM phone_call_batches b WHERE b.placement_request_id = r.id AND b.live))""",
    "a therapist or mailbox has at most one email that waits to be sent": """
        SELECT mailbox FROM emails WHERE status IN ('queued', 'sending') AND override_reason IS NULL
        AND (replies_to_email_id IS NULL OR template = 'follow_up')
        GROUP BY mailbox HAVING count(*) > 1
        UNION ALL SELECT CAST(therapist_id AS VARCHAR) FROM emails
        WHERE status IN ('queued', 'sending') AND override_reason IS NULL
        AND (replies_to_email_id IS NULL OR template = 'follow_up')
        GROUP BY therapist_id HAVING count(*) > 1""",
    "a waiting email holds both of its contact keys": """
        SELECT e.id FROM emails e WHERE e.status IN ('queued', 'sending') AND e.override_reason IS NULL
        AND (e.replies_to_email_id IS NULL OR e.template = 'follow_up') AND
        2 <> (SELECT count(*) FROM contact_state c WHERE c.held_by = 'email:' || e.id)""",
    "nobody holds a key for something that is over": """
        SELECT c.key FROM contact_state c WHERE c.held_by IS NOT NULL
        AND c.held_by NOT IN (SELECT 'email:' || id FROM emails WHERE status IN ('queued', 'sending'))
        AND c.held_by NOT IN (SELECT 'call:' || id FROM phone_calls WHERE status = 'scheduled')""",
    "a follow-up call happens once for one email": """
        SELECT e.email_id FROM phone_call_emails e JOIN phone_calls c ON c.id = e.phone_call_id
        WHERE c.retry_of_id IS NULL AND NOT (c.status = 'canceled' AND c.status_reason = 'answered')
        GROUP BY e.email_id HAVING count(*) > 1""",
    "a therapist has at most one scheduled call": """
        SELECT therapist_id FROM phone_calls WHERE status = 'scheduled' AND kind IN ('follow_up', 'first')
        GROUP BY therapist_id HAVING count(*) > 1""",
    "a scheduled call has all of its cells": """
        SELECT c.id FROM phone_calls c WHERE c.status = 'scheduled' AND c.duration_minutes / 5 <>
        (SELECT count(*) FROM call_cells k WHERE k.phone_call_id = c.id)""",
    "every email was announced exactly once": """
        SELECT e.id FROM emails e WHERE 1 <> (SELECT count(*) FROM outbox_events o
        WHERE o.key = 'email:' || e.id AND o.event_type = 'communication.email_created')""",
    "every sent email was announced exactly once": """
        SELECT e.id FROM emails e WHERE e.status = 'sent' AND 1 <> (SELECT count(*) FROM outbox_events o
        WHERE o.key = 'email:' || e.id AND o.event_type = 'communication.email_sent')""",
}


def broken(sessions: Sessions) -> dict[str, list[object]]:
    """Return {invariant: first column of the rows that break it}, without those that hold."""
    with reading(sessions) as session:
        found = {name: list(session.scalars(text(query))) for name, query in INVARIANTS.items()}
    return {name: rows for name, rows in found.items() if rows}
