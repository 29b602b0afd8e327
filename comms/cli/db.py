"""`comms db …`"""

from __future__ import annotations

import typer

from comms.cli.output import console, errors

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
    from comms.store.database import differences

    found = differences(engine())
    for line in found:
        errors.print(line, markup=False)
    if found:
        raise typer.Exit(1)
    console.print("the database is what the models say")
