"""`comms up`: the whole service on this machine, on your data, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from comms.config import Settings
from comms.local_stack.home import held
from comms.local_stack.log import Log
from comms.local_stack.ports import require_free
from comms.local_stack.stack import compose
from comms.local_stack.supervisor import StopAsked, Supervisor

NAMES = {
    "prefect": "Prefect UI",
    "mails": "mails, in a browser",
    "imap": "mails, in a mail program",
    "smtp": "mail catcher",
    "api": "API",
    "database": "database",
    "home": "files and log",
}


def up(settings: Settings, console: Console, tell: Callable[[Mapping[str, str]], None] | None = None) -> None:
    """Start what is missing, tell where everything is, and stay until somebody ends it or a part fails.

    The addresses go to the console as a table, or to `tell`.
    """
    stack = compose(settings)
    with held(settings.home), Log(settings.home / "logs" / "stack.log", console) as log:
        require_free(stack.ports)
        try:
            with Supervisor(stack.parts, stack.environment, Path.cwd(), log) as supervisor:
                supervisor.start()
                if tell:
                    tell(stack.addresses)
                else:
                    console.print(address_table(stack.addresses))
                console.print("[dim]Ctrl-C ends everything[/]")
                supervisor.run()
        except StopAsked:
            console.print("[dim]everything is ended[/]")


def address_table(addresses: Mapping[str, str]) -> Table:
    """Where everything is."""
    table = Table("what", "where", box=None, header_style="bold", pad_edge=False)
    for name, words in NAMES.items():
        if name in addresses:
            table.add_row(words, addresses[name])
    return table
