"""Pages of a list, newest first, that stay true while rows are added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Row, Select, func, inspect, select
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
    column: Column[int] = inspect(id_.class_).columns[id_.key]  # of the table: not a case for the mapper
    counted = select(func.count()).select_from(query.with_only_columns(column).order_by(None).subquery())
    rows = session.execute(_part(query, column, page).add_columns(counted.scalar_subquery())).all()
    if not rows:
        return Slice([], session.scalar(counted) or 0)
    found, more = _without_count(rows[: page.limit]), len(rows) > page.limit
    if page.after is not None:
        found.reverse()
    newest, oldest = (getattr(row, id_.key) for row in (found[0], found[-1]))
    older = oldest if more or page.after is not None else None
    newer = newest if page.before is not None or page.offset or (page.after is not None and more) else None
    return Slice(found, rows[0][-1], older, newer)


def _part(query: Select[Any], id_: Column[int], page: Page) -> Select[Any]:
    """One row more than asked for: it tells that there is a further page."""
    query = query.order_by(id_.desc() if page.after is None else id_)
    if page.after is not None:
        query = query.where(id_ > page.after)
    if page.before is not None:
        query = query.where(id_ < page.before)
    return query.limit(page.limit + 1).offset(page.offset or None)


def _without_count(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The rows as `query` selects them: the count came in the same statement, and with the same view of the table."""
    make = result_tuple(rows[0]._fields[:-1])
    return [make(row[:-1]) for row in rows]
