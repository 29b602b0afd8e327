"""Rows that are only added, and whose ids nobody asks for: audit entries and events, of which every change has both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

Row = Mapping[str, Any]
"""Says something of every column that has a default in Python, too."""

_GATHERED = "comms_appended"


def append(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Add rows, all with the same columns."""
    gathered: list[tuple[Table, Row]] | None = session.info.get(_GATHERED)
    if gathered is not None:
        gathered += [(table, row) for row in rows]
    elif len(rows) == 1:
        _write(session.connection(), [(table, rows[0])])
    elif rows:
        session.execute(insert(table), rows)


@contextmanager
def at_once(session: Session) -> Iterator[None]:
    """Write what is appended meanwhile at the end: on PostgreSQL in one round trip.

    Whatever undoes a part of it, a savepoint that is rolled back, must raise out of it too.
    """
    session.info[_GATHERED] = gathered = list[tuple[Table, Row]]()
    try:
        yield
    finally:
        del session.info[_GATHERED]
    _write(session.connection(), gathered)


def _write(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    """Give rows to the driver: to compile an INSERT and look for its id would cost as much again."""
    said = [(_insert(table, tuple(row), place, connection.dialect), row) for place, (table, row) in enumerate(rows)]
    if connection.dialect.positional:
        for one, row in said:
            connection.exec_driver_sql(one.statement, tuple(one.values(row).values()))
    elif said:
        values = {name: value for one, row in said for name, value in one.values(row).items()}
        connection.exec_driver_sql("; ".join(one.statement for one, _ in said), values)


@dataclass(frozen=True)
class _Insert:
    """One INSERT as the driver takes it."""

    statement: str
    columns: Mapping[str, tuple[str, Callable[[Any], Any] | None]]
    """By parameter, in their order: the column, and what makes its value one of the driver's."""

    def values(self, row: Row) -> dict[str, Any]:
        return {name: write(row[column]) if write else row[column] for name, (column, write) in self.columns.items()}


@lru_cache(maxsize=200)
def _insert(table: Table, columns: Sequence[str], place: int, dialect: Dialect) -> _Insert:
    """Compile the INSERT for these columns; in one statement with others its parameters are called by its place."""
    named = {f"{column}_{place}": table.c[column] for column in columns}
    values = {column.name: bindparam(name, type_=column.type) for name, column in named.items()}
    compiled = insert(table).inline().values(values).compile(dialect=dialect)
    written = {name: (named[name].name, _writer(named[name].type, dialect)) for name in compiled.params}
    return _Insert(str(compiled), written)


def _writer(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    return type_.dialect_impl(dialect).bind_processor(dialect)
