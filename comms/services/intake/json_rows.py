"""JSON: a list of rows, an object with a list per kind, one row, or one row a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from comms.errors import BadInput
from comms.services.intake.recognise import kind_of_fields, kind_of_list
from comms.services.intake.records import Kind, Record

_LONGEST_NUMBER = 30
"""Digits; longer ones are nonsense, and Python refuses to read them from 4,300 on."""


class NotAValue:
    """Stands for NaN, Infinity and numbers beyond all bounds."""


class Doubled(dict[str, Any]):
    """A JSON object in which a name stands twice; `pairs` has them all."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def read_json(text: str, name: str, kind: Kind | None) -> Iterator[Record]:
    """Read the rows of a JSON text; BadInput with line and column when it is none."""
    try:
        given = _parse(text)
    except RecursionError:
        raise BadInput("nested too deeply to be data", where=name) from None
    except ValueError as error:
        if _has_rows_by_line(text):
            return _read_lines(text, name, kind)
        raise BadInput(f"not JSON: {_short(error)}", where=name) from None
    return _records(given, name, kind)


def _parse(text: str) -> Any:
    return json.loads(
        text,
        parse_constant=lambda _: NotAValue(),
        parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_NUMBER else NotAValue(),
        parse_float=_finite,
        object_pairs_hook=_object,
    )


def _finite(digits: str) -> float | NotAValue:
    number = float(digits)
    return number if abs(number) < 1e300 else NotAValue()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Doubled(pairs)


def _short(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    return "a number in it is too long"


def _has_rows_by_line(text: str) -> bool:
    """JSON lines: several lines, and one of the first two is an object of its own."""
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and any(_object_in(line) for line in lines[:2])


def _object_in(line: str) -> bool:
    try:
        return isinstance(_parse(line), dict)
    except (ValueError, RecursionError):
        return False


def _read_lines(text: str, name: str, kind: Kind | None) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            yield _record(_parse(line), place, kind)
        except (ValueError, RecursionError):
            yield Record(kind, place, fault="not_json")


def _records(given: Any, name: str, kind: Kind | None) -> Iterator[Record]:
    if isinstance(given, list):
        return _listed(given, name, "row", kind)
    if isinstance(given, dict) and _is_wrapper(given):
        return _wrapped(given, name)
    return iter([_record(given, name, kind)])


def _is_wrapper(given: Mapping[str, Any]) -> bool:
    return any(kind_of_list(key) for key in given)


def _wrapped(given: Mapping[str, Any], name: str) -> Iterator[Record]:
    """Rows of an object with one list per kind; a list that cannot be named or read is one refused record."""
    for key, rows in given.pairs if isinstance(given, Doubled) else given.items():
        kind = kind_of_list(key)
        place = f"{name}, {key[:40]!r}"
        if kind is None:
            yield Record(kind, place, fault="kind_unknown")
        elif isinstance(rows, list):
            yield from _listed(rows, name, kind.value, kind)
        else:
            yield Record(kind, place, fault="not_a_list")


def _listed(rows: list[Any], name: str, word: str, kind: Kind | None) -> Iterator[Record]:
    for number, row in enumerate(rows, start=1):
        yield _record(row, f"{name}, {word} {number}", kind)


def _record(row: Any, place: str, kind: Kind | None) -> Record:
    if not isinstance(row, dict):
        return Record(kind, place, fault="not_an_object")
    if isinstance(row, Doubled):
        return Record(kind, place, fault="field_given_twice")
    found = kind or kind_of_fields(row)
    return Record(found, place, row, None if found else "kind_unknown")
