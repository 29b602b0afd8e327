"""`comms calls …`: the call list, and what came of each call."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from comms.cli.output import console, print_json, print_table
from comms.cli.work import changing, looking
from comms.rules.states import Outcome, PhoneCallStatus

if TYPE_CHECKING:  # keeps `comms --help` fast
    from sqlalchemy.orm import Session

    from comms.services.calls.reading import CallDetails, CallLine

app = typer.Typer(help="Show the call list, note what came of calls.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="The call's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Answers = Annotated[
    list[str] | None,
    typer.Option(metavar="REQUEST=OUTCOME", help="For one request: accepted, rejected or needs_follow_up."),
]
ForAll = Annotated[str | None, typer.Option("--all", metavar="OUTCOME", help="For all that are not named.")]
Notes = Annotated[str | None, typer.Option(help="Words for colleagues; they stay in the database.")]


class Fate(StrEnum):
    """What becomes of the requests in a canceled call."""

    REOPEN = "reopen"
    WITHDRAW = "withdraw"


@app.command("list")
def list_(
    date: Annotated[str | None, typer.Option(help="Only on this day: 2026-11-23.")] = None,
    status: Annotated[PhoneCallStatus | None, typer.Option(help="Only in this status.")] = None,
    therapist: Annotated[int | None, typer.Option(help="Only with this therapist.")] = None,
    json: AsJson = False,
) -> None:
    """Show calls in the order of their time."""
    from comms.bootstrap import settings
    from comms.cli.answers import read_day
    from comms.services.calls.reading import list_calls

    zone = settings().time_zone
    with looking() as work:
        on = read_day(date, work.now, zone).date() if date else None
        found = list_calls(work.session, on=on, status=status, therapist_id=therapist, zone=zone)
    if json:
        return print_json([asdict(line) for line in found])
    columns = ("id", "when", "by", "therapist", "phone", "requests", "status")
    return print_table(columns, map(_row, found), zone=zone)


def _row(line: CallLine) -> tuple[object, ...]:
    therapist = f"{line.therapist} ({line.therapist_id})"
    status = f"{line.status}, {line.status_reason}" if line.status_reason else line.status
    return line.id, line.starts_at, line.caller, therapist, _phone(line), line.requests, status


def _phone(line: CallLine) -> str | None:
    return f"{line.phone}-{line.extension}" if line.phone and line.extension else line.phone


@app.command()
def show(id: Id, json: AsJson = False) -> None:
    """Show everything about one call: its requests, its emails, its tries."""
    from comms.services.calls.reading import get_call

    with looking() as work:
        call = get_call(work.session, id)
    if json:
        print_json(asdict(call))
    else:
        _print_call(call)


def _print_call(call: CallDetails) -> None:
    from comms.bootstrap import settings

    zone = settings().time_zone
    line = call.line
    facts = (
        ("call", line.id),
        ("when", line.starts_at),
        ("status", f"{line.status} ({line.status_reason})" if line.status_reason else line.status),
        ("kind", line.kind),
        ("caller", line.caller),
        ("therapist", f"{line.therapist_id} {line.therapist}"),
        ("phone", _phone(line)),
        ("try", line.try_number),
        ("retry of", call.retry_of_id),
        ("next try", call.retry_id),
        ("reached", call.actual_at),
        ("outcome", call.outcome),
        ("notes", call.notes),
        ("emails", ", ".join(map(str, call.email_ids)) or None),
    )
    print_table(("", ""), facts, zone=zone)
    rows = ((r.request_id, r.email_id, r.included, r.outcome) for r in call.requests)
    print_table(("placement request", "email", "in the call", "outcome"), rows)


@app.command()
def schedule(email: Annotated[int, typer.Argument(help="The unanswered email's id.", show_default=False)]) -> None:
    """Book the call for one unanswered email now; the follow-up run does this for all of them."""
    from comms.bootstrap import settings
    from comms.services.calls import schedule_call_for_email
    from comms.services.calls.reading import get_call

    policy = settings().call_policy()
    with changing() as work:
        call_id = schedule_call_for_email(work.session, email, work.now, policy)
        starts_at = get_call(work.session, call_id).line.starts_at
    console.print(f"call {call_id}: {starts_at.astimezone(policy.zone):%d.%m.%Y %H:%M} Uhr")


@app.command()
def complete(
    id: Id,
    answer: Answers = None,
    all_: ForAll = None,
    outcome: Annotated[str | None, typer.Option(help="What came of it, in words.")] = None,
    notes: Notes = None,
    at: Annotated[str | None, typer.Option(help="When it really was: 2026-11-23T10:20. Default: as booked.")] = None,
) -> None:
    """Note that the therapist was reached, with an answer for each request; also after the call was noted as missed."""
    from comms.bootstrap import settings
    from comms.cli.instants import read_instant
    from comms.services.calls.completing import complete_call

    zone = settings().time_zone
    with changing() as work:
        done = complete_call(
            work.session,
            id,
            work.now,
            actor=work.actor,
            answers=_answers(work.session, id, answer, all_),
            outcome=outcome,
            notes=notes,
            at=read_instant(at, zone) if at else None,
            zone=zone,
        )
    console.print(f"call {id} is completed")
    if done.retry_canceled:
        console.print(f"its next try, call {done.retry_canceled}, is canceled")
    _print_missing(done.missing)


@app.command()
def respond(id: Id, answer: Answers = None, all_: ForAll = None) -> None:
    """Add or correct answers of a call that is completed."""
    from comms.bootstrap import settings
    from comms.services.calls.completing import answer_in_call

    with changing() as work:
        outcomes = _answers(work.session, id, answer, all_)
        noted = answer_in_call(work.session, id, outcomes, work.now, actor=work.actor, zone=settings().time_zone)
    console.print(f"call {id}: {'recorded' if noted.changed else 'known already'}")
    _print_missing(noted.missing)


def _answers(session: Session, call_id: int, named: list[str] | None, rest: str | None) -> dict[int, Outcome]:
    from comms.cli.answers import read_answers
    from comms.services.calls.reading import get_call

    asked = [request.request_id for request in get_call(session, call_id).requests if request.included]
    return read_answers(named or [], rest, asked)


def _print_missing(ids: tuple[int, ...]) -> None:
    if ids:
        console.print(f"without an outcome, on the staff list: {', '.join(map(str, ids))}")


@app.command()
def miss(
    id: Id,
    reason: Annotated[str, typer.Option(help="A short code: not_reached, line_busy …")] = "not_reached",
    retry_after: Annotated[
        str | None, typer.Option(help="Not before then: 2026-11-26T14:00. Default: a day after the call.")
    ] = None,
    notes: Notes = None,
) -> None:
    """Note that nobody was reached; the next try is booked, or after the last one the staff list says so."""
    from comms.bootstrap import settings
    from comms.cli.instants import read_instant
    from comms.services.calls.missing import miss_call

    policy = settings().call_policy()
    earliest = read_instant(retry_after, policy.zone, "--retry-after") if retry_after else None
    with changing() as work:
        missed = miss_call(
            work.session,
            id,
            work.now,
            policy,
            actor=work.actor,
            reason=reason,
            retry_after=earliest,
            notes=notes,
        )
    if missed.retry_id and missed.next_try_at:
        when = missed.next_try_at.astimezone(policy.zone)
        console.print(f"call {id} is missed; next try: call {missed.retry_id}, {when:%d.%m.%Y %H:%M} Uhr")
    else:
        console.print(f"call {id} is missed; no next try so far: {missed.reason}")


@app.command()
def cancel(
    id: Id,
    requests: Annotated[Fate, typer.Option(help="Its requests: open again, or closed for good.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Why, for the audit log.")] = None,
) -> None:
    """Drop a scheduled call; its emails are closed and not followed up again."""
    from comms.services.calls.canceling import Requests, cancel_call

    with changing() as work:
        changed = cancel_call(work.session, id, work.now, Requests(requests), actor=work.actor, reason=reason)
    done = "open again" if requests is Fate.REOPEN else "withdrawn"
    console.print(f"call {id} is canceled; {len(changed)} requests {done}")
