"""Bringing a backup back: its rows, and then what must not stand as it stood at that moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from comms.services.pause import pause_sending
from comms.services.sending.rescue import rescue_lost_emails
from comms.store.backups import open_backup, replace_rows
from comms.store.engines import clock
from comms.store.models import Email, JobRun, Lease
from comms.store.session import Sessions, writing
from comms.store.staff import audit


@dataclass(frozen=True)
class Restored:
    """Emails by what became of them: `queued` wait, and may have been sent after the backup was made."""

    queued: int
    in_doubt: int
    """Handed over at that moment, no answer known."""
    paused: bool


def restore_backup(path: Path, sessions: Sessions, actor: str, *, paused: bool, replace: bool) -> Restored:
    """Put a backup in the place of what is there, all of it or nothing; the schema has to be this version's.

    With `paused` nothing is sent until somebody resumes: what went out after the backup is not known to it.
    """
    with open_backup(path) as backup, backup.connect() as source, writing(sessions) as session:
        replace_rows(source, session.connection(), replace=replace)
        session.expire_all()
        return _settle(session, clock(session), actor, paused)


def _settle(session: Session, now: datetime, actor: str, paused: bool) -> Restored:
    """Whoever worked at that moment works no more: its leases, runs and letters are taken over."""
    session.execute(delete(Lease))
    session.execute(update(JobRun).where(JobRun.state == "running").values(state="failed", finished_at=now))
    session.execute(update(Email).where(Email.status == "sending").values(lease_until=now))
    while rescue_lost_emails(session, now).all:
        continue
    if paused:
        pause_sending(session, actor, now, "restored from a backup")
    audit(session, actor, "backup.restore", "database", None, now)
    count = select(func.count()).select_from(Email)
    return Restored(
        session.scalar(count.where(Email.status == "queued")) or 0,
        session.scalar(count.where(Email.status == "in_doubt")) or 0,
        paused,
    )
