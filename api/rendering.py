"""From views to bytes: JSON without what the key may not see, and the tag that names a state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter

from api.schemas.fields import View


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
    adapter = _many(schema)
    seen = adapter.validate_python(values, from_attributes=True)
    hidden = None if content or not _hidden(schema) else {"__all__": _hidden(schema)}
    return adapter.dump_json(seen, exclude=hidden)


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
