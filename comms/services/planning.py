"""What the next batch would do, and why: loads what is known and asks the rules. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, select, text
from sqlalchemy.orm import Session

from comms.rules.batching import Candidate, Decision, Inquiry, plan_batches
from comms.rules.contact import NEVER, LastContact, TherapistFacts
from comms.rules.policy import ContactPolicy
from comms.rules.states import RequestStatus
from comms.store.contacts import mailbox_key, therapist_key
from comms.store.models import ContactState, Email, Patient, PlacementRequest, Suppression, Therapist
from comms.store.models.emails import PENDING


def plan_next_batch(
    session: Session,
    at: datetime,
    policy: ContactPolicy,
    *,
    limit: int | None = None,
    therapist_ids: Collection[int] | None = None,
) -> list[Decision]:
    """Decide about every therapist with an open request (or only about those named) as if it were `at`."""
    return plan_batches(load_inquiries(session, at, policy, therapist_ids), at, policy, limit)


def therapists_of(session: Session, request_ids: Collection[int]) -> set[int]:
    """Whom these placement requests ask."""
    query = select(PlacementRequest.therapist_id).where(PlacementRequest.id.in_(sorted(request_ids)))
    return set(session.scalars(query))


def load_inquiries(
    session: Session, at: datetime, policy: ContactPolicy, therapist_ids: Collection[int] | None = None
) -> list[Inquiry]:
    """Load the facts in six queries, however many therapists there are."""
    requests = _open_requests(session, therapist_ids)
    known = _KnownContacts(session, at - policy.window)
    return [
        Inquiry(known.about(therapist), tuple(requests[therapist.id]))
        for therapist in session.execute(_therapists(therapist_ids))
        if therapist.id in requests
    ]


def _open_requests(session: Session, therapist_ids: Collection[int] | None) -> dict[int, list[Candidate]]:
    query = (
        select(
            PlacementRequest.therapist_id,
            PlacementRequest.id,
            Patient.registered_on,
            func.coalesce(Patient.facts_missing, True),
        )
        .outerjoin(Patient, Patient.id == PlacementRequest.patient_id)
        .where(PlacementRequest.status == RequestStatus.OPEN)
    )
    if therapist_ids is not None:
        query = query.where(PlacementRequest.therapist_id.in_(sorted(therapist_ids)))
    found: dict[int, list[Candidate]] = defaultdict(list)
    for therapist_id, request_id, registered_on, facts_missing in session.execute(query):
        found[therapist_id].append(Candidate(request_id, registered_on, facts_missing))
    return found


def _therapists(therapist_ids: Collection[int] | None) -> Select[*tuple[Any, ...]]:
    has_open_request = exists().where(
        PlacementRequest.therapist_id == Therapist.id, PlacementRequest.status == RequestStatus.OPEN
    )
    query = select(
        Therapist.id,
        Therapist.status,
        Therapist.do_not_contact,
        Therapist.mailbox,
        Therapist.email_refused_at,
        Therapist.facts_missing,
        Therapist.next_contact_possible,
    ).where(has_open_request)
    return query if therapist_ids is None else query.where(Therapist.id.in_(sorted(therapist_ids)))


class _KnownContacts:
    """What is known of everybody's contacts: recent ones, unanswered emails, rejections, suppressed mailboxes."""

    def __init__(self, session: Session, since: datetime) -> None:
        self._recent = _recent_contacts(session, since)
        self._awaiting = _awaiting(session)
        self._rejected = _rejections(session)
        self._suppressed = set(session.scalars(select(Suppression.mailbox)))

    def about(self, row: Row[Any]) -> TherapistFacts:
        mailbox = row.mailbox if row.email_refused_at is None else None
        return TherapistFacts(
            therapist_id=row.id,
            status=row.status,
            do_not_contact=row.do_not_contact is not None,
            mailbox=mailbox,
            suppressed=row.mailbox in self._suppressed,
            facts_missing=row.facts_missing,
            rejected_on=self._rejected.get(row.id),
            next_contact_possible=row.next_contact_possible,
            awaiting_answer=row.id in self._awaiting,
            contact=self._recent.get(therapist_key(row.id), NEVER),
            mailbox_contact=self._recent.get(mailbox_key(mailbox), NEVER) if mailbox else NEVER,
        )


def _awaiting(session: Session) -> set[int]:
    """Who has not answered yet. A confirmation awaits nothing, and a reminder waits with the email that it is about."""
    inquiry = Email.replies_to_email_id.is_(None)
    return set(session.scalars(select(Email.therapist_id).where(text(PENDING), inquiry).distinct()))


def _recent_contacts(session: Session, since: datetime) -> dict[str, LastContact]:
    query = select(ContactState.key, ContactState.held_by, ContactState.contacted_at).where(
        ContactState.held_by.is_not(None) | (ContactState.contacted_at > since)
    )
    return {key: LastContact(held_by is not None, at) for key, held_by, at in session.execute(query)}


def _rejections(session: Session) -> dict[int, date]:
    query = select(Email.therapist_id, func.max(Email.rejected_on)).where(Email.rejected_on.is_not(None))
    return {id_: day for id_, day in session.execute(query.group_by(Email.therapist_id)) if day}
