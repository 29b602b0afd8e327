"""How a demo gets on: a line for each thing done, and on a terminal a last line that moves."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Display:
    """A context; without a terminal only the lines are printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("starting", console=console)
        self._began = time.monotonic()

    def __enter__(self) -> Display:
        self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._status.stop()

    def done(self, what: str) -> None:
        """Print that something is done, with the seconds since the beginning."""
        self._console.print(f"[green]✓[/] {escape(what):<44} [dim]{time.monotonic() - self._began:5.1f} s[/]")

    def now(self, what: str) -> None:
        """Say what is under way."""
        self._status.update(escape(what))
