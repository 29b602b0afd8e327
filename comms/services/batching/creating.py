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
from comms.store.contacts import claim, email_holder, mailbox_key, therapist_key
from comms.store.models import Email, EmailBatch, PlacementRequest, Suppression, Therapist


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
    """Claim the contacts of a chunk in one statement; the winners become queued emails with batches and events."""
    standing = _still_as_planned(session, prepared)
    emails = _insert(session, standing, at, batch_id)
    won = _claim(session, standing, emails, at, policy)
    _forget(session, [emails[p.therapist_id] for p in standing if p.therapist_id not in won])
    winners = [p for p in standing if p.therapist_id in won]
    ids = {p.therapist_id: emails[p.therapist_id] for p in winners}
    _place_requests(session, winners, ids, at)
    _announce(session, winners, ids, at)
    losers = {p.therapist_id for p in prepared} - won
    return Created(ids, _why_not(session, losers, at, policy))


def _still_as_planned(session: Session, prepared: Sequence[PreparedEmail]) -> list[PreparedEmail]:
    """Lock the requests in order, and keep the emails of which nothing has changed since they were planned."""
    ids = sorted(id_ for email in prepared for id_ in email.request_ids)
    open_ = set(
        session.scalars(
            select(PlacementRequest.id)
            .where(PlacementRequest.id.in_(ids), PlacementRequest.status == RequestStatus.OPEN)
            .order_by(PlacementRequest.id)
            .with_for_update()
        )
    )
    held = set(
        session.scalars(
            select(EmailBatch.placement_request_id).where(EmailBatch.placement_request_id.in_(ids), EmailBatch.live)
        )
    )
    mailboxes = _writable_mailboxes(session, {email.therapist_id for email in prepared})
    return [
        email
        for email in prepared
        if (open_ - held).issuperset(email.request_ids) and mailboxes.get(email.therapist_id) == email.mailbox
    ]


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
) -> set[int]:
    therapist_of = {email_holder(emails[p.therapist_id]): p.therapist_id for p in prepared}
    wanted = {
        email_holder(emails[p.therapist_id]): (therapist_key(p.therapist_id), mailbox_key(p.mailbox)) for p in prepared
    }
    return {therapist_of[holder] for holder in claim(session, wanted, at, policy.window)}


def _forget(session: Session, email_ids: Sequence[int]) -> None:
    """Take back rows that nobody has seen: their contact was lost in this very transaction."""
    session.execute(delete(Email).where(Email.id.in_(email_ids)))


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
    session.execute(insert(EmailBatch), rows)
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
