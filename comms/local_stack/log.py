"""One log for all parts: each line with the name of its part, in its own colour where the terminal has colours."""

from __future__ import annotations

import re
import threading
from datetime import datetime
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.text import Text

COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red", "bright_cyan")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Log:
    """Writes to a file always, and to `console` where one is given. Threads may share it."""

    def __init__(self, path: Path, console: Console | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._console = console
        self._lock = threading.Lock()
        self._colours: dict[str, str] = {}

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._file.close()

    def write(self, name: str, line: str) -> None:
        """Add one line; colours of the part itself are dropped."""
        plain = _ESCAPES.sub("", line).rstrip()
        if not plain:
            return
        with self._lock:
            if self._file.closed:
                return
            self._file.write(f"{datetime.now().astimezone():%H:%M:%S} {name:<9} {plain}\n")
            self._file.flush()
            if self._console:
                self._console.print(self._coloured(name, plain), soft_wrap=True)

    def tail(self, name: str, lines: int = 15) -> list[str]:
        """The last lines of a part, for the report of its failure."""
        found = [line for line in self.path.read_text(encoding="utf-8").splitlines() if line[9:18].rstrip() == name]
        return [line[19:] for line in found[-lines:]]

    def _coloured(self, name: str, line: str) -> Text:
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return Text.assemble((f"{name:<9} ", colour), line)
