"""Phone calls, the requests spoken of in them, and the cells that make double booking impossible."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.causes import LONGEST, work_id
from comms.rules.states import Outcome, PhoneCallStatus
from comms.store.models.base import Base, BigId, one_of


class PhoneCall(Base):
    __tablename__ = "phone_calls"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"), index=True)
    caller: Mapped[int]
    starts_at: Mapped[datetime] = mapped_column(index=True)
    duration_minutes: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    """follow_up (unanswered emails), first (no working address), reply (answers an answer), manual."""
    status: Mapped[str] = mapped_column(String(20))
    status_reason: Mapped[str | None] = mapped_column(String(40))
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    try_number: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    retry_of_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("phone_calls.id"), unique=True)
    retry_after: Mapped[datetime | None]
    actual_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[str | None] = mapped_column(Text)
    override_reason: Mapped[str | None] = mapped_column(Text)
    correlation_id: Mapped[str | None] = mapped_column(String(LONGEST), default=work_id)
    """The work that booked it."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint(one_of("status", PhoneCallStatus), name="status"),
        CheckConstraint(one_of("kind", ("follow_up", "first", "reply", "manual")), name="kind"),
        CheckConstraint("caller >= 1", name="caller"),
        CheckConstraint(
            "duration_minutes > 0 AND duration_minutes / 5 * 5 = duration_minutes", name="duration_on_grid"
        ),
        CheckConstraint("status <> 'completed' OR actual_at IS NOT NULL", name="completed_has_time"),
        Index(
            "ix_phone_calls_scheduled",
            "starts_at",
            sqlite_where=text("status = 'scheduled'"),
            postgresql_where=text("status = 'scheduled'"),
        ),
    )


class PhoneCallEmail(Base):
    """One unanswered email that a call follows up."""

    __tablename__ = "phone_call_emails"

    phone_call_id: Mapped[int] = mapped_column(BigId, ForeignKey("phone_calls.id"), primary_key=True)
    email_id: Mapped[int] = mapped_column(BigId, ForeignKey("emails.id"), primary_key=True, index=True)


class PhoneCallBatch(Base):
    """One placement request in one call."""

    __tablename__ = "phone_call_batches"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    phone_call_id: Mapped[int] = mapped_column(BigId, ForeignKey("phone_calls.id"), index=True)
    placement_request_id: Mapped[int] = mapped_column(BigId, ForeignKey("placement_requests.id"), index=True)
    email_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("emails.id"), index=True)
    """The unanswered email through which it came into this call; None in a first call."""
    priority: Mapped[int]
    included: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    """False once an answer or a withdrawal took it out."""
    live: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    discussed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    outcome: Mapped[str | None] = mapped_column(String(20))
    follow_up_required: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    follow_up_notes: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (
        UniqueConstraint("phone_call_id", "placement_request_id"),
        CheckConstraint("outcome IS NULL OR " + one_of("outcome", Outcome), name="outcome"),
        CheckConstraint("NOT live OR (included AND outcome IS NULL)", name="live_awaits"),
        Index(
            "uq_phone_call_batches_live_request",
            "placement_request_id",
            unique=True,
            sqlite_where=text("live"),
            postgresql_where=text("live"),
        ),
    )


class CallCell(Base):
    """Five minutes of one caller and one therapist; `cell` counts 300 s since 1970 in UTC."""

    __tablename__ = "call_cells"

    phone_call_id: Mapped[int] = mapped_column(BigId, ForeignKey("phone_calls.id"), primary_key=True)
    cell: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[int]
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"))

    __table_args__ = (UniqueConstraint("caller", "cell"), UniqueConstraint("therapist_id", "cell"))
