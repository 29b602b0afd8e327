"""`comms templates …`"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from comms.cli.output import console, errors

if TYPE_CHECKING:
    from comms.services.letters import Letters

app = typer.Typer(help="Check and look at the letters.", no_args_is_help=True)


@app.command()
def check() -> None:
    """Render every template in every language with minimal and full data; exit 1 and one line for each fault."""
    from comms.config import get_config
    from comms.services.letters.check import check_letters

    found = check_letters(_letters(), get_config().identity())
    for fault in found:
        errors.print(f"{fault.template}: {fault.what}", markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(1)
    console.print("every letter can be written")


@app.command()
def preview(
    name: Annotated[str, typer.Argument(help="initial_contact, batch_request, follow_up or confirmation")],
    html: Annotated[bool, typer.Option("--html", help="Only the HTML part.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Only the text part.")] = False,
    language: Annotated[str, typer.Option(help="de or en")] = "de",
) -> None:
    """Print a letter about nobody, byte for byte as it would be sent; without an option the whole message."""
    from comms.config import get_config
    from comms.errors import BadInput
    from comms.services.letters.specimen import part_of, preview

    if html and text:
        raise BadInput("give one of the two, or none for the whole message", where="--html --text")
    content = preview(_letters(), name, language, get_config().identity()).content
    subtype = "html" if html else "plain" if text else None
    sys.stdout.buffer.write(part_of(content, subtype) if subtype else content)
    sys.stdout.buffer.flush()


def _letters() -> Letters:
    from comms.config import get_config
    from comms.services.letters import Letters

    return Letters(get_config().templates)
