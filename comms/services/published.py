"""The events that this service publishes, as `platform_contract.md` has them. JSON Schemas in `docs/asyncapi.yaml`.

Ids, codes and times only: no field here could hold a name, an address or a text.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from comms.causes import LONGEST
from comms.rules.states import EmailStatus, Outcome

Id = Annotated[int, Field(ge=1)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$")]
"""A word of ours: stable, safe to count and to show."""


Whence = Annotated[str, Field(min_length=1, max_length=LONGEST)]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _OfEmail(_Payload):
    email_id: Id
    therapist_id: Id
    placement_request_ids: list[Id]


class EmailCreated(_OfEmail):
    """An email exists: the daily batch made it, or a client of the API."""

    template: Code | None
    """None for a body that a person wrote."""
    status: EmailStatus


class EmailSent(_OfEmail):
    """The relay took it."""

    sent_at: AwareDatetime


class EmailFailed(_OfEmail):
    """Given up, or bounced."""

    reason: Code


class EmailInDoubt(_OfEmail):
    """Handed over, no answer known: it may have arrived."""


class EmailCanceled(_OfEmail):
    """Withdrawn before it was sent; the ids of those who were taken out of it are among them."""

    reason: Code


class ResponseRecorded(_Payload):
    """An answer is known: for one placement request, or for the email as a whole (then without request and outcome)."""

    email_id: Id | None = None
    call_id: Id | None = None
    therapist_id: Id
    placement_request_id: Id | None
    outcome: Outcome | None
    source: Code


class _OfCall(_Payload):
    call_id: Id
    therapist_id: Id
    email_ids: list[Id]
    placement_request_ids: list[Id]


class CallScheduled(_OfCall):
    """A call is booked, moved, or speaks of more."""

    scheduled_at: AwareDatetime
    duration_minutes: Annotated[int, Field(ge=5, multiple_of=5)]


class CallCompleted(_OfCall):
    """The therapist was reached."""

    outcome: Code | None


class CallFailed(_OfCall):
    """Not reached."""

    reason: Code
    next_try_at: AwareDatetime | None


class CallCanceled(_OfCall):
    """The call is dropped."""

    reason: Code


PUBLISHED: dict[str, type[BaseModel]] = {
    "communication.email_created": EmailCreated,
    "communication.email_sent": EmailSent,
    "communication.email_failed": EmailFailed,
    "communication.email_in_doubt": EmailInDoubt,
    "communication.email_canceled": EmailCanceled,
    "communication.response_recorded": ResponseRecorded,
    "communication.call_scheduled": CallScheduled,
    "communication.call_completed": CallCompleted,
    "communication.call_failed": CallFailed,
    "communication.call_canceled": CallCanceled,
}


class PublishedEnvelope(BaseModel):
    """What is around each of them."""

    model_config = ConfigDict(extra="forbid")

    eventId: Annotated[str, Field(min_length=36, max_length=36)]
    eventType: Annotated[str, Field(pattern=r"^communication\.[a-z_]{1,40}$")]
    version: Literal["1.0"]
    timestamp: AwareDatetime
    producer: Literal["communication-service"]
    correlationId: Whence | None = Field(
        description="The work that made the email or call: the same in all its events."
    )
    causationId: Whence | None = Field(
        description="What made this move: an event of yours, a run, a request, a command."
    )
    originIds: list[Whence] = Field(description="What brought the placement requests in: your `match.created`, mostly.")
    payload: dict[str, Any]
