"""The oldest unpublished event of every key, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, any_, case, cast, func, literal, or_, select, update
from sqlalchemy.orm import Session

from comms.ports import Message, Publication, Receipt
from comms.services.relaying.envelope import Stored, envelope
from comms.store.engines import insert_for
from comms.store.models import OutboxEvent, TopicMark, table_of

REFUSALS = 50
"""After so many a message is parked."""

AT_ONCE = frozenset({"too_large", "MessageSizeTooLarge", "RecordListTooLarge"})
"""Refusals that no further try will change."""

LONGEST_WAIT = timedelta(minutes=10)

NEAR = 2
"""Among so many times the wave's size of the oldest events its heads are looked for first."""

ENOUGH = 20
"""With so many heads among the oldest a wave goes out: to look through a long backlog for more takes longer."""


def load_heads(session: Session, now: datetime, limit: int) -> list[Message]:
    """Load the next event of each key that may be tried now, the oldest first.

    Only heads: of two events with one key the second waits until the first is acknowledged or parked.
    """
    ids = _heads_among_the_oldest(session, now, limit)
    if len(ids) < min(limit, ENOUGH):
        ids = _heads_of_all(session, now, limit)
    rows = session.connection().execute(_MESSAGES.where(_among(session, ids)))
    return [Message(row[0], row[1], envelope(Stored._make(row[2:]))) for row in rows]


_EVENTS = table_of(OutboxEvent).c
_MESSAGES = select(
    _EVENTS.id,
    _EVENTS.key,
    _EVENTS.event_id,
    _EVENTS.event_type,
    _EVENTS.created_at,
    _EVENTS.correlation_id,
    _EVENTS.causation_id,
    cast(_EVENTS.origin_ids, Text),  # this and the payload go out as they stand there
    cast(_EVENTS.payload, Text),
).order_by(_EVENTS.id)


def _among(session: Session, ids: Sequence[int]) -> ColumnElement[bool]:
    """As one list where the database knows lists: SQLAlchemy makes thousands of parameters one by one."""
    if session.get_bind().dialect.name == "postgresql":
        return _EVENTS.id == any_(literal(ids, ARRAY(BigInteger)))
    return _EVENTS.id.in_(ids)


_WAITING = OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_(None)


def _heads_among_the_oldest(session: Session, now: datetime, limit: int) -> Sequence[int]:
    """Ids of heads: of a prefix of all events, whose heads are heads of all. However many wait, it costs the same."""
    oldest = (
        select(OutboxEvent.id, OutboxEvent.key, OutboxEvent.next_attempt_at)
        .where(*_WAITING)
        .order_by(OutboxEvent.id)
        .limit(NEAR * limit)
        .subquery()
    )
    head = func.min(oldest.c.id)
    first_that_rests = func.min(case((oldest.c.next_attempt_at > now, oldest.c.id)))
    query = select(head).group_by(oldest.c.key).having(head != func.coalesce(first_that_rests, 0))
    return session.scalars(query.order_by(head).limit(limit)).all()


def _heads_of_all(session: Session, now: datetime, limit: int) -> Sequence[int]:
    heads = select(func.min(OutboxEvent.id)).where(*_WAITING).group_by(OutboxEvent.key)
    due = or_(OutboxEvent.next_attempt_at.is_(None), OutboxEvent.next_attempt_at <= now)
    query = select(OutboxEvent.id).where(OutboxEvent.id.in_(heads), due)
    return session.scalars(query.order_by(OutboxEvent.id).limit(limit)).all()


def settle(session: Session, topic: str, done: Publication, now: datetime) -> None:
    """Mark what is acknowledged, remember how far the topic is known, and let what was refused wait or be parked."""
    mark_published(session, [receipt.row for receipt in done.receipts if receipt.refused is None], now)
    if done.interrupted is None:  # else something may stand there that nobody told us of
        note_ends(session, topic, _ends(done.receipts))
    _note_refusals(session, [receipt for receipt in done.receipts if receipt.refused is not None], now)


def _ends(receipts: Iterable[Receipt]) -> dict[int, int]:
    ends: dict[int, int] = {}
    for receipt in receipts:
        if receipt.partition is not None and receipt.offset >= 0:
            ends[receipt.partition] = max(ends.get(receipt.partition, 0), receipt.offset + 1)
    return ends


def mark_published(session: Session, rows: Collection[int], now: datetime) -> None:
    unmarked = update(_EVENTS.id.table).where(_among(session, sorted(rows)), _EVENTS.published_at.is_(None))
    session.connection().execute(unmarked.values(published_at=now))


def mark_found(session: Session, event_ids: Collection[str], now: datetime) -> int:
    """Mark what stands on the topic already; return how many rows did not know it."""
    ids = sorted(event_ids)
    marked = 0
    for start in range(0, len(ids), 5_000):
        chunk = ids[start : start + 5_000]
        unknown = update(OutboxEvent).where(OutboxEvent.event_id.in_(chunk), OutboxEvent.published_at.is_(None))
        found = unknown.values(published_at=now).returning(OutboxEvent.id)
        marked += len(session.scalars(found.execution_options(synchronize_session=False)).all())
    return marked


def known_ends(session: Session, topic: str) -> dict[int, int]:
    """How far each partition is known to be marked."""
    query = select(TopicMark.partition, TopicMark.next_offset).where(TopicMark.topic == topic)
    return {row.partition: row.next_offset for row in session.execute(query)}


def note_ends(session: Session, topic: str, ends: Mapping[int, int]) -> None:
    rows = [{"topic": topic, "partition": partition, "next_offset": end} for partition, end in sorted(ends.items())]
    if not rows:
        return
    upsert = insert_for(session)(TopicMark).values(rows)
    session.execute(
        upsert.on_conflict_do_update(
            index_elements=["topic", "partition"], set_={"next_offset": upsert.excluded.next_offset}
        )
    )


def _note_refusals(session: Session, receipts: Iterable[Receipt], now: datetime) -> None:
    """Rarely any: one statement each."""
    for receipt in receipts:
        for_good = OutboxEvent.attempts + 1 >= (0 if receipt.refused in AT_ONCE else REFUSALS)
        refused = update(OutboxEvent).where(OutboxEvent.id == receipt.row, OutboxEvent.published_at.is_(None))
        session.execute(
            refused.values(
                attempts=OutboxEvent.attempts + 1,
                fault=receipt.refused,
                next_attempt_at=now + _wait(session, receipt.row),
                parked_at=case((for_good, now), else_=None),
                parked_reason=case((for_good, receipt.refused), else_=None),
            ).execution_options(synchronize_session=False)
        )


def _wait(session: Session, row: int) -> timedelta:
    attempts = session.scalar(select(func.coalesce(OutboxEvent.attempts, 0)).where(OutboxEvent.id == row)) or 0
    return min(LONGEST_WAIT, timedelta(seconds=2 ** min(attempts, 20)))
