"""The calls of one day over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Day, DayFilter, IdFilter, LocalTime, View
from comms.rules.states import CallKind, EmailStatus, Outcome, PhoneCallStatus


@dataclass(frozen=True)
class CallListFilters:
    """The day, and whose calls of it; default: today in local time, everybody's."""

    date: DayFilter = None
    caller: IdFilter = None
    status: Annotated[PhoneCallStatus | None, Query()] = None


class CallListTherapist(View):
    """Whom to call. `phone` after DIN 5008; the hours are those of this day."""

    id: int
    name: str
    phone: str | None = Field(examples=["030 1234567-89"])
    phone_e164: str | None = Field(examples=["+49301234567"])
    phone_extension: str | None
    phone_hours: list[list[str]] = Field(examples=[[["09:00", "12:00"]]])
    potentially_available: bool


class PatientFacts(BaseModel):
    """What a letter may say about a patient; what is not known is null."""

    model_config = ConfigDict(from_attributes=True)

    age_band: str | None = None
    diagnosis: str | None = None
    insurance: str | None = None
    availability: dict[str, list[str]] | None = None
    group_therapy: bool | None = None
    earlier_therapy: bool | None = None
    waiting_since: str | None = None


class CallListRequest(View):
    """Whom to speak of. `number` is the patient's in the email `email_id`."""

    id: int
    phone_call_batch_id: int
    patient_id: int | None
    email_id: int | None
    number: int | None
    facts: PatientFacts
    discussed: bool
    outcome: Outcome | None


class CallListEmail(View):
    id: int
    status: EmailStatus
    template: str | None
    created_at: datetime
    sent_at: datetime | None
    response_received: bool
    response_date: datetime | None


class CallListCall(View):
    CONTENT: ClassVar[frozenset[str]] = frozenset({"notes"})

    id: int
    status: PhoneCallStatus
    status_reason: str | None
    starts_at: datetime
    actual_at: datetime | None
    outcome: str | None
    notes: str | None = None


class CallListEntry(View):
    """One call with all that the caller needs: whom, when, about whom, and what happened before."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"notes"})

    id: int
    starts_at: datetime
    scheduled_date: Day
    scheduled_time: LocalTime
    duration_minutes: int
    caller: int
    kind: CallKind
    status: PhoneCallStatus
    status_reason: str | None
    try_number: int
    outcome: str | None
    notes: str | None = None
    therapist: CallListTherapist
    placement_requests: list[CallListRequest]
    emails: list[CallListEmail]
    calls: list[CallListCall]
