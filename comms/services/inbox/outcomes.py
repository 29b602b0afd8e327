"""What became of stored events, as their rows keep it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from comms.errors import CommsError
from comms.services.inbox.dead_letters import bury
from comms.store.models import InboxEvent

TRIES = 5


@dataclass(frozen=True)
class Outcome:
    """One event's: applied, unchanged, older, dead or failed (it is tried again)."""

    event_id: str
    event_type: str
    subject_id: int
    word: str

    @classmethod
    def of(cls, row: InboxEvent, word: str) -> Outcome:
        return cls(row.event_id, row.event_type, subject_id(row), word)


def subject_id(row: InboxEvent) -> int:
    return int((row.subject or ":0").partition(":")[2])


def note(session: Session, ids: Collection[int], word: str, now: datetime) -> None:
    """Note that these are handled."""
    if not ids:
        return
    session.execute(
        update(InboxEvent)
        .where(InboxEvent.id.in_(sorted(ids)), InboxEvent.handled_at.is_(None))
        .values(handled_at=now, outcome=word, fault=None, next_attempt_at=None)
        .execution_options(synchronize_session=False)
    )


def note_fault(session: Session, row: InboxEvent, fault: str, now: datetime) -> str:
    """Give up what can never be used."""
    bury(session, row, fault, now)
    return "dead"


def note_error(session: Session, row: InboxEvent, error: Exception, now: datetime) -> str:
    """Try again later; the fifth failure for the same reason is the last."""
    fault = (error.code if isinstance(error, CommsError) else type(error).__name__)[:60]
    attempts = row.attempts + 1 if row.fault == fault else 1
    if attempts >= TRIES:
        return note_fault(session, row, fault, now)
    later = {"attempts": attempts, "fault": fault, "next_attempt_at": now + timedelta(seconds=2**attempts)}
    failed = update(InboxEvent).where(InboxEvent.id == row.id).values(later)
    session.execute(failed.execution_options(synchronize_session=False))
    return "failed"
