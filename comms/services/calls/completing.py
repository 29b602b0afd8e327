"""A call in which somebody was reached: the contact, the emails it closes, and what was answered for each request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session, aliased

from comms.errors import BadInput, Conflict
from comms.rules.policy import BERLIN
from comms.rules.states import Outcome, PhoneCallStatus
from comms.services.calls.answers import NoteOfAnswers, note_answers
from comms.services.calls.facts import Call, lock_call, said
from comms.services.calls.removal import drop_call
from comms.services.events import announce_call
from comms.store.contacts import call_holder, happened, therapist_key, took_place
from comms.store.models import Email, PhoneCall
from comms.store.staff import audit, resolve_items
from comms.store.transitions import move_call

REACHED = "reached"
"""What the event says of a call in which nothing was answered."""

_STRONGEST_FIRST = (Outcome.ACCEPTED, Outcome.NEEDS_FOLLOW_UP, Outcome.REJECTED)


@dataclass(frozen=True)
class CompletedCall:
    """`missing` are the requests without an outcome (on the staff list now); `retry_canceled` a next try not needed."""

    call_id: int
    version: int
    outcomes: dict[int, Outcome]
    missing: tuple[int, ...]
    retry_canceled: int | None


def complete_call(
    session: Session,
    call_id: int,
    now: datetime,
    *,
    actor: str,
    answers: Mapping[int, Outcome] | None = None,
    outcome: str | None = None,
    notes: str | None = None,
    at: datetime | None = None,
    source: str = "staff",
    zone: ZoneInfo = BERLIN,
) -> CompletedCall:
    """Note that the therapist was reached, at `at` (else when it was to be, or now if that is earlier).

    `outcome` and `notes` are a person's words and stay in their columns; what is not said anew stays as it was. Also
    for a call noted as missed: then its next try is canceled. Raises BadInput for a request that is not in the call,
    MoveNotAllowed for a canceled one.
    """
    call = lock_call(session, call_id)
    reached_at = _reached_at(call, at, now)
    retry = _cancel_next_try(session, call, now)
    version = move_call(
        session,
        "complete",
        call_id,
        now,
        status_reason=None,
        retry_after=None,
        actual_at=reached_at,
        **said(outcome=outcome, notes=notes),
    )
    _record_contact(session, call, reached_at)
    _close_emails(session, call, now)
    note = note_answers(session, call, answers or {}, now, source, zone)
    announce_call(session, "call_completed", call_id, now, outcome=_summary(note))
    resolve_items(session, "phone_call", [call_id], now, actor)
    audit(session, actor, "call.complete", "phone_call", call_id, now, source=source, outcomes=note.codes)
    return CompletedCall(call_id, version, note.outcomes, note.missing, retry)


def answer_in_call(
    session: Session,
    call_id: int,
    answers: Mapping[int, Outcome],
    now: datetime,
    *,
    actor: str,
    source: str = "staff",
    zone: ZoneInfo = BERLIN,
) -> NoteOfAnswers:
    """Add or correct outcomes of a call that is completed; Conflict for any other call."""
    call = lock_call(session, call_id)
    if call.status != PhoneCallStatus.COMPLETED:
        raise Conflict(f"call {call_id} is {call.status}: complete it, with its answers")
    note = note_answers(session, call, answers, now, source, zone)
    audit(session, actor, "call.respond", "phone_call", call_id, now, source=source, outcomes=note.codes)
    return note


def _reached_at(call: Call, at: datetime | None, now: datetime) -> datetime:
    if at is not None and at > now:
        raise BadInput("a call cannot have happened in the future", where="at")
    return at or min(now, call.starts_at)


def _cancel_next_try(session: Session, call: Call, now: datetime) -> int | None:
    """Follow the chain of next tries to the one that is still scheduled; there are a few at most."""
    later = aliased(PhoneCall)
    tries = select(PhoneCall.id, PhoneCall.status).where(PhoneCall.retry_of_id == call.id).cte(recursive=True)
    tries = tries.union_all(select(later.id, later.status).join(tries, later.retry_of_id == tries.c.id))
    ahead = session.scalar(select(tries.c.id).where(tries.c.status == PhoneCallStatus.SCHEDULED))
    if ahead is not None:
        drop_call(session, ahead, now, "reached_after_all")
    return ahead


def _record_contact(session: Session, call: Call, reached_at: datetime) -> None:
    if call.status == PhoneCallStatus.SCHEDULED:
        happened(session, {call_holder(call.id): reached_at})
    else:
        took_place(session, call_holder(call.id), [therapist_key(call.therapist_id)], reached_at)


def _close_emails(session: Session, call: Call, now: datetime) -> None:
    closing = update(Email).where(Email.id.in_(call.email_ids), Email.closed_at.is_(None))
    session.execute(closing.values(closed_at=now, updated_at=now).execution_options(synchronize_session=False))


def _summary(note: NoteOfAnswers) -> str:
    given = set(note.outcomes.values())
    return next((outcome.value for outcome in _STRONGEST_FIRST if outcome in given), REACHED)
