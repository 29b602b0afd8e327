"""What comes back, over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.schemas.email_batches import EmailBatchView
from api.schemas.emails import EmailView, Override
from api.schemas.facts import need_not_be_sent
from api.schemas.fields import Body, Flag, Instant, Note, RowId, Text
from comms.rules.states import EmailStatus, Outcome
from comms.services.email_batches import MOST
from comms.services.responses import Response

CameAt = Annotated[Instant, Field(description="When the answer came: not in the future, not before the email.")]


class ChangeEmail(Body):
    """What is sent changes, what is absent stays, null clears; the same again changes nothing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"follow_up_required": True, "follow_up_notes": "Im Januar noch einmal fragen"}]
        }
    )

    status: EmailStatus = need_not_be_sent(
        "`queued` or `canceled`; every other status has its verb. Its requests are reopened; to withdraw them, and to"
        " break the contact rule, use the verbs."
    )
    response_received: Flag = need_not_be_sent(
        "true: the therapist answered, outcomes follow. false takes that back as long as there is no outcome."
    )
    response_date: Annotated[
        CameAt | None, Field(description="Only with an answer, which is never without a date.")
    ] = None
    response_content: Annotated[Text | None, Field(description="What the therapist wrote; only with an answer.")] = None
    follow_up_required: Flag = need_not_be_sent("A note for staff; it starts nothing.")
    follow_up_notes: Note | None = None


class RequestOutcome(Body):
    """What was answered for one placement request."""

    placement_request_id: Annotated[RowId, Field(description="One that the email asks about.")]
    outcome: Outcome
    notes: Annotated[Note | None, Field(description="Kept as response_notes; null clears, absent keeps.")] = None


class RecordResponse(Body):
    """An answer, or its correction; what is absent stays as it was recorded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "response_content": "Für die erste Patientin habe ich ab März einen Platz.",
                    "outcomes": [{"placement_request_id": 301, "outcome": "accepted", "notes": "ab März"}],
                    "outcome_for_all": "rejected",
                }
            ]
        }
    )

    response_date: CameAt = need_not_be_sent("When the answer came; the default is now.")
    response_content: Annotated[Text | None, Field(description="What the therapist wrote; null clears.")] = None
    outcomes: Annotated[
        list[RequestOutcome],
        Field(max_length=MOST, description="Each placement request once.", default_factory=list),
    ]
    outcome_for_all: Annotated[
        Outcome | None, Field(description="For every request that `outcomes` does not name.")
    ] = None

    def said(self) -> Response:
        """What the service takes."""
        given = self.given()
        content = given["response_content"] or "" if "response_content" in given else None
        return Response(given.get("outcomes", ()), self.outcome_for_all, given.get("response_date"), content)


class AnsweredView(EmailView):
    """The email as it is answered now."""

    batches: list[EmailBatchView]
    missing: Annotated[list[int], Field(description="Placement requests that still wait for an outcome.")]
    placed_elsewhere: Annotated[
        list[int], Field(description="Accepted, but so is another request of the patient: a person has to choose.")
    ]


class RemindTherapist(Body):
    """How to remind."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"override": {"reason": "Asked for it by phone"}}]})

    override: Override | None = None
