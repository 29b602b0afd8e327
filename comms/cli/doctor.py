"""`comms doctor`: one line for each thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from comms.cli.output import console, print_json

if TYPE_CHECKING:  # keeps `comms --help` fast
    from comms.doctor import Finding


def doctor(
    send: Annotated[bool, typer.Option("--send", help="Send a test mail to EMAIL_SENDER itself.")] = False,
    send_to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Send it to this address.")] = None,
    nameserver: Annotated[
        str | None, typer.Option(metavar="IP[#PORT]", help="Ask this name server, not the system's.")
    ] = None,
    patience: Annotated[float, typer.Option(metavar="SECONDS", min=1, max=600, help="For everything.")] = 20,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings and what could not be asked count too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.")] = False,
) -> None:
    """Look at everything that the settings name and say what is wrong, and what to do. Exit code 1 for a fault."""
    from comms.doctor import State
    from comms.doctor.examination import Wishes, examine_installation

    found = examine_installation(Wishes(send, send_to, nameserver, patience))
    if json:
        print_json([asdict(finding) for finding in found])
    else:
        _show(found)
    bad = {State.FAULT, State.WARNING, State.UNKNOWN} if strict else {State.FAULT}
    if any(finding.state in bad for finding in found):
        raise typer.Exit(1)


_COLOURS = {"ok": "green", "warning": "yellow", "fault": "bold red", "could not ask": "magenta"}


def _show(found: list[Finding]) -> None:
    width = max(len(finding.subject) for finding in found)
    for finding in found:
        console.print(f"[{_COLOURS[finding.state]}]{finding.state:<13}[/]  ", end="")
        cure = f"; {finding.cure}" if finding.cure else ""
        console.print(f"{finding.subject:<{width}}  {finding.words}{cure}", markup=False, soft_wrap=True)
