"""Turn prepared emails into rows: one transaction, one claim statement, and everything that follows from winning it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from comms.rules.contact import Reason, Verdict
from comms.rules.policy import ContactPolicy
from comms.rules.states import EmailStatus, RequestStatus, TherapistStatus
from comms.services.batching.preparing import PreparedEmail
from comms.services.events import announce_emails
from comms.services.planning import plan_next_batch
from comms.store.contacts import claim, email_holder, mailbox_key, release, therapist_key
from comms.store.models import Email, EmailBatch, PlacementRequest, Suppression, Therapist
from comms.store.places import place_requests


@dataclass
class Created:
    """`emails`: {therapist: email}; `refused`: {therapist: why not}, decided by the same rules as the plan."""

    emails: dict[int, int] = field(default_factory=dict)
    refused: dict[int, Verdict] = field(default_factory=dict)


def create_emails(
    session: Session,
    prepared: Sequence[PreparedEmail],
    at: datetime,
    policy: ContactPolicy,
    batch_id: str,
) -> Created:
    """Claim the contacts of a chunk in one statement; the winners become queued emails with batches and events.

    Locks follow the order of `services.places`: emails, contact keys, requests.
    """
    candidates = _still_writable(session, prepared)
    emails = _insert(session, candidates, at, batch_id)
    winners = _intact(session, _claim(session, candidates, emails, at, policy), emails)
    ids = {p.therapist_id: emails[p.therapist_id] for p in winners}
    _forget(session, set(emails.values()) - set(ids.values()))
    _place_requests(session, winners, ids, at)
    _announce(session, winners, ids, at)
    losers = {p.therapist_id for p in prepared} - ids.keys()
    return Created(ids, _why_not(session, losers, at, policy))


def _still_writable(session: Session, prepared: Sequence[PreparedEmail]) -> list[PreparedEmail]:
    mailboxes = _writable_mailboxes(session, {email.therapist_id for email in prepared})
    return [email for email in prepared if mailboxes.get(email.therapist_id) == email.mailbox]


def _writable_mailboxes(session: Session, therapist_ids: Collection[int]) -> dict[int, str | None]:
    query = select(Therapist.id, Therapist.mailbox).where(
        Therapist.id.in_(sorted(therapist_ids)),
        Therapist.status == TherapistStatus.ACTIVE,
        Therapist.do_not_contact.is_(None),
        Therapist.email_refused_at.is_(None),
        Therapist.mailbox.not_in(select(Suppression.mailbox)),
    )
    return {row.id: row.mailbox for row in session.execute(query)}


def _insert(session: Session, prepared: Sequence[PreparedEmail], at: datetime, batch_id: str) -> dict[int, int]:
    if not prepared:
        return {}
    common = {
        "status": EmailStatus.QUEUED,
        "batch_id": batch_id,
        "queued_at": at,
        "next_attempt_at": at,
        "created_at": at,
        "updated_at": at,
    }
    rows = [common | email.values for email in prepared]
    ids = session.scalars(insert(Email).returning(Email.id, sort_by_parameter_order=True), rows)
    return {email.therapist_id: id_ for email, id_ in zip(prepared, ids, strict=True)}


def _claim(
    session: Session, prepared: Sequence[PreparedEmail], emails: Mapping[int, int], at: datetime, policy: ContactPolicy
) -> list[PreparedEmail]:
    wanted = {
        email_holder(emails[p.therapist_id]): (therapist_key(p.therapist_id), mailbox_key(p.mailbox)) for p in prepared
    }
    won = claim(session, wanted, at, policy.window)
    return [p for p in prepared if email_holder(emails[p.therapist_id]) in won]


def _intact(session: Session, winners: Sequence[PreparedEmail], emails: Mapping[int, int]) -> list[PreparedEmail]:
    """Lock the requests (after the contact keys, as everybody does) and give back what has changed since the plan."""
    free = _lock_free_requests(session, [id_ for email in winners for id_ in email.request_ids])
    intact = [email for email in winners if free.issuperset(email.request_ids)]
    broken = {email.therapist_id for email in winners} - {email.therapist_id for email in intact}
    release(session, [email_holder(emails[id_]) for id_ in broken])
    return intact


def _lock_free_requests(session: Session, ids: Collection[int]) -> set[int]:
    """Those that are open and in no live email."""
    elsewhere = select(EmailBatch.placement_request_id).where(EmailBatch.live)
    query = select(PlacementRequest.id).where(
        PlacementRequest.id.in_(sorted(ids)),
        PlacementRequest.status == RequestStatus.OPEN,
        PlacementRequest.id.not_in(elsewhere.where(EmailBatch.placement_request_id.in_(sorted(ids)))),
    )
    return set(session.scalars(query.order_by(PlacementRequest.id).with_for_update(key_share=True)))


def _forget(session: Session, email_ids: Collection[int]) -> None:
    """Take back rows that nobody has seen: they did not get their contact, or not their requests."""
    session.execute(delete(Email).where(Email.id.in_(sorted(email_ids))))


def _place_requests(
    session: Session, winners: Sequence[PreparedEmail], emails: Mapping[int, int], at: datetime
) -> None:
    rows: list[dict[str, Any]] = [
        {"email_id": emails[p.therapist_id], "therapist_id": p.therapist_id, "live": True, "created_at": at} | batch
        for p in winners
        for batch in p.batches
    ]
    if not rows:
        return
    place_requests(session, rows)
    session.execute(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_([row["placement_request_id"] for row in rows]))
        .values(status=RequestStatus.IN_PROGRESS, updated_at=at, version=PlacementRequest.version + 1)
        .execution_options(synchronize_session=False)
    )


def _announce(session: Session, winners: Sequence[PreparedEmail], emails: Mapping[int, int], at: datetime) -> None:
    extra = {emails[p.therapist_id]: {"template": p.values["template"], "status": EmailStatus.QUEUED} for p in winners}
    announce_emails(session, "email_created", list(emails.values()), at, extra)


def _why_not(
    session: Session, therapist_ids: Collection[int], at: datetime, policy: ContactPolicy
) -> dict[int, Verdict]:
    """Ask the plan again about those that were not written to: by now it knows what came in between."""
    if not therapist_ids:
        return {}
    decided = plan_next_batch(session, at, policy, therapist_ids=therapist_ids)
    verdicts = {decision.therapist_id: decision.verdict for decision in decided if not decision.verdict.allowed}
    return {id_: verdicts.get(id_, Verdict(Reason.CHANGED_MEANWHILE)) for id_ in therapist_ids}
