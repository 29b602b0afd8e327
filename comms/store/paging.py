"""Pages of a list, newest first, that stay true while rows are added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, func, select
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
    total = session.scalar(select(func.count()).select_from(query.with_only_columns(id_).order_by(None).subquery()))
    rows = _rows(session, query, id_, page)
    found, more = rows[: page.limit], len(rows) > page.limit
    if page.after is not None:
        found.reverse()
    if not found:
        return Slice([], total or 0)
    newest, oldest = (getattr(row, id_.key) for row in (found[0], found[-1]))
    older = oldest if more or page.after is not None else None
    newer = newest if page.before is not None or page.offset or (page.after is not None and more) else None
    return Slice(found, total or 0, older, newer)


def _rows(session: Session, query: Select[Any], id_: InstrumentedAttribute[int], page: Page) -> list[Row[Any]]:
    """One row more than asked for: it tells that there is a further page."""
    query = query.order_by(id_.desc() if page.after is None else id_)
    if page.after is not None:
        query = query.where(id_ > page.after)
    if page.before is not None:
        query = query.where(id_ < page.before)
    return list(session.execute(query.limit(page.limit + 1).offset(page.offset or None)))
