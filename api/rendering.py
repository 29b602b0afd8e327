"""From views to bytes: JSON without what the key may not see, and the tag that names a state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Any

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
    return adapter.dump_json(seen, exclude=None if content else set(schema.CONTENT))


def render_list(schema: type[View], values: Sequence[object], content: bool) -> bytes:
    """Write a bare JSON array."""
    adapter = _many(schema)
    seen = adapter.validate_python(values, from_attributes=True)
    hidden = None if content or not schema.CONTENT else {"__all__": set(schema.CONTENT)}
    return adapter.dump_json(seen, exclude=hidden)


def etag(whole: bytes) -> str:
    """Name the state that `whole`, the full JSON of a resource, describes; the same for every key."""
    return f'"{blake2b(whole, digest_size=12).hexdigest()}"'
