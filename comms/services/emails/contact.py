"""May a person send this email, and taking the contact for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from comms.errors import BadInput, ContactRefused
from comms.rules.contact import LastContact, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.policy import ContactPolicy
from comms.store.contacts import (
    claim,
    email_holder,
    mailbox_key,
    override,
    record_reply,
    release,
    states,
    therapist_key,
)
from comms.store.models import Email, Suppression, Therapist


def take_contact(
    session: Session, email_id: int, now: datetime, policy: ContactPolicy, override_reason: str | None
) -> None:
    """Hold therapist and mailbox for this email without an end; ContactRefused where the policy forbids it.

    An override breaks the rule of the window and nothing else. An answer to a therapist's answer takes no contact.
    """
    email = session.execute(
        select(Email.therapist_id, Email.mailbox, Email.replies_to_email_id).where(Email.id == email_id)
    ).one()
    _never_contacted(session, email.therapist_id, email.mailbox, now, policy)
    holder, keys = email_holder(email_id), [therapist_key(email.therapist_id), mailbox_key(email.mailbox)]
    release(session, [holder])
    if email.replies_to_email_id is not None:
        record_reply(session, holder, keys, now)
    elif not claim(session, {holder: keys}, now, policy.window):
        if override_reason is None:
            raise refused(_by_contacts(session, keys, now, policy))
        override(session, holder, keys, now)


def check_override(reason: str | None) -> None:
    if reason is not None and not reason.strip():
        raise BadInput("breaking the contact rule needs a reason", where="override")


def _never_contacted(session: Session, therapist_id: int, mailbox: str, now: datetime, policy: ContactPolicy) -> None:
    suppressed = exists().where(Suppression.mailbox == mailbox)
    status, objection, is_suppressed = session.execute(
        select(Therapist.status, Therapist.do_not_contact, suppressed).where(Therapist.id == therapist_id)
    ).one()
    facts = TherapistFacts(
        therapist_id,
        status=status,
        do_not_contact=objection is not None,
        mailbox=mailbox,
        suppressed=is_suppressed,
    )
    verdict = can_contact_therapist(facts, now, policy)
    if not verdict.allowed:
        raise refused(verdict)


def _by_contacts(session: Session, keys: list[str], now: datetime, policy: ContactPolicy) -> Verdict:
    known = states(session, keys)
    therapist, mailbox = (
        LastContact(holder is not None, at) for holder, at in (known.get(k, (None, None)) for k in keys)
    )
    facts = TherapistFacts(0, mailbox=keys[1], contact=therapist, mailbox_contact=mailbox)
    return can_contact_therapist(facts, now, policy)


def refused(verdict: Verdict) -> ContactRefused:
    assert verdict.reason is not None
    return ContactRefused(verdict.reason.value, verdict.next_date.isoformat() if verdict.next_date else None)
