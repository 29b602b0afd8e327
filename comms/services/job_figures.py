"""Figures of jobs, read from the rows that their runs leave: how many, how late, how much they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import exists, func, not_, or_, select
from sqlalchemy.orm import Session

from comms.rules.local_time import latest
from comms.rules.policy import BERLIN
from comms.services.job_runs import DAILY_BATCH, FOLLOW_UPS
from comms.store.models import JobRun, Therapist

DAILY = {DAILY_BATCH: time(1), FOLLOW_UPS: time(7)}
"""When the clock in Berlin says so a run is due; as in `prefect.yaml`."""

DAY = timedelta(days=1)


def count_runs(session: Session, now: datetime) -> dict[tuple[str, str], int]:
    """Count the runs that began within a day, {(job, state): number}."""
    query = select(JobRun.job, JobRun.state, func.count()).where(JobRun.started_at > now - DAY)
    return {(job, state): number for job, state, number in session.execute(query.group_by(JobRun.job, JobRun.state))}


def late_seconds(session: Session, now: datetime) -> dict[str, float]:
    """Say for how long daily jobs are due; 0 where a run that began since then was completed.

    A fresh installation is not late: a job is due when it had a therapist to look at.
    """
    due = {job: latest(at, BERLIN, now) for job, at in DAILY.items()}
    done = [
        or_(
            exists().where(JobRun.job == job, JobRun.started_at >= since, JobRun.state == "completed"),
            not_(exists().where(Therapist.created_at < since)),
        )
        for job, since in due.items()
    ]
    found = session.execute(select(*done)).one()
    return {job: 0.0 if is_done else (now - due[job]).total_seconds() for job, is_done in zip(due, found, strict=True)}


def flat_counts(counts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Name every number in the counts of a run: `emails`, `sending_sent`, `refused_blocked`."""
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from flat_counts(value, f"{prefix}{name}_")
        elif isinstance(value, int):
            yield f"{prefix}{name}", int(value)
