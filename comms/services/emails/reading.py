"""Emails as staff and the API see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Row, Select, bindparam, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from comms.errors import BadInput, NotFound
from comms.rules.states import EmailStatus
from comms.store.models import Base, DeliveryAttempt, Email, EmailBatch, OutboxEvent, at_first, table_of
from comms.store.paging import Page, Slice, newest_where


@dataclass(frozen=True)
class EmailSummary:
    id: int
    therapist_id: int
    subject: str
    recipient_email: str
    recipient_name: str
    status: str
    status_reason: str | None
    created_at: datetime
    sent_at: datetime | None
    response_received: bool
    response_date: datetime | None
    batch_id: str | None


@dataclass(frozen=True)
class BatchView:
    """One placement request in one email."""

    id: int
    email_id: int
    placement_request_id: int
    priority: int
    number: int
    included: bool
    response_outcome: str | None
    response_notes: str | None
    responded_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class AttemptView:
    """One try to deliver: codes only, never what the relay wrote."""

    attempt: int
    started_at: datetime
    handed_over_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    phase: str | None
    code: int | None
    enhanced: str | None
    fault: str | None


@dataclass(frozen=True)
class EmailDetails(EmailSummary):
    version: int
    template: str | None
    language: str
    sender_email: str
    sender_name: str
    body_html: str
    body_text: str
    message_id: str
    stale: bool
    override_reason: str | None
    replies_to_email_id: int | None
    response_content: str | None
    follow_up_required: bool
    follow_up_notes: str | None
    rejected_on: date | None
    queued_at: datetime | None
    handed_over_at: datetime | None
    followed_up_at: datetime | None
    closed_at: datetime | None
    error_kind: str | None
    error_message: str | None
    attempt: int
    """The running or last try to deliver it; 0 before the first."""
    retry_count: int
    next_attempt_at: datetime | None
    placement_request_ids: tuple[int, ...]
    """Those that it speaks of now, in its order."""
    batches: tuple[BatchView, ...]
    """All that were ever in it."""
    attempts: tuple[AttemptView, ...]
    events: int
    """How many events about it were written."""


def list_emails(session: Session, *, limit: int = 20, **wanted: Any) -> list[EmailSummary]:
    """List the newest emails for which all that is given holds; see `page_of_emails`."""
    return [EmailSummary(*list(row)[:-1]) for row in page_of_emails(session, Page(limit), **wanted).rows]


def page_of_emails(
    session: Session,
    page: Page,
    *,
    status: str | None = None,
    therapist_id: int | None = None,
    response_received: bool | None = None,
    batch_id: str | None = None,
) -> Slice[Row[Any]]:
    """List a page of emails for which all that is given holds; BadInput for a status that does not exist.

    The rows have the fields of EmailSummary, and are not made into it: that would take as long as reading them.
    """
    if status is not None and status not in set(EmailStatus):
        raise BadInput(f"a status is one of: {', '.join(EmailStatus)}", where="status")
    given: dict[InstrumentedAttribute[Any], object] = {
        Email.status: status,
        Email.therapist_id: therapist_id,
        Email.response_received: response_received,
        Email.batch_id: batch_id,
    }
    return newest_where(session, _SUMMARIES, Email.id, page, given)


def show_email(session: Session, email_id: int) -> EmailDetails:
    """Everything about one email, its requests and its attempts; NotFound."""
    row = session.execute(_DETAILS, {"email_id": email_id, "key": f"email:{email_id}"}).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    known = dict(row._mapping)
    batches = _batches(session, email_id) if known.pop("placed") else ()
    return EmailDetails(
        **known,
        placement_request_ids=tuple(batch.placement_request_id for batch in batches if batch.included),
        batches=batches,
        attempts=_attempts(session, email_id) if row.attempt else (),
    )


def details_of_new(given: Mapping[str, Any], events: int) -> EmailDetails:
    """What there is to know of an email that was just made from these columns, and speaks of no request."""
    known = {name: given.get(name, at_first) for name, at_first in _AT_FIRST.items()}
    return EmailDetails(**known, placement_request_ids=(), batches=(), attempts=(), events=events)


def _batches(session: Session, email_id: int) -> tuple[BatchView, ...]:
    return tuple(BatchView(**found._mapping) for found in session.execute(_BATCHES, {"email_id": email_id}))


def _attempts(session: Session, email_id: int) -> tuple[AttemptView, ...]:
    return tuple(AttemptView(**found._mapping) for found in session.execute(_ATTEMPTS, {"email_id": email_id}))


def _columns(view: Any, model: type[Base], *apart: str) -> list[Column[Any]]:
    return [table_of(model).c[name] for name in view.__dataclass_fields__ if name not in apart]


def _of_email(view: Any, model: type[Base], order: str) -> Select[Any]:
    """The rows of `model` that belong to one email, in their order."""
    table = table_of(model)
    query = select(*_columns(view, model)).where(table.c.email_id == bindparam("email_id"))
    return query.order_by(table.c[order], table.c.id)


_EVENTS = select(func.count()).select_from(table_of(OutboxEvent)).where(table_of(OutboxEvent).c.key == bindparam("key"))
_PLACED = select(table_of(EmailBatch).c.id).where(table_of(EmailBatch).c.email_id == bindparam("email_id")).exists()
_OF_EMAIL = _columns(EmailDetails, Email, "placement_request_ids", "batches", "attempts", "events")
_AT_FIRST = {column.name: at_first(table_of(Email)).get(column.name) for column in _OF_EMAIL}
_DETAILS = select(
    *_OF_EMAIL,
    _EVENTS.scalar_subquery().label("events"),
    _PLACED.label("placed"),
).where(table_of(Email).c.id == bindparam("email_id"))
_BATCHES = _of_email(BatchView, EmailBatch, "priority")
_ATTEMPTS = _of_email(AttemptView, DeliveryAttempt, "attempt")
_SUMMARIES = select(*_columns(EmailSummary, Email))
"""Built once: building a statement costs more than running it."""
