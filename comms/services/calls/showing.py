"""Calls as the API shows them: one, or a page of them, with days and times in local time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from comms.errors import NotFound
from comms.rules.local_time import bounds_of, clock_of
from comms.rules.states import CallKind, PhoneCallStatus
from comms.store.models import PhoneCall, PhoneCallBatch, PhoneCallEmail
from comms.store.paging import Page, Slice, newest_first


@dataclass(frozen=True)
class ShownCall:
    """`actual_…` are None until the call is made, `retry_id` until the next try is booked."""

    id: int
    therapist_id: int
    starts_at: datetime
    scheduled_date: date
    scheduled_time: time
    duration_minutes: int
    actual_at: datetime | None
    actual_date: date | None
    actual_time: time | None
    status: str
    status_reason: str | None
    kind: str
    outcome: str | None
    notes: str | None
    override_reason: str | None
    retry_after: datetime | None
    try_number: int
    retry_of_id: int | None
    retry_id: int | None
    caller: int
    email_ids: list[int]
    placement_request_ids: list[int]
    """Still spoken of, in the order of the call."""
    created_at: datetime
    updated_at: datetime


def page_of_calls(
    session: Session,
    page: Page,
    zone: ZoneInfo,
    *,
    therapist_id: int | None = None,
    status: PhoneCallStatus | None = None,
    scheduled_date: date | None = None,
    caller: int | None = None,
    kind: CallKind | None = None,
) -> Slice[ShownCall]:
    """List a page of calls for which all that is given holds, newest first; four queries and its count."""
    wanted = {"therapist_id": therapist_id, "status": status, "caller": caller, "kind": kind}
    conditions = [getattr(PhoneCall, name) == value for name, value in wanted.items() if value is not None]
    if scheduled_date is not None:
        conditions.append(on_day(scheduled_date, zone))
    found = newest_first(session, _columns().where(*conditions), PhoneCall.id, page)
    return found.of(_complete(session, found.rows, zone))


def show_call(session: Session, call_id: int, zone: ZoneInfo) -> ShownCall:
    """Read one call; NotFound if there is none."""
    rows = session.execute(_columns().where(PhoneCall.id == call_id)).all()
    if not rows:
        raise NotFound("phone call", call_id)
    return _complete(session, rows, zone)[0]


def on_day(day: date, zone: ZoneInfo) -> ColumnElement[bool]:
    """Calls that are to begin on this local day."""
    begin, end = bounds_of(day, zone)
    return (PhoneCall.starts_at >= begin) & (PhoneCall.starts_at < end)


_MADE = frozenset(
    ("scheduled_date", "scheduled_time", "actual_date", "actual_time", "retry_id", "email_ids", "placement_request_ids")
)


def _columns() -> Select[Any]:
    return select(*(getattr(PhoneCall, name) for name in ShownCall.__dataclass_fields__ if name not in _MADE))


def _complete(session: Session, rows: Sequence[Any], zone: ZoneInfo) -> list[ShownCall]:
    ids = [row.id for row in rows]
    emails = linked(session, PhoneCallEmail.email_id, ids, PhoneCallEmail.email_id)
    order = (PhoneCallBatch.priority, PhoneCallBatch.id)
    requests = linked(
        session, PhoneCallBatch.placement_request_id, ids, *order, where=PhoneCallBatch.included.is_(True)
    )
    retries = _retries(session, ids)
    return [
        ShownCall(
            **row._mapping,
            **_clocks(row, zone),
            retry_id=retries.get(row.id),
            email_ids=emails[row.id],
            placement_request_ids=requests[row.id],
        )
        for row in rows
    ]


def _clocks(row: Any, zone: ZoneInfo) -> dict[str, Any]:
    scheduled = clock_of(row.starts_at, zone)
    actual = clock_of(row.actual_at, zone) if row.actual_at else (None, None)
    return {
        "scheduled_date": scheduled[0],
        "scheduled_time": scheduled[1],
        "actual_date": actual[0],
        "actual_time": actual[1],
    }


def linked(
    session: Session,
    column: InstrumentedAttribute[int],
    call_ids: Collection[int],
    *order: Any,
    where: ColumnElement[bool] | None = None,
) -> dict[int, list[int]]:
    """List one column of a table of calls by call."""
    call_id = column.class_.phone_call_id
    query = select(call_id, column).where(call_id.in_(call_ids)).order_by(*order)
    found: dict[int, list[int]] = defaultdict(list)
    for id_, value in session.execute(query if where is None else query.where(where)):
        found[id_].append(value)
    return found


def _retries(session: Session, call_ids: Collection[int]) -> dict[int, int]:
    query = select(PhoneCall.retry_of_id, PhoneCall.id).where(PhoneCall.retry_of_id.in_(call_ids))
    return {missed: retry for missed, retry in session.execute(query) if missed is not None}
