"""Making and queueing a letter that speaks of an earlier email; see `services.earlier`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from comms.errors import Conflict, NotFound
from comms.rules.policy import ContactPolicy
from comms.rules.states import EmailStatus
from comms.services.correspondence import Correspondence
from comms.services.earlier import load_earlier
from comms.services.emails.contact import require_mailbox
from comms.services.emails.queueing import queue_email
from comms.services.events import announce_emails
from comms.services.letters.context import PatientLine
from comms.services.places import lock_with_patients
from comms.store.models import Email, EmailBatch, Patient, PlacementRequest, Therapist
from comms.store.places import place_requests

NEVER_ARRIVED = frozenset({EmailStatus.CANCELED, EmailStatus.BOUNCED})
_WAY_OUT = {EmailStatus.FAILED: "; requeue or cancel that one", EmailStatus.IN_DOUBT: "; resolve that one first"}


@dataclass(frozen=True)
class Place:
    """One request to be spoken of, under the number and with the facts of the earlier email."""

    request_id: int
    number: int
    facts: dict[str, Any] | None


@dataclass(frozen=True)
class Earlier:
    id: int
    therapist_id: int
    status: str
    template: str | None
    replies_to_email_id: int | None
    response_received: bool
    closed_at: datetime | None


@dataclass(frozen=True)
class Letter:
    """A letter to be written: its template, the email that it speaks of, and about whom."""

    template: str
    earlier: Earlier
    places: Sequence[Place]


def lock_earlier(session: Session, email_id: int) -> Earlier:
    """Load an email so that nobody answers it, or writes about it, until the transaction ends; NotFound."""
    lock_with_patients(session, email_id)
    columns = (getattr(Email, name) for name in Earlier.__dataclass_fields__)
    row = session.execute(select(*columns).where(Email.id == email_id)).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    return Earlier(**row._mapping)


def spoken_of(
    session: Session, email_id: int, template: str, over: Collection[EmailStatus] = NEVER_ARRIVED
) -> dict[int, Conflict]:
    """Say which requests such a letter about this email speaks of already, letters that are `over` left out.

    Returns {request id: what forbids another one}.
    """
    query = (
        select(EmailBatch.placement_request_id, Email.id, Email.status)
        .join(Email, Email.id == EmailBatch.email_id)
        .where(Email.replies_to_email_id == email_id, Email.template == template, Email.status.not_in(over))
        .where(EmailBatch.included)
        .order_by(Email.id)
    )
    return {
        request: Conflict(f"email {later} does that already and is {status}{_WAY_OUT.get(EmailStatus(status), '')}")
        for request, later, status in session.execute(query)
    }


def send_letter(
    session: Session,
    letter: Letter,
    now: datetime,
    actor: str,
    policy: ContactPolicy,
    correspondence: Correspondence,
    override_reason: str | None = None,
) -> int:
    """Write, store, queue and announce it; return the id of the new email. ContactRefused as for every queueing."""
    therapist = session.get_one(Therapist, letter.earlier.therapist_id, populate_existing=True)
    require_mailbox(session, therapist, now, policy)
    letter = replace(letter, places=_with_facts(session, letter.places, correspondence, now))
    id_ = _store(session, letter, _write(session, letter, therapist, correspondence, now), now)
    queue_email(session, id_, now, actor, policy, override_reason=override_reason)
    announce_emails(
        session, "email_created", [id_], now, {id_: {"template": letter.template, "status": EmailStatus.QUEUED}}
    )
    return id_


def _with_facts(
    session: Session, places: Sequence[Place], correspondence: Correspondence, now: datetime
) -> list[Place]:
    """Where a person wrote the earlier email, nothing was frozen about the patients: then what is known now counts."""
    unknown = [place.request_id for place in places if not place.facts]
    query = (
        select(PlacementRequest.id, Patient)
        .join(Patient, Patient.id == PlacementRequest.patient_id)
        .where(PlacementRequest.id.in_(unknown))
    )
    patients = {row[0]: row[1] for row in session.execute(query)}
    return [
        replace(place, facts=correspondence.facts_about(patients[place.request_id], now))
        if place.request_id in patients
        else place
        for place in places
    ]


def _write(
    session: Session, letter: Letter, therapist: Therapist, correspondence: Correspondence, now: datetime
) -> dict[str, Any]:
    told = load_earlier(session, [letter.earlier.id], correspondence.zone)[letter.earlier.id]
    lines = [PatientLine(place.number, place.facts or {}) for place in letter.places]
    return correspondence.write_about(letter.template, told, therapist, lines, now)


def _store(session: Session, letter: Letter, written: dict[str, Any], now: datetime) -> int:
    earlier = letter.earlier
    fixed = {"status": EmailStatus.DRAFT, "replies_to_email_id": earlier.id, "created_at": now, "updated_at": now}
    id_ = session.execute(insert(Email).values(**written, **fixed).returning(Email.id)).scalar_one()
    rows = [
        {
            "email_id": id_,
            "placement_request_id": place.request_id,
            "therapist_id": earlier.therapist_id,
            "priority": position,
            "number": place.number,
            "facts": place.facts,
            "created_at": now,
        }
        for position, place in enumerate(letter.places, start=1)
    ]
    place_requests(session, rows)
    return id_
