"""Rows that are only added, and whose ids nobody asks for: audit entries and events, of which every change has both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, insert
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.types import TypeEngine

from comms.store.models import at_first

Row = Mapping[str, Any]

_GATHERED = "comms_appended"


@dataclass
class _Gathered:
    """What waits to be written at once, and the savepoint that it belongs to."""

    savepoint: SessionTransaction | None
    rows: list[tuple[Table, Row]]


def append(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Add rows; those of one call have the same columns."""
    gathered: _Gathered | None = session.info.get(_GATHERED)
    if gathered and gathered.savepoint is session.get_nested_transaction():
        gathered.rows += [(table, row) for row in rows]
    elif len(rows) == 1:
        _write(session.connection(), [(table, rows[0])])
    elif rows:
        session.execute(insert(table), rows)


@contextmanager
def at_once(session: Session) -> Iterator[None]:
    """Write the few rows that are appended meanwhile at the end: on PostgreSQL in one round trip.

    What is appended in a savepoint that begins meanwhile goes with that, for it may be undone with it.
    """
    if _GATHERED in session.info:
        yield
        return
    session.info[_GATHERED] = gathered = _Gathered(session.get_nested_transaction(), [])
    try:
        yield
    finally:
        del session.info[_GATHERED]
    _write(session.connection(), gathered.rows)


def _write(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    """Give rows to the driver: to compile an INSERT and look for its id would cost as much again."""
    filled = [(table, {**at_first(table), **row}) for table, row in rows]
    if connection.dialect.positional:
        _write_each(connection, filled)
    elif filled:
        _write_together(connection, filled)


def _write_each(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    for table, row in rows:
        one = _insert(table, tuple(row), 0, connection.dialect)
        connection.exec_driver_sql(one.statement, tuple(one.values(row).values()))


def _write_together(connection: Connection, rows: Sequence[tuple[Table, Row]]) -> None:
    """As one string of several statements, for which the server is asked once."""
    said: list[str] = []
    values: dict[str, Any] = {}
    for place, (table, row) in enumerate(rows):
        one = _insert(table, tuple(row), place, connection.dialect)
        said.append(one.statement)
        values |= one.values(row)
    connection.exec_driver_sql("; ".join(said), values)


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
