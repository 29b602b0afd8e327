"""What a demo did: counted in the tables and in the mail catcher, told for people or as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from comms.local_stack.up import address_table
from comms.rules.wording import explain
from comms.services import job_runs


@dataclass(frozen=True)
class Summary:
    """The first two are totals, the others are of this demo run."""

    therapists: int
    placement_requests: int
    emails_created: int
    emails_sent: int
    emails_received: int
    patients_in_emails: int
    refused: Mapping[str, int]
    """Why therapists with an open request were not contacted, reason to count."""
    calls_scheduled: int
    events_published: int
    invariants_broken: Mapping[str, Sequence[str]]
    """Of all that must hold: what does not, code to the rows that break it."""
    flow_runs: Mapping[str, str]
    urls: Mapping[str, str]
    api_key: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise(
    session: Session,
    run_key: str,
    since: datetime,
    received: int,
    broken: Mapping[str, Sequence[str]],
    flow_runs: Mapping[str, str],
    urls: Mapping[str, str],
    api_key: str | None,
) -> Summary:
    """Count what the daily batch `run_key` did, and what was sent, booked and published `since` then."""
    totals, run = job_runs.count_totals(session), job_runs.count_run(session, run_key)
    return Summary(
        therapists=totals.therapists,
        placement_requests=totals.placement_requests,
        emails_created=run.emails_created,
        emails_sent=job_runs.count_sent_since(session, since),
        emails_received=received,
        patients_in_emails=run.patients_in_emails,
        refused=run.refused,
        calls_scheduled=job_runs.count_calls_since(session, since),
        events_published=job_runs.count_events_since(session, since).published,
        invariants_broken=dict(broken),
        flow_runs=dict(flow_runs),
        urls=dict(urls),
        api_key=api_key,
    )


def tell(summary: Summary, console: Console) -> None:
    """Say it in plain English."""
    refusals = [_refusals(summary.refused)] if summary.refused else []
    for table in (_counts(summary), *refusals, address_table(summary.urls, summary.api_key)):
        console.print()
        console.print(table)
    console.print()


def _counts(summary: Summary) -> Table:
    table = _table("What happened", "")
    for words, number in (
        ("therapists known", summary.therapists),
        ("placement requests known", summary.placement_requests),
        ("therapists written to now", summary.emails_created),
        ("patients in these emails", summary.patients_in_emails),
        ("emails sent", summary.emails_sent),
        ("emails that arrived in the mail catcher", summary.emails_received),
        ("follow-up calls booked", summary.calls_scheduled),
        ("events published about all this", summary.events_published),
        ("promises of the service that are broken", len(summary.invariants_broken)),
    ):
        table.add_row(words, str(number))
    for name, state in summary.flow_runs.items():
        table.add_row(f"flow run {name}", state)
    return table


def _refusals(refused: Mapping[str, int]) -> Table:
    table = _table("Why the other therapists with an open request were not written to", "therapists")
    for code, number in refused.items():
        table.add_row(explain(code), str(number))
    return table


def _table(title: str, number: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(title)
    table.add_column(number, justify="right")
    return table
