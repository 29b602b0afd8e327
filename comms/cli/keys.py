"""`comms keys …`: who may use the API, and for what."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from comms.cli.output import console, errors, print_json, print_table
from comms.cli.work import changing, looking
from comms.rules.scopes import Scope

if TYPE_CHECKING:  # keeps `comms --help` fast
    from comms.services.keys import Key, NewKey

app = typer.Typer(help="Make, list, rotate and revoke keys of the API.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who uses it; stands in the audit log.", show_default=False)],
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help=f"One of: {', '.join(Scope)}. Give it again for more.")
    ] = None,
    expires: Annotated[int, typer.Option(metavar="DAYS", min=1, max=3660, help="Ends after so many days.")] = 365,
    json: AsJson = False,
) -> None:
    """Make a key. It is shown now and never again; the database keeps its SHA-256 only."""
    from comms.services.keys import create_key

    scopes = sorted(set(scope or []))
    with changing() as work:
        made = create_key(work.session, name, scopes, work.now, work.actor, timedelta(days=expires))
    if json:
        found = {"key": made.key, "id": made.id, "name": name, "scopes": scopes, "expires_at": made.expires_at}
        return print_json(found)
    return _hand_over(made, f"scopes: {', '.join(scopes)}")


def _hand_over(made: NewKey, words: str) -> None:
    """Alone on stdout, for KEY=$(comms keys create …)."""
    from comms.bootstrap import settings

    print(made.key)
    until = made.expires_at.astimezone(settings().time_zone)
    errors.print(f"shown only now; {words}; ends {until:%d.%m.%Y %H:%M}", style="dim", markup=False)


@app.command()
def rotate(
    name: Annotated[str, typer.Argument(help="The key's name.", show_default=False)],
    overlap: Annotated[int, typer.Option(metavar="HOURS", min=0, max=720, help="The old secret opens so long.")] = 24,
    expires: Annotated[int, typer.Option(metavar="DAYS", min=1, max=3660, help="Ends after so many days.")] = 365,
    json: AsJson = False,
) -> None:
    """Give a key a new secret, shown only now; the old one goes on for some hours. It stays the same key."""
    from comms.services.keys import rotate_key

    with changing() as work:
        made = rotate_key(work.session, name, work.now, work.actor, timedelta(hours=overlap), timedelta(days=expires))
    if json:
        return print_json({"key": made.key, "id": made.id, "name": name, "expires_at": made.expires_at})
    return _hand_over(made, f"the old secret opens for {overlap} hours")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """Show every key that was ever made, newest first; never the key itself."""
    from comms.bootstrap import settings
    from comms.services.keys import list_keys

    with looking() as work:
        found = list_keys(work.session)
    if json:
        return print_json([asdict(key) | {"usable": key.usable(work.now)} for key in found])
    columns = ("id", "name", "scopes", "made", "ends", "old secret until", "now")
    return print_table(columns, (_row(key, work.now) for key in found), zone=settings().time_zone)


def _row(key: Key, now: datetime) -> tuple[object, ...]:
    state = "revoked" if key.revoked_at else "usable" if key.usable(now) else "expired"
    overlap = key.previous_until if key.previous_until and key.previous_until > now and not key.revoked_at else None
    return key.id, key.name, ", ".join(key.scopes), key.created_at, key.revoked_at or key.expires_at, overlap, state


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The key's name.", show_default=False)]) -> None:
    """End a key for good; a running API refuses it within five seconds."""
    from comms.services.keys import revoke_key

    with changing() as work:
        ended = revoke_key(work.session, name, work.now, work.actor)
    console.print("revoked" if ended else "was revoked before")
