"""The log of jobs: which ran, as of when, how it ended, and what a finished daily batch amounted to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from comms.store.engines import insert_for
from comms.store.models import (
    Email,
    EmailBatch,
    JobRun,
    OutboxEvent,
    PhoneCall,
    PlacementRequest,
    PlanDecision,
    Therapist,
)

DAILY_BATCH, SEND_QUEUE, FOLLOW_UPS = "daily-batch", "send-queue", "follow-ups"
RELAY_EVENTS, HANDLE_EVENTS = "relay-events", "handle-matching-events"
CHECK_INVARIANTS = "check-invariants"
JOBS = (DAILY_BATCH, SEND_QUEUE, FOLLOW_UPS, RELAY_EVENTS, HANDLE_EVENTS, CHECK_INVARIANTS)
"""Those that are measured."""

GIVEN_UP = timedelta(hours=12)
"""No run takes half a day: one that is still open by then died."""


def start_run(session: Session, job: str, key: str, at: datetime, now: datetime) -> datetime:
    """Note that a run has begun; return as of when it acts: a retry under the same key keeps its first instant.

    Earlier runs of the job that died are closed.
    """
    _close_the_dead(session, job, now)
    row = {"job": job, "key": key, "at": at, "started_at": now, "state": "running"}
    again = {"state": "running", "finished_at": None, "counts": None}
    statement = insert_for(session)(JobRun).values(row)
    kept = statement.on_conflict_do_update(index_elements=["job", "key"], set_=again).returning(JobRun.at)
    at_first: datetime = session.execute(kept).scalar_one()
    return at_first


def _close_the_dead(session: Session, job: str, now: datetime) -> None:
    dead = update(JobRun).where(JobRun.job == job, JobRun.state == "running", JobRun.started_at < now - GIVEN_UP)
    session.execute(dead.values(state="failed", finished_at=now, counts={"ended": "died"}))


def finish_run(session: Session, job: str, key: str, counts: Mapping[str, Any], now: datetime, *, failed: bool) -> None:
    """Note how a run ended; `counts` hold ids, codes and numbers only."""
    session.execute(
        update(JobRun)
        .where(JobRun.job == job, JobRun.key == key)
        .values(state="failed" if failed else "completed", finished_at=now, counts=dict(counts))
    )


@dataclass(frozen=True)
class LastRun:
    """The latest run of a job: `state` is running, completed or failed."""

    key: str
    started_at: datetime
    finished_at: datetime | None
    state: str
    counts: dict[str, Any] | None = None


def last_runs(session: Session, jobs: Collection[str]) -> dict[str, LastRun]:
    """Find the latest run of each job; a job that never ran is missing."""
    latest = [select(func.max(JobRun.id)).where(JobRun.job == job).scalar_subquery() for job in jobs]
    query = select(JobRun.job, JobRun.key, JobRun.started_at, JobRun.finished_at, JobRun.state, JobRun.counts)
    rows = session.execute(query.where(JobRun.id.in_(latest)))
    return {job: LastRun(*run) for job, *run in rows}


@dataclass(frozen=True)
class Totals:
    """Rows there are now."""

    therapists: int
    placement_requests: int


@dataclass(frozen=True)
class RunFigures:
    """What became of one daily batch, counted in the tables and not by the run itself."""

    emails_created: int
    patients_in_emails: int
    refused: dict[str, int]
    """Reason to number of therapists, most frequent first."""
    waiting: dict[str, int]
    """Reason to number of placement requests."""


def count_totals(session: Session) -> Totals:
    def count(model: type[Therapist | PlacementRequest]) -> int:
        return session.scalar(select(func.count()).select_from(model)) or 0

    return Totals(count(Therapist), count(PlacementRequest))


def count_run(session: Session, key: str) -> RunFigures:
    """Count what the run `key` made and refused."""
    made = select(func.count()).select_from(Email).where(Email.batch_id == key)
    patients = (
        select(func.count()).select_from(EmailBatch).join(Email, Email.id == EmailBatch.email_id)
        .where(Email.batch_id == key)
    )  # fmt: skip
    about_therapists = PlanDecision.placement_request_id.is_(None)
    return RunFigures(
        session.scalar(made) or 0,
        session.scalar(patients) or 0,
        _reasons(session, key, about_therapists),
        _reasons(session, key, ~about_therapists),
    )


def count_sent_since(session: Session, since: datetime) -> int:
    """Emails that the relay took since then, whoever sent them."""
    return session.scalar(select(func.count()).select_from(Email).where(Email.sent_at >= since)) or 0


def count_calls_since(session: Session, since: datetime) -> int:
    """Calls that were booked since then and still stand."""
    booked = select(func.count()).select_from(PhoneCall)
    return session.scalar(booked.where(PhoneCall.created_at >= since, PhoneCall.status == "scheduled")) or 0


@dataclass(frozen=True)
class EventFigures:
    """Events of ours."""

    published: int
    waiting: int


def count_events_since(session: Session, since: datetime) -> EventFigures:
    """Events that were made since then, by what became of them; parked ones count for neither."""
    made = select(func.count()).select_from(OutboxEvent).where(OutboxEvent.created_at >= since)
    published = session.scalar(made.where(OutboxEvent.published_at.is_not(None))) or 0
    waiting = made.where(OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_(None))
    return EventFigures(published, session.scalar(waiting) or 0)


def count_under_way(session: Session, now: datetime) -> int:
    """Emails that somebody sends right now, or that are due."""
    due = (Email.status == "queued") & (Email.next_attempt_at <= now)
    return session.scalar(select(func.count()).select_from(Email).where((Email.status == "sending") | due)) or 0


def _reasons(session: Session, key: str, about: Any) -> dict[str, int]:
    counted = (
        select(PlanDecision.reason, func.count())
        .where(PlanDecision.run_key == key, about, PlanDecision.reason.is_not(None))
        .group_by(PlanDecision.reason)
        .order_by(func.count().desc(), PlanDecision.reason)
    )
    return {reason: number for reason, number in session.execute(counted) if reason}
