"""Pages of a list, newest first, that stay true while rows are added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Column, Integer, Row, Select, bindparam, func, inspect, select
from sqlalchemy.engine import result_tuple
from sqlalchemy.orm import InstrumentedAttribute, Session

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True)
class Page:
    """Which part of a list: at most `limit` rows, older than `before` or newer than `after` (ids), or from `offset` on.

    By id every older row is seen exactly once while rows are being added; an offset shifts with each new row.
    """

    limit: int = 20
    before: int | None = None
    after: int | None = None
    offset: int = 0


@dataclass(frozen=True)
class Slice(Generic[T]):
    """One page. `older` and `newer` are the ids from which the neighbouring pages go on; None where there is none."""

    rows: list[T]
    total: int
    """Rows of the whole list, counted at the same time."""
    older: int | None = None
    newer: int | None = None

    def of(self, rows: list[V]) -> Slice[V]:
        """The same page with its rows in another shape."""
        return Slice(rows, self.total, self.older, self.newer)


def newest_first(session: Session, query: Select[Any], id_: InstrumentedAttribute[int], page: Page) -> Slice[Row[Any]]:
    """Read one page of `query`, which has its conditions and selects `id_`, the highest id first."""
    found = _read(session, _statement(query, id_, _part(page)), page, {})
    return found if not found.rows else found.of(_without_count(found.rows))


def newest_where(
    session: Session,
    query: Select[Any],
    id_: InstrumentedAttribute[int],
    page: Page,
    given: Mapping[InstrumentedAttribute[Any], object],
) -> Slice[Row[Any]]:
    """The same for rows of which each column has the value that is `given`, None for any; a count stands at their end.

    `query` must be one object for the life of the process: its statements are built once, which is half of the work.
    """
    wanted = {column: value for column, value in given.items() if value is not None}
    values = {f"is_{column.key}": value for column, value in wanted.items()}
    return _read(session, _filtered(query, id_, tuple(wanted), _part(page)), page, values)


class _Part(Enum):
    NEWEST, OLDER, NEWER = range(3)


def _part(page: Page) -> _Part:
    if page.after is not None:
        return _Part.NEWER
    return _Part.NEWEST if page.before is None else _Part.OLDER


@lru_cache(maxsize=500)
def _filtered(
    query: Select[Any], id_: InstrumentedAttribute[int], columns: tuple[InstrumentedAttribute[Any], ...], part: _Part
) -> Select[Any]:
    equal = [column == bindparam(f"is_{column.key}", type_=column.type) for column in columns]
    return _statement(query.where(*equal), id_, part)


def _statement(query: Select[Any], id_: InstrumentedAttribute[int], part: _Part) -> Select[Any]:
    """The rows, and in the same view of the table how many there are in all."""
    column: Column[int] = inspect(id_.class_).columns[id_.key]  # of the table: not a case for the mapper
    count = select(func.count()).select_from(query.with_only_columns(column).order_by(None).subquery())
    query = query.order_by(column if part is _Part.NEWER else column.desc())
    if part is not _Part.NEWEST:
        bound = bindparam("bound", type_=column.type)
        query = query.where(column > bound if part is _Part.NEWER else column < bound)
    rows = query.limit(bindparam("most", type_=Integer)).offset(bindparam("offset", type_=BigInteger))
    return rows.add_columns(count.scalar_subquery())


def _read(session: Session, statement: Select[Any], page: Page, values: dict[str, object]) -> Slice[Row[Any]]:
    """One row more than asked for: it tells that there is a further page."""
    bound = {} if _part(page) is _Part.NEWEST else {"bound": page.after if page.before is None else page.before}
    values |= {"most": page.limit + 1, "offset": page.offset, **bound}
    rows = session.connection().execute(statement, values).all()  # tables, no objects: not a case for the session
    if not rows:
        return Slice([], _count(session, statement, values))
    found, more = list(rows[: page.limit]), len(rows) > page.limit
    if page.after is not None:
        found.reverse()
    newest, oldest = found[0].id, found[-1].id
    older = oldest if more or page.after is not None else None
    newer = newest if page.before is not None or page.offset or (page.after is not None and more) else None
    return Slice(found, rows[0][-1], older, newer)


def _count(session: Session, statement: Select[Any], values: dict[str, object]) -> int:
    """How many there are, where the page itself is empty."""
    *_, count = statement.selected_columns
    return session.scalar(select(count), values) or 0


def _without_count(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The rows as `query` selects them."""
    make = result_tuple(rows[0]._fields[:-1])
    return [make(row[:-1]) for row in rows]
