"""What the platform is told: that a request is being worked on, until it has heard it.

What is to be told is found in the state of things, not written down where it changes: requests come into progress by
batches, by people and by calls, and whatever ends this process in between, the next run finds the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, exists, func, literal, select, update
from sqlalchemy.orm import Session

from comms.ports import NOT_ASKED, PlatformDirectory, PlatformService
from comms.rules.states import RequestStatus
from comms.services.platform.facts import count_faults, portions
from comms.store.engines import MAX_KEYS, insert_for
from comms.store.models import PlacementRequest, PlatformUpdate, UtcDateTime
from comms.store.session import Sessions, reading, writing

IN_PROGRESS = RequestStatus.IN_PROGRESS
MOMENT, HOUR = timedelta(minutes=1), timedelta(hours=1)
DELAYS = (MOMENT, 5 * MOMENT, 15 * MOMENT, HOUR, 6 * HOUR, 24 * HOUR)
"""After the first, second … attempt; the last one again and again."""


def tell_platform(sessions: Sessions, directory: PlatformDirectory, now: datetime) -> dict[str, Any]:
    """Set `in_bearbeitung` at the platform what is in progress here and not known to be so there; return counts.

    Several at once are harmless: they say the same. Opens its own transactions, none during a call.
    """
    counts: dict[str, Any] = {"told": 0, "untold": 0, "faults": {}}
    if PlatformService.MATCHING not in directory.services:
        return counts
    with writing(sessions) as session:
        note_untold(session, now)
        due = _due(session, now)
    for portion in portions(due):
        faults = directory.put_in_progress(_still_untold(sessions, portion))
        with writing(sessions) as session:
            record(session, faults, now)
        counts["told"] += sum(fault is None for fault in faults.values())
        count_faults(counts, PlatformService.MATCHING, [fault for fault in faults.values() if fault])
    with reading(sessions) as session:
        counts["untold"] = session.scalar(select(func.count()).select_from(_untold().subquery())) or 0
    return counts


def note_untold(session: Session, now: datetime) -> None:
    """Write down every request in progress of which the platform was not told yet."""
    at = literal(now, UtcDateTime())
    noted = exists().where(PlatformUpdate.placement_request_id == PlacementRequest.id)
    unnoted = select(PlacementRequest.id, literal(IN_PROGRESS.value), at, at).where(
        PlacementRequest.status == IN_PROGRESS, ~noted
    )
    columns = ["placement_request_id", "status", "created_at", "next_attempt_at"]
    session.execute(insert_for(session)(PlatformUpdate).from_select(columns, unnoted).on_conflict_do_nothing())


def compare_with_platform(session: Session, open_ids: Collection[int], pulled_at: datetime) -> None:
    """Take in all requests that the platform called `offen` when it was asked at `pulled_at`.

    What it was told before and still, or again, calls `offen` is told anew. What was tried and is not `offen` there is
    not tried again: an answer got lost, or the platform knows better by now and must not be overwritten. An empty list
    proves nothing.
    """
    told, tried = PlatformUpdate.done_at < pulled_at, PlatformUpdate.done_at.is_(None) & (PlatformUpdate.attempts > 0)
    request_id = PlatformUpdate.placement_request_id
    for portion in portions(sorted(open_ids), MAX_KEYS):
        session.execute(delete(PlatformUpdate).where(request_id.in_(portion), told))
    unlisted = set(session.scalars(select(request_id).where(tried))) - set(open_ids) if open_ids else set()
    for portion in portions(sorted(unlisted), MAX_KEYS):
        over = update(PlatformUpdate).where(request_id.in_(portion), tried)
        session.execute(over.values(done_at=pulled_at, fault="no_longer_open"))


def _untold() -> Select[int]:
    """Whatever closed here meanwhile waits for nothing: our word would undo a newer one."""
    in_progress = select(PlacementRequest.id).where(PlacementRequest.status == IN_PROGRESS)
    return select(PlatformUpdate.placement_request_id).where(
        PlatformUpdate.done_at.is_(None), PlatformUpdate.placement_request_id.in_(in_progress)
    )


def _due(session: Session, now: datetime) -> list[int]:
    due = _untold().where(PlatformUpdate.next_attempt_at <= now)
    return list(session.scalars(due.order_by(PlatformUpdate.next_attempt_at, PlatformUpdate.placement_request_id)))


def _still_untold(sessions: Sessions, ids: Sequence[int]) -> list[int]:
    """Look again right before they are told: an answer may have closed some since the run began."""
    with reading(sessions) as session:
        return sorted(session.scalars(_untold().where(PlatformUpdate.placement_request_id.in_(ids))))


def record(session: Session, faults: Mapping[int, str | None], now: datetime) -> None:
    """Note how the attempts ended; what was not asked for counts as none."""
    tried = {id_: fault for id_, fault in faults.items() if fault not in NOT_ASKED}
    query = select(PlatformUpdate.placement_request_id, PlatformUpdate.attempts).where(
        PlatformUpdate.placement_request_id.in_(sorted(tried)), PlatformUpdate.done_at.is_(None)
    )
    rows = session.execute(query.order_by(PlatformUpdate.placement_request_id).with_for_update()).all()
    ended = [{"placement_request_id": id_, **_ended(tried[id_], before + 1, now)} for id_, before in rows]
    if ended:
        session.execute(update(PlatformUpdate), ended)


def _ended(fault: str | None, attempts: int, now: datetime) -> dict[str, Any]:
    later = now if fault is None else next_attempt_at(attempts, now)
    return {"attempts": attempts, "fault": fault, "done_at": None if fault else now, "next_attempt_at": later}


def next_attempt_at(attempts: int, now: datetime) -> datetime:
    """When to try again after this many attempts."""
    return now + DELAYS[min(attempts, len(DELAYS)) - 1]
