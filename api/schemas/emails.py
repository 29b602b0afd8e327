"""Emails over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from fastapi import Query
from pydantic import ConfigDict, Field

from api.schemas.fields import Body, FlagFilter, IdFilter, Note, View, WordFilter
from comms.rules.states import EmailStatus


@dataclass(frozen=True)
class EmailFilters:
    """The query of the list; all that is given must hold."""

    therapist_id: IdFilter = None
    status: Annotated[EmailStatus | None, Query()] = None
    response_received: FlagFilter = None
    batch_id: WordFilter = None


class EmailLine(View):
    """An email in a list."""

    id: int
    therapist_id: int
    subject: str
    recipient_email: str
    recipient_name: str
    status: EmailStatus
    status_reason: str | None
    created_at: datetime
    sent_at: datetime | None
    response_received: bool
    response_date: datetime | None
    batch_id: str | None


class EmailView(EmailLine):
    """Everything about one email."""

    CONTENT: ClassVar[frozenset[str]] = frozenset({"body_html", "body_text", "response_content", "follow_up_notes"})

    sender_email: str
    sender_name: str
    body_html: str = ""
    body_text: str = ""
    placement_request_ids: list[int]
    response_content: str | None = None
    follow_up_required: bool
    follow_up_notes: str | None = None
    queued_at: datetime | None
    error_message: str | None
    retry_count: int
    next_attempt_at: datetime | None


class CancelEmail(Body):
    """What becomes of the placement requests in it, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": "reopen", "reason": "The therapist called us first."}]}
    )

    requests: Annotated[
        Literal["reopen", "withdraw"], Field(description="Into the next batch, or closed for good.")
    ] = "reopen"
    reason: Note | None = None
