"""`comms --version`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

DISTRIBUTION = "communication-service"


def _tell(wanted: bool) -> None:
    if wanted:
        from comms.store.version import REVISION

        typer.echo(f"{DISTRIBUTION} {version(DISTRIBUTION)}, database version {REVISION}")
        raise typer.Exit


def about(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell, is_eager=True, help="Say which version this is, and stop.")
    ] = False,
) -> None:
    """What can be asked without a command."""
