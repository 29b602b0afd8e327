"""Whole jobs in this process, step after step: for cron, and for a day when Prefect is down. The flows do the same."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from comms.bootstrap import checking, events, jobs, platform, start_logging
from comms.bootstrap.steps import Step
from comms.rules.as_of import Standing
from comms.services.batching import CHUNK_SIZE


def new_key() -> str:
    """Name a run that Prefect does not know."""
    return f"run-{uuid.uuid4().hex}"


def run_daily_batch(
    at: datetime | None = None,
    *,
    limit: int,
    chunk_size: int = CHUNK_SIZE,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> Step:
    """Ask the platform, plan, make the emails, send what is due, book the calls that are due, tell the platform."""
    stop = stop or threading.Event()
    with _recorded(jobs.DAILY_BATCH, at, dry_run) as (run, counts):
        asked = platform.ask_platform(run)
        plan = jobs.plan_daily_batch(run, limit, chunk_size)
        created = [jobs.create_chunk(run, chunk) for chunk in plan["chunks"] if not (dry_run or stop.is_set())]
        sent = send_all(run, stop=stop)
        calls = jobs.follow_up(run) if not stop.is_set() else {}
        told = platform.tell_platform(run) if not stop.is_set() else {"ended": "stopped"}
        counts |= daily_summary(run, plan, created, sent, calls, {"asked": asked, "told": told})
    return counts


def run_sync_platform() -> Step:
    """Ask the platform for open requests and facts, and tell it what is in progress."""
    with _recorded(platform.SYNC_PLATFORM, None, False) as (run, counts):
        asked = platform.ask_platform(run)
        counts |= opening(run) | {"platform": {"asked": asked, "told": platform.tell_platform(run)}}
    return counts


def run_relay_events(*, limit: int) -> Step:
    """Publish what waits in the outbox, at most `limit` events."""
    with _recorded(events.RELAY_EVENTS, None, False) as (run, counts):
        counts |= opening(run) | events.relay_events(run, limit)
    return counts


def run_handle_events(*, limit: int, stop: threading.Event | None = None) -> Step:
    """Apply what the platform said, at most `limit` events, and write at once where the settings say so."""
    with _recorded(events.HANDLE_EVENTS, None, False) as (run, counts):
        applied = events.handle_inbox(run, limit)
        facts = platform.ask_for_facts(run, applied["new_request_ids"])
        written = events.write_at_once(run, applied)
        if written["emails"]:
            written["sending"] = jobs.send(run, written["emails"], stop)
            platform.tell_platform(run)
        counts |= opening(run) | applied | {"facts": facts, "written": written}
    return counts


def run_send_queue(
    at: datetime | None = None, *, limit: int, dry_run: bool = False, stop: threading.Event | None = None
) -> Step:
    """Send what is due, at most `limit` emails."""
    with _recorded(jobs.SEND_QUEUE, at, dry_run) as (run, counts):
        counts |= opening(run) | {"due": jobs.count_due(run)} | send_all(run, limit, stop)
    return counts


def run_follow_ups(at: datetime | None = None, *, limit: int, dry_run: bool = False) -> Step:
    """Book the calls that are due, at most `limit`."""
    with _recorded(jobs.FOLLOW_UPS, at, dry_run) as (run, counts):
        counts |= opening(run) | jobs.follow_up(run, limit)
    return counts


def run_check_invariants() -> Step:
    """Ask whether everything holds that must; InvariantsBroken, and a failed run, where it does not."""
    with _recorded(checking.CHECK_INVARIANTS, None, False) as (run, counts):
        counts |= opening(run) | checking.check_invariants()
        checking.require_all(counts)
    return counts


def send_all(run: Step, limit: int = 10_000, stop: threading.Event | None = None) -> Step:
    """Send in rounds until nothing is due, `limit` is reached, or sending has to end."""
    rounds: list[Step] = []
    left = limit
    while left > 0:
        asked = min(jobs.SEND_ROUND, left)
        rounds.append(jobs.send(run, asked, stop))
        left -= rounds[-1]["claimed"]
        if jobs.is_drained(rounds[-1], asked):
            break
    return jobs.add_up(rounds)


def daily_summary(
    run: Step, plan: Step, created: list[Step], sent: Step, calls: Step, platform: Mapping[str, Step]
) -> Step:
    """What a daily batch did or would do; `refused` counts therapists, `waiting` counts requests."""
    told = {name: plan[name] for name in ("refused", "waiting")}
    if run["standing"] == Standing.DRY:
        made: Step = {"emails": plan["emails"], "patients": plan["patients"], "email_ids": []}
    else:
        made = jobs.add_up([{"emails": 0, "patients": 0, "email_ids": []}, *created])
    reasons = jobs.add_up([told, *({name: step[name] for name in told} for step in created)])
    parts = {"sending": sent, "calls": calls, "platform": dict(platform)}
    return opening(run) | {"therapists": plan["therapists"]} | made | reasons | parts


def opening(run: Step) -> Step:
    """What every summary begins with."""
    return {name: run[name] for name in ("job", "key", "at", "standing")}


@contextmanager
def _recorded(job: str, at: datetime | None, dry_run: bool) -> Iterator[tuple[Step, Step]]:
    """Note begin and end of a run in the log of jobs, whatever happens in between."""
    start_logging(told=False)
    run = jobs.open_run(job, new_key(), at, dry_run=dry_run)
    with jobs.noted(run) as counts:
        yield run, counts
