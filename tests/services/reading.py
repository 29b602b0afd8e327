"""How tests of the intake read one row, without a database."""

from __future__ import annotations

from datetime import date
from typing import Any

from comms.services.intake import Kind, Record
from comms.services.intake.rows import Row, read_row

TODAY = date(2026, 11, 23)


def row(kind: Kind, **fields: Any) -> Row:
    return read_row(Record(kind, "here", {"id": 1} | fields), TODAY)


def therapist(**fields: Any) -> dict[str, Any]:
    return row(Kind.THERAPISTS, **fields).given


def reasons(found: Row) -> list[tuple[str | None, str]]:
    return [(note.field, note.reason) for note in found.warnings]
