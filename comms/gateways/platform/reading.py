"""From the bytes of an answer to its values, strictly: a doubtful answer is none. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isinf
from typing import Any

from comms.ports import UNKNOWN, PlatformFacts, RequestPage


class Faulty(Exception):
    """There is no answer that can be used; `code` says why, and nothing of what was sent or received."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_page(content: bytes) -> RequestPage:
    """Read a list; what its rows hold is looked at where they come in."""
    rows = read_json(content)
    if not isinstance(rows, list):
        raise Faulty("wrong_shape")
    return RequestPage(rows)


def read_facts(content: bytes, asked: int) -> PlatformFacts:
    """Read one object; with another id than the one asked for, or with nothing else in it, the id is unknown."""
    fields = read_json(content)
    if not isinstance(fields, dict):
        raise Faulty("wrong_shape")
    if not _is_id(fields.get("id"), asked) or _says_nothing(fields):
        raise Faulty(UNKNOWN)
    return PlatformFacts(asked, fields)


def read_json(content: bytes) -> Any:
    """UTF-8, finite numbers, each name once in an object; Faulty otherwise."""
    try:
        return json.loads(
            content.decode("utf-8"), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        raise Faulty("not_json") from None


def _refuse(_word: str) -> None:
    raise ValueError


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _is_id(value: Any, asked: int) -> bool:
    return (type(value) is int and value == asked) or value == str(asked)


def _says_nothing(fields: Mapping[str, Any]) -> bool:
    """Nulls and zeros for everything but the id are how a service without a 404 says that it knows nobody."""
    return not any(value for name, value in fields.items() if name != "id")
