"""Can the service work? One state for each part: the database and its version, mail, Kafka, jobs, the kill switch.

Without the database nothing works: unavailable. Everything else makes the service degraded, and it says what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from comms.errors import DatabaseNotReady
from comms.services.heartbeats import FAILING, KAFKA, MAIL, Beat, last_beats
from comms.services.inbox.launching import waiting_since
from comms.services.job_runs import (
    CHECK_INVARIANTS,
    DAILY_BATCH,
    FOLLOW_UPS,
    HANDLE_EVENTS,
    RELAY_EVENTS,
    SEND_QUEUE,
    LastRun,
    last_runs,
)
from comms.services.pause import SendingState, sending_state
from comms.store.engines import clock
from comms.store.retrying import persistently
from comms.store.session import Sessions, reading
from comms.store.version import require_current

OVERDUE = {
    DAILY_BATCH: timedelta(hours=26),
    FOLLOW_UPS: timedelta(hours=26),
    SEND_QUEUE: timedelta(minutes=10),
    CHECK_INVARIANTS: timedelta(hours=26),
}
"""After this long without a new run a job is overdue: a day and two hours, or five rounds of the queue."""

RELAY_OVERDUE = timedelta(minutes=25)
"""Five rounds; judged only where there is Kafka, and where it ever ran: `comms relay` needs no sweep."""

UNHANDLED = timedelta(minutes=10)
"""Events are handled within a minute. What waits for longer was not launched, or nobody works on runs."""


class Status(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class State(StrEnum):
    """Of one part."""

    OK = "ok"
    NEVER = "never"
    """It never ran or never reported: not set up, or just installed. No failure."""
    RUNNING = "running"
    FAILED = "failed"
    OVERDUE = "overdue"
    FAILING = "failing"
    PAUSED = "paused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    """The database, which would know, does not answer."""


_GOOD = (State.OK, State.NEVER, State.RUNNING)


@dataclass(frozen=True)
class Check:
    """`at` is the last sign of life, `code` says why a state is not good."""

    state: State
    at: datetime | None = None
    age_seconds: int | None = None
    code: str | None = None


@dataclass(frozen=True)
class Checks:
    database: Check
    migrations: Check
    mail: Check = Check(State.UNKNOWN)
    sending: Check = Check(State.UNKNOWN)
    jobs: dict[str, Check] = field(default_factory=lambda: dict.fromkeys(OVERDUE, Check(State.UNKNOWN)))
    kafka: Check | None = None
    """None where none is configured."""


@dataclass(frozen=True)
class Readiness:
    status: Status
    checks: Checks


AWAY = Readiness(
    Status.UNAVAILABLE, Checks(Check(State.UNAVAILABLE, code="database_away"), migrations=Check(State.UNKNOWN))
)


def look(engine: Engine, sessions: Sessions, *, kafka: bool) -> Readiness:
    """Look at everything; a database that is away is an answer too. May take as long as the driver waits."""
    try:
        return persistently(partial(_look, engine, sessions, kafka))
    except DatabaseNotReady as error:
        checks = Checks(Check(State.OK), Check(State.UNAVAILABLE, code=error.code))
        return Readiness(Status.UNAVAILABLE, checks)
    except SQLAlchemyError:
        return AWAY


def _look(engine: Engine, sessions: Sessions, kafka: bool) -> Readiness:
    require_current(engine)
    with reading(sessions) as session:
        return _judge(session, clock(session), kafka)


def _judge(session: Session, now: datetime, kafka: bool) -> Readiness:
    beats, runs = last_beats(session), last_runs(session, OVERDUE)
    checks = Checks(
        Check(State.OK),
        Check(State.OK),
        judge_beat(beats.get(MAIL), now),
        judge_sending(sending_state(session), now),
        {job: judge_job(runs.get(job), now, bound) for job, bound in OVERDUE.items()}
        | (_judge_events(session, now) if kafka else {}),
        judge_beat(beats.get(KAFKA), now) if kafka else None,
    )
    good = all(check.state in _GOOD for check in _all(checks))
    return Readiness(Status.OK if good else Status.DEGRADED, checks)


def _all(checks: Checks) -> Iterator[Check]:
    yield from (checks.database, checks.migrations, checks.mail, checks.sending, *checks.jobs.values())
    if checks.kafka:
        yield checks.kafka


def judge_beat(beat: Beat | None, now: datetime) -> Check:
    """A part that is silent because there was nothing to do stays as it was."""
    if beat is None:
        return Check(State.NEVER)
    state = State.FAILING if beat.state == FAILING else State.OK
    return Check(state, beat.at, _age(beat.at, now), beat.code)


def judge_job(run: LastRun | None, now: datetime, bound: timedelta) -> Check:
    """Overdue beats failed: a job that failed long ago and was not begun again needs the scheduler, not its log."""
    if run is None:
        return Check(State.NEVER)
    state = State.OVERDUE if now - run.started_at > bound else _JOB_STATES[run.state]
    return Check(state, run.started_at, _age(run.started_at, now))


def _judge_events(session: Session, now: datetime) -> dict[str, Check]:
    runs = last_runs(session, (RELAY_EVENTS, HANDLE_EVENTS))
    return {
        RELAY_EVENTS: judge_job(runs.get(RELAY_EVENTS), now, RELAY_OVERDUE),
        HANDLE_EVENTS: judge_launched(runs.get(HANDLE_EVENTS), waiting_since(session, now), now),
    }


def judge_launched(run: LastRun | None, since: datetime | None, now: datetime) -> Check:
    """A job without a schedule is overdue when something has waited for it, `since` too long ago."""
    if since and now - since > UNHANDLED:
        return Check(State.OVERDUE, since, _age(since, now), "events_wait")
    return judge_job(run, now, timedelta.max)


_JOB_STATES = {"running": State.RUNNING, "completed": State.OK, "failed": State.FAILED}


def judge_sending(sending: SendingState, now: datetime) -> Check:
    state = State.PAUSED if sending.paused else State.OK
    return Check(state, sending.since, None if sending.since is None else _age(sending.since, now))


def _age(at: datetime, now: datetime) -> int:
    """Whole seconds; clocks of two machines may differ a little."""
    return max(0, int((now - at).total_seconds()))
