"""How commands print: tables for people, JSON for programs, never both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 1000
"""Characters; wider than any table, for pipes and files: there every row is one line."""

console = Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout; instants in ISO 8601 with offset."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "", zone: ZoneInfo | None = None
) -> None:
    """One table on stdout; instants in local time. What is too long for a cell goes on below it, nothing is cut off."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value, zone) for value in row))
    console.print(table)


def _cell(value: Any, zone: ZoneInfo | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%d.%m.%Y %H:%M")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
