"""`import_records`: everything that came in, in the order that lets each part find what it names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from comms.rules.policy import BERLIN
from comms.rules.states import RequestStatus
from comms.services.intake.chunks import bring_in, foresee_chunk, import_chunk
from comms.services.intake.records import ImportReport, Kind, Note, Record, Taken
from comms.services.intake.rows import Row, RowRefused, read_row, unknown_fields
from comms.services.intake.subjects import Chunk
from comms.store.session import Sessions

ROWS_IN_A_CHUNK = 500


def import_records(
    sessions: Sessions, records: Iterable[Record], now: datetime, *, actor: str = "import", dry_run: bool = False
) -> ImportReport:
    """Bring records in, therapists first, then patients, then requests, whatever their order; safe to run again.

    A column that a record does not name stays, null clears it, and a row that says nothing new changes nothing. The
    rows of one chunk go in together; what is refused is in the report and stops nothing else. An id that comes several
    times counts as if its rows had come one after the other.
    """
    report = ImportReport()
    found = _read(records, now.astimezone(BERLIN).date(), report)
    for kind in Kind:
        rows = _in_order(_once_each(found[kind], report))
        for start in range(0, len(rows), ROWS_IN_A_CHUNK):
            chunk = Chunk(kind, rows[start : start + ROWS_IN_A_CHUNK], now, actor)
            (foresee_chunk if dry_run else import_chunk)(sessions, chunk)
            _take_in(report, chunk)
    return report


def import_record(session: Session, record: Record, now: datetime, *, actor: str) -> ImportReport:
    """Bring one record in, in the caller's transaction, by the same rules."""
    return import_together(session, [record], now, actor=actor).report


def import_together(session: Session, records: Sequence[Record], now: datetime, *, actor: str) -> Taken:
    """Bring some records of one kind in, each id once, in the caller's transaction, by the same rules."""
    report, changed = ImportReport(), set[int]()
    for kind, rows in _read(records, now.astimezone(BERLIN).date(), report).items():
        chunk = Chunk(kind, _in_order(rows), now, actor)
        bring_in(session, chunk)
        _take_in(report, chunk)
        changed |= chunk.changed
    return Taken(report, changed)


def _read(records: Iterable[Record], today: date, report: ImportReport) -> dict[Kind, list[Row]]:
    rows: dict[Kind, list[Row]] = defaultdict(list)
    for record in records:
        report.counts_of(record.kind).read += 1
        if record.kind and (unknown := unknown_fields(record)):
            report.ignored.setdefault(record.kind.value, Counter()).update(unknown)
        try:
            row = read_row(record, today)
        except RowRefused as refused:
            report.refuse(Note(record.place, record.kind, refused.field, refused.reason))
        else:
            rows[row.kind].append(row)
    return rows


def _once_each(rows: Iterable[Row], report: ImportReport) -> list[Row]:
    """Lay rows with the same id over each other, the later one on top."""
    latest: dict[int, Row] = {}
    for row in rows:
        if earlier := latest.pop(row.id, None):
            row.given = earlier.given | row.given
            report.counts_of(row.kind).merged += 1
            report.warnings.append(Note(earlier.place, row.kind, "id", "given_again"))
        latest[row.id] = row
    return list(latest.values())


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """By id, so that imports lock in one order; accepted requests last: they must find all others of their patient."""
    return sorted(rows, key=lambda row: (row.given.get("status") == RequestStatus.ACCEPTED, row.id))


def _take_in(report: ImportReport, chunk: Chunk) -> None:
    part = ImportReport(refusals=chunk.refusals, warnings=chunk.warnings, stubs=chunk.stubs, effects=+chunk.effects)
    part.counts[chunk.kind.value] = chunk.counts
    report.add(part)
