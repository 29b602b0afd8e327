"""`comms run …`: the jobs without Prefect, for cron and for a day when Prefect is down. The flows do the same work."""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from typing import Annotated, Any

import typer

from comms.cli.instants import read_instant
from comms.cli.output import console, print_json, print_table

app = typer.Typer(help="Run a job here and now, without Prefect.", no_args_is_help=True)

At = Annotated[
    str | None, typer.Option(help="As if it were then (Berlin unless it says); in production with --dry-run only.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide and report; write nothing, send nothing.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command("daily-batch")
def daily_batch(
    at: At = None,
    limit: Annotated[int, typer.Option(min=1, help="Make at most this many emails.")] = 500,
    chunk_size: Annotated[int, typer.Option(min=1, max=500, help="Emails in one transaction.")] = 50,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask the platform, plan, make the emails, send what is due, book the calls that are due, tell the platform."""
    from comms.bootstrap.whole_jobs import run_daily_batch

    instant, stop = _instant(at), stop_on_signals()
    _show(run_daily_batch(instant, limit=limit, chunk_size=chunk_size, dry_run=dry_run, stop=stop), json)


@app.command("send-queue")
def send_queue(
    at: At = None,
    limit: Annotated[int, typer.Option(min=1, help="Send at most this many emails.")] = 2000,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Send what is due."""
    from comms.bootstrap.whole_jobs import run_send_queue

    instant, stop = _instant(at), stop_on_signals()
    _show(run_send_queue(instant, limit=limit, dry_run=dry_run, stop=stop), json)


@app.command("follow-ups")
def follow_ups(
    at: At = None,
    limit: Annotated[int, typer.Option(min=1, help="Book at most this many calls.")] = 500,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Book the calls that are due."""
    from comms.bootstrap.whole_jobs import run_follow_ups

    _show(run_follow_ups(_instant(at), limit=limit, dry_run=dry_run), json)


@app.command("sync-platform")
def sync_platform(json: Json = False) -> None:
    """Ask the platform for open requests and facts, and tell it what is in progress."""
    from comms.bootstrap.whole_jobs import run_sync_platform

    _show(run_sync_platform(), json)


@app.command("relay-events")
def relay_events(
    limit: Annotated[int, typer.Option(min=1, help="Publish at most this many events.")] = 10_000, json: Json = False
) -> None:
    """Publish the events that wait, unless `comms relay` is at work."""
    from comms.bootstrap.events import require_kafka
    from comms.bootstrap.whole_jobs import run_relay_events

    require_kafka()
    _show(run_relay_events(limit=limit), json)


@app.command("handle-events")
def handle_events(
    limit: Annotated[int, typer.Option(min=1, help="Apply at most this many events.")] = 10_000, json: Json = False
) -> None:
    """Apply what the platform said and `comms launcher` kept."""
    from comms.bootstrap.whole_jobs import run_handle_events

    _show(run_handle_events(limit=limit, stop=stop_on_signals()), json)


@app.command("check-invariants")
def check_invariants(json: Json = False) -> None:
    """Ask whether everything holds that must, like `comms check`, and note it in the log of jobs."""
    from comms.bootstrap.whole_jobs import run_check_invariants

    _show(run_check_invariants(), json)


def stop_on_signals() -> threading.Event:
    """Let SIGTERM and the first Ctrl-C finish what is under way; a second Ctrl-C ends the process."""
    stop = threading.Event()

    def ask(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def _instant(given: str | None) -> datetime | None:
    from comms.bootstrap import settings

    return read_instant(given, settings().time_zone) if given else None


def _show(counts: dict[str, Any], json: bool) -> None:
    from comms.bootstrap.telling import heading, rows_of

    if json:
        print_json(counts)
        return
    console.print(heading(counts), markup=False)
    print_table(("what", "number", "ids"), ((row["what"], row["number"], row["ids"]) for row in rows_of(counts)))
