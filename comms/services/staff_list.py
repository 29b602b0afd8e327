"""Whatever needs a person: each with its reason, since when, and the verb that ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from comms.errors import NotFound
from comms.services.emails.canceling import Requests, settle_canceled
from comms.services.giving_up import WITHOUT_CALL, give_up_calling
from comms.store.models import StaffItem
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


def list_staff_items(session: Session, now: datetime) -> list[StaffItemView]:
    """List what is shown by `now` and not done, the oldest first."""
    query = (
        select(StaffItem)
        .where(StaffItem.resolved_at.is_(None), StaffItem.shown_from <= now)
        .order_by(StaffItem.since, StaffItem.id)
    )
    return [_view(item) for item in session.scalars(query)]


def _view(item: StaffItem) -> StaffItemView:
    return StaffItemView(
        id=item.id,
        reason=item.reason,
        verb=REASONS.get(item.reason, "close"),
        since=item.since,
        subject_type=item.subject_type,
        subject_id=item.subject_id,
        therapist_id=item.therapist_id,
        details=item.details,
    )


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
