"""Pages of a timeline, newest first, in a fixed number of queries however long the history is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Row, Subquery, and_, func, or_, select, union_all
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.services.timeline.parts import Kind, entries
from comms.store.models import EmailBatch, PhoneCallBatch, Therapist
from comms.store.paging import Page, Slice

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_IDS, _RANKS = 2**63, 2**5


@dataclass(frozen=True)
class Entry:
    at: datetime
    kind: str
    event: str
    email_id: int | None
    phone_call_id: int | None
    placement_request_ids: tuple[int, ...]
    code: str | None
    """Why: reason of a refusal, a cancellation, a failure; template of a letter; kind of a call."""
    actor: str | None
    scheduled_at: datetime | None
    """When the call was to be."""
    next_date: date | None
    last_at: datetime | None
    times: int | None
    """So many runs in a row refused alike, from `at` to `last_at`."""
    text: str | None


def page_of_timeline(session: Session, therapist_id: int, page: Page, *, kind: Kind | None = None) -> Slice[Entry]:
    """Read one page of what happened with a therapist; NotFound. `page` counts in positions (`_position`)."""
    if session.scalar(select(Therapist.id).where(Therapist.id == therapist_id)) is None:
        raise NotFound("therapist", therapist_id)
    story = _story(therapist_id, [kind] if kind else list(Kind)).subquery()
    total = session.execute(select(func.count()).select_from(story)).scalar_one()
    rows = _rows(session, story, page)
    found, more = rows[: page.limit], len(rows) > page.limit
    if page.after is not None:
        found.reverse()
    older = found and (more or page.after is not None)
    newer = found and (page.before is not None or page.offset or (page.after is not None and more))
    return Slice(
        _entries(session, found),
        total,
        older=_position(found[-1]) if older else None,
        newer=_position(found[0]) if newer else None,
    )


def _story(therapist_id: int, kinds: Collection[Kind]) -> CompoundSelect[Any]:
    return union_all(*entries(therapist_id, kinds))


def _rows(session: Session, story: Subquery, page: Page) -> list[Row[Any]]:
    """One row more than asked for: it tells that there is a further page."""
    order = (story.c.at, story.c.rank, story.c.id)
    query = select(story).order_by(*(order if page.after is not None else (column.desc() for column in order)))
    if page.before is not None:
        query = query.where(~_at_or_after(story, page.before))
    if page.after is not None:
        query = query.where(_at_or_after(story, page.after + 1))
    return list(session.execute(query.limit(page.limit + 1).offset(page.offset or None)))


def _position(row: Row[Any]) -> int:
    """Instant, rank and id as one number: the place of an entry in the order, whatever is added."""
    micros: int = (row.at - _EPOCH) // _MICROSECOND
    return (micros * _RANKS + int(row.rank)) * _IDS + int(row.id)


def _at_or_after(story: Subquery, position: int) -> ColumnElement[bool]:
    place, id_ = divmod(position, _IDS)
    micros, rank = divmod(place, _RANKS)
    at = _EPOCH + max(0, min(micros, _LAST)) * _MICROSECOND
    c = story.c
    return or_(c.at > at, and_(c.at == at, or_(c.rank > rank, and_(c.rank == rank, c.id >= id_))))


def _entries(session: Session, rows: Sequence[Row[Any]]) -> list[Entry]:
    emails = _requests(session, EmailBatch.email_id, [row.email_id for row in rows])
    calls = _requests(session, PhoneCallBatch.phone_call_id, [row.phone_call_id for row in rows])
    made = []
    for row in rows:
        named = row.placement_request_id
        requests = [named] if named is not None else emails.get(row.email_id) or calls.get(row.phone_call_id) or []
        columns = {name: getattr(row, name) for name in Entry.__dataclass_fields__ if name != "placement_request_ids"}
        made.append(Entry(**columns, placement_request_ids=tuple(requests)))
    return made


def _requests(session: Session, holder: Any, ids: Collection[int | None]) -> dict[int | None, list[int]]:
    """The requests of emails or calls in their order, also those that were taken out later."""
    batch = holder.class_
    query = (
        select(holder, batch.placement_request_id)
        .where(holder.in_(sorted({id_ for id_ in ids if id_ is not None})))
        .order_by(batch.priority, batch.id)
    )
    found: dict[int | None, list[int]] = defaultdict(list)
    for held_by, request_id in session.execute(query):
        found[held_by].append(request_id)
    return found
