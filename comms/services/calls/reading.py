"""Calls as they are shown: the call list, and one call with everything in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.rules.policy import BERLIN
from comms.rules.states import PhoneCallStatus
from comms.services.events import emails_of_call
from comms.store.models import PhoneCall, PhoneCallBatch, Therapist


@dataclass(frozen=True)
class CallLine:
    """One line of the call list; instants in UTC. Names and numbers are for the caller, not for logs."""

    id: int
    starts_at: datetime
    minutes: int
    caller: int
    therapist_id: int
    therapist: str
    phone: str | None
    extension: str | None
    kind: str
    status: str
    status_reason: str | None
    try_number: int
    requests: int
    """Placement requests still spoken of."""


@dataclass(frozen=True)
class RequestInCall:
    request_id: int
    email_id: int | None
    included: bool
    outcome: str | None


@dataclass(frozen=True)
class CallDetails:
    line: CallLine
    actual_at: datetime | None
    outcome: str | None
    notes: str | None
    retry_of_id: int | None
    retry_id: int | None
    retry_after: datetime | None
    email_ids: list[int]
    requests: list[RequestInCall]


def list_calls(
    session: Session,
    *,
    on: date | None = None,
    status: PhoneCallStatus | None = None,
    therapist_id: int | None = None,
    zone: ZoneInfo = BERLIN,
) -> list[CallLine]:
    """List calls in the order of their time; `on` is a local date."""
    query = _lines()
    if on is not None:
        begin, end = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (on, on + timedelta(days=1)))
        query = query.where(PhoneCall.starts_at >= begin, PhoneCall.starts_at < end)
    if status is not None:
        query = query.where(PhoneCall.status == status)
    if therapist_id is not None:
        query = query.where(PhoneCall.therapist_id == therapist_id)
    return [_line(row) for row in session.execute(query)]


def get_call(session: Session, call_id: int) -> CallDetails:
    """Read one call; NotFound if there is none."""
    row = session.execute(_lines().where(PhoneCall.id == call_id)).one_or_none()
    if row is None:
        raise NotFound("phone call", call_id)
    call = row[0]
    return CallDetails(
        line=_line(row),
        actual_at=call.actual_at,
        outcome=call.outcome,
        notes=call.notes,
        retry_of_id=call.retry_of_id,
        retry_id=session.scalar(select(PhoneCall.id).where(PhoneCall.retry_of_id == call_id)),
        retry_after=call.retry_after,
        email_ids=emails_of_call(session, call_id),
        requests=_requests(session, call_id),
    )


def _requests(session: Session, call_id: int) -> list[RequestInCall]:
    query = select(
        PhoneCallBatch.placement_request_id, PhoneCallBatch.email_id, PhoneCallBatch.included, PhoneCallBatch.outcome
    ).where(PhoneCallBatch.phone_call_id == call_id)
    rows = session.execute(query.order_by(PhoneCallBatch.priority, PhoneCallBatch.id))
    return [RequestInCall(*row) for row in rows]


def _lines() -> Select[PhoneCall, Therapist, int]:
    spoken_of = (
        select(func.count())
        .where(PhoneCallBatch.phone_call_id == PhoneCall.id, PhoneCallBatch.included)
        .scalar_subquery()
    )
    return (
        select(PhoneCall, Therapist, spoken_of)
        .join(Therapist, Therapist.id == PhoneCall.therapist_id)
        .order_by(PhoneCall.starts_at, PhoneCall.caller, PhoneCall.id)
    )


def _line(row: Row[PhoneCall, Therapist, int]) -> CallLine:
    call, therapist, requests = row
    return CallLine(
        id=call.id,
        starts_at=call.starts_at,
        minutes=call.duration_minutes,
        caller=call.caller,
        therapist_id=therapist.id,
        therapist=full_name(therapist),
        phone=therapist.phone,
        extension=therapist.phone_extension,
        kind=call.kind,
        status=call.status,
        status_reason=call.status_reason,
        try_number=call.try_number,
        requests=requests,
    )


def full_name(therapist: Therapist) -> str:
    person = " ".join(part for part in (therapist.title, therapist.first_name, therapist.last_name) if part)
    return person if therapist.last_name else therapist.practice_name or person
