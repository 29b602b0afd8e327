"""Whatever needs a person: each with its reason, since when, and the verb that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.orm import Session

from comms.errors import MoveNotAllowed, NotFound
from comms.services.emails.canceling import Requests, settle_canceled
from comms.services.giving_up import WITHOUT_CALL, give_up_calling
from comms.store.models import StaffItem
from comms.store.paging import Page, Slice, newest_first
from comms.store.staff import REASONS, audit, resolve_item


@dataclass(frozen=True)
class StaffItemView:
    id: int
    reason: str
    verb: str
    since: datetime
    subject_type: str
    subject_id: int
    therapist_id: int | None
    details: dict[str, Any] | None
    resolved_at: datetime | None = None
    resolved_by: str | None = None


def list_staff_items(session: Session, now: datetime) -> list[StaffItemView]:
    """List what is shown by `now` and not done, the oldest first."""
    rows = session.execute(_columns().where(*_standing(now)).order_by(StaffItem.since, StaffItem.id))
    return [_view(row) for row in rows]


def page_of_items(
    session: Session,
    now: datetime,
    page: Page,
    *,
    reason: str | None = None,
    therapist_id: int | None = None,
    subject_type: str | None = None,
) -> Slice[StaffItemView]:
    """One page of what is shown by `now` and not done, newest first."""
    given = {
        StaffItem.reason: reason, StaffItem.therapist_id: therapist_id, StaffItem.subject_type: subject_type,
    }  # fmt: skip
    asked = [column == value for column, value in given.items() if value is not None]
    found = newest_first(session, _columns().where(*_standing(now), *asked), StaffItem.id, page)
    return found.of([_view(row) for row in found.rows])


def show_item(session: Session, item_id: int) -> StaffItemView:
    """Read one thing, also when it is done; NotFound."""
    row = session.execute(_columns().where(StaffItem.id == item_id)).one_or_none()
    if row is None:
        raise NotFound("item on the staff list", item_id)
    return _view(row)


def _columns() -> Select[Any]:
    """All of a view but the verb, which belongs to the reason."""
    return select(*(getattr(StaffItem, name) for name in StaffItemView.__dataclass_fields__ if name != "verb"))


def _standing(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return StaffItem.resolved_at.is_(None), StaffItem.shown_from <= now


def _view(row: Row[Any]) -> StaffItemView:
    return StaffItemView(**row._mapping, verb=REASONS.get(row.reason, "close"))


def close_standing_item(session: Session, item_id: int, actor: str, now: datetime, requests: Requests) -> None:
    """Take one thing off the list; MoveNotAllowed where it was done before: its requests went another way."""
    if not close_item(session, item_id, actor, now, requests):
        raise MoveNotAllowed(f"item {item_id} of the staff list", "closed", "close", [])


def close_item(session: Session, item_id: int, actor: str, now: datetime, requests: Requests = Requests.REOPEN) -> bool:
    """Take one thing off the list because a person has dealt with it; False where it was done before. NotFound.

    Where it stood for a call that cannot be made, its emails are closed and `requests` says what becomes of theirs.
    """
    item = session.get(StaffItem, item_id, populate_existing=True)
    if item is None:
        raise NotFound("item on the staff list", item_id)
    if not resolve_item(session, item_id, now, actor):
        return False
    if item.reason in WITHOUT_CALL:
        settle_canceled(session, give_up_calling(session, item, now), now, requests)
    audit(session, actor, "staff_list.close", item.subject_type, item.subject_id, now, reason=item.reason)
    return True
