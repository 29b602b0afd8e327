"""`comms plan`: what the next batch would do, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from comms.cli.instants import read_instant
from comms.cli.output import console, print_json, print_table
from comms.rules.batching import Decision, template_for


def plan(
    at: Annotated[
        str | None, typer.Option(help="As if it were then: 2026-11-23T01:00 (Berlin unless it says).")
    ] = None,
    therapist: Annotated[int | None, typer.Option(help="Only about this therapist, with each of its requests.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many emails.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show which emails the batch would write, and for everybody else the reason. Writes nothing."""
    from comms.bootstrap import sessions, settings
    from comms.services.planning import plan_next_batch
    from comms.store.engines import clock
    from comms.store.session import reading

    policy = settings().contact_policy()
    with reading(sessions()) as session:
        instant = read_instant(at, policy.zone) if at else clock(session)
        only = None if therapist is None else [therapist]
        decisions = plan_next_batch(session, instant, policy, limit=limit, therapist_ids=only)
    if json:
        print_json({"at": instant, "therapists": [as_json(decision) for decision in decisions]})
    elif therapist is not None:
        _print_one(therapist, decisions)
    else:
        _print_all(decisions)


def as_json(decision: Decision) -> dict[str, Any]:
    """One therapist of the plan: verdict, date, and one fate for each request."""
    return {
        "therapist_id": decision.therapist_id,
        "allowed": decision.verdict.allowed,
        "reason": decision.verdict.reason,
        "next_date": decision.verdict.next_date,
        "template": template_for(len(decision.chosen)) if decision.chosen else None,
        "placement_requests": [
            {"id": fate.request_id, "position": fate.position, "reason": fate.reason} for fate in decision.fates
        ],
    }


def _print_all(decisions: Sequence[Decision]) -> None:
    emails = [decision for decision in decisions if decision.chosen]
    refused = [decision for decision in decisions if not decision.chosen]
    patients = sum(len(decision.chosen) for decision in emails)
    if emails:
        rows = ((d.therapist_id, template_for(len(d.chosen)), ", ".join(map(str, d.chosen))) for d in emails)
        print_table(("therapist", "template", "placement requests"), rows, title="would be written to")
    if refused:
        rows_ = ((d.therapist_id, d.verdict.reason, d.verdict.next_date, len(d.fates)) for d in refused)
        print_table(("therapist", "reason", "until", "requests waiting"), rows_, title="would not be written to")
    console.print(f"{len(emails)} emails with {patients} patients; {len(refused)} therapists not contacted")


def _print_one(therapist: int, decisions: Sequence[Decision]) -> None:
    if not decisions:
        console.print(f"therapist {therapist} has no open placement request")
    for decision in decisions:
        until = f" until {decision.verdict.next_date}" if decision.verdict.next_date else ""
        console.print(
            "would be written to" if decision.verdict.allowed else f"not contacted: {decision.verdict.reason}{until}"
        )
        rows = ((f.request_id, f.position, f.reason) for f in decision.fates)
        print_table(("placement request", "position", "waits because"), rows)
