"""From a record to a row: names translated, values read, and a note for whatever did not go in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from comms.services.intake.fields import FIELDS, Columns
from comms.services.intake.names import column_of, is_known
from comms.services.intake.records import Kind, Note, Record
from comms.services.intake.values import Unusable, is_blank


@dataclass
class Row:
    """One record, read: `given` holds the columns it speaks of, with None where it clears one."""

    kind: Kind
    place: str
    id: int
    given: Columns
    warnings: list[Note] = field(default_factory=list)
    faulty: dict[str, str] = field(default_factory=dict)
    """{column: reason} of the facts it goes in without."""


class RowRefused(Exception):
    """The row does not go in."""

    def __init__(self, field_: str | None, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field_, reason


def read_row(record: Record, today: date) -> Row:
    """Read one record; RowRefused when it is nothing without what is wrong in it."""
    if record.kind is None or record.fault:
        raise RowRefused(None, record.fault or "kind_unknown")
    values = _translated(record.kind, record.fields)
    if is_blank(values.get("id")):
        raise RowRefused("id", "id_missing")
    row = Row(record.kind, record.place, 0, {})
    for column, value in values.items():
        row.given |= _read(row, column, value)
    row.id = row.given.pop("id")
    _check_dates(row, today)
    return row


def _translated(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the fields under our names; the same fact twice is fine as long as both agree."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        column = column_of(kind, name)
        if column is None:
            continue
        if column in found and not is_blank(value) and not is_blank(found[column]) and found[column] != value:
            raise RowRefused(column, "field_given_twice")
        if column not in found or is_blank(found[column]):
            found[column] = value
    return found


def _read(row: Row, column: str, value: Any) -> Columns:
    field_ = FIELDS[row.kind][column]
    if is_blank(value):
        return {} if field_.kept_by_null else dict(field_.empty)
    try:
        found = field_.read(value)
    except Unusable as unusable:
        if field_.binding:
            raise RowRefused(column, unusable.reason) from None
        return _without(row, column, unusable.reason)
    if found.get(f"{column}_faults"):
        row.warnings.append(Note(row.place, row.kind, column, "hours_unreadable"))
    return found


def _without(row: Row, column: str, reason: str) -> Columns:
    """Leave a fact out: it counts as not known, and the report says why."""
    row.faulty[column] = reason
    row.warnings.append(Note(row.place, row.kind, column, reason))
    return dict(FIELDS[row.kind][column].empty)


def _check_dates(row: Row, today: date) -> None:
    for column in ("birth_date", "last_session_on"):
        value = row.given.get(column)
        if value and value > today:
            row.given |= _without(row, column, "implausible_date")


def unknown_fields(record: Record) -> list[str]:
    """Name the fields of a record that have no place here."""
    kind = record.kind
    return [] if kind is None else [name for name in record.fields if not is_known(kind, name)]
