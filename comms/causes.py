"""What the present work goes back to: a client's request, a job's run, a command, or an event of the platform.

The edge names it once; rows, published events and log lines take it from here. It follows the work into coroutines and
into `asyncio.to_thread`; a thread that is started by hand is given it (`contextvars.copy_context`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

LONGEST = 100
"""Characters of an id: as long as an event's may be."""

_OPAQUE = re.compile(r"[0-9A-Fa-f-]{16,64}", re.ASCII)


@dataclass(frozen=True)
class Cause:
    """The id of the work itself; and, where events are applied, which of them spoke of whom."""

    id: str
    events: Mapping[str, str] = field(default_factory=dict)
    """Subject (`request:301`, `therapist:101`) to the id of the event about it."""


_present: ContextVar[Cause | None] = ContextVar("cause", default=None)


def present_cause() -> Cause | None:
    return _present.get()


def work_id() -> str | None:
    """The id of the present work; None where no edge named it."""
    cause = _present.get()
    return cause.id if cause else None


def cause_of(*subjects: str) -> str | None:
    """The id of the event that spoke of one of these, the first that is found; else that of the work."""
    cause = _present.get()
    if cause is None:
        return None
    return next((cause.events[subject] for subject in subjects if subject in cause.events), cause.id)


@contextmanager
def caused_by(id_: str, events: Mapping[str, str] | None = None) -> Iterator[str]:
    """Name what the work inside this block goes back to; yields its id."""
    token = _present.set(Cause(id_, events or {}))
    try:
        yield id_
    finally:
        _present.reset(token)


@contextmanager
def events_about(events: Mapping[str, str]) -> Iterator[None]:
    """Say which events spoke of whom, for a part of the present work."""
    cause = _present.get()
    with caused_by(cause.id if cause else new_id(), {**(cause.events if cause else {}), **events}):
        yield


def new_id() -> str:
    return str(uuid.uuid4())


def opaque(given: str | None) -> str | None:
    """Take over an id that a client sent, if nothing but a number can be in it: it is going to be logged."""
    return given if given and _OPAQUE.fullmatch(given) else None
