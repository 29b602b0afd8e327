"""Waiting until nothing is under way, before programs are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from comms.store.models import Email, JobRun

FORGOTTEN = timedelta(hours=6)
"""A run that began so long ago has died without a word; nobody waits for it."""


@dataclass(frozen=True)
class UnderWay:
    """Letters that are being handed over (a sender that fell silent hands over none), and jobs that run."""

    emails: int
    jobs: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not self.emails and not self.jobs


def under_way(session: Session, now: datetime) -> UnderWay:
    sending = select(func.count()).select_from(Email).where(Email.status == "sending", Email.lease_until > now)
    running = select(JobRun.job).where(JobRun.state == "running", JobRun.started_at > now - FORGOTTEN)
    return UnderWay(session.scalar(sending) or 0, tuple(sorted(set(session.scalars(running)))))
