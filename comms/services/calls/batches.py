"""One placement request in one call: show it, change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from comms.errors import BadInput, Conflict, NotFound
from comms.rules.states import Outcome
from comms.services.calls.completing import answer_in_call
from comms.services.calls.facts import lock_call
from comms.store.models import PhoneCall, PhoneCallBatch
from comms.store.paging import Slice
from comms.store.staff import audit

NOTED = ("discussed", "follow_up_required", "follow_up_notes")


@dataclass(frozen=True)
class CallBatch:
    """`email_id` is the email through which it came into the call; `included` ends with an answer or a withdrawal."""

    id: int
    phone_call_id: int
    placement_request_id: int
    email_id: int | None
    priority: int
    included: bool
    discussed: bool
    outcome: str | None
    follow_up_required: bool
    follow_up_notes: str | None
    created_at: datetime


def batches_of_call(session: Session, call_id: int) -> Slice[CallBatch]:
    """List all that were ever in it, in the order of the call; NotFound for an unknown call."""
    if session.scalar(select(PhoneCall.id).where(PhoneCall.id == call_id)) is None:
        raise NotFound("phone call", call_id)
    query = _columns().where(PhoneCallBatch.phone_call_id == call_id)
    rows = session.execute(query.order_by(PhoneCallBatch.priority, PhoneCallBatch.id))
    found = [CallBatch(**row._mapping) for row in rows]
    return Slice(found, len(found))


def show_call_batch(session: Session, batch_id: int) -> CallBatch:
    """Read one; NotFound if there is none."""
    row = session.execute(_columns().where(PhoneCallBatch.id == batch_id)).one_or_none()
    if row is None:
        raise NotFound("phone call batch", batch_id)
    return CallBatch(**row._mapping)


def change_call_batch(
    session: Session, batch_id: int, given: Mapping[str, Any], now: datetime, zone: ZoneInfo, *, actor: str
) -> None:
    """Change what is given; an outcome is an answer and closes, settles and announces what an answer does.

    Raises Conflict for an outcome of a call that is not completed, or of a request that was taken out of it.
    """
    lock_call(session, show_call_batch(session, batch_id).phone_call_id)
    batch = show_call_batch(session, batch_id)
    if "outcome" in given and given["outcome"] != batch.outcome:
        _answer(session, batch, given["outcome"], now, zone, actor)
    noted = {name: given[name] for name in NOTED if name in given}
    if noted:
        change = update(PhoneCallBatch).where(PhoneCallBatch.id == batch_id)
        change = change.values(**noted, version=PhoneCallBatch.version + 1)
        session.execute(change.execution_options(synchronize_session=False))
        audit(session, actor, "call_batch.change", "phone_call_batch", batch_id, now, fields=sorted(noted))


def _answer(
    session: Session, batch: CallBatch, outcome: Outcome | None, now: datetime, zone: ZoneInfo, actor: str
) -> None:
    if outcome is None:
        raise BadInput("an answer is corrected by another one, never taken back", where="body.outcome")
    if not batch.included:
        raise Conflict(f"placement request {batch.placement_request_id} was taken out of call {batch.phone_call_id}")
    answers = {batch.placement_request_id: Outcome(outcome)}
    answer_in_call(session, batch.phone_call_id, answers, now, actor=actor, zone=zone)


def _columns() -> Select[Any]:
    return select(*(getattr(PhoneCallBatch, name) for name in CallBatch.__dataclass_fields__))
