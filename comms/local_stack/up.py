"""`comms up`: the whole service on this machine, on your data, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from comms.config import Settings
from comms.local_stack.api_key import keep_key
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
    "kafka": "Kafka",
    "database": "database",
    "home": "files and log",
}


def up(settings: Settings, console: Console, tell: Callable[[Mapping[str, str]], None] | None = None) -> None:
    """Start what is missing, tell where everything is, and stay until somebody ends it or a part fails.

    The addresses and the key for the API go to the console as a table, or to `tell`.
    """
    stack = compose(settings)
    with held(settings.home), Log(settings.home / "logs" / "stack.log", console) as log:
        require_free(stack.ports)
        try:
            with Supervisor(stack.parts, stack.environment, Path.cwd(), log) as supervisor:
                supervisor.start()
                _tell(stack.addresses, keep_key(settings), console, tell)
                supervisor.run()
        except StopAsked:
            console.print("[dim]everything is ended[/]")


def _tell(
    addresses: Mapping[str, str],
    api_key: str | None,
    console: Console,
    tell: Callable[[Mapping[str, str]], None] | None,
) -> None:
    if tell:
        tell({**addresses, "api_key": api_key} if api_key else addresses)
    else:
        console.print(address_table(addresses, api_key))
    if api_key is None:
        console.print("[dim]a key for the API: comms keys create --name NAME --scope SCOPE[/]")
    console.print("[dim]Ctrl-C ends everything[/]")


def address_table(addresses: Mapping[str, str], api_key: str | None) -> Table:
    """Where everything is, and what opens the API."""
    table = Table("what", box=None, header_style="bold", pad_edge=False)
    table.add_column("where", overflow="fold")
    for name, words in NAMES.items():
        if name in addresses:
            table.add_row(words, addresses[name])
        if name == "api" and api_key:
            table.add_row("its key", api_key)
    return table
