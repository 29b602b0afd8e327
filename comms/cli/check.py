"""`comms check`: does everything hold that must hold after anything?"""

from __future__ import annotations

from typing import Annotated

import typer

from comms.cli.output import console, print_json, print_table


def check(json: Annotated[bool, typer.Option("--json", help="One JSON object, with every row.")] = False) -> None:
    """Ask the database for whatever breaks a promise of the service; exit 1 if anything does. Changes nothing."""
    from comms.bootstrap.checking import PROMISES, check_invariants, name_rows

    found = check_invariants()
    broken = found["broken"]
    if json:
        print_json(found)
    elif broken:
        rows = ((code, PROMISES[code], len(rows), name_rows(rows)) for code, rows in broken.items())
        print_table(("invariant", "promise", "broken by", "rows"), rows)
    else:
        console.print(f"all {found['asked']} invariants hold")
    if broken:
        raise typer.Exit(1)
