"""Emails as staff and the API see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from itertools import starmap
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from comms.errors import BadInput, NotFound
from comms.rules.states import EmailStatus
from comms.store.models import DeliveryAttempt, Email, EmailBatch, OutboxEvent
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
    return page_of_emails(session, Page(limit), **wanted).rows


def page_of_emails(
    session: Session,
    page: Page,
    *,
    status: str | None = None,
    therapist_id: int | None = None,
    response_received: bool | None = None,
    batch_id: str | None = None,
) -> Slice[EmailSummary]:
    """List a page of emails for which all that is given holds; BadInput for a status that does not exist."""
    if status is not None and status not in set(EmailStatus):
        raise BadInput(f"a status is one of: {', '.join(EmailStatus)}", where="status")
    given: dict[InstrumentedAttribute[Any], object] = {
        Email.status: status,
        Email.therapist_id: therapist_id,
        Email.response_received: response_received,
        Email.batch_id: batch_id,
    }
    found = newest_where(session, _SUMMARIES, Email.id, page, given)
    return found.of(list(starmap(EmailSummary, found.rows)))


def show_email(session: Session, email_id: int) -> EmailDetails:
    """Everything about one email, its requests and its attempts; NotFound."""
    apart = {"placement_request_ids", "batches", "attempts", "events"}
    row = session.execute(_select(EmailDetails, apart).where(Email.id == email_id)).one_or_none()
    if row is None:
        raise NotFound("email", email_id)
    batches = _batches(session, email_id)
    return EmailDetails(
        **row._mapping,
        placement_request_ids=tuple(batch.placement_request_id for batch in batches if batch.included),
        batches=batches,
        attempts=_attempts(session, email_id),
        events=session.scalar(select(func.count(OutboxEvent.id)).where(OutboxEvent.key == f"email:{email_id}")) or 0,
    )


def _select(view: type[EmailSummary], without: set[str] | frozenset[str] = frozenset()) -> Select[Any]:
    table = Email.__table__.columns
    return select(*(table[name] for name in view.__dataclass_fields__ if name not in without))


_SUMMARIES = _select(EmailSummary)


def _batches(session: Session, email_id: int) -> tuple[BatchView, ...]:
    columns = (getattr(EmailBatch, name) for name in BatchView.__dataclass_fields__)
    query = select(*columns).where(EmailBatch.email_id == email_id).order_by(EmailBatch.priority, EmailBatch.id)
    return tuple(BatchView(**row._mapping) for row in session.execute(query))


def _attempts(session: Session, email_id: int) -> tuple[AttemptView, ...]:
    columns = (getattr(DeliveryAttempt, name) for name in AttemptView.__dataclass_fields__)
    query = select(*columns).where(DeliveryAttempt.email_id == email_id).order_by(DeliveryAttempt.attempt)
    return tuple(AttemptView(**row._mapping) for row in session.execute(query))
