"""The table at the end of `make test-faults`: each case, what it promises, and the figure that it measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest
from rich.console import Console
from rich.table import Table

SEED = int(os.environ.get("COMMS_FAULTS_SEED", "5"))
"""Of whatever is left to chance; the same one chooses the same."""

FOLDER = "tests/faults/"
Note = Callable[[str, str, object], None]
Row = tuple[str, str, str]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Note:
    """Note (case, promise, figure) for the table; from any worker, for it travels with the test's report."""

    def note(case: str, promise: str, measured: object) -> None:
        record_property("figure", (case, promise, str(measured)))

    return note


def table_of(reports: Iterable[pytest.TestReport]) -> Table:
    """What was noted, by case, and beneath it the cases that did not hold."""
    rows: set[Row] = set()
    failed: set[Row] = set()
    for report in reports:
        rows |= {tuple(value) for name, value in report.user_properties if name == "figure"}  # type: ignore[misc,arg-type]
        if report.failed and report.nodeid.startswith(FOLDER):
            failed.add((report.nodeid.removeprefix(FOLDER), "does not hold", report.when or ""))
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for column in ("case", "promise", "figure"):
        table.add_column(column, overflow="fold")
    for row in (*sorted(rows), *sorted(failed)):
        table.add_row(*row)
    return table


def print_figures(reporter: pytest.TerminalReporter) -> None:
    """Print the table where any case noted something."""
    reports = (one for several in reporter.stats.values() for one in several if isinstance(one, pytest.TestReport))
    table = table_of(reports)
    if table.row_count:
        reporter.section("Faults")
        Console(width=160, highlight=False).print(table)
