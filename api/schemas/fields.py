"""Types of single values. Strict: `"false"` is not false, `"7"` in a body is not 7, a date has its offset."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, ClassVar

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

BIGGEST = 2**63 - 1

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}", re.ASCII)
_DIGITS = re.compile(r"-?\d{1,40}", re.ASCII)
_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\r"))
_LINE_ENDS = re.compile("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def _refuse(code: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{text}", {"text": message})


def _text(value: str) -> str:
    """PostgreSQL stores no NUL, and nobody reads the others."""
    if not _is_readable(value):
        raise _refuse("control_character", "holds a control character; take it out")
    return value


def _is_readable(text: str) -> bool:
    """Without control characters and halves of surrogates; a pattern takes three times as long for a letter."""
    try:
        written = text.encode()
    except UnicodeEncodeError:
        return False
    return len(written.translate(None, _CONTROLS)) == len(written)


def _line(value: str) -> str:
    if _LINE_ENDS.search(value):
        raise _refuse("line_end", "must be one line")
    return _text(value)


def _line_or_none(value: str | None) -> str | None:
    return None if value is None else _line(value)


def _spelled(pattern: re.Pattern[str], code: str, hint: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise _refuse(code, hint)
        if not isinstance(value, str | datetime | date | time):
            raise _refuse(code, hint)
        return value

    return BeforeValidator(check)


def _utc(value: datetime) -> datetime:
    """Into UTC; a date at the very edge of the calendar cannot be moved."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise _refuse("instant", "lies outside the calendar") from None


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise _refuse("integer", "a whole number, in digits")
    return value


def known(words: Collection[str]) -> AfterValidator:
    """Only these words; for what is listed in a table and not in an enum."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in words:
            raise _refuse("enum", f"one of: {', '.join(words)}")
        return value

    return AfterValidator(check)


def _true_or_false(value: Any) -> Any:
    if value is not None and value not in ("true", "false"):
        raise _refuse("boolean", "true or false")
    return value


def _hhmm(value: time) -> str:
    return value.strftime("%H:%M")


@dataclass(frozen=True)
class Spelled:
    """Says in OpenAPI which strings the validators of a type let through."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"pattern": self.pattern}


ONE_LINE = Spelled(r"^[^\u0000-\u0008\u000a-\u001f\u007f\u0085\u2028\u2029]*$")
DIGITS = BeforeValidator(_digits)
"""In a path or query `1_0`, ` 7` and `7.0` are no numbers. Stands last: before bounds it takes them out of OpenAPI."""
Id = Annotated[int, Path(ge=1, le=BIGGEST), DIGITS]
"""An id in the path."""
RowId = Annotated[int, Field(strict=True, ge=1, le=BIGGEST)]
"""An id in a body."""
Flag = Annotated[bool, Field(strict=True)]
IdFilter = Annotated[int | None, Query(ge=1, le=BIGGEST), DIGITS]
WordFilter = Annotated[str | None, Query(max_length=320), AfterValidator(_line_or_none), ONE_LINE]
"""One line of text to compare with."""
FlagFilter = Annotated[bool | None, BeforeValidator(_true_or_false), Query()]
"""`true` or `false`, not 1, yes or on."""
Text = Annotated[str, StringConstraints(strict=True, max_length=100_000), AfterValidator(_text)]
"""Several lines."""
Note = Annotated[str, StringConstraints(strict=True, max_length=10_000), AfterValidator(_text)]
"""What a person says; several lines."""
Line = Annotated[str, StringConstraints(strict=True, max_length=300), AfterValidator(_line), ONE_LINE]
"""One line: no CR, LF or other line end."""
Instant = Annotated[
    datetime,
    _spelled(_INSTANT, "instant", "an instant is ISO 8601 with an offset, like 2026-11-23T09:30:00+01:00"),
    AfterValidator(_utc),
]
Day = Annotated[date, _spelled(_DAY, "date", "a date is YYYY-MM-DD")]
DayFilter = Annotated[Day | None, Query()]
LocalTime = Annotated[
    time,
    _spelled(_TIME, "local_time", "a local time is HH:MM"),
    PlainSerializer(_hhmm, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["09:30"]}),
]
"""Hours and minutes in the local time zone of the service."""


class Body(BaseModel):
    """What a client sends: unknown fields are refused. `given` tells a null from an absence."""

    model_config = ConfigDict(extra="forbid")

    def given(self) -> dict[str, Any]:
        """Only the fields that were sent, null among them."""
        return self.model_dump(exclude_unset=True)


class View(BaseModel):
    """What a client gets. `CONTENT` names fields that only the scope `content` sees; they are left out without it."""

    model_config = ConfigDict(from_attributes=True)

    CONTENT: ClassVar[frozenset[str]] = frozenset()
