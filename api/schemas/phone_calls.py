"""Phone calls over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.schemas.emails import Override
from api.schemas.facts import need_not_be_sent
from api.schemas.fields import Body, Day, DayFilter, Flag, IdFilter, Instant, Line, LocalTime, Note, RowId, View
from comms.rules.states import CallKind, Outcome, PhoneCallStatus


def _each_once(ids: list[int]) -> list[int]:
    if len(set(ids)) < len(ids):
        raise PydanticCustomError("twice", "names one of them twice")
    return ids


Minutes = Annotated[int, Field(strict=True, ge=5, le=120, multiple_of=5)]
RequestIds = Annotated[list[RowId], Field(max_length=50), AfterValidator(_each_once)]
ReasonCode = Annotated[str, Field(strict=True, pattern="^[a-z][a-z0-9_]{0,39}$")]
Fate = Annotated[Literal["reopen", "withdraw"], Field(description="Into the next batch, or closed for good.")]
FateFilter = Annotated[Literal["reopen", "withdraw"], Query(description="What becomes of its placement requests.")]
Words = Annotated[Line, Field(description="What came of it, in a line; words about persons belong into the notes.")]


@dataclass(frozen=True)
class PhoneCallFilters:
    """The query of the list; all that is given must hold."""

    therapist_id: IdFilter = None
    status: Annotated[PhoneCallStatus | None, Query()] = None
    scheduled_date: DayFilter = None
    caller: IdFilter = None
    kind: Annotated[CallKind | None, Query()] = None


class PhoneCallView(View):
    """One call. Days and times are local, `starts_at` and `actual_at` are the same as instants."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"notes", "override_reason"})

    id: int
    therapist_id: int
    starts_at: datetime
    scheduled_date: Day
    scheduled_time: LocalTime
    duration_minutes: int
    actual_at: datetime | None
    actual_date: Day | None
    actual_time: LocalTime | None
    status: PhoneCallStatus
    status_reason: str | None
    kind: CallKind
    outcome: str | None
    notes: str | None = None
    override_reason: str | None = None
    retry_after: datetime | None
    try_number: int
    retry_of_id: int | None
    retry_id: int | None
    caller: int
    email_ids: list[int]
    placement_request_ids: list[int]
    created_at: datetime
    updated_at: datetime


class CreatePhoneCall(Body):
    """A call to book. Date and time together, in local time; without them the next free slot is found."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"therapist_id": 101, "notes": "Rückfrage zur Warteliste."}]}
    )

    therapist_id: RowId
    scheduled_date: Day | None = None
    scheduled_time: LocalTime | None = None
    duration_minutes: Minutes | None = Field(None, description="Default: the usual length, 5.")
    status: PhoneCallStatus = Field(PhoneCallStatus.SCHEDULED, description="A call begins as scheduled.")
    notes: Note | None = None
    placement_request_ids: RequestIds = Field(default_factory=list)
    override: Override | None = None


class UpdatePhoneCall(Body):
    """What is sent is changed, the rest stays; null clears words. A new status goes the way of its verb."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"notes": "Bitte erst nach 10 Uhr anrufen."}]})

    scheduled_date: Day = need_not_be_sent("Moves the call, with the checks of a new one.")
    scheduled_time: LocalTime = need_not_be_sent("Moves the call.")
    duration_minutes: Minutes = need_not_be_sent("Its cells must be free.")
    actual_date: Day | None = None
    actual_time: LocalTime | None = None
    status: PhoneCallStatus = need_not_be_sent("completed, failed or canceled.")
    outcome: Words | None = None
    notes: Note | None = None
    retry_after: Instant | None = Field(None, description="With failed: not before then; default: a day later.")


class GivenAnswer(Body):
    """What the therapist said for one placement request."""

    placement_request_id: RowId
    outcome: Outcome


def _one_each(answers: list[GivenAnswer]) -> list[GivenAnswer]:
    _each_once([answer.placement_request_id for answer in answers])
    return answers


class CompletePhoneCall(Body):
    """Somebody was reached. Date and time together; default: when it was to be, or now if that is earlier."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcome": "Meldet sich im Januar.", "notes": "Freundlich, kurz."}]}
    )

    outcome: Words | None = None
    notes: Note | None = None
    actual_date: Day | None = None
    actual_time: LocalTime | None = None
    answers: Annotated[list[GivenAnswer], Field(max_length=100), AfterValidator(_one_each)] = Field(
        default_factory=list
    )


class MissPhoneCall(Body):
    """Nobody was reached; `reason` is a code and is published."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "line_busy"}]})

    reason: ReasonCode = "not_reached"
    notes: Note | None = None
    retry_after: Instant | None = Field(None, description="The next try is not before then; default: a day later.")


class CancelPhoneCall(Body):
    """What becomes of the placement requests in it, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"requests": "reopen", "reason": "Praxis im Urlaub."}]})

    requests: Fate = "reopen"
    reason: Note | None = None


class ReschedulePhoneCall(Body):
    """Another time, in local time; without one the next free slot after the present one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"duration_minutes": 10}]})

    scheduled_date: Day | None = None
    scheduled_time: LocalTime | None = None
    duration_minutes: Minutes | None = None


class PhoneCallBatchView(View):
    """One placement request in one call, priority 1 first. `included` ends when it is taken out."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"follow_up_notes"})

    id: int
    phone_call_id: int
    placement_request_id: int
    email_id: int | None
    priority: int
    included: bool
    discussed: bool
    outcome: Outcome | None
    follow_up_required: bool
    follow_up_notes: str | None = None
    created_at: datetime


class UpdatePhoneCallBatch(Body):
    """What is sent is changed; an outcome is an answer, and can be corrected by another one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"discussed": True, "follow_up_notes": "Rückruf."}]})

    discussed: Flag = need_not_be_sent("It was spoken of.")
    outcome: Outcome | None = None
    follow_up_required: Flag = need_not_be_sent("An outcome sets it.")
    follow_up_notes: Note | None = None
