"""Placement requests in emails over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, model_validator

from api.schemas.fields import Body, Flag, Note, RowId, View
from api.schemas.letters import refuse
from comms.rules.states import Outcome

Priority = Annotated[int, Field(strict=True, ge=1, le=1000, description="1 = first in the email.")]


class EmailBatchView(View):
    """One placement request in one email."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"response_notes"})

    id: int
    email_id: int
    placement_request_id: int
    priority: int
    number: Annotated[int, Field(description='As printed ("Patient 2"); never given to another.')]
    included: bool
    response_outcome: Outcome | None
    response_notes: str | None = None
    responded_at: datetime | None
    created_at: datetime


class AddRequest(Body):
    """One more request for a draft."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"placement_request_id": 302}]})

    placement_request_id: Annotated[RowId, Field(description="Kept as a stub if nobody knows it.")]
    priority: Annotated[Priority | None, Field(description="1 = first in the email; last if it is not given.")] = None


class ChangeEmailBatch(Body):
    """What is sent changes, what is absent stays: priority and included in a draft, the answer once it was sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"response_outcome": "rejected", "response_notes": "Kein Platz bis Ostern"}]}
    )

    priority: Priority = 1
    included: Flag = True
    response_outcome: Annotated[
        Outcome | None, Field(description="null takes it back: the request waits for an outcome again.")
    ] = None
    response_notes: Note | None = None

    @model_validator(mode="before")
    @classmethod
    def _something(cls, sent: Any) -> Any:
        if sent == {}:
            raise refuse("empty", "send at least one field")
        return sent
