"""`comms events …`: what we tell the platform, and what it told us that nobody could use."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from comms.cli.output import console, print_json, print_table
from comms.cli.work import changing, looking

app = typer.Typer(help="Look at events, try them again, put them aside.", no_args_is_help=True)

Id = Annotated[int, typer.Argument(help="Its id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most this many.")]


class State(StrEnum):
    WAITING = "waiting"
    PUBLISHED = "published"
    PARKED = "parked"


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only those.")] = None, limit: Limit = 20, json: AsJson = False
) -> None:
    """Show our own events, newest first."""
    from comms.bootstrap import settings
    from comms.services.relaying.listing import EventState, list_events

    with looking() as work:
        found = list_events(work.session, state=EventState(state) if state else None, limit=limit)
    if json:
        return print_json([asdict(event) | {"state": event.state} for event in found])
    columns = ("id", "type", "key", "created", "state", "tries", "fault")
    rows = ((e.id, e.event_type, e.key, e.created_at, e.state, e.attempts, e.parked_reason or e.fault) for e in found)
    return print_table(columns, rows, zone=settings().time_zone)


@app.command()
def show(id: Id) -> None:
    """Show one event as JSON."""
    from comms.services.relaying.listing import show_event

    with looking() as work:
        found = show_event(work.session, id)
    print_json(asdict(found) | {"state": found.state})


@app.command()
def retry(id: Id) -> None:
    """Try a waiting or parked event with the next round."""
    from comms.services.relaying.listing import retry_event

    with changing() as work:
        retry_event(work.session, id, work.now, work.actor)
    console.print(f"event {id} is tried again")


@app.command()
def park(id: Id) -> None:
    """Put a waiting event aside: its key goes on without it."""
    from comms.services.relaying.listing import park_event

    with changing() as work:
        park_event(work.session, id, work.now, work.actor)
    console.print(f"event {id} is parked")


@app.command("dead-letters")
def dead_letters(
    all_: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
    limit: Limit = 100,
    json: AsJson = False,
) -> None:
    """Show messages of the platform that could not be used, newest first."""
    from comms.bootstrap import settings
    from comms.services.inbox import list_dead_letters

    with looking() as work:
        found = list_dead_letters(work.session, replayed=all_, limit=limit)
    if json:
        return print_json([asdict(letter) for letter in found])
    columns = ("id", "topic", "partition", "offset", "type", "reason", "field", "since")
    rows = ((d.id, d.topic, d.partition, d.topic_offset, d.event_type, d.reason, d.place, d.at) for d in found)
    return print_table(columns, rows, zone=settings().time_zone)


@app.command()
def replay(id: Id) -> None:
    """Give a dead letter another chance: the next run handles it."""
    from comms.services.inbox import replay_dead_letter

    with changing() as work:
        replay_dead_letter(work.session, id, work.now, work.actor)
    console.print(f"dead letter {id} is in the inbox again")
