"""The steps of the jobs with concrete parts wired in, for Prefect's flows and for `comms run` alike.

A step is one transaction or one chunk of network work. It takes and returns plain JSON of ids, codes and counts, so
that Prefect's database never holds more, and it may be done again with the same arguments.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from comms import logs, tracing
from comms.bootstrap.parts import correspondence, email_sender, engine, sessions, settings
from comms.bootstrap.steps import Step, step
from comms.causes import caused_by
from comms.errors import BadInput
from comms.rules.as_of import Standing, act_as_of
from comms.services import batching, job_runs
from comms.services.calls.missing import close_unrecorded_calls
from comms.services.calls.scheduling import schedule_follow_up_calls
from comms.services.planning import plan_next_batch
from comms.services.refreshing import refresh_stale_emails
from comms.services.repeats import forget_answers
from comms.services.sending import SendingReport, send_queued_emails
from comms.store.engines import clock
from comms.store.session import reading, writing

DAILY_BATCH, SEND_QUEUE, FOLLOW_UPS = job_runs.DAILY_BATCH, job_runs.SEND_QUEUE, job_runs.FOLLOW_UPS

log = logs.logger("comms.jobs")

SEND_ROUND = 500
"""Emails of one sending step: some seconds of work."""


def open_run(
    job: str, key: str, given: datetime | None = None, *, dry_run: bool = False, scheduled: datetime | None = None
) -> Step:
    """Begin a run, or begin it again under its `key`: as of `given`, else of its `scheduled` time, else of now.

    Raises BadInput where production is asked to act as of another time.
    """
    now = _now()
    as_of = act_as_of(given, now, dry_run=dry_run, production=settings().environment == "production")
    if as_of.standing is Standing.REFUSED:
        raise BadInput("in production only a dry run may act as if it were another time", where="at")
    at = given or scheduled or now
    if not dry_run:
        with writing(sessions()) as session:
            at = job_runs.start_run(session, job, key, at, now)
    asked = given is not None
    return {"job": job, "key": key, "at": at.isoformat(), "asked": asked, "standing": as_of.standing.value}


@contextmanager
def noted(run: Step) -> Iterator[Step]:
    """Note how the run ends, with what is put into the yielded counts; all that it does is part of its span."""
    counts: Step = {}
    with caused_by(run["key"]), tracing.span(run["job"], standing=run["standing"]):
        try:
            yield counts
        except BaseException:
            close_run(run, counts, failed=True)
            raise
        close_run(run, counts)


def close_run(run: Step, counts: Mapping[str, Any], *, failed: bool = False) -> None:
    """Note how the run ended, and once a day throw away what nobody needs; a dry run does neither."""
    log.info("job", job=run["job"], correlation_id=run["key"], state="failed" if failed else "completed")
    if run["standing"] == Standing.DRY:
        return
    with writing(sessions()) as session:
        now = clock(session)
        job_runs.finish_run(session, run["job"], run["key"], counts, now, failed=failed)
        if run["job"] == DAILY_BATCH:
            forget_answers(session, now)


@step
def plan_daily_batch(run: Step, limit: int, chunk_size: int) -> Step:
    """Decide about everybody and store the decisions; the `chunks` are to be made, `at_once` of them in parallel."""
    policy, at = settings().contact_policy(), _instant(run)
    if run["standing"] == Standing.DRY:
        with reading(sessions()) as session:
            decisions = plan_next_batch(session, at, policy, limit=limit)
    else:
        decisions = batching.plan_run(sessions(), at, policy, run["key"], limit=limit)
    report = batching.summarise(decisions)
    chunks = [[_as_json(email) for email in chunk] for chunk in batching.chunks_of(decisions, chunk_size)]
    return {
        "therapists": report.therapists,
        "emails": sum(map(len, chunks)),
        "patients": sum(len(email["request_ids"]) for chunk in chunks for email in chunk),
        "refused": _by_count(report.refused),
        "waiting": _by_count(report.waiting),
        "chunks": chunks,
        "at_once": _chunks_at_once(),
    }


@step
def create_chunk(run: Step, chunk: Sequence[Mapping[str, Any]]) -> Step:
    """Make the emails of one chunk."""
    planned = [batching.PlannedEmail(email["therapist_id"], tuple(email["request_ids"])) for email in chunk]
    created = batching.create_batch_emails(
        sessions(), planned, _instant(run), settings().contact_policy(), correspondence(), run["key"]
    )
    report = batching.BatchReport()
    batching.add_created(report, planned, created)
    return {
        "email_ids": sorted(report.emails.values()),
        "emails": len(report.emails),
        "patients": report.patients,
        "refused": _by_count(report.refused),
        "waiting": _by_count(report.waiting),
    }


@step
def send(run: Step, limit: int = SEND_ROUND, stop: threading.Event | None = None) -> Step:
    """Send what is due, at most `limit`; a dry run and a future instant send nothing and say so in `ended`."""
    if run["standing"] != Standing.FULL:
        return _sent(SendingReport()) | {"ended": run["standing"]}
    letters, due_by = correspondence(), _acting(run)
    report = send_queued_emails(
        sessions(), email_sender(), settings().sending_policy(), due_by,
        limit=limit, refresh=lambda: refresh_stale_emails(sessions(), letters, _now()), stop=stop,
    )  # fmt: skip
    return _sent(report)


def is_drained(sent: Step, limit: int) -> bool:
    """Say whether another sending step of this run would find nothing to do."""
    return bool(sent["ended"] != "done" or sent["claimed"] < limit)


@step
def follow_up(run: Step, limit: int | None = None) -> Step:
    """Note calls that nobody noted by the end of their day, then book the calls that are due, at most `limit`."""
    dry, policy, at = run["standing"] == Standing.DRY, settings().call_policy(), _acting(run)
    closed = () if dry else close_unrecorded_calls(sessions(), at, policy)
    again = [missed.retry_id for missed in closed if missed.retry_id]
    report = schedule_follow_up_calls(sessions(), at, policy, limit, dry_run=dry)
    return {
        "not_recorded": len(closed),
        "scheduled": report.scheduled + len(again),
        "call_ids": [] if dry else [*again, *report.call_ids],
        "joined": report.joined,
        "emails": report.emails,
        "requests": report.requests,
        "refused": report.refused,
        "beyond_limit": report.beyond_limit,
    }


def count_due(run: Step) -> int:
    """Emails that a sending step would find."""
    with reading(sessions()) as session:
        return job_runs.count_under_way(session, _acting(run))


def add_up(steps: Iterable[Step]) -> Step:
    """Add results of the same kind: numbers and lists are joined, counts by name added, of words the last stands."""
    total: Step = {}
    for result in steps:
        for name, value in result.items():
            total[name] = _plus(total[name], value) if name in total else value
    return total


def _plus(before: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return _by_count(Counter(before) + Counter(value))
    return value if isinstance(value, str) else before + value


def _chunks_at_once() -> int:
    """SQLite has one writer."""
    return 1 if engine().dialect.name == "sqlite" else 4


def _now() -> datetime:
    with reading(sessions()) as session:
        return clock(session)


def _instant(run: Step) -> datetime:
    """As of when the run decides; stable over its retries."""
    return datetime.fromisoformat(run["at"])


def _acting(run: Step) -> datetime:
    """As of when it sends and books: a run that starts late must not book calls that are over."""
    return _instant(run) if run["asked"] else _now()


def _as_json(email: batching.PlannedEmail) -> Step:
    return {"therapist_id": email.therapist_id, "request_ids": list(email.request_ids)}


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(name): number for name, number in Counter(counts).most_common()}


def _sent(report: SendingReport) -> Step:
    names = ("claimed", "sent", "deferred", "failed", "in_doubt", "rescued", "canceled", "refused_marks")
    counts: Step = {name: getattr(report, name) for name in names}
    troubled = sorted({id_ for name in ("failed", "in_doubt") for id_ in report.ids.get(name, [])})
    words = {"channel": report.channel.value, "ended": report.ended.value}
    return counts | {"by_kind": dict(report.by_kind), "troubled_ids": troubled} | words
