"""Types of what stands in a letter, refused as early as a header or an address would refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from api.schemas.fields import Line
from comms.errors import BadInput
from comms.services.letters.addresses import require_plain, wire_address


def refuse(code: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{text}", {"text": message})


def said(value: str) -> str:
    """Refuse what has no words."""
    if not value.strip():
        raise refuse("empty", "must not be empty")
    return value


def _plain(value: str) -> str:
    try:
        return require_plain(value, "")
    except BadInput as error:
        raise refuse("control_character", error.reason) from None


def one_address(value: str) -> str:
    """Refuse a list of addresses, a display name, and whatever else no relay would take."""
    try:
        wire_address(value, "")
    except BadInput as error:
        raise refuse("email_address", error.reason) from None
    return value


def each_once(ids: Sequence[int]) -> Sequence[int]:
    if len(set(ids)) < len(ids):
        raise refuse("twice", "names one twice; name each once")
    return ids


Heading = Annotated[Line, AfterValidator(said), AfterValidator(_plain)]
"""A line that becomes a header of an email."""
