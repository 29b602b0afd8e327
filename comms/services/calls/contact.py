"""May a person call this therapist, and taking the contact for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from comms.errors import ContactRefused
from comms.rules.contact import LastContact, Reason, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.policy import CallPolicy, ContactPolicy
from comms.services.calls.needs import may_be_called
from comms.store.contacts import call_holder, claim, override_beside, record_reply, states, therapist_key

BREAKABLE = frozenset({Reason.COOLING_PERIOD, Reason.CONTACTED_RECENTLY})
"""What a person may break with a reason: rests and the rule of the window, never a block or an objection."""


def check_contact(facts: TherapistFacts, now: datetime, policy: CallPolicy, *, reply: bool, override: bool) -> None:
    """ContactRefused where the policy forbids the call, or where not even an override allows it."""
    verdict = may_be_called(facts, now, policy, reply=reply)
    if verdict.reason and not (override and verdict.reason in BREAKABLE):
        raise _refused(verdict)


def take_contact(
    session: Session,
    call_id: int,
    therapist_id: int,
    now: datetime,
    policy: CallPolicy,
    *,
    reply: bool,
    override: bool,
) -> None:
    """Hold the therapist's key for this call; a reply holds nothing, an override leaves what others hold with them."""
    holder, keys = call_holder(call_id), [therapist_key(therapist_id)]
    if reply:
        record_reply(session, holder, keys, now)
    elif not claim(session, {holder: keys}, now, policy.window):
        if not override:
            raise _refused(_as_it_is_now(session, therapist_id, now, policy))
        override_beside(session, holder, keys, now)


def _as_it_is_now(session: Session, therapist_id: int, now: datetime, policy: CallPolicy) -> Verdict:
    """Somebody else took the contact since it was looked at."""
    key = therapist_key(therapist_id)
    held_by, at = states(session, [key]).get(key, (None, None))
    facts = TherapistFacts(therapist_id, mailbox="", contact=LastContact(held_by is not None, at))
    verdict = can_contact_therapist(facts, now, ContactPolicy(window=policy.window, zone=policy.zone))
    return verdict if verdict.reason else Verdict(Reason.CHANGED_MEANWHILE)


def _refused(verdict: Verdict) -> ContactRefused:
    assert verdict.reason is not None
    return ContactRefused(verdict.reason.value, verdict.next_date.isoformat() if verdict.next_date else None)
