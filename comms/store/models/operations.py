"""How the service runs: job runs, what they decided and why, what needs a person, who changed what."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.store.models.base import Base, BigId, one_of


class JobRun(Base):
    __tablename__ = "job_runs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(50))
    """Names the run from outside: the flow run's id or one made by the command; a retry keeps it."""
    at: Mapped[datetime]
    """As of which instant it decided."""
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), default="running", server_default=text("'running'"))
    counts: Mapped[dict[str, Any] | None]

    __table_args__ = (
        UniqueConstraint("job", "key"),
        Index("ix_job_runs_started_at", "started_at"),
        CheckConstraint(one_of("state", ("running", "completed", "failed")), name="state"),
    )


class PlanDecision(Base):
    """One verdict per therapist (no request) or one fate per request, as the run decided it."""

    __tablename__ = "plan_decisions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_key: Mapped[str] = mapped_column(String(50), index=True)
    decided_at: Mapped[datetime]
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"), index=True)
    placement_request_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("placement_requests.id"), index=True)
    reason: Mapped[str | None] = mapped_column(String(40))
    """Why not; None means: contacted, or in the email."""
    next_date: Mapped[date | None]
    email_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("emails.id"))
    position: Mapped[int | None]


OPEN_ITEM = "resolved_at IS NULL"


class StaffItem(Base):
    """Something that needs a person: why, since when, and the verb that ends it."""

    __tablename__ = "staff_items"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    subject_type: Mapped[str] = mapped_column(String(30))
    """email, phone_call, therapist, placement_request."""
    subject_id: Mapped[int] = mapped_column(BigId)
    therapist_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("therapists.id"), index=True)
    reason: Mapped[str] = mapped_column(String(40))
    details: Mapped[dict[str, Any] | None]
    """Ids, codes and counts only."""
    since: Mapped[datetime]
    shown_from: Mapped[datetime]
    """no_slot waits three days before it is shown; everything else is shown at once."""
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(String(100))

    __table_args__ = (
        Index(
            "uq_staff_items_open",
            "subject_type",
            "subject_id",
            "reason",
            unique=True,
            sqlite_where=text(OPEN_ITEM),
            postgresql_where=text(OPEN_ITEM),
        ),
    )


class AuditEntry(Base):
    """Who changed what, when and why; ids and codes, and the reason a person gave."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    subject_type: Mapped[str] = mapped_column(String(30))
    subject_id: Mapped[int | None] = mapped_column(BigId)
    details: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("ix_audit_log_subject", "subject_type", "subject_id"),)


class StaffSetting(Base):
    """What staff can change while the service runs; survives restarts."""

    __tablename__ = "staff_settings"

    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(100))
    note: Mapped[str | None] = mapped_column(Text)


class Heartbeat(Base):
    """The last sign of life of a part that lives elsewhere: the mail channel, Kafka, a launcher."""

    __tablename__ = "heartbeats"

    part: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    """ok, or failing."""
    code: Mapped[str | None] = mapped_column(String(60))
    """Why it fails, as a code."""

    __table_args__ = (CheckConstraint(one_of("state", ("ok", "failing")), name="state"),)
