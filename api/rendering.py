"""From views to bytes: JSON without what the key may not see, and the tag that names a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cache, lru_cache
from hashlib import blake2b
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Row

from api.schemas.fields import View

SIMPLE = (bool, int, str, datetime, date, NoneType)
"""Types of which JSON has one spelling."""


@cache
def _one(schema: type[View]) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


@cache
def _many(schema: type[View]) -> TypeAdapter[Any]:
    return TypeAdapter(list[schema])  # type: ignore[valid-type]


def render(schema: type[View], value: object, content: bool) -> bytes:
    """Write one thing as JSON; `content` says whether the key may see bodies and notes."""
    adapter = _one(schema)
    seen = adapter.validate_python(value, from_attributes=True)
    return adapter.dump_json(seen, exclude=None if content else _hidden(schema))


def render_list(schema: type[View], values: Sequence[object], content: bool) -> bytes:
    """Write a bare JSON array."""
    if values and isinstance(values[0], Row) and is_flat(schema):
        return _render_rows(_names(schema, content), values)
    adapter = _many(schema)
    seen = adapter.validate_python(values, from_attributes=True)
    hidden = None if content or not _hidden(schema) else {"__all__": _hidden(schema)}
    return adapter.dump_json(seen, exclude=hidden)


def _render_rows(names: tuple[str, ...], rows: Sequence[Any]) -> bytes:
    """The same for what the database holds in these very types: it need not be looked at value by value."""
    pick = _picking(rows[0]._fields, names)
    return orjson.dumps([dict(zip(names, pick(row), strict=False)) for row in rows], option=orjson.OPT_UTC_Z)


@lru_cache(maxsize=500)
def _picking(fields: tuple[str, ...], names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """What takes the values of these names out of a row, and one more: of a single place it would make no tuple."""
    return itemgetter(*map(fields.index, names), 0)


@cache
def _names(schema: type[View], content: bool) -> tuple[str, ...]:
    return tuple(name for name in schema.model_fields if content or name not in schema.CONTENT)


@cache
def is_flat(schema: type[View]) -> bool:
    """Whether its fields are simple values, which nothing writes in a form of its own."""
    return all(not field.metadata and _is_simple(field.annotation) for field in schema.model_fields.values())


def _is_simple(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return all(map(_is_simple, get_args(annotation)))
    return annotation in SIMPLE or (isinstance(annotation, type) and issubclass(annotation, Enum))


@cache
def _hidden(schema: type[View]) -> dict[str, Any]:
    """What only the scope `content` sees, also in the views within this one, as Pydantic's `exclude`."""
    found: dict[str, Any] = dict.fromkeys(schema.CONTENT, True)
    for name, field in schema.model_fields.items():
        for inner, listed in _inner_views(field.annotation):
            if below := _hidden(inner):
                found[name] = {"__all__": below} if listed else below
    return found


def _inner_views(annotation: Any, listed: bool = False) -> Iterator[tuple[type[View], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, View):
        yield annotation, listed
    for argument in get_args(annotation):
        yield from _inner_views(argument, listed or get_origin(annotation) is list)


def etag(whole: bytes) -> str:
    """Name the state that `whole`, the full JSON of a resource, describes; the same for every key."""
    return f'"{blake2b(whole, digest_size=12).hexdigest()}"'
