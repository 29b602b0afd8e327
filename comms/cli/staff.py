"""`comms suppress`, `staff-list`, `pause`, `drain`, `resume`: what staff decide for the whole service."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from comms.cli.emails import Fate
from comms.cli.output import console, print_json, print_table
from comms.cli.work import changing, looking
from comms.errors import BadInput

if TYPE_CHECKING:  # keeps `comms --help` fast
    from sqlalchemy.orm import Session

T = TypeVar("T")

TICK = 0.5
"""Seconds between two looks."""


def suppress(
    address: Annotated[str | None, typer.Argument(help="The address, in any spelling.", show_default=False)] = None,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Allow the mailbox again.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show all that are suppressed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="With --list: JSON on stdout.")] = False,
) -> None:
    """Never write to a mailbox again, and cancel what waits for it."""
    if list_:
        return _show_suppressions(json)
    if address is None:
        raise BadInput("name an address, or use --list", where="ADDRESS")
    return _allow(address) if remove else _suppress(address, reason)


def _show_suppressions(json: bool) -> None:
    from comms.bootstrap import settings
    from comms.services.suppressions import list_suppressions

    with looking() as work:
        found = list_suppressions(work.session)
    if json:
        return print_json([asdict(item) for item in found])
    rows = ((item.mailbox, item.reason, item.created_by, item.created_at) for item in found)
    return print_table(("mailbox", "reason", "by", "since"), rows, zone=settings().time_zone)


def _suppress(address: str, reason: str | None) -> None:
    from comms.services.suppressions import suppress_mailbox

    with changing() as work:
        done = suppress_mailbox(work.session, address, work.now, work.actor, reason)
    console.print("suppressed" if done.new else "suppressed before", end="")
    console.print(f"; {len(done.canceled)} waiting emails canceled")


def _allow(address: str) -> None:
    from comms.services.suppressions import unsuppress_mailbox

    with changing() as work:
        removed = unsuppress_mailbox(work.session, address, work.now, work.actor)
    console.print("allowed again" if removed else "was not suppressed")


def staff_list(
    close: Annotated[int | None, typer.Option(metavar="ID", help="Take this one off the list.")] = None,
    requests: Annotated[
        Fate, typer.Option(help="With --close, where no call can be made: what becomes of the requests.")
    ] = Fate.REOPEN,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Show whatever needs a person, the oldest first, with the verb that ends it."""
    from comms.services.emails import Requests
    from comms.services.staff_list import close_item

    if close is None:
        return _show_staff_list(json)
    with changing() as work:
        closed = close_item(work.session, close, work.actor, work.now, Requests(requests))
    return console.print(f"item {close} is {'closed' if closed else 'closed before'}")


def _show_staff_list(json: bool) -> None:
    from comms.bootstrap import settings
    from comms.services.staff_list import list_staff_items

    with looking() as work:
        items = list_staff_items(work.session, work.now)
    if json:
        return print_json([asdict(item) for item in items])
    rows = ((i.id, i.reason, f"{i.subject_type} {i.subject_id}", i.therapist_id, i.since, i.verb) for i in items)
    return print_table(("id", "reason", "about", "therapist", "since", "ends by"), rows, zone=settings().time_zone)


def pause(reason: Annotated[str | None, typer.Option(help="Why, for whoever finds it paused.")] = None) -> None:
    """Stop sending at once, until `comms resume`; also after a restart."""
    from comms.services.pause import pause_sending

    with changing() as work:
        pause_sending(work.session, work.actor, work.now, reason)
    console.print("sending is paused")


def drain(
    patience: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Wait at most so long.")] = 300,
    reason: Annotated[str, typer.Option(help="Why, for whoever finds it paused.")] = "drained",
) -> None:
    """Pause sending and wait until nothing is under way: then programs may be stopped. Exit code 1: not in time."""
    from comms.services.draining import under_way

    pause(reason)
    until = time.monotonic() + patience
    while not (found := _now(under_way)).nothing and time.monotonic() < until:
        time.sleep(TICK)
    if found.nothing:
        return console.print("nothing is under way")
    console.print(f"still under way: {found.emails} emails, jobs: {', '.join(found.jobs) or 'none'}", markup=False)
    raise typer.Exit(1)


def _now(ask: Callable[[Session, datetime], T]) -> T:
    """Each look is a transaction of its own, and sees what was committed by then."""
    with looking() as work:
        return ask(work.session, work.now)


def resume() -> None:
    """Send again."""
    from comms.services.pause import resume_sending

    with changing() as work:
        resume_sending(work.session, work.actor, work.now)
    console.print("sending goes on")
