"""What follows from the end of an attempt, in its transaction: contacts, events, requests, the staff list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.rules.replies import Reply
from comms.rules.retry import Kind
from comms.services.events import announce_emails
from comms.services.places import let_contacts_go, requests_in
from comms.services.reopening import reopen_waiting
from comms.services.sending.channel import codes
from comms.services.sending.marks import hand_overs
from comms.store.contacts import email_holder, happened
from comms.store.models import Email, Therapist
from comms.store.staff import raise_items


def after_sent(session: Session, ids: Collection[int], at: datetime) -> None:
    """The contact took place at the hand-over."""
    _contacts_happened(session, ids)
    announce_emails(session, "email_sent", ids, at, {id_: {"sent_at": at.isoformat()} for id_ in ids})


def after_lost(session: Session, ids: Collection[int], at: datetime) -> None:
    """The contact counts: it may have taken place. A person looks into it."""
    _contacts_happened(session, ids)
    announce_emails(session, "email_in_doubt", ids, at)
    raise_items(session, "email", _therapists(session, ids), "email_in_doubt", at)


def _contacts_happened(session: Session, ids: Collection[int]) -> None:
    happened(session, {email_holder(id_): when for id_, when in hand_overs(session, ids).items()})


def after_refused(session: Session, why: Mapping[int, tuple[Kind, Reply]], at: datetime) -> None:
    """A bad address sends its requests to a first call; other refusals keep them, for a person to decide."""
    let_contacts_go(session, list(why))
    announce_emails(session, "email_failed", list(why), at, {id_: {"reason": kind} for id_, (kind, _) in why.items()})
    unreachable = [id_ for id_, (kind, _) in why.items() if kind is Kind.PERMANENT_ADDRESS]
    if unreachable:
        _note_bad_addresses(session, unreachable, at)
        reopen_waiting(session, requests_in(session, unreachable), at)
    kept = {id_: {"kind": kind.value} | codes(reply) for id_, (kind, reply) in why.items() if id_ not in unreachable}
    raise_items(session, "email", _therapists(session, kept), "email_failed", at, kept)


def _therapists(session: Session, ids: Collection[int]) -> dict[int, int | None]:
    query = select(Email.id, Email.therapist_id).where(Email.id.in_(ids))
    return {row.id: row.therapist_id for row in session.execute(query)}


def _note_bad_addresses(session: Session, email_ids: Collection[int], at: datetime) -> None:
    """Unless the therapist has another address by now."""
    refused = select(Email.therapist_id).where(Email.id.in_(email_ids), Email.mailbox == Therapist.mailbox)
    session.execute(
        update(Therapist)
        .where(Therapist.id.in_(refused), Therapist.email_refused_at.is_(None))
        .values(email_refused_at=at, updated_at=at, version=Therapist.version + 1)
        .execution_options(synchronize_session=False)
    )
