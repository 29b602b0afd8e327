"""What a client sends in a body: read up to a limit, and taken literally, as UTF-8 JSON that says everything once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any, NoReturn

from fastapi import Request

from api.problems import TooLarge, WrongMediaType
from comms.errors import BadInput

EXACT = 2**53
"""Beyond it a float is no longer the number that was written."""
LONGEST_BODY = 1024 * 1024
"""Bytes."""


class Read(Request):
    """A request whose body is read at the door."""

    sent: Any = None
    """What the body says; None without one."""

    async def read(self, wanted: bool) -> None:
        """Read what was sent; TooLarge, WrongMediaType, BadInput. Where none is `wanted`, only `{}` may come."""
        self.state.body = body = await _receive(self)
        if not wanted and body.strip() not in (b"", b"{}"):
            raise _unusable("there is no body here; what it says would be overlooked")
        if wanted and body:
            self.sent = _parse_as(self.headers.get("content-type", ""), body)


def _parse_as(media_type: str, body: bytes) -> Any:
    if media_type.partition(";")[0].strip().lower() != "application/json":
        raise WrongMediaType("send JSON: Content-Type: application/json")
    return parse(body)


async def _receive(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > LONGEST_BODY:
        raise TooLarge(f"a body has at most {LONGEST_BODY} bytes")
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LONGEST_BODY:
            raise TooLarge(f"a body has at most {LONGEST_BODY} bytes", {"Connection": "close"})
    return bytes(read)


def parse(body: bytes) -> Any:
    """Parse JSON; BadInput for what parsers understand in different ways: NaN, a field given twice, UTF-16."""
    try:
        return _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _unusable("is not UTF-8") from None
    except RecursionError:
        raise _unusable("is nested too deeply") from None
    except ValueError:  # no JSON, or an integer of thousands of digits
        raise _unusable("is not JSON") from None


def _unusable(why: str) -> BadInput:
    return BadInput(why, where="body")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _unusable("gives a field twice; give it once")
    return found


def _number(digits: str) -> float | int:
    """A number without a fraction is an integer, however it is written: JSON Schema says so."""
    number = float(digits)
    if not isfinite(number):
        raise _unusable("holds a number without bounds")
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def _no_number(_: str) -> NoReturn:
    raise _unusable("NaN and Infinity are not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_float=_number, parse_constant=_no_number)
