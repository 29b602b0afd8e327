"""Which placement requests an email may name."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from comms.errors import Conflict
from comms.rules.states import OPEN_REQUEST
from comms.services.intake.stubs import keep_request_stubs
from comms.store.models import PlacementRequest


def accept_requests(session: Session, request_ids: Collection[int], therapist_id: int, now: datetime) -> set[int]:
    """Keep a stub of every request that nobody knows, and return those ids.

    Conflict for a request of another therapist, and for one that is closed: there is nothing to ask for any more. One
    that waits in another email or call may be named in a draft; queueing decides.
    """
    if not request_ids:
        return set()
    rows = _load(session, request_ids)
    stubs: set[int] = set()
    if unknown := set(request_ids) - {row.id for row in rows}:
        stubs = keep_request_stubs(session, unknown, therapist_id, now)
        rows = _load(session, request_ids)
    _refuse([row.id for row in rows if row.therapist_id != therapist_id], "is another therapist's")
    _refuse([row.id for row in rows if row.status not in OPEN_REQUEST], "is closed")
    return stubs


def _load(session: Session, ids: Collection[int]) -> list[Row[int, int, str]]:
    query = select(PlacementRequest.id, PlacementRequest.therapist_id, PlacementRequest.status)
    return list(session.execute(query.where(PlacementRequest.id.in_(sorted(ids))).order_by(PlacementRequest.id)))


def _refuse(ids: Iterable[int], why: str) -> None:
    if named := ", ".join(map(str, ids)):
        raise Conflict(f"placement request {named} {why}")
