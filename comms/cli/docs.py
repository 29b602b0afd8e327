"""`comms docs …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import comms
from comms.cli.output import console, errors
from comms.errors import BadInput

app = typer.Typer(help="Write and check the documents that come from the code.", no_args_is_help=True)

Root = Annotated[Path, typer.Option(help="The checkout.", show_default=False)]
CHECKOUT = Path(comms.__file__).parent.parent


@app.command()
def write(root: Root = CHECKOUT) -> None:
    """Renew docs/settings.md, docs/states.md and .env.example."""
    from comms.cli import generated

    _require_checkout(root)
    changed = generated.write(root)
    for name in changed:
        console.print(f"wrote {name}", markup=False)
    if not changed:
        console.print("everything was up to date")


@app.command()
def check(root: Root = CHECKOUT) -> None:
    """Exit 1 and name each of these files that is out of date."""
    from comms.cli import generated

    _require_checkout(root)
    found = generated.outdated(root)
    for name in found:
        errors.print(f"{name} is out of date; renew it with: {generated.RENEW}", markup=False)
    if found:
        raise typer.Exit(1)
    console.print("the generated documents are up to date")


def _require_checkout(root: Path) -> None:
    if not (root / "pyproject.toml").exists():
        raise BadInput("there is no checkout of this project; name one", where="--root")
