"""Whatever needs a person, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import ConfigDict, Field

from api.schemas.fields import Body, IdFilter, View, known
from comms.store.staff import REASONS

SubjectType = Literal["email", "phone_call", "therapist", "placement_request", "channel"]


@dataclass(frozen=True)
class StaffFilters:
    """The query of the list; all that is given must hold."""

    reason: Annotated[str | None, Query(json_schema_extra={"enum": list(REASONS)}), known(REASONS)] = None
    therapist_id: IdFilter = None
    subject_type: Annotated[SubjectType | None, Query()] = None


class StaffItemLine(View):
    """What needs a person, since when, and the verb that ends it. `subject_id` is the id of a `subject_type`."""

    id: int
    reason: str
    verb: str
    since: datetime
    subject_type: str
    subject_id: int
    therapist_id: int | None
    details: dict[str, Any] | None = Field(description="Ids, codes and counts.")


class StaffItemFull(StaffItemLine):
    """Also when it is done, and by whom."""

    resolved_at: datetime | None
    resolved_by: str | None


class CloseItem(Body):
    """What becomes of placement requests that wait nowhere once no call is tried any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"requests": "reopen"}]})

    requests: Annotated[
        Literal["reopen", "withdraw"], Field(description="Into the next batch, or closed for good.")
    ] = "reopen"
