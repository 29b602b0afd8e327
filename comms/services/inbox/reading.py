"""From the bytes of a message to an event, or to the reason why it is none. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from pydantic import ValidationError

from comms.ports import IncomingMessage
from comms.services.inbox.shapes import PAYLOADS, Envelope

LARGEST = 1024 * 1024
"""Bytes; the platform's brokers carry no larger message."""

DEEPEST = 50
"""Levels of objects in objects."""


@dataclass(frozen=True)
class Event:
    """An event of the platform; `event_id` falls back to the coordinates, `occurred_at` to the broker's time."""

    event_id: str
    event_type: str
    subject: str
    payload: dict[str, Any]
    occurred_at: datetime


@dataclass(frozen=True)
class Unknown:
    """A type that means nothing here."""

    event_type: str


@dataclass(frozen=True)
class Poison:
    """A message that cannot be used: a code, and the path of the field at fault."""

    reason: str
    place: str | None = None
    event_id: str | None = None
    event_type: str | None = None


class _Refused(Exception):
    def __init__(self, reason: str, place: str | None = None) -> None:
        super().__init__(reason)
        self.reason, self.place = reason, place


def read_message(message: IncomingMessage) -> Event | Unknown | Poison:
    """Read one message; never raises, whatever stands in it."""
    envelope: Envelope | None = None
    try:
        envelope = _envelope(message.value)
        shape = PAYLOADS.get(envelope.eventType)
        if shape is None:
            return Unknown(envelope.eventType)
        payload = shape.model_validate(envelope.payload)
    except ValidationError as error:
        return _poison("payload_invalid", _place("payload", error), envelope)
    except _Refused as refused:
        return _poison(refused.reason, refused.place, envelope)
    return Event(
        event_id=envelope.eventId or f"{message.topic}:{message.partition}:{message.offset}",
        event_type=envelope.eventType,
        subject=payload.subject,
        payload=payload.model_dump(mode="json"),
        occurred_at=envelope.timestamp or message.at,
    )


def _envelope(value: bytes | None) -> Envelope:
    read = _json(value)
    if not isinstance(read, dict):
        raise _Refused("not_an_object")
    try:
        return Envelope.model_validate(read)
    except ValidationError as error:
        place = _place("", error)
        raise _Refused("unknown_version" if place == "version" else "envelope_invalid", place) from None


def _json(value: bytes | None) -> Any:
    if value is None:
        raise _Refused("no_value")
    if len(value) > LARGEST:
        raise _Refused("too_large")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise _Refused("not_utf8") from None
    if "\\u0000" in text or "\x00" in text:
        raise _Refused("holds_nul")
    try:
        read = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Refused("not_json") from None
    if _depth_over(read, DEEPEST):
        raise _Refused("too_deep")
    if "\\ud" in text.lower() and _has_half_characters(read):
        raise _Refused("not_utf8")
    return read


def _has_half_characters(value: Any) -> bool:
    """JSON can spell half a surrogate pair; no database takes it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth_over(value: Any, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_depth_over(each, left - 1) for each in inner)


def _place(prefix: str, error: ValidationError) -> str:
    """Where the first fault is: a path of names, never a value."""
    path = [str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"]]
    return ".".join([prefix, *path] if prefix else path)[:120]


def _poison(reason: str, place: str | None, envelope: Envelope | None) -> Poison:
    if envelope is None:
        return Poison(reason, place)
    return Poison(reason, place, envelope.eventId, envelope.eventType)
