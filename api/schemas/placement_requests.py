"""Placement requests over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.facts import Facts, need_not_be_sent, says_something
from api.schemas.fields import FlagFilter, IdFilter, Note, RowId, View, WordFilter
from comms.rules.states import RequestStatus


@dataclass(frozen=True)
class PlacementRequestFilters:
    """The query of the list; all that is given must hold."""

    status: Annotated[RequestStatus | None, Query()] = None
    status_reason: Annotated[WordFilter, Query(description="Why it is closed: `patient_placed` …")] = None
    patient_id: IdFilter = None
    therapist_id: IdFilter = None
    facts_missing: FlagFilter = None


class PlacementRequestView(View):
    """One patient, one therapist."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"notes"})

    id: int
    patient_id: int | None
    therapist_id: int
    status: RequestStatus
    status_reason: Annotated[str | None, Field(description="Why it is closed, as a code.")]
    priority: int | None
    notes: str | None = None
    requested_at: Annotated[datetime | None, Field(description="When it was made on the platform.")]
    closed_at: datetime | None
    facts_missing: Annotated[bool, Field(description="Named by an email or a call; its patient is not known yet.")]
    learned_at: datetime | None
    created_at: datetime
    updated_at: datetime


class PutPlacementRequest(Facts):
    """A placement request; what is not sent stays, null clears. A new one needs patient_id and therapist_id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"patient_id": 201, "therapist_id": 101, "status": "open", "priority": 1}]}
    )

    patient_id: RowId = need_not_be_sent("Stays as it is once it is known.")
    therapist_id: RowId = need_not_be_sent("Stays as it is once it is known.")
    status: RequestStatus = need_not_be_sent(
        "`rejected`, `accepted` and `withdrawn` take it out of emails and calls that wait; `open` undoes that. Which"
        " of `open` and `in_progress` it is follows from its emails and calls."
    )
    priority: Annotated[int, Field(strict=True, ge=-(2**31) + 1, le=2**31 - 1)] | None = None
    notes: Annotated[Note, AfterValidator(says_something)] | None = None
