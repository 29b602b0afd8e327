"""The timeline of a therapist over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from fastapi import Query
from pydantic import Field

from api.schemas.fields import View
from comms.services.timeline import Kind

KindFilter = Annotated[Kind | None, Query(description="Only what is of this kind.")]


OfEmail = Literal["created", "queued", "deferred", "sent", "in_doubt", "failed", "bounced", "canceled"]
OfAnswer = Literal["received", "accepted", "rejected", "needs_follow_up"]
OfCall = Literal["booked", "rescheduled", "reached", "missed", "canceled"]
Event = Literal[OfEmail, OfAnswer, OfCall, "refused", "overridden"]


class TimelineEntry(View):
    """One thing that happened."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"text"})

    at: Annotated[datetime, Field(description="A refusal stands where it began.")]
    kind: Kind
    event: Event
    email_id: int | None
    phone_call_id: int | None
    placement_request_ids: list[int]
    code: Annotated[
        str | None,
        Field(
            description="Why: the reason of a refusal, a cancellation or a failure; a letter's template, a call's kind."
        ),
    ]
    actor: Annotated[str | None, Field(description="Who did it, where it was a person or a key.")]
    scheduled_at: Annotated[datetime | None, Field(description="When the call was to be.")]
    next_date: Annotated[date | None, Field(description="When the refusal ends.")]
    last_at: Annotated[datetime | None, Field(description="The last of the runs in a row that refused alike.")]
    times: Annotated[int | None, Field(description="How many runs in a row refused alike.")]
    text: str | None = None
