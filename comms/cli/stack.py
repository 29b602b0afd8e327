"""`comms up`, `comms demo`, `comms deploy`: the service on this machine, and its deployments on a Prefect server."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from comms.cli.output import console, errors, print_json


def up(json: Annotated[bool, typer.Option("--json", help="Tell the addresses as one JSON object.")] = False) -> None:
    """Run what is not set elsewhere: Prefect server and worker, mail catcher, Kafka, API. Ctrl-C ends everything."""
    from comms.config import get_config
    from comms.local_stack.up import up as run

    run(get_config(), errors if json else console, print_json if json else None)


def demo(
    therapists: Annotated[int, typer.Option(min=1, max=10_000, help="How many; patients and requests follow.")] = 120,
    leave: Annotated[bool, typer.Option("--exit", help="End everything after the summary.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
) -> None:
    """See the whole service do its daily job on sample data, in a world of its own. Ctrl-C ends everything."""
    from comms.local_stack.demo import demo as play
    from comms.local_stack.summary import tell
    from comms.local_stack.supervisor import StopAsked

    shown = errors if json else console
    succeeded = True
    try:
        with play(therapists, shown) as (summary, stack):
            succeeded = set(summary.flow_runs.values()) == {"Completed"} and not summary.invariants_broken
            if json:
                print_json(summary.as_json())
            else:
                tell(summary, shown)
            if not leave:
                shown.print("[dim]It stays up for looking around; Ctrl-C ends everything[/]")
                stack.run()
    except StopAsked:
        shown.print("[dim]everything is ended[/]")
    if not succeeded:
        raise typer.Exit(1)


def deploy(
    patience: Annotated[float, typer.Option(help="Wait so many seconds for the server.", min=0)] = 0,
) -> None:
    """Bring deployments, work pool and automation of PREFECT_API_URL to what prefect.yaml says. Safe to repeat."""
    from comms.errors import ConfigurationError

    if not name_prefect():
        raise ConfigurationError(["PREFECT_API_URL: not set; name the server, like http://127.0.0.1:4200/api"])
    from comms.local_stack.deploy import deploy as register

    register(patience)
    console.print("deployments, work pool and automation are up to date")


def name_prefect() -> bool:
    """Tell Prefect's client of the server in our settings, which may stand in `.env`; False where none is named."""
    from comms.config import get_config

    url = get_config().prefect_api_url
    if url:
        os.environ["PREFECT_API_URL"] = url
    return bool(url)
