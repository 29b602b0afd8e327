"""What every table shares: names of constraints, column types, the declarative base."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, Table, TypeDecorator
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.schema import ScalarElementColumnDefault

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BigId = BigInteger().with_variant(Integer, "sqlite")
"""Ids of the platform may be large; SQLite numbers rows by itself only in a column called INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. Refuses naive values; comes back aware and in UTC from both engines."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise TypeError("an aware datetime is needed")
        return value and value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Read what the driver gives, text or an instant, in one step: lists read thousands of these a second."""
        return _from_text if dialect.name == "sqlite" else _in_utc


def _from_text(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored + "+00:00")


def _in_utc(instant: datetime | None) -> datetime | None:
    return instant if instant is None or instant.tzinfo is UTC else instant.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements that want no objects: about tables they cost a quarter."""
    return Base.metadata.tables[model.__tablename__]


@cache
def at_first(table: Table) -> Mapping[str, Any]:
    """What columns hold where nothing is given, as the model says it; a default that is computed is not among them."""
    defaults = {column.name: column.default for column in table.c}
    return {name: given.arg for name, given in defaults.items() if isinstance(given, ScalarElementColumnDefault)}


def one_of(column: str, values: Iterable[str]) -> str:
    """Spell the CHECK that a column holds one of `values` (or NULL)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"
