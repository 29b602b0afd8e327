"""The platform's events as they must look; source: `platform_contract.md`. JSON Schemas in `docs/asyncapi.yaml`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

BIGGEST = 2**53
"""As for ids of every other road (`services.intake`)."""

EARLIEST_YEAR, LATEST_YEAR = 2000, 2100

_NUMBER = re.compile(r"[1-9]\d{0,18}", re.ASCII)


def _id(value: Any) -> Any:
    """An id is a number; some producers write it as text. True is none."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("an id is a whole number")
    return value


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("an instant is ISO 8601 text")
    return value


def _utc(value: datetime) -> datetime:
    """The platform writes UTC without an offset. Years that no clock shows are refused: nothing could follow them."""
    if not EARLIEST_YEAR <= value.year < LATEST_YEAR:
        raise ValueError("an instant lies between 2000 and 2100")
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _facts(value: Any) -> Any:
    return {} if value is None else value


Id = Annotated[int, BeforeValidator(_id), Field(ge=1, le=BIGGEST)]
Instant = Annotated[datetime, BeforeValidator(_instant), AfterValidator(_utc)]
Facts = Annotated[dict[str, Any], BeforeValidator(_facts)]
Status = Literal["offen", "in_bearbeitung", "abgelehnt", "angenommen"]
Version = Annotated[str, Field(pattern=r"^1(\.\d+)*$")]


class _Payload(BaseModel):
    """Fields that we do not know are the platform's business."""

    model_config = ConfigDict(extra="ignore")


class MatchCreated(_Payload):
    match_id: Id = Field(description="The placement request's id.")
    patient_id: Id
    therapist_id: Id
    match_data: Facts = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"request:{self.match_id}"


class MatchStatusChanged(_Payload):
    match_id: Id
    old_status: str | None = None
    new_status: Status
    reason: str | None = None

    @property
    def subject(self) -> str:
        return f"request:{self.match_id}"


class TherapistFacts(_Payload):
    therapist_id: Id
    therapist_data: Facts = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"therapist:{self.therapist_id}"


class TherapistStanding(TherapistFacts):
    reason: str | None = None


class PatientFacts(_Payload):
    patient_id: Id
    patient_data: Facts = Field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"patient:{self.patient_id}"


class PatientDeleted(_Payload):
    patient_id: Id

    @property
    def subject(self) -> str:
        return f"patient:{self.patient_id}"


Payload = MatchCreated | MatchStatusChanged | TherapistFacts | PatientFacts | PatientDeleted

PAYLOADS: dict[str, type[Payload]] = {
    "match.created": MatchCreated,
    "match.status_changed": MatchStatusChanged,
    "therapist.created": TherapistFacts,
    "therapist.updated": TherapistFacts,
    "therapist.blocked": TherapistStanding,
    "therapist.unblocked": TherapistStanding,
    "patient.created": PatientFacts,
    "patient.updated": PatientFacts,
    "patient.deleted": PatientDeleted,
}
"""Every event that means something here; others are counted and passed."""

TOPICS = ("matching-events", "therapist-events", "patient-events")


class Envelope(BaseModel):
    """What is around every event; only what is needed to use it must be there."""

    model_config = ConfigDict(extra="ignore")

    eventId: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    eventType: Annotated[str, Field(min_length=1, max_length=60)]
    version: Version = "1.0"
    timestamp: Instant | None = None
    producer: str | None = None
    payload: dict[str, Any]
