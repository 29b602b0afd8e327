"""Nothing stays in a state that somebody's death should have ended."""

from __future__ import annotations

from datetime import timedelta

from comms.services.checking.invariant import Invariant, dated

GRACE = timedelta(seconds=30)
"""After the end of a lease, for whoever takes over."""

LONGEST_RUN = timedelta(hours=26)
"""A run that is still open then died; the next run of its job closes it, and most jobs run daily."""

_STILL_SENDING = dated(
    "SELECT 'email:' || id FROM emails WHERE status = 'sending' AND lease_until < :lease_ended", "lease_ended"
)

_ROLE_LEFT_BEHIND = dated(
    """
    SELECT 'role:' || role FROM leases WHERE until < :lease_ended AND (
        (role = 'relay' AND EXISTS (SELECT 1 FROM outbox_events
            WHERE published_at IS NULL AND parked_at IS NULL AND created_at <= :waiting_since))
        OR (role = 'inbox' AND EXISTS (SELECT 1 FROM inbox_events
            WHERE handled_at IS NULL AND next_attempt_at IS NULL AND received_at <= :waiting_since)))""",
    "lease_ended", "waiting_since",
)  # fmt: skip
"""Of a process that died, where work waits for whoever has the role."""

_RUN_LEFT_OPEN = dated("SELECT 'run:' || id FROM job_runs WHERE state = 'running' AND started_at < :begun", "begun")

INVARIANTS = (
    Invariant("still_sending", "an email whose sender died is taken over when the lease ends", _STILL_SENDING),
    Invariant("role_left_behind", "a role whose holder died is taken over where work waits", _ROLE_LEFT_BEHIND, True),
    Invariant("run_left_open", "a run that died is closed by the next one", _RUN_LEFT_OPEN),
)
