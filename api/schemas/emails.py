"""Emails over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self

from fastapi import Query
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from api.schemas.fields import Body, FlagFilter, IdFilter, Line, Note, RowId, Text, View, WordFilter
from api.schemas.letters import Heading, each_once, one_address, refuse, said
from comms.rules.states import EmailStatus
from comms.services.email_batches import MOST
from comms.services.emails import Written


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


class Attempt(View):
    """One try to deliver: codes only, never what the relay wrote."""

    attempt: int
    started_at: datetime
    handed_over_at: datetime | None
    finished_at: datetime | None
    outcome: str | None
    phase: str | None
    code: int | None
    enhanced: str | None
    fault: str | None


class EmailView(EmailLine):
    """Everything about one email."""

    CONTENT: ClassVar[frozenset[str]] = frozenset(
        {"body_html", "body_text", "response_content", "follow_up_notes", "override_reason"}
    )

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
    template: Annotated[str | None, Field(description="null: a person wrote it.")]
    language: str
    message_id: str
    replies_to_email_id: int | None
    override_reason: str | None = None
    handed_over_at: Annotated[datetime | None, Field(description="Given to the relay; it may have arrived.")]
    followed_up_at: Annotated[datetime | None, Field(description="When its follow-up call was booked.")]
    closed_at: Annotated[datetime | None, Field(description="Nothing more is awaited from it.")]
    rejected_on: Annotated[date | None, Field(description="Starts the cooling period.")]
    error_kind: str | None
    attempts: list[Attempt]


class Override(Body):
    """Break the contact rule; needs the scope `override` and is recorded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Asked for it by phone"}]})

    reason: Annotated[Note, AfterValidator(said)]


class CreateEmail(Body):
    """An email that a person writes; our legal footer and the opt-out line are put under it when it is queued."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "therapist_id": 101,
                    "subject": "Zwei Anfragen",
                    "body_html": "<p>Sehr geehrte Frau Dr. Müller,</p><p>dürfen wir Sie zu zwei Plätzen fragen?</p>",
                    "recipient_email": "praxis@example.org",
                    "recipient_name": "Dr. Andrea Müller",
                    "placement_request_ids": [301, 302],
                }
            ]
        }
    )

    therapist_id: Annotated[RowId, Field(description="Kept as a stub if nobody knows it.")]
    subject: Heading
    body_html: Annotated[Text, AfterValidator(said), Field(description="A document, or a part of one.")]
    recipient_email: Annotated[
        str,
        StringConstraints(strict=True, max_length=320),
        AfterValidator(one_address),
        Field(description="Exactly one bare address; IDN and SMTPUTF8 are fine."),
    ]
    recipient_name: Heading
    body_text: Annotated[
        Annotated[Text, AfterValidator(said)] | None, Field(description="Told from the HTML if it is not given.")
    ] = None
    sender_email: Annotated[Line | None, Field(description="A configured identity; the default is one.")] = None
    sender_name: Annotated[Line | None, Field(description="The name of that identity.")] = None
    status: Annotated[
        Literal["draft", "queued"], Field(description="A draft claims nothing; queued obeys the contact rule.")
    ] = "draft"
    placement_request_ids: Annotated[
        list[RowId],
        Field(
            max_length=MOST,
            description="In the order of the email, each once; those that nobody knows are kept as stubs.",
            default_factory=list,
            json_schema_extra={"uniqueItems": True},
        ),
        AfterValidator(each_once),
    ]
    batch_id: Annotated[Line, StringConstraints(min_length=1, max_length=50)] | None = None
    override: Annotated[Override | None, Field(description="With status queued only.")] = None

    @model_validator(mode="after")
    def _break_only_what_holds(self) -> Self:
        if self.override and self.status == "draft":
            raise refuse("override", "a draft breaks no rule: give the override when it is queued")
        return self

    def written(self) -> Written:
        """What the service takes."""
        return Written(
            self.therapist_id,
            self.subject,
            self.body_html,
            self.recipient_email,
            self.recipient_name,
            self.body_text or "",
            self.sender_email or "",
            self.sender_name or "",
            self.batch_id,
            tuple(self.placement_request_ids),
        )


class QueueEmail(Body):
    """How to send it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"override": {"reason": "Asked for it by phone"}}]})

    override: Override | None = None


class CancelEmail(Body):
    """What becomes of the placement requests in it, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": "reopen", "reason": "Written to the wrong practice"}]}
    )

    requests: Annotated[
        Literal["reopen", "withdraw"], Field(description="Into the next batch, or closed for good.")
    ] = "reopen"
    reason: Note | None = None


class ResolveEmail(Body):
    """What became of an email in doubt."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "sent"}]})

    status: Annotated[
        Literal["sent", "bounced", "queued", "canceled"],
        Field(description="`queued` hands it over once more: it may arrive twice."),
    ]
    requests: Annotated[Literal["reopen", "withdraw"], Field(description="Counts for `canceled` alone.")] = "reopen"
    override: Annotated[Override | None, Field(description="Counts for `queued` alone.")] = None
