"""Emails, the requests in them, and every try to deliver one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.causes import LONGEST, work_id
from comms.rules.states import EmailStatus, Outcome
from comms.store.models.base import Base, BigId, one_of

PENDING = "status IN ('sent', 'in_doubt') AND NOT response_received AND closed_at IS NULL"
"""Written to, not answered, not closed: blocks the next email and leads to the follow-up call."""


class Email(Base):
    __tablename__ = "emails"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"), index=True)
    batch_id: Mapped[str | None] = mapped_column(String(50), index=True)
    """The key of the run that made it; existing clients filter by it."""
    correlation_id: Mapped[str | None] = mapped_column(String(LONGEST), default=work_id)
    """The work that made it: a run, a client's request, a command. None for what is older than this column."""
    status: Mapped[str] = mapped_column(String(20))
    status_reason: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    # what it says; `raw` is the final bytes, fixed at creation, made again only while `stale` and never handed over
    template: Mapped[str | None] = mapped_column(String(50))
    """Name without ending and language; None for a body written by a person."""
    template_version: Mapped[str | None] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(2), default="de", server_default=text("'de'"))
    salutation: Mapped[str | None] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(300))
    body_html: Mapped[str] = mapped_column(Text)
    body_text: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """None only for a draft; CRLF ends."""
    stale: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Somebody in it was withdrawn since it was rendered."""

    # from whom, to whom, under which name; frozen
    recipient_email: Mapped[str] = mapped_column(String(320))
    recipient_name: Mapped[str] = mapped_column(String(300))
    mailbox: Mapped[str] = mapped_column(String(320))
    sender_email: Mapped[str] = mapped_column(String(320))
    sender_name: Mapped[str] = mapped_column(String(200))
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    reply_token: Mapped[str] = mapped_column(String(64), unique=True)
    dated: Mapped[datetime]
    """The Date header."""
    replies_to_email_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("emails.id"))
    """For a confirmation: the answered email; it stands outside the contact rule."""
    override_reason: Mapped[str | None] = mapped_column(Text)

    # its way to the relay
    queued_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    first_attempt_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Number of the running or last claim; names the row in delivery_attempts."""
    retry_count: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Attempts burned by the message's own refusals; the relay being away burns none."""
    owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    handed_over_at: Mapped[datetime | None]
    """The mark: committed before the final dot. Bytes never change after it."""
    sent_at: Mapped[datetime | None]
    error_kind: Mapped[str | None] = mapped_column(String(30))
    error_message: Mapped[str | None] = mapped_column(String(200))
    """Phase and codes of the reply, never its text: it may hold addresses."""

    # what came back
    response_received: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    response_date: Mapped[datetime | None]
    response_content: Mapped[str | None] = mapped_column(Text)
    follow_up_required: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    follow_up_notes: Mapped[str | None] = mapped_column(Text)
    rejected_on: Mapped[date | None]
    """Local date of its latest rejection if nothing in it is accepted or needs follow-up: starts the cooling period."""
    followed_up_at: Mapped[datetime | None]
    """When its follow-up call was booked; exactly once."""
    closed_at: Mapped[datetime | None]
    """Nothing more is awaited: reached by phone, or staff closed it."""

    __table_args__ = (
        CheckConstraint(one_of("status", EmailStatus), name="status"),
        CheckConstraint("status <> 'queued' OR next_attempt_at IS NOT NULL", name="queued_has_time"),
        CheckConstraint("status NOT IN ('queued', 'sending') OR raw IS NOT NULL", name="queued_has_bytes"),
        CheckConstraint(
            "(status = 'sending') = (lease_until IS NOT NULL) AND (status = 'sending') = (owner IS NOT NULL)",
            name="sending_has_lease",
        ),
        CheckConstraint("status <> 'sent' OR sent_at IS NOT NULL", name="sent_has_time"),
        CheckConstraint("status <> 'in_doubt' OR handed_over_at IS NOT NULL", name="in_doubt_was_handed_over"),
        CheckConstraint(one_of("language", ("de", "en")), name="language"),
        Index(
            "ix_emails_due",
            "next_attempt_at",
            "id",
            sqlite_where=text("status = 'queued'"),
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "ix_emails_leased",
            "lease_until",
            sqlite_where=text("status = 'sending'"),
            postgresql_where=text("status = 'sending'"),
        ),
        Index(
            "ix_emails_pending",
            "therapist_id",
            "handed_over_at",
            sqlite_where=text(PENDING),
            postgresql_where=text(PENDING),
        ),
    )


class EmailBatch(Base):
    """One placement request in one email."""

    __tablename__ = "email_batches"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email_id: Mapped[int] = mapped_column(BigId, ForeignKey("emails.id"), index=True)
    placement_request_id: Mapped[int] = mapped_column(BigId, ForeignKey("placement_requests.id"), index=True)
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"))
    priority: Mapped[int]
    number: Mapped[int]
    """As printed ("Patient 2"); given once, never to another."""
    facts: Mapped[dict[str, Any] | None]
    """What the email says about this patient, frozen when it was made (`services.letters.facts`)."""
    correlation_id: Mapped[str | None] = mapped_column(String(LONGEST))
    """What had brought the request in when it came into this email."""
    included: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    live: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """This email holds the request now: queued, sending, in doubt or sent, and no outcome yet."""
    response_outcome: Mapped[str | None] = mapped_column(String(20))
    response_notes: Mapped[str | None] = mapped_column(Text)
    responded_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (
        UniqueConstraint("email_id", "placement_request_id"),
        UniqueConstraint("email_id", "number"),
        CheckConstraint("priority >= 1 AND number >= 1", name="counted_from_one"),
        CheckConstraint("response_outcome IS NULL OR " + one_of("response_outcome", Outcome), name="response_outcome"),
        CheckConstraint("NOT live OR (included AND response_outcome IS NULL)", name="live_awaits"),
        Index(
            "uq_email_batches_live_request",
            "placement_request_id",
            unique=True,
            sqlite_where=text("live"),
            postgresql_where=text("live"),
        ),
    )


class DeliveryAttempt(Base):
    __tablename__ = "delivery_attempts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email_id: Mapped[int] = mapped_column(BigId, ForeignKey("emails.id"))
    attempt: Mapped[int]
    owner: Mapped[str] = mapped_column(String(100))
    started_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(30))
    """The verb that ended it: accept, defer, refuse, lose, rescue."""
    phase: Mapped[str | None] = mapped_column(String(20))
    code: Mapped[int | None]
    enhanced: Mapped[str | None] = mapped_column(String(20))
    fault: Mapped[str | None] = mapped_column(String(30))

    __table_args__ = (UniqueConstraint("email_id", "attempt"),)
