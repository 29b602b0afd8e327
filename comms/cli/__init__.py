"""`comms …`: the one command line. Every command opens its unit of work here and calls one service."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from comms import garbage
from comms.cli import (
    about,
    backup,
    bus,
    calls,
    check,
    db,
    docs,
    doctor,
    emails,
    events,
    intake,
    keys,
    plan,
    run,
    sample,
    stack,
    staff,
    templates,
)
from comms.cli.output import errors
from comms.cli.trouble import of_database
from comms.errors import CommsError

app = typer.Typer(
    name="comms",
    help="Writes to therapists, records their answers and books calls: at most one contact a week.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(about.about)
app.add_typer(db.app, name="db")
app.add_typer(docs.app, name="docs")
app.add_typer(templates.app, name="templates")
app.add_typer(emails.app, name="emails")
app.add_typer(calls.app, name="calls")
app.add_typer(events.app, name="events")
app.add_typer(keys.app, name="keys")
app.command()(plan.plan)
app.add_typer(run.app, name="run")
app.add_typer(sample.app, name="sample")
app.command("import")(intake.import_files)
app.command()(check.check)
app.command()(bus.relay)
app.command()(bus.launcher)
app.command()(stack.up)
app.command()(stack.demo)
app.command()(stack.deploy)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(staff.suppress)
app.command("staff-list")(staff.staff_list)
app.command()(staff.pause)
app.command()(staff.drain)
app.command()(staff.resume)


def main() -> None:
    """Run a command; what is raised by name, or by the database, becomes one line on stderr and exit code 1."""
    garbage.collect_seldom()
    try:
        app()
    except CommsError as error:
        _fail(error)
    except Exception as error:
        told = of_database(error)
        if told is None:
            raise
        _fail(told)


def _fail(error: CommsError) -> NoReturn:
    for line in str(error).splitlines():
        errors.print(f"[bold red]{error.code}[/]: ", end="")
        errors.print(line, markup=False, soft_wrap=True)
    sys.exit(1)
