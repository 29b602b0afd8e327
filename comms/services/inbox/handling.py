"""Applying stored events: each once, in order per subject; events of one type about different subjects go together.

A status before its creation waits. What comes late is laid under what was applied before it. What fails five times for
the same reason is a dead letter; a database that is away is no reason.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from comms import logs, tracing
from comms.causes import events_about
from comms.errors import Temporary
from comms.services.inbox.applying import Unusable, apply_events
from comms.services.inbox.dead_letters import bury
from comms.services.inbox.order import is_lost, later_words, load_due, pick, waits
from comms.services.inbox.outcomes import Outcome, note, note_error, note_fault, subject_id
from comms.services.inbox.told import Told
from comms.store import leases
from comms.store.engines import clock
from comms.store.models import InboxEvent
from comms.store.session import Sessions, writing

log = logs.logger("comms.inbox")

ROLE = "inbox"
LEASE = timedelta(seconds=20)
TOGETHER = 100
"""Events of one transaction."""


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


def handle_events(sessions: Sessions, limit: int = 10_000, together: int = TOGETHER) -> Handled:
    """Apply what waits, at most `limit` events. Safe to run at once: the second stands by."""
    run = _Run(sessions)
    found: list[Outcome] = []
    ended, waiting = "limit", 0
    try:
        found += _told(run.bury_the_lost())
        while len(found) < limit:
            outcomes = _told(run.handle_next(min(together, limit - len(found))))
            found += outcomes
            if not outcomes:
                ended, waiting = "done", run.count_waiting()
                break
    except _Standby:
        ended = "standby"
    finally:
        run.end()
    return _report(found, waiting, ended)


def _told(outcomes: list[Outcome]) -> list[Outcome]:
    """Write one line about the events of one transaction, and a mark in the trace of each."""
    if outcomes:
        words = Counter(outcome.word for outcome in outcomes)
        ids = [outcome.event_id for outcome in outcomes]
        log.info("events_handled", event_type=outcomes[0].event_type, event_ids=ids, **words)
    for outcome in outcomes:
        tracing.mark(f"{outcome.event_type} {outcome.word}", [outcome.event_id], subject_id=outcome.subject_id)
    return outcomes


class _Standby(Exception):
    """Somebody else has the role."""


class _Run:
    """One run. Every transaction of it holds the role, so that no two runs work on the same event."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions, self._owner = sessions, uuid.uuid4().hex

    def handle_next(self, limit: int) -> list[Outcome]:
        """Apply the oldest event and what may go with it; nothing where nothing is due."""
        ids: list[int] = []
        try:
            with self._in_role() as (session, now):
                ids = pick(load_due(session, now), limit)
                return _handle(session, ids, now)
        except Exception as error:
            if not ids or _passes(error):
                raise
            return self._note(ids, error) if isinstance(error, Unusable) else self._one_by_one(ids)

    def _one_by_one(self, ids: Sequence[int]) -> list[Outcome]:
        """Find out which of them fails; the others go on."""
        found: list[Outcome] = []
        for id_ in ids:
            try:
                with self._in_role() as (session, now):
                    found += handle_matching_event(session, id_, now)
            except Exception as error:  # whatever this one event brings about, the next goes on
                if _passes(error):
                    raise
                found += self._note([id_], error)
        return found

    def _note(self, ids: Collection[int], error: Exception) -> list[Outcome]:
        """Note an event's error; of those that were together, only what is known to be at fault."""
        log.warning("events_failed", ids=sorted(ids), exc_info=error)
        faults = error.faults if isinstance(error, Unusable) else {}
        with self._in_role() as (session, now):
            rows = [row for row in _load(session, ids) if not faults or subject_id(row) in faults]
            return [
                Outcome.of(row, note_fault(session, row, faults[subject_id(row)], now) if faults
                           else note_error(session, row, error, now))
                for row in rows
            ]  # fmt: skip

    def bury_the_lost(self) -> list[Outcome]:
        """A status whose creation never came is a dead letter after a week."""
        with self._in_role() as (session, now):
            lost = session.scalars(select(InboxEvent).where(InboxEvent.handled_at.is_(None), is_lost(now))).all()
            for row in lost:
                bury(session, row, "never_created", now)
            return [Outcome.of(row, "dead") for row in lost]

    def count_waiting(self) -> int:
        waiting = select(func.count()).select_from(InboxEvent).where(InboxEvent.handled_at.is_(None), waits())
        with self._in_role() as (session, _):
            return session.scalar(waiting) or 0

    @contextmanager
    def _in_role(self) -> Iterator[tuple[Session, datetime]]:
        """One transaction that holds the role to its end: nobody else gets past its row before."""
        with writing(self._sessions) as session:
            now = clock(session)
            if not leases.hold(session, ROLE, self._owner, now, LEASE):
                raise _Standby
            yield session, now

    def end(self) -> None:
        with writing(self._sessions) as session:
            leases.give_up(session, ROLE, self._owner)


def handle_matching_event(session: Session, id_: int, now: datetime) -> list[Outcome]:
    """Apply one stored event, unless it is handled, and note what became of it. Raises what it brings about."""
    return _handle(session, [id_], now)


def _handle(session: Session, ids: Collection[int], now: datetime) -> list[Outcome]:
    """Apply events of one type about different subjects."""
    rows, later = _load(session, ids), later_words(session, ids)
    if not rows:
        return []
    told = {row.id: Told(subject_id(row), row.event_type, row.payload, later.get(row.id, ())) for row in rows}
    with events_about({row.subject or "": row.event_id for row in rows}):
        changed = set(apply_events(session, list(told.values()), now))
    words = {
        id_: "applied" if one.id in changed else "older" if one.out_of_date else "unchanged"
        for id_, one in told.items()
    }
    for word in set(words.values()):
        note(session, [id_ for id_, became in words.items() if became == word], word, now)
    return [Outcome.of(row, words[row.id]) for row in rows]


def _load(session: Session, ids: Collection[int]) -> Sequence[InboxEvent]:
    query = select(InboxEvent).where(InboxEvent.id.in_(sorted(ids)), InboxEvent.handled_at.is_(None))
    return session.scalars(query.order_by(InboxEvent.id)).all()


def _passes(error: Exception) -> bool:
    """The database's trouble or the role's, not the event's."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError, PoolTimeout, Temporary, _Standby))


def _report(found: Sequence[Outcome], waiting: int, ended: str) -> Handled:
    words = Counter(outcome.word for outcome in found)
    applied = [outcome for outcome in found if outcome.word == "applied"]
    return Handled(
        applied=Counter(outcome.event_type for outcome in applied),
        older=words["older"],
        unchanged=words["unchanged"],
        failed=words["failed"],
        dead=words["dead"],
        waiting=waiting,
        new_requests=tuple(outcome.subject_id for outcome in applied if outcome.event_type == "match.created"),
        ended=ended,
    )
