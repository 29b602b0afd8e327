"""Nobody is contacted more often than the policy allows, and the keys say who is about to be."""

from __future__ import annotations

from sqlalchemy import String, bindparam, column, extract, or_, select, text
from sqlalchemy.orm import aliased

from comms.services.checking.invariant import Invariant
from comms.store.models import ContactEntry

_NOTED_AFTERWARDS = text("""
    SELECT 'call:' || c.id FROM phone_calls c WHERE c.status = 'completed' AND (c.actual_at < c.created_at
    OR EXISTS (SELECT 1 FROM outbox_events o WHERE o.key = 'call:' || c.id
               AND o.event_type = 'communication.call_failed'))""").columns(column("holder", String))
"""Calls whose contact a person noted later: it had released the key before, or was made before it was booked."""

_earlier, _later = aliased(ContactEntry), aliased(ContactEntry)
_TOO_SOON = (
    select(_later.holder)
    .join(_earlier, _earlier.key == _later.key)
    .where(
        _earlier.kind == "contact",
        _later.kind == "contact",
        or_(_earlier.at < _later.at, (_earlier.at == _later.at) & (_earlier.holder < _later.holder)),
        extract("epoch", _later.at) - extract("epoch", _earlier.at) < bindparam("window_seconds"),
        _earlier.holder.not_in(_NOTED_AFTERWARDS),
        _later.holder.not_in(_NOTED_AFTERWARDS),
    )
)
"""Overrides and replies stand in the ledger as such. SQLite counts whole seconds."""

_ORDINARY = "override_reason IS NULL AND (replies_to_email_id IS NULL OR template = 'follow_up')"

_TWO_WAIT = text(f"""
    SELECT 'email:' || id FROM emails WHERE status IN ('queued', 'sending') AND {_ORDINARY} AND (
    mailbox IN (SELECT mailbox FROM emails WHERE status IN ('queued', 'sending') AND {_ORDINARY}
                GROUP BY mailbox HAVING count(*) > 1)
    OR therapist_id IN (SELECT therapist_id FROM emails WHERE status IN ('queued', 'sending') AND {_ORDINARY}
                        GROUP BY therapist_id HAVING count(*) > 1))""")  # noqa: S608 - parts of this file

_WITHOUT_CONTACT = text(f"""
    SELECT 'email:' || e.id FROM emails e WHERE e.status IN ('queued', 'sending') AND {_ORDINARY}
    AND 2 <> (SELECT count(*) FROM contact_state c WHERE c.held_by = 'email:' || e.id)
    UNION ALL
    SELECT 'call:' || c.id FROM phone_calls c WHERE c.status = 'scheduled' AND c.override_reason IS NULL
    AND NOT EXISTS (SELECT 1 FROM contact_state s
                    WHERE s.key = 'therapist:' || c.therapist_id AND s.held_by = 'call:' || c.id)
    AND NOT EXISTS (SELECT 1 FROM contact_ledger l WHERE l.holder = 'call:' || c.id AND l.kind = 'reply')""")  # noqa: S608

_HELD_FOR_NOTHING = text("""
    SELECT c.held_by FROM contact_state c WHERE c.held_by IS NOT NULL
    AND c.held_by NOT IN (SELECT 'email:' || id FROM emails WHERE status IN ('queued', 'sending'))
    AND c.held_by NOT IN (SELECT 'call:' || id FROM phone_calls WHERE status = 'scheduled')""")

INVARIANTS = (
    Invariant(
        "contact_too_soon",
        "two contacts of one therapist or mailbox are a contact window apart",
        _TOO_SOON,
    ),
    Invariant(
        "two_emails_waiting",
        "one email at most waits for one therapist or mailbox",
        _TWO_WAIT,
    ),
    Invariant(
        "waits_without_contact",
        "a waiting email and a booked call hold their contact",
        _WITHOUT_CONTACT,
    ),
    Invariant(
        "contact_held_for_nothing",
        "nothing that is over keeps others from a contact",
        _HELD_FOR_NOTHING,
    ),
)
