"""`comms backup` and `comms restore`: everything that the database holds, in one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from comms.cli.output import console

File = Annotated[Path, typer.Argument(metavar="FILE", show_default=False)]


def backup(file: File) -> None:
    """Write every row of this moment to a new file, SQLite whatever the database is; the service may go on working."""
    from comms.bootstrap import engine
    from comms.store.backups import write_backup

    rows = write_backup(engine(), file)
    console.print(f"{rows} rows; the file holds health data and is for your eyes alone", markup=False)


def restore(
    file: File,
    paused: Annotated[bool, typer.Option("--paused/--sending", help="Send nothing until `comms resume`.")] = True,
    replace: Annotated[bool, typer.Option("--replace", help="Throw away the rows that are there.")] = False,
) -> None:
    """Bring a backup back, of this version or an older one; `comms db upgrade` makes the database first."""
    from comms.bootstrap import sessions
    from comms.cli.work import actor
    from comms.services.restoring import restore_backup

    found = restore_backup(file, sessions(), actor(), paused=paused, replace=replace)
    console.print(f"restored; emails that wait: {found.queued}, in doubt: {found.in_doubt}")
    console.print("sending is paused" if found.paused else "sending goes on as it was when the backup was made")
