"""Throwing away old refusals: a row for each therapist and each open request of every night fills a database.

What led to an email stays, with its reasons, and so does the newest plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from comms.store.models import PlanDecision, table_of
from comms.store.session import Sessions, reading, writing
from comms.store.staff import audit

ROWS = 5_000
"""Of one transaction, so that nobody waits for it."""

_TABLE = table_of(PlanDecision)
Old = tuple[ColumnElement[bool], ...]


def count_old_refusals(session: Session, before: datetime) -> int:
    """Count what `prune_refusals` would throw away."""
    return session.execute(select(func.count()).where(*_old(session, before))).scalar_one()


def prune_refusals(sessions: Sessions, before: datetime, now: datetime, actor: str) -> int:
    """Throw away the rows of plans before this instant that led to no email; return how many.

    In small transactions: safe to stop at any moment, and to run again.
    """
    with reading(sessions) as session:
        old = _old(session, before)
    pruned, last = 0, -1
    while ids := _prune_some(sessions, old, last, now, actor):
        pruned, last = pruned + len(ids), ids[-1]
    return pruned


def _prune_some(sessions: Sessions, old: Old, after: int, now: datetime, actor: str) -> Sequence[int]:
    """Delete some rows behind the id `after`, with an entry in the audit log; return their ids."""
    with writing(sessions) as session:
        some = select(_TABLE.c.id).where(_TABLE.c.id > after, *old).order_by(_TABLE.c.id).limit(ROWS)
        ids = session.scalars(some).all()
        if ids:
            session.execute(delete(_TABLE).where(_TABLE.c.id.between(ids[0], ids[-1]), *old))
            audit(session, actor, "database.prune", "database", None, now, refusals=len(ids))
    return ids


def _old(session: Session, before: datetime) -> Old:
    newest = session.scalar(select(func.max(_TABLE.c.decided_at)))
    return _TABLE.c.decided_at < min(before, newest or before), _TABLE.c.email_id.is_(None)
