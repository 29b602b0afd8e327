"""Taking due emails out of the queue, with a lease and a row for the attempt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, insert, or_, select, update
from sqlalchemy.orm import Session

from comms.ports import Letter
from comms.rules.contact import Reason
from comms.rules.states import EmailStatus, TherapistStatus
from comms.services.places import cancel_emails
from comms.services.sending.values import Claimed
from comms.store.engines import for_claim
from comms.store.models import DeliveryAttempt, Email, Suppression, Therapist
from comms.store.transitions import move_emails


@dataclass(frozen=True)
class Claims:
    """What a claim found: emails to send, and ids of those that it canceled. `looked_at` counts both."""

    letters: list[Claimed]
    canceled: list[int]

    @property
    def looked_at(self) -> int:
        return len(self.letters) + len(self.canceled)


def claim_due_emails(
    session: Session, owner: str, at: datetime, due_by: datetime, lease: timedelta, limit: int
) -> Claims:
    """Take the `limit` oldest emails that are due by `due_by`; cancel those whose therapist may not be written to.

    `at` is the database's time. Emails that wait to be rendered again are left alone.
    """
    due = _due(session, due_by, limit)
    barred = _barred(session, due)
    canceled = [id_ for reason, ids in barred.items() for id_ in cancel_emails(session, ids, at, reason)]
    held = set(due).difference(*barred.values())
    moved = move_emails(session, "claim", held, at, owner=owner, lease_until=at + lease, attempt=Email.attempt + 1)
    letters = _load(session, moved)
    _open_attempts(session, letters, owner, at)
    return Claims(letters, canceled)


def _due(session: Session, due_by: datetime, limit: int) -> list[int]:
    query = (
        select(Email.id)
        .where(Email.status == EmailStatus.QUEUED, Email.next_attempt_at <= due_by, ~Email.stale)
        .order_by(Email.next_attempt_at, Email.id)
        .limit(limit)
    )
    return list(session.scalars(for_claim(session, query)))


def _barred(session: Session, ids: Collection[int]) -> dict[Reason, list[int]]:
    """Those that must never be written to, by the first reason in the order of `Reason`."""
    reason = case(
        (Therapist.status == TherapistStatus.BLOCKED, Reason.BLOCKED.value),
        (Therapist.status == TherapistStatus.INACTIVE, Reason.INACTIVE.value),
        (Therapist.do_not_contact.is_not(None), Reason.DO_NOT_CONTACT.value),
        else_=Reason.SUPPRESSED_MAILBOX.value,
    )
    query = (
        select(Email.id, reason)
        .join(Therapist, Therapist.id == Email.therapist_id)
        .outerjoin(Suppression, Suppression.mailbox == Email.mailbox)
        .where(
            Email.id.in_(ids),
            or_(
                Therapist.status != TherapistStatus.ACTIVE,
                Therapist.do_not_contact.is_not(None),
                Suppression.id.is_not(None),
            ),
        )
    )
    found: dict[Reason, list[int]] = defaultdict(list)
    for id_, why in session.execute(query):
        found[Reason(why)].append(id_)
    return found


def _load(session: Session, ids: Collection[int]) -> list[Claimed]:
    query = (
        select(
            Email.id, Email.sender_email, Email.recipient_email, Email.raw,
            Email.attempt, Email.version, Email.retry_count, Email.first_attempt_at,
        )
        .where(Email.id.in_(ids))
        .order_by(Email.next_attempt_at, Email.id)
    )  # fmt: skip
    return [
        Claimed(Letter(id_, sender, recipient, raw or b""), attempt, version, retries, first)
        for id_, sender, recipient, raw, attempt, version, retries, first in session.execute(query)
    ]


def _open_attempts(session: Session, letters: Collection[Claimed], owner: str, at: datetime) -> None:
    rows = [{"email_id": c.email_id, "attempt": c.attempt, "owner": owner, "started_at": at} for c in letters]
    if rows:
        session.execute(insert(DeliveryAttempt), rows)


def renew_leases(session: Session, owner: str, at: datetime, lease: timedelta) -> None:
    """Hold on to everything that this process still holds; what has run out is lost."""
    session.execute(
        update(Email)
        .where(Email.status == EmailStatus.SENDING, Email.owner == owner, Email.lease_until > at)
        .values(lease_until=at + lease)
        .execution_options(synchronize_session=False)
    )
