"""Numbers of the whole service for its metrics: counts, ages and codes; nothing about anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from comms.rules.retry import Kind
from comms.rules.states import EmailStatus, PhoneCallStatus
from comms.services.heartbeats import Beat, last_beats
from comms.services.job_figures import count_runs, late_seconds
from comms.services.job_runs import DAILY_BATCH, JOBS, LastRun, last_runs
from comms.services.pause import sending_paused
from comms.services.sending.channel import resting_until
from comms.store.models import DeadLetter, Email, InboxEvent, OutboxEvent, PhoneCall, PlanDecision, StaffItem
from comms.store.staff import REASONS

WAITING = (EmailStatus.DRAFT, EmailStatus.QUEUED, EmailStatus.SENDING, EmailStatus.IN_DOUBT)
"""Statuses in which an email waits for somebody: a person, the sender, the relay, a person."""


REFUSED_FOR = tuple(
    kind.value for kind in (Kind.PERMANENT_ADDRESS, Kind.PERMANENT_CONTENT, Kind.POLICY, Kind.MESSAGE_TRANSIENT)
)
"""Kinds of refusal for which an email is given up; a transient one once its time is used up."""


@dataclass(frozen=True)
class Heap:
    """How many wait, and for how many seconds the oldest has."""

    count: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True)
class Figures:
    """Everything that is counted, at one moment."""

    emails: dict[str, Heap]
    """By status that waits."""
    due: Heap
    """Queued, and their time has come; the age counts from then."""
    failed: dict[str, int]
    """Kind of refusal to emails that were given up and that nobody requeued or canceled."""
    breaker_open: bool
    """The relay failed, and took no email since."""
    refused: dict[str, int]
    """Reason to therapists that the last daily batch did not write to."""
    calls: dict[str, int]
    """scheduled and overdue: the day's end will find the latter without a note."""
    outbox: Heap
    outbox_parked: int
    inbox: int
    """Events of the platform that are not applied yet, those that wait for another included."""
    dead_letters: int
    """Messages that could not be used and were not replayed."""
    staff_items: dict[str, int]
    """Reason to open items."""
    paused: bool
    jobs: dict[str, LastRun]
    runs: dict[tuple[str, str], int]
    """(job, state) to runs that began within a day."""
    late: dict[str, float]
    """Job to seconds since it was due, and no run was completed."""
    beats: dict[str, Beat]


def read_figures(session: Session, now: datetime) -> Figures:
    """Count in fifteen queries, however much there is."""
    jobs = last_runs(session, JOBS)
    outbox, parked = _outbox(session, now)
    inbox, dead = _inbox(session)
    return Figures(
        emails=_emails(session, now),
        due=_due(session, now),
        failed=_failed(session),
        breaker_open=resting_until(session) is not None,
        refused=_refused(session, jobs.get(DAILY_BATCH)),
        calls=_calls(session, now),
        outbox=outbox,
        outbox_parked=parked,
        inbox=inbox,
        dead_letters=dead,
        staff_items=_staff_items(session, now),
        paused=sending_paused(session),
        jobs=jobs,
        runs=count_runs(session, now),
        late=late_seconds(session, now),
        beats=last_beats(session),
    )


def _emails(session: Session, now: datetime) -> dict[str, Heap]:
    since = func.min(
        func.coalesce(Email.handed_over_at, Email.queued_at, Email.created_at), type_=Email.created_at.type
    )
    query = select(Email.status, func.count(), since).where(Email.status.in_(WAITING)).group_by(Email.status)
    found = {status: _heap(count, oldest, now) for status, count, oldest in session.execute(query)}
    return {status: found.get(status, Heap()) for status in WAITING}


def _due(session: Session, now: datetime) -> Heap:
    due = (Email.status == EmailStatus.QUEUED, Email.next_attempt_at <= now)
    count, oldest = session.execute(select(func.count(), func.min(Email.next_attempt_at)).where(*due)).one()
    return _heap(count, oldest, now)


def _failed(session: Session) -> dict[str, int]:
    return dict.fromkeys(REFUSED_FOR, 0) | _by_reason(session, Email.error_kind, Email.status == EmailStatus.FAILED)


def _heap(count: int, oldest: datetime | None, now: datetime) -> Heap:
    return Heap(count, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)


def _refused(session: Session, last: LastRun | None) -> dict[str, int]:
    if last is None:
        return {}
    verdicts = (PlanDecision.run_key == last.key, PlanDecision.placement_request_id.is_(None))
    return _by_reason(session, PlanDecision.reason, *verdicts, PlanDecision.reason.is_not(None))


def _calls(session: Session, now: datetime) -> dict[str, int]:
    over = func.count(case((PhoneCall.starts_at < now, 1)))
    total, overdue = session.execute(
        select(func.count(), over).where(PhoneCall.status == PhoneCallStatus.SCHEDULED)
    ).one()
    return {"scheduled": total - overdue, "overdue": overdue}


def _outbox(session: Session, now: datetime) -> tuple[Heap, int]:
    unpublished = (OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_(None))
    count, oldest = session.execute(select(func.count(), func.min(OutboxEvent.created_at)).where(*unpublished)).one()
    parked = select(func.count()).where(OutboxEvent.published_at.is_(None), OutboxEvent.parked_at.is_not(None))
    return _heap(count, oldest, now), session.scalar(parked) or 0


def _inbox(session: Session) -> tuple[int, int]:
    dead = select(func.count(DeadLetter.id)).where(DeadLetter.replayed_at.is_(None)).scalar_subquery()
    waiting, letters = session.execute(
        select(func.count(InboxEvent.id), dead).where(InboxEvent.handled_at.is_(None))
    ).one()
    return waiting, letters


def _staff_items(session: Session, now: datetime) -> dict[str, int]:
    found = _by_reason(session, StaffItem.reason, StaffItem.resolved_at.is_(None), StaffItem.shown_from <= now)
    return dict.fromkeys(REASONS, 0) | found


def _by_reason(session: Session, reason: Any, *conditions: ColumnElement[bool]) -> dict[str, int]:
    counted = session.execute(select(reason, func.count()).where(*conditions).group_by(reason))
    return {str(code): number for code, number in counted}
