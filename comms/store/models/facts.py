"""Snapshots of what the platform knows: therapists, patients, placement requests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from comms.causes import LONGEST
from comms.rules.states import RequestStatus, TherapistStatus
from comms.store.models.base import Base, BigId, one_of


class Therapist(Base):
    __tablename__ = "therapists"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    salutation: Mapped[str | None] = mapped_column(String(10))
    title: Mapped[str | None] = mapped_column(String(100))
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    practice_name: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(320))
    """As it is written to; IDN and SMTPUTF8 allowed. Unusable addresses are kept out and reported at intake."""
    mailbox: Mapped[str | None] = mapped_column(String(320), index=True)
    """`email` normalised for comparison; the second contact key."""
    email_refused_at: Mapped[datetime | None]
    """Since when the address is known not to work (permanent refusal or bounce); a new address clears it."""
    phone: Mapped[str | None] = mapped_column(String(20))
    phone_extension: Mapped[str | None] = mapped_column(String(10))
    street: Mapped[str | None] = mapped_column(String(200))
    postal_code: Mapped[str | None] = mapped_column(String(10))
    city: Mapped[str | None] = mapped_column(String(100))
    land: Mapped[str | None] = mapped_column(String(2))
    language: Mapped[str] = mapped_column(String(2), default="de", server_default=text("'de'"))
    status: Mapped[str] = mapped_column(String(20), default="active", server_default=text("'active'"))
    phone_availability: Mapped[dict[str, Any] | None]
    """Canonical weekly windows, {"monday": [["09:00", "12:00"]]}; see `rules.availability`."""
    phone_availability_faults: Mapped[list[Any] | None]
    """What could not be read, as codes with their place; ends when the hours are given anew."""
    potentially_available: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    next_contact_possible: Mapped[date | None]
    do_not_contact: Mapped[str | None] = mapped_column(Text)
    facts_missing: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """A stub: named by a request before any facts about it were learned."""
    learned_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (
        CheckConstraint(one_of("status", TherapistStatus), name="status"),
        CheckConstraint(one_of("language", ("de", "en")), name="language"),
        CheckConstraint("salutation IS NULL OR " + one_of("salutation", ("frau", "herr", "divers")), name="salutation"),
        CheckConstraint("email IS NULL OR mailbox IS NOT NULL", name="email_has_mailbox"),
    )


class Patient(Base):
    __tablename__ = "patients"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    birth_date: Mapped[date | None]
    gender: Mapped[str | None] = mapped_column(String(20))
    diagnosis: Mapped[str | None] = mapped_column(String(50))
    insurance: Mapped[str | None] = mapped_column(String(100))
    insurance_kind: Mapped[str | None] = mapped_column(String(20))
    registered_on: Mapped[date | None]
    availability: Mapped[dict[str, Any] | None]
    """Canonical weekly windows, like the phone hours."""
    availability_faults: Mapped[list[Any] | None]
    open_to_group_therapy: Mapped[bool | None]
    earlier_therapy: Mapped[bool | None]
    last_session_on: Mapped[date | None]
    facts_missing: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    deleted_at: Mapped[datetime | None]
    learned_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (
        CheckConstraint(
            "insurance_kind IS NULL OR " + one_of("insurance_kind", ("statutory", "private", "self")),
            name="insurance_kind",
        ),
    )


class PlacementRequest(Base):
    __tablename__ = "placement_requests"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    patient_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("patients.id"), index=True)
    """None for a stub: named by an email or a call before any facts about it were learned."""
    therapist_id: Mapped[int] = mapped_column(BigId, ForeignKey("therapists.id"))
    status: Mapped[str] = mapped_column(String(20), default="open", server_default=text("'open'"))
    status_reason: Mapped[str | None] = mapped_column(String(40))
    """Why it is closed: patient_placed, withdrawn_by_platform, canceled_by_staff, therapist_rejected …"""
    priority: Mapped[int | None]
    notes: Mapped[str | None] = mapped_column(Text)
    requested_at: Mapped[datetime | None]
    """When it was made on the platform."""
    correlation_id: Mapped[str | None] = mapped_column(String(LONGEST))
    """What brought it in, or opened it again: an event of the platform, a run, a client's request, an import."""
    closed_at: Mapped[datetime | None]
    learned_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))

    __table_args__ = (
        CheckConstraint(one_of("status", RequestStatus), name="status"),
        CheckConstraint(
            "status IN ('open', 'in_progress') OR (closed_at IS NOT NULL AND status_reason IS NOT NULL)",
            name="closed_has_reason",
        ),
        Index(
            "ix_placement_requests_open",
            "therapist_id",
            "id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        Index("ix_placement_requests_therapist_id_status", "therapist_id", "status"),
    )
