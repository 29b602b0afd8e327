"""Tying calls to what they are about: emails followed up, requests spoken of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from comms.rules.states import OPEN_REQUEST, RequestStatus
from comms.services.calls.needs import CallNeed, Place
from comms.store.engines import insert_for
from comms.store.models import Email, PhoneCallBatch, PhoneCallEmail, PlacementRequest


@dataclass(frozen=True)
class Linked:
    """`calls` are those that really have something to speak of; the counts are of links made now."""

    calls: set[int] = field(default_factory=set)
    emails: int = 0
    requests: int = 0


def link(session: Session, needs: Mapping[int, CallNeed], now: datetime) -> Linked:
    """Tie calls, {call id: need}, to emails (followed up from now on) and requests (in progress from now on)."""
    if not needs:
        return Linked()
    emails = _link_emails(session, needs, now)
    requests = _link_requests(session, needs, now)
    return Linked(set(emails) | set(requests), len(emails), len(requests))


def _link_emails(session: Session, needs: Mapping[int, CallNeed], now: datetime) -> list[int]:
    rows = [{"phone_call_id": id_, "email_id": email} for id_, need in needs.items() for email in need.email_ids]
    if not rows:
        return []
    insert = insert_for(session)(PhoneCallEmail).on_conflict_do_nothing().returning(PhoneCallEmail.phone_call_id)
    linked = list(session.scalars(insert, rows))
    followed = update(Email).where(Email.id.in_([row["email_id"] for row in rows]), Email.followed_up_at.is_(None))
    session.execute(followed.values(followed_up_at=now).execution_options(synchronize_session=False))
    return linked


def _link_requests(session: Session, needs: Mapping[int, CallNeed], now: datetime) -> list[int]:
    waiting = _lock_requests(session, {place.request_id for need in needs.values() for place in need.places})
    rows = [
        {
            "phone_call_id": id_,
            "placement_request_id": place.request_id,
            "email_id": place.email_id,
            "priority": position,
            "created_at": now,
        }
        for id_, need in needs.items()
        for position, place in enumerate(need.places, start=1)
        if waiting.get(place.request_id) in _expected(need, place)
    ]
    if not rows:
        return []
    insert = insert_for(session)(PhoneCallBatch).on_conflict_do_nothing()
    returned = (PhoneCallBatch.phone_call_id, PhoneCallBatch.placement_request_id)
    linked = session.execute(insert.returning(*returned), rows).all()
    _to_progress(session, [request_id for _, request_id in linked], now)
    return [call_id for call_id, _ in linked]


def _lock_requests(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Wait for whoever is just closing one of these requests; return the status of those that are not closed."""
    query = select(PlacementRequest.id, PlacementRequest.status).where(
        PlacementRequest.id.in_(sorted(ids)), PlacementRequest.status.in_(OPEN_REQUEST)
    )
    locked = session.execute(query.order_by(PlacementRequest.id).with_for_update(key_share=True))
    return {row.id: row.status for row in locked}


def _expected(need: CallNeed, place: Place) -> Collection[str]:
    """A request of no email must still be open: in progress means that somebody else took it up."""
    known = need.retry or place.email_id is not None or place.taken_up
    return OPEN_REQUEST if known else (RequestStatus.OPEN,)


def _to_progress(session: Session, ids: Collection[int], now: datetime) -> None:
    session.execute(
        update(PlacementRequest)
        .where(PlacementRequest.id.in_(sorted(ids)), PlacementRequest.status == RequestStatus.OPEN)
        .values(status=RequestStatus.IN_PROGRESS, updated_at=now, version=PlacementRequest.version + 1)
        .execution_options(synchronize_session=False)
    )
