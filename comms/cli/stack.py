"""`comms up`, `comms demo`, `comms deploy`: the service on this machine, and its deployments on a Prefect server."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from comms.cli.output import console, errors, print_json


def up(json: Annotated[bool, typer.Option("--json", help="Tell the addresses as one JSON object.")] = False) -> None:
    """Run what is not set elsewhere: Prefect server and worker, mail catcher, API. Ctrl-C ends everything."""
    from comms.config import get_config
    from comms.local_stack.up import up as run

    run(get_config(), errors if json else console, print_json if json else None)


def deploy(
    patience: Annotated[float, typer.Option(help="Wait so many seconds for the server.", min=0)] = 0,
) -> None:
    """Bring deployments, work pool and automation of PREFECT_API_URL to what prefect.yaml says. Safe to repeat."""
    from comms.config import get_config
    from comms.errors import ConfigurationError

    url = get_config().prefect_api_url
    if not url:
        raise ConfigurationError(["PREFECT_API_URL: not set; name the server, like http://127.0.0.1:4200/api"])
    os.environ["PREFECT_API_URL"] = url  # it may stand in .env
    from comms.local_stack.deploy import deploy as register

    register(patience)
    console.print("deployments, work pool and automation are up to date")
