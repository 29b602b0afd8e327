"""The 7-day rule in the database: who holds which contact key, and every contact that was made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from comms.store.models.base import Base, BigId, one_of


class ContactState(Base):
    """One row per key, `therapist:ID` or `mailbox:ADDRESS`. Free: not held, and the last contact is old enough."""

    __tablename__ = "contact_state"

    key: Mapped[str] = mapped_column(String(340), primary_key=True)
    held_by: Mapped[str | None] = mapped_column(String(40), index=True)
    """`email:ID` or `call:ID`; without an end until that one is sent, failed, canceled …"""
    contacted_at: Mapped[datetime | None]


class ContactEntry(Base):
    """The ledger: one row per key and holder."""

    __tablename__ = "contact_ledger"

    key: Mapped[str] = mapped_column(String(340), primary_key=True)
    holder: Mapped[str] = mapped_column(String(40), primary_key=True, index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(10))

    __table_args__ = (CheckConstraint(one_of("kind", ("contact", "override", "reply")), name="kind"),)


class Suppression(Base):
    """A mailbox that must never be written to."""

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    mailbox: Mapped[str] = mapped_column(String(320), unique=True)
    reason: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime]
