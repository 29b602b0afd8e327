"""May a person send this email, and taking the contact for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from comms.errors import BadInput, ContactRefused
from comms.rules.contact import LastContact, Reason, TherapistFacts, Verdict, can_contact_therapist
from comms.rules.policy import ContactPolicy
from comms.services.earlier import REMINDER
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

NEVER = frozenset({Reason.BLOCKED, Reason.INACTIVE, Reason.DO_NOT_CONTACT, Reason.SUPPRESSED_MAILBOX})
"""Reasons that no override breaks."""


def take_contact(
    session: Session, email_id: int, now: datetime, policy: ContactPolicy, override_reason: str | None
) -> None:
    """Hold therapist and mailbox for this email without an end; ContactRefused where the policy forbids it.

    An override breaks what ends by itself, window and cooling period, and nothing else. An answer to a therapist's
    answer takes no contact. An unanswered email does not keep a person from writing, only the daily batch.
    """
    email = session.execute(
        select(Email.therapist_id, Email.mailbox, Email.replies_to_email_id, Email.template).where(Email.id == email_id)
    ).one()
    facts = _facts(session, email.therapist_id, email.mailbox)
    verdict = can_contact_therapist(facts, now, policy)
    if verdict.reason in NEVER:
        raise refused(verdict)
    holder, keys = email_holder(email_id), [therapist_key(email.therapist_id), mailbox_key(email.mailbox)]
    release(session, [holder])
    if email.replies_to_email_id is not None and email.template != REMINDER:
        record_reply(session, holder, keys, now)
    elif override_reason is None and not verdict.allowed:
        raise refused(can_contact_therapist(_with_contacts(session, facts, keys), now, policy))
    elif not claim(session, {holder: keys}, now, policy.window):
        if override_reason is None:
            raise refused(can_contact_therapist(_with_contacts(session, facts, keys), now, policy))
        override(session, holder, keys, now)


def require_mailbox(session: Session, therapist: Therapist, now: datetime, policy: ContactPolicy) -> None:
    """ContactRefused where this therapist must never be written to, or has no address that works."""
    mailbox = therapist.mailbox if therapist.email_refused_at is None else None
    verdict = can_contact_therapist(_facts(session, therapist.id, mailbox), now, policy)
    if verdict.reason in NEVER | {Reason.NO_EMAIL}:
        raise refused(verdict)


def check_override(reason: str | None) -> None:
    if reason is not None and not reason.strip():
        raise BadInput("breaking the contact rule needs a reason", where="override")


def _facts(session: Session, therapist_id: int, mailbox: str | None) -> TherapistFacts:
    """What is known of the therapist. Who writes gives the address: facts that are missing stop no person."""
    rejected_on = select(func.max(Email.rejected_on)).where(Email.therapist_id == therapist_id).scalar_subquery()
    row = session.execute(
        select(
            Therapist.status,
            Therapist.do_not_contact,
            Therapist.next_contact_possible,
            exists().where(Suppression.mailbox == mailbox).label("suppressed"),
            rejected_on.label("rejected_on"),
        ).where(Therapist.id == therapist_id)
    ).one()
    return TherapistFacts(
        therapist_id,
        status=row.status,
        do_not_contact=row.do_not_contact is not None,
        mailbox=mailbox,
        suppressed=row.suppressed,
        rejected_on=row.rejected_on,
        next_contact_possible=row.next_contact_possible,
    )


def _with_contacts(session: Session, facts: TherapistFacts, keys: list[str]) -> TherapistFacts:
    known = states(session, keys)
    therapist, mailbox = (
        LastContact(holder is not None, at) for holder, at in (known.get(k, (None, None)) for k in keys)
    )
    return replace(facts, contact=therapist, mailbox_contact=mailbox)


def refused(verdict: Verdict) -> ContactRefused:
    """Say why not; where another contact was released since it stood in the way, that something changed."""
    reason = verdict.reason or Reason.CHANGED_MEANWHILE
    return ContactRefused(reason.value, verdict.next_date.isoformat() if verdict.next_date else None)
