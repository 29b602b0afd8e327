"""Applying stored events: each once, in order per subject, a chunk in one transaction.

A status before its creation waits. What is older than what was applied changes nothing. What fails five times for the
same reason is a dead letter; a database that is away is no reason.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, exists, func, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, aliased

from comms.errors import CommsError, Temporary
from comms.services.inbox.applying import Facts, Unusable, apply_event
from comms.services.inbox.dead_letters import bury
from comms.store import leases
from comms.store.engines import clock
from comms.store.models import InboxEvent, PlacementRequest
from comms.store.session import Sessions, writing

ROLE = "inbox"
LEASE = timedelta(seconds=20)
CHUNK = 50
TRIES = 5
PATIENCE = timedelta(days=7)
"""So long a status waits for its creation."""

_STATUS = ("match.status_changed", "therapist.blocked", "therapist.unblocked", "patient.deleted")
"""Events that say how their subject stands; the others bring facts."""


@dataclass(frozen=True)
class Handled:
    """What one run did, by event type; `ended` is done, limit or standby (another run is at work)."""

    applied: Counter[str] = field(default_factory=Counter)
    older: int = 0
    unchanged: int = 0
    failed: int = 0
    dead: int = 0
    waiting: int = 0
    """Statuses whose creation has not come yet."""
    new_requests: tuple[int, ...] = ()
    """Placement requests that were created, for whoever writes at once."""
    ended: str = "done"


def handle_events(sessions: Sessions, limit: int = 10_000, chunk: int = CHUNK) -> Handled:
    """Apply what waits, at most `limit` events. Safe to run at once: the second stands by."""
    owner = uuid.uuid4().hex
    done = Handled()
    left = limit
    try:
        while left > 0:
            with writing(sessions) as session:
                now = clock(session)
                if not leases.hold(session, ROLE, owner, now, LEASE):
                    return _plus(done, Handled(ended="standby"))
                part, count = _handle_chunk(session, min(chunk, left), now)
            done, left = _plus(done, part), left - count
            if not count:
                break
        return done if left > 0 else _plus(done, Handled(ended="limit"))
    finally:
        with writing(sessions) as session:
            leases.give_up(session, ROLE, owner)


def _handle_chunk(session: Session, limit: int, now: datetime) -> tuple[Handled, int]:
    """Apply up to `limit` events; also says how many were looked at."""
    dead = _give_up_waiting(session, now)
    rows = _due(session, limit, now)
    outcomes: Counter[str] = Counter()
    applied: Counter[str] = Counter()
    created: list[int] = []
    for row in rows:
        outcome = handle_matching_event(session, row, now)
        outcomes[outcome] += 1
        if outcome == "applied":
            applied[row.event_type] += 1
            created += [row.payload["match_id"]] if row.event_type == "match.created" else []
    done = Handled(
        applied=applied,
        older=outcomes["older"],
        unchanged=outcomes["unchanged"],
        failed=outcomes["failed"],
        dead=outcomes["dead"] + dead,
        waiting=0 if rows else _count_waiting(session),
        new_requests=tuple(created),
    )
    return done, len(rows)


def _due(session: Session, limit: int, now: datetime) -> Sequence[InboxEvent]:
    """The oldest that may be tried."""
    query = select(InboxEvent).where(InboxEvent.handled_at.is_(None), is_due(now))
    return session.scalars(query.order_by(InboxEvent.occurred_at, InboxEvent.id).limit(limit)).all()


def is_due(now: datetime) -> ColumnElement[bool]:
    """Of what is not handled, what may be tried; what failed a moment ago holds back what is newer of its subject."""
    earlier = aliased(InboxEvent)
    held_back = exists().where(
        earlier.subject == InboxEvent.subject,
        earlier.handled_at.is_(None),
        earlier.next_attempt_at > now,
        _before(earlier, InboxEvent),
    )
    its_time = or_(InboxEvent.next_attempt_at.is_(None), InboxEvent.next_attempt_at <= now)
    return and_(its_time, ~_waits(), ~held_back)


def _before(one: type[InboxEvent], other: type[InboxEvent]) -> ColumnElement[bool]:
    """By the platform's clock; what bears the same instant by its arrival."""
    same = and_(one.occurred_at == other.occurred_at, one.id < other.id)
    return or_(one.occurred_at < other.occurred_at, same)


def _waits() -> ColumnElement[bool]:
    is_status = InboxEvent.event_type == "match.status_changed"
    request_id = cast(func.substr(InboxEvent.subject, len("request:") + 1), BigInteger)
    created = exists().where(
        PlacementRequest.id == case((is_status, request_id)),  # CASE: the others' subjects are no numbers
        PlacementRequest.patient_id.is_not(None),
    )
    return and_(is_status, ~created)


def _count_waiting(session: Session) -> int:
    waiting = select(func.count()).select_from(InboxEvent).where(InboxEvent.handled_at.is_(None), _waits())
    return session.scalar(waiting) or 0


def _give_up_waiting(session: Session, now: datetime) -> int:
    """A status whose creation never came is a dead letter after a week."""
    lost = select(InboxEvent).where(InboxEvent.handled_at.is_(None), is_lost(now))
    rows = session.scalars(lost.limit(CHUNK)).all()
    for row in rows:
        bury(session, row, "never_created", now)
    return len(rows)


def is_lost(now: datetime) -> ColumnElement[bool]:
    return and_(InboxEvent.received_at < now - PATIENCE, _waits())


def handle_matching_event(session: Session, row: InboxEvent, now: datetime) -> str:
    """Apply one stored event in a savepoint and note what became of it; returns an outcome, or failed."""
    is_status = row.event_type in _STATUS
    if _newer_was_applied(session, row, is_status):
        return _note(session, row, "older", now)
    facts = Facts(row.event_type, row.payload, not is_status and _newer_was_applied(session, row, True))
    try:
        with session.begin_nested():
            changed = apply_event(session, facts, now)
    except (OperationalError, InterfaceError, Temporary):
        raise  # the database's trouble, not the event's
    except Unusable as unusable:
        bury(session, row, unusable.fault, now)
        return "dead"
    except Exception as error:  # noqa: BLE001 - whatever this one event brings about, the next goes on
        fault = error.code if isinstance(error, CommsError) else type(error).__name__
        return _fail(session, row, fault[:60], now)
    return _note(session, row, "applied" if changed else "unchanged", now)


def _newer_was_applied(session: Session, row: InboxEvent, status: bool) -> bool:
    """Whether something newer about the subject's status (or else its facts) was applied."""
    kind = InboxEvent.event_type.in_(_STATUS)
    newer = or_(
        InboxEvent.occurred_at > row.occurred_at,
        and_(InboxEvent.occurred_at == row.occurred_at, InboxEvent.id > row.id),
    )
    query = select(InboxEvent.id).where(
        InboxEvent.subject == row.subject,
        InboxEvent.outcome.in_(("applied", "unchanged")),
        kind if status else ~kind,
        newer,
    )
    return session.scalar(query.limit(1)) is not None


def _note(session: Session, row: InboxEvent, outcome: str, now: datetime) -> str:
    session.execute(
        update(InboxEvent)
        .where(InboxEvent.id == row.id, InboxEvent.handled_at.is_(None))
        .values(handled_at=now, outcome=outcome, fault=None, next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )
    return outcome


def _fail(session: Session, row: InboxEvent, fault: str, now: datetime) -> str:
    """Try again later; the fifth failure for the same reason is the last."""
    attempts = row.attempts + 1 if row.fault == fault else 1
    if attempts >= TRIES:
        bury(session, row, fault, now)
        return "dead"
    later = {"attempts": attempts, "fault": fault, "next_attempt_at": now + timedelta(seconds=2**attempts)}
    failed = update(InboxEvent).where(InboxEvent.id == row.id).values(later)
    session.execute(failed.execution_options(synchronize_session=False))
    return "failed"


def _plus(done: Handled, part: Handled) -> Handled:
    return Handled(
        applied=done.applied + part.applied,
        older=done.older + part.older,
        unchanged=done.unchanged + part.unchanged,
        failed=done.failed + part.failed,
        dead=done.dead + part.dead,
        waiting=part.waiting,
        new_requests=(*done.new_requests, *part.new_requests),
        ended=part.ended,
    )
