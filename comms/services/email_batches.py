"""Placement requests in one email: added, ordered and taken out while a person's draft is one, answered later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from comms.errors import Conflict, MoveNotAllowed, NotFound
from comms.rules.policy import BERLIN
from comms.rules.states import EmailStatus, Outcome, verbs_from
from comms.services.answer_rows import write_notes
from comms.services.answers import record_answer
from comms.services.emails.reading import BatchView
from comms.services.emails.requests import accept_requests
from comms.services.places import lock_emails
from comms.services.taking_back import take_back_outcome
from comms.store.models import Email, EmailBatch
from comms.store.paging import Page, Slice, newest_first
from comms.store.places import place_requests
from comms.store.staff import audit

MOST = 100
"""Requests in one email."""

_COLUMNS = tuple(getattr(EmailBatch, name) for name in BatchView.__dataclass_fields__)
_PLACE = ("priority", "included")
"""What can be said of a request's place while the email is a draft."""


def page_of_batches(session: Session, page: Page, email_id: int) -> Slice[BatchView]:
    """List the requests that were ever in an email; NotFound."""
    if session.scalar(select(Email.id).where(Email.id == email_id)) is None:
        raise NotFound("email", email_id)
    found = newest_first(session, select(*_COLUMNS).where(EmailBatch.email_id == email_id), EmailBatch.id, page)
    return found.of([BatchView(**row._mapping) for row in found.rows])


def show_batch(session: Session, batch_id: int) -> BatchView:
    """Read one; NotFound."""
    row = session.execute(select(*_COLUMNS).where(EmailBatch.id == batch_id)).one_or_none()
    if row is None:
        raise NotFound("email batch", batch_id)
    return BatchView(**row._mapping)


def add_request(
    session: Session, email_id: int, request_id: int, now: datetime, actor: str, priority: int | None = None
) -> int:
    """Let a draft speak of one more request (last, unless `priority` says otherwise); return the id of its batch."""
    therapist_id = _open_draft(session, email_id, "add a placement request", now)
    accept_requests(session, [request_id], therapist_id, now)
    inside = (EmailBatch.email_id == email_id,)
    if session.scalar(select(EmailBatch.id).where(*inside, EmailBatch.placement_request_id == request_id)):
        raise Conflict(f"placement request {request_id} is in email {email_id} already")
    last = func.coalesce(func.max(EmailBatch.priority), 0), func.coalesce(func.max(EmailBatch.number), 0)
    row = session.execute(select(func.count(), *last).where(*inside)).one()
    if row[0] >= MOST:
        raise Conflict(f"email {email_id} speaks of {MOST} placement requests already; write another one")
    values = {
        "email_id": email_id,
        "therapist_id": therapist_id,
        "placement_request_id": request_id,
        "priority": priority or row[1] + 1,
        "number": row[2] + 1,
        "created_at": now,
    }
    [batch_id] = place_requests(session, [values])
    audit(session, actor, "email.add_request", "email", email_id, now, placement_request_id=request_id)
    return batch_id


def drop_request(session: Session, batch_id: int, now: datetime, actor: str) -> None:
    """Take a request out of a draft as if it had never been in it."""
    batch = show_batch(session, batch_id)
    _open_draft(session, batch.email_id, "drop a placement request", now)
    gone = session.scalar(delete(EmailBatch).where(EmailBatch.id == batch_id).returning(EmailBatch.id))
    if gone is None:
        raise NotFound("email batch", batch_id)
    about = {"placement_request_id": batch.placement_request_id}
    audit(session, actor, "email.drop_request", "email", batch.email_id, now, **about)


def change_batch(
    session: Session, batch_id: int, given: Mapping[str, Any], now: datetime, actor: str, zone: ZoneInfo = BERLIN
) -> None:
    """Change what is `given`: priority and included in a draft, response_outcome and response_notes once it was sent.

    What is given as it stands already changes nothing and is always allowed.
    """
    batch = show_batch(session, batch_id)
    new = {name: value for name, value in given.items() if value != getattr(batch, name)}
    place = {name: new[name] for name in _PLACE if name in new}
    if place:
        _change_place(session, batch, place, now, actor)
    if "response_outcome" in new:
        _change_outcome(session, batch, new["response_outcome"], now, actor, zone)
    if "response_notes" in new:
        write_notes(session, batch.email_id, {batch.placement_request_id: new["response_notes"]})
        audit(session, actor, "email_batch.note", "email_batch", batch_id, now)


def _change_place(session: Session, batch: BatchView, place: Mapping[str, Any], now: datetime, actor: str) -> None:
    therapist_id = _open_draft(session, batch.email_id, f"change {' and '.join(place)} of a placement request", now)
    if place.get("included"):
        accept_requests(session, [batch.placement_request_id], therapist_id, now)
    session.execute(
        update(EmailBatch)
        .where(EmailBatch.id == batch.id)
        .values(**place, version=EmailBatch.version + 1)
        .execution_options(synchronize_session=False)
    )
    audit(session, actor, "email_batch.change", "email_batch", batch.id, now, **place)


def _change_outcome(
    session: Session, batch: BatchView, outcome: str | None, now: datetime, actor: str, zone: ZoneInfo
) -> None:
    if not batch.included:
        raise Conflict(f"placement request {batch.placement_request_id} was taken out of email {batch.email_id}")
    if outcome is None:
        take_back_outcome(session, batch.email_id, batch.placement_request_id, now, actor, zone)
    else:
        outcomes = {batch.placement_request_id: Outcome(outcome)}
        record_answer(session, batch.email_id, outcomes, now, actor, zone=zone)


def _open_draft(session: Session, email_id: int, what: str, now: datetime) -> int:
    """Lock an email whose requests may change, give it a new version and return its therapist.

    MoveNotAllowed once it is no draft; Conflict where its words come from a template and would not follow.
    """
    lock_emails(session, Email.id == email_id)
    row = session.execute(
        select(Email.status, Email.template, Email.therapist_id).where(Email.id == email_id)
    ).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    if row.status != EmailStatus.DRAFT:
        raise MoveNotAllowed(f"email {email_id}", row.status, what, verbs_from("email", row.status))
    if row.template is not None:
        raise Conflict(f"email {email_id} is made from a template and says what it says; cancel it and write a new one")
    touched = update(Email).where(Email.id == email_id).values(version=Email.version + 1, updated_at=now)
    session.execute(touched.execution_options(synchronize_session=False))
    return int(row.therapist_id)
