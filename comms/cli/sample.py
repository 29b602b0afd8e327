"""`comms sample …`: a lifelike data set, as files or in the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from comms.cli.output import console, print_json
from comms.cli.work import commanding
from comms.errors import Conflict

app = typer.Typer(help="A lifelike data set; all of its addresses end in .example.", no_args_is_help=True)

Therapists = Annotated[
    int, typer.Option(min=1, max=1_000_000, help="How many; patients and requests follow: 120, 400, 600.")
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same data.")]


@app.command()
def write(folder: Annotated[Path, typer.Argument(metavar="DIR")], therapists: Therapists = 120, seed: Seed = 7) -> None:
    """Write the data as JSON files that `comms import` takes."""
    from datetime import datetime

    from comms.rules.policy import BERLIN
    from comms.sample import generate, write_sample

    data = generate(therapists, seed=seed, today=datetime.now(BERLIN).date())
    for path in write_sample(data, folder):
        console.print(str(path), markup=False, soft_wrap=True)


@app.command()
def load(
    therapists: Therapists = 120,
    seed: Seed = 7,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Put the data into the database, with a past: unanswered emails, refusals. Adds nothing the second time."""
    from comms.bootstrap import correspondence, sessions, settings
    from comms.cli.intake import as_json, print_report
    from comms.sample import load_sample
    from comms.store.engines import clock
    from comms.store.session import reading

    if settings().environment == "production":
        raise Conflict("sample data does not go into a production database")
    with reading(sessions()) as session:
        now = clock(session)
    with commanding():
        report = load_sample(sessions(), now, therapists, seed=seed, correspondence=correspondence())
    if json:
        print_json(as_json(report.imported) | {"past_emails": dict(report.past_emails)})
        return
    print_report(report.imported)
    for past, number in report.past_emails.items():
        console.print(f"past emails, {past.replace('_', ' ')}: {number}")
