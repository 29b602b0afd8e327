"""`comms emails …`: look at emails and move them by hand."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from comms.cli.output import console, print_json, print_table
from comms.cli.work import changing, looking
from comms.rules.states import EmailStatus

app = typer.Typer(help="Look at emails, move them, record answers.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="The email's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Override = Annotated[
    str | None, typer.Option("--override", metavar="REASON", help="Break the 7-day rule; the reason is recorded.")
]


class Fate(StrEnum):
    """What becomes of the requests in a canceled email."""

    REOPEN = "reopen"
    WITHDRAW = "withdraw"


Requests = Annotated[Fate, typer.Option(help="Its requests: into the next batch, or closed for good.")]


@app.command("list")
def list_(
    status: Annotated[EmailStatus | None, typer.Option(help="Only in this status.")] = None,
    therapist: Annotated[int | None, typer.Option(help="Only to this therapist.")] = None,
    answered: Annotated[
        bool | None, typer.Option("--answered/--unanswered", help="Only with (without) answer.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Only from this run of the daily batch.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")] = 20,
    json: AsJson = False,
) -> None:
    """Show emails, newest first."""
    from comms.bootstrap import settings
    from comms.services.emails import list_emails

    with looking() as work:
        found = list_emails(
            work.session, status=status, therapist_id=therapist, response_received=answered, batch_id=batch, limit=limit
        )
    if json:
        return print_json([asdict(email) for email in found])
    rows = (
        (e.id, e.therapist_id, e.status, e.status_reason, e.created_at, e.sent_at, e.response_received) for e in found
    )
    columns = ("id", "therapist", "status", "reason", "created", "sent", "answered")
    return print_table(columns, rows, zone=settings().time_zone)


@app.command()
def show(id: Id, json: AsJson = False) -> None:
    """Show everything about one email: its requests, its attempts, its words."""
    from comms.bootstrap import settings
    from comms.cli.email_page import print_email
    from comms.services.emails import show_email

    with looking() as work:
        email = show_email(work.session, id)
    if json:
        print_json(asdict(email))
    else:
        print_email(email, settings().time_zone)


@app.command()
def queue(id: Id, override: Override = None) -> None:
    """Send a draft: claim the contact and put it into the queue."""
    from comms.bootstrap import correspondence, settings
    from comms.services.emails import bytes_from, queue_email

    with changing() as work:
        policy, signing = settings().contact_policy(), bytes_from(correspondence(), work.now)
        queue_email(work.session, id, work.now, work.actor, policy, override_reason=override, ensure_bytes=signing)
    console.print(f"email {id} is queued")


@app.command()
def cancel(
    id: Id,
    requests: Requests = Fate.REOPEN,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit log.")] = None,
) -> None:
    """Cancel a draft, a queued or a failed email."""
    from comms.services.emails import Requests as Becomes
    from comms.services.emails import cancel_email

    with changing() as work:
        cancel_email(work.session, id, work.now, work.actor, Becomes(requests), reason)
    console.print(f"email {id} is canceled")


@app.command()
def requeue(id: Id, override: Override = None) -> None:
    """Send an email that failed once more; the contact is claimed again."""
    from comms.bootstrap import settings
    from comms.services.emails import requeue_email

    with changing() as work:
        policy = settings().contact_policy()
        requeue_email(work.session, id, work.now, work.actor, policy, override_reason=override)
    console.print(f"email {id} is queued again")


@app.command()
def resolve(
    id: Id,
    to: Annotated[str, typer.Argument(help="sent, bounced, queued or canceled.", show_default=False)],
    requests: Requests = Fate.REOPEN,
    override: Override = None,
) -> None:
    """Say what became of an email in doubt. `queued` hands it over once more: it may arrive twice."""
    from comms.bootstrap import settings
    from comms.services.emails import Requests as Becomes
    from comms.services.emails import resolve_email

    with changing() as work:
        policy = settings().contact_policy()
        resolve_email(
            work.session, id, to, work.now, work.actor, policy, requests=Becomes(requests), override_reason=override
        )
    console.print(f"email {id} is {to}")


@app.command()
def bounce(id: Id) -> None:
    """Say that a sent email came back: its address is refused, its requests go to a call."""
    from comms.services.emails import bounce_email

    with changing() as work:
        bounce_email(work.session, id, work.now, work.actor)
    console.print(f"email {id} is bounced")


@app.command()
def respond(
    id: Id,
    answer: Annotated[
        list[str] | None,
        typer.Option(metavar="REQUEST=OUTCOME", help="For one request: accepted, rejected or needs_follow_up."),
    ] = None,
    all_: Annotated[str | None, typer.Option("--all", metavar="OUTCOME", help="For all that are not named.")] = None,
    note: Annotated[str | None, typer.Option(help="What the therapist wrote.")] = None,
    date: Annotated[str | None, typer.Option(help="When the answer came: 2026-11-23. Default: now.")] = None,
    json: AsJson = False,
) -> None:
    """Record or correct a therapist's answer, for the email and for each request in it."""
    from comms.bootstrap import settings
    from comms.cli.answers import read_answers, read_day
    from comms.services.answers import record_answer
    from comms.services.emails import show_email

    zone = settings().time_zone
    with changing() as work:
        asked = show_email(work.session, id).placement_request_ids
        answered_at = read_day(date, work.now, zone) if date else None
        outcomes = read_answers(answer or [], all_, asked)
        done = record_answer(
            work.session, id, outcomes, work.now, work.actor, content=note, response_date=answered_at, zone=zone
        )
    if json:
        return print_json(asdict(done))
    console.print(f"email {id}: {'recorded' if done.changed else 'known already'}")
    if done.missing:
        console.print(f"without an outcome, on the staff list: {_listed(done.missing)}")
    if done.placed_elsewhere:
        console.print(f"accepted by somebody else too, please choose: {_listed(done.placed_elsewhere)}")
    return None


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids))
