"""Every placement request has its place: it waits, is asked for, needs a person, or is closed."""

from __future__ import annotations

from sqlalchemy import text

from comms.services.checking.invariant import Invariant

_WITHOUT_PLACE = text("""
    SELECT 'request:' || r.id FROM placement_requests r WHERE r.status = 'in_progress'
    AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.placement_request_id = r.id AND b.live)
    AND NOT EXISTS (SELECT 1 FROM phone_call_batches b WHERE b.placement_request_id = r.id AND b.live)
    AND NOT EXISTS (SELECT 1 FROM staff_items s WHERE s.resolved_at IS NULL AND (
        (s.subject_type = 'placement_request' AND s.subject_id = r.id)
        OR (s.subject_type = 'therapist' AND s.subject_id = r.therapist_id)
        OR (s.subject_type = 'email' AND s.subject_id IN
            (SELECT email_id FROM email_batches WHERE placement_request_id = r.id AND included))
        OR (s.subject_type = 'phone_call' AND s.subject_id IN
            (SELECT phone_call_id FROM phone_call_batches WHERE placement_request_id = r.id AND included))))""")

_PLACE_TOO_MUCH = text("""
    SELECT 'request:' || r.id FROM placement_requests r WHERE r.status <> 'in_progress' AND (
        EXISTS (SELECT 1 FROM email_batches b WHERE b.placement_request_id = r.id AND b.live)
        OR EXISTS (SELECT 1 FROM phone_call_batches b WHERE b.placement_request_id = r.id AND b.live))""")

_LIVE_IN_SOMETHING_OVER = text("""
    SELECT 'email:' || e.id FROM emails e JOIN email_batches b ON b.email_id = e.id
    WHERE b.live AND e.status NOT IN ('queued', 'sending', 'sent', 'in_doubt')
    UNION ALL
    SELECT 'call:' || c.id FROM phone_calls c JOIN phone_call_batches b ON b.phone_call_id = c.id
    WHERE b.live AND c.status <> 'scheduled'""")

INVARIANTS = (
    Invariant(
        "request_without_place",
        "a request in progress is in a live email or call, or on the staff list",
        _WITHOUT_PLACE,
    ),
    Invariant(
        "request_with_place_too_much",
        "a request that waits or is closed is in no live email or call",
        _PLACE_TOO_MUCH,
    ),
    Invariant(
        "place_in_something_over",
        "an email or call that is over holds no request",
        _LIVE_IN_SOMETHING_OVER,
    ),
)
