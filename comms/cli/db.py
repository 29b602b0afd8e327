"""`comms db …`"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from comms.cli.output import console, errors, print_json

app = typer.Typer(help="Create, upgrade and check the database.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Create the database if there is none, and bring it to this version."""
    from comms.config import get_config
    from comms.store import database
    from comms.store.engines import make_engine

    database.upgrade(make_engine(get_config().database_url))
    console.print("the database is at this version")


@app.command()
def check() -> None:
    """Compare the database with the models; exit 1 and one line for each difference."""
    from comms.bootstrap import engine
    from comms.store.differences import differences

    found = differences(engine())
    for line in found:
        errors.print(line, markup=False)
    if found:
        raise typer.Exit(1)
    console.print("the database is what the models say")


@app.command()
def prune(
    keep_days: Annotated[int, typer.Option(min=30, help="Keep what is younger than this.")] = 365,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Throw away why nobody was written to long ago; what led to an email stays. Safe beside everything that runs."""
    from comms.bootstrap import sessions
    from comms.cli.work import actor, commanding, looking
    from comms.services.pruning import count_old_refusals, prune_refusals

    with looking() as work:
        before = work.now - timedelta(days=keep_days)
        count, now = count_old_refusals(work.session, before), work.now
    if not dry_run:
        with commanding():
            count = prune_refusals(sessions(), before, now, actor())
    if json:
        return print_json({"refusals": count, "before": before, "dry_run": dry_run})
    return console.print(f"{count} refusals {'would be' if dry_run else 'were'} thrown away")
