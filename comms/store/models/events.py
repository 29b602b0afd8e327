"""Events out and in: written with the change they announce or make."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.causes import LONGEST
from comms.store.models.base import Base, BigId, one_of

UNPUBLISHED = "published_at IS NULL AND parked_at IS NULL"
UNHANDLED = "handled_at IS NULL"
HANDLED_AS = ("applied", "older", "unchanged", "dead")


class OutboxEvent(Base):
    __tablename__ = "outbox_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36), unique=True)
    event_type: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(60), index=True)
    payload: Mapped[dict[str, Any]]
    correlation_id: Mapped[str | None] = mapped_column(String(LONGEST))
    """Of the email or call that it speaks of."""
    causation_id: Mapped[str | None] = mapped_column(String(LONGEST))
    """What made this move: an event of the platform, a run, a client's request, a command."""
    origin_ids: Mapped[list[Any] | None]
    """What brought its placement requests in."""
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often the broker refused this message itself; a broker that is away counts for nothing."""
    next_attempt_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(String(60))
    parked_at: Mapped[datetime | None]
    parked_reason: Mapped[str | None] = mapped_column(String(60))

    __table_args__ = (
        Index(
            "ix_outbox_events_unpublished",
            "id",
            sqlite_where=text(UNPUBLISHED),
            postgresql_where=text(UNPUBLISHED),
        ),
        Index(
            "ix_outbox_events_heads",
            "key",
            "id",
            sqlite_where=text(UNPUBLISHED),
            postgresql_where=text(UNPUBLISHED),
        ),
    )


class InboxEvent(Base):
    """One event of the platform, kept before its offset is committed; applied in the transaction that handles it."""

    __tablename__ = "inbox_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    consumer: Mapped[str] = mapped_column(String(60))
    event_id: Mapped[str] = mapped_column(String(LONGEST))
    """The envelope's, or topic:partition:offset where it has none."""
    event_type: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str | None] = mapped_column(String(60))
    """`request:ID`, `therapist:ID` or `patient:ID`; events about one subject are applied in order."""
    payload: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    """The envelope's timestamp."""
    topic: Mapped[str] = mapped_column(String(250))
    partition: Mapped[int]
    topic_offset: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    fault: Mapped[str | None] = mapped_column(String(60))
    handled_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))

    __table_args__ = (
        UniqueConstraint("consumer", "event_id"),
        CheckConstraint("outcome IS NULL OR " + one_of("outcome", HANDLED_AS), name="outcome"),
        CheckConstraint("(handled_at IS NULL) = (outcome IS NULL)", name="handled_has_outcome"),
        Index(
            "ix_inbox_events_unhandled",
            "id",
            sqlite_where=text(UNHANDLED),
            postgresql_where=text(UNHANDLED),
        ),
        Index("ix_inbox_events_subject", "subject", "occurred_at"),
    )


class DeadLetter(Base):
    """A message that could not be used: where it stood, why, and its bytes for a replay."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    topic: Mapped[str] = mapped_column(String(250))
    partition: Mapped[int]
    topic_offset: Mapped[int] = mapped_column(BigInteger)
    event_id: Mapped[str | None] = mapped_column(String(100))
    event_type: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str] = mapped_column(String(60))
    place: Mapped[str | None] = mapped_column(String(120))
    """The field that is at fault, as a path."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """None for a message without a value."""
    at: Mapped[datetime]
    replayed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("topic", "partition", "topic_offset"),)
