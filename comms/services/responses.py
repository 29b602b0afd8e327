"""A whole answer at once: for the email and for each request in it, as the API takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import BadFields, FieldFault, NotFound
from comms.rules.states import Outcome
from comms.services.answers import Answer, check_date, record_answer
from comms.services.emails.reading import show_email
from comms.services.places import lock_with_patients
from comms.store.models import Email, EmailBatch


@dataclass(frozen=True)
class Response:
    """`outcomes`: entries of {placement_request_id, outcome, notes}; `outcome_for_all`: for requests without one."""

    outcomes: Sequence[Mapping[str, Any]] = ()
    outcome_for_all: Outcome | None = None
    date: datetime | None = None
    content: str | None = None


def respond(
    session: Session, email_id: int, response: Response, now: datetime, actor: str, zone: ZoneInfo
) -> dict[str, Any]:
    """Record or correct an answer; return the email with its batches, what is missing, and who was placed elsewhere.

    Raises as `record_answer` does; BadFields names every entry that the email does not ask about.
    """
    lock_with_patients(session, email_id)
    asked = _asked(session, email_id, response, now)
    _check_entries(response.outcomes, asked)
    named = {entry["placement_request_id"]: entry for entry in response.outcomes}
    rest = dict.fromkeys(asked, response.outcome_for_all) if response.outcome_for_all else {}
    outcomes = rest | {id_: entry["outcome"] for id_, entry in named.items()}
    notes = {id_: entry["notes"] or None for id_, entry in named.items() if "notes" in entry}
    done = record_answer(
        session, email_id, outcomes, now, actor,
        content=response.content, response_date=response.date, zone=zone, notes=notes,
    )  # fmt: skip
    return _show(session, done)


def _asked(session: Session, email_id: int, response: Response, now: datetime) -> list[int]:
    created_at = session.scalar(select(Email.created_at).where(Email.id == email_id))
    if created_at is None:
        raise NotFound("email", email_id)
    check_date(response.date, created_at, now, "body.response_date")
    asked = select(EmailBatch.placement_request_id).where(EmailBatch.email_id == email_id, EmailBatch.included)
    return list(session.scalars(asked))


def _check_entries(entries: Sequence[Mapping[str, Any]], asked: Sequence[int]) -> None:
    ids = [entry["placement_request_id"] for entry in entries]
    faults = [
        FieldFault(f"body.outcomes.{place}.placement_request_id", code, message)
        for place, id_ in enumerate(ids)
        for code, message, wrong in (
            ("not_in_this_email", "this email does not ask about it", id_ not in asked),
            ("twice", "stands further up already; name each request once", id_ in ids[:place]),
        )
        if wrong
    ]
    if faults:
        raise BadFields(faults)


def _show(session: Session, done: Answer) -> dict[str, Any]:
    known = {"missing": list(done.missing), "placed_elsewhere": list(done.placed_elsewhere)}
    return vars(show_email(session, done.email_id)) | known
