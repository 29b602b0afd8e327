"""`comms import`: therapists, patients and placement requests from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from comms.cli.output import console, errors, print_json, print_table
from comms.cli.work import commanding
from comms.errors import BadInput

if TYPE_CHECKING:
    from comms.services.intake import ImportReport, Kind, Note, Record

SHOWN = 200
"""Refusals and warnings printed one by one; `--json` has them all."""


def import_files(
    files: Annotated[list[Path], typer.Argument(help="JSON, JSON lines or CSV; in any order.", metavar="FILE…")],
    kind: Annotated[
        str | None, typer.Option(help="What the rows are: therapists, patients or placement_requests.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
) -> None:
    """Bring therapists, patients and placement requests in. Safe to run again.

    Exit code 1 when a row was refused (the others went in), 2 when a file cannot be read (nothing went in).
    """
    from comms.bootstrap import sessions
    from comms.services.intake import import_records
    from comms.store.engines import clock
    from comms.store.session import reading

    records = _read(files, _kind(kind))
    with reading(sessions()) as session:
        now = clock(session)
    with commanding():
        report = import_records(sessions(), records, now, dry_run=dry_run)
    if json:
        print_json({"dry_run": dry_run} | as_json(report))
    else:
        print_report(report, dry_run=dry_run)
    if report.refused:
        raise typer.Exit(1)


def _kind(given: str | None) -> Kind | None:
    from comms.services.intake import Kind

    try:
        return Kind(given.strip().replace("-", "_")) if given else None
    except ValueError:
        raise BadInput(f"one of: {', '.join(Kind)}", where="--kind") from None


def _read(files: Sequence[Path], kind: Kind | None) -> list[Record]:
    """Read all files before anything goes in; every one that cannot be read is named."""
    from comms.services.intake import read_file

    records: list[Record] = []
    faults: list[BadInput] = []
    for path in files:
        try:
            records += read_file(path, kind)
        except BadInput as fault:
            faults.append(fault)
    for unreadable in faults:
        errors.print(escape(str(unreadable)), style="bold red", soft_wrap=True)
    if faults:
        errors.print("nothing was imported")
        raise typer.Exit(2)
    return records


def as_json(report: ImportReport) -> dict[str, Any]:
    """Everything the report says; places, fields and reasons, never a value."""
    return {
        "counts": {name: vars(counts) for name, counts in report.counts.items()},
        "refused": [_note_as_json(note) for note in report.refusals],
        "warnings": [_note_as_json(note) for note in report.warnings],
        "ignored_fields": {
            name: {_plain(field): n for field, n in fields.items()} for name, fields in _ignored(report)
        },
        "stubs": dict(report.stubs),
        "effects": dict(report.effects),
    }


def _note_as_json(note: Note) -> dict[str, Any]:
    from comms.services.intake import explain

    return {
        "place": note.place,
        "kind": note.kind,
        "field": note.field,
        "reason": note.reason,
        "explanation": explain(note.reason),
    }


def print_report(report: ImportReport, *, dry_run: bool = False) -> None:
    """Counts, what followed, and every row or fact that did not go in."""
    columns = ("read", "created", "updated", "unchanged", "merged", "refused")
    rows = [(name, *(getattr(counts, column) for column in columns)) for name, counts in report.counts.items()]
    print_table(("", *columns), rows, title="would be imported" if dry_run else "imported")
    _print_notes("refused", report.refusals)
    _print_notes("went in, but", report.warnings)
    for name, fields in _ignored(report):
        listed = ", ".join(_plain(field) for field in fields)
        console.print(f"{name}: not kept here: {escape(listed)}", soft_wrap=True)
    told = {f"{name} known by id only": number for name, number in report.stubs.items()} | dict(report.effects)
    for what, number in told.items():
        console.print(f"{what.replace('_', ' ')}: {number}")


def _print_notes(title: str, notes: Sequence[Note]) -> None:
    from comms.services.intake import explain

    if not notes:
        return
    rows = ((escape(_plain(note.place, 120)), note.field, note.reason) for note in notes[:SHOWN])
    print_table(("place", "field", "reason"), rows, title=f"\n{title}")
    if len(notes) > SHOWN:
        console.print(f"… and {len(notes) - SHOWN} more; --json lists them all")
    for reason in dict.fromkeys(note.reason for note in notes):
        console.print(f"  {reason}: {explain(reason)}", soft_wrap=True)


def _ignored(report: ImportReport) -> list[tuple[str, dict[str, int]]]:
    return [(name, dict(fields.most_common(20))) for name, fields in report.ignored.items()]


def _plain(text: str, longest: int = 40) -> str:
    """Make a name from a file fit for a terminal."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
