"""Spans of the work, for whoever collects them (`comms.otlp`); while nobody does, they cost next to nothing.

A unit of work has one span: below the span of the work that it is a part of, else in the trace of what it goes back to.
What it does for the story of somebody else, such as an event of the platform, leaves a mark there: a span in the
trace of that id. Attributes are ids, codes and counts, as in the log; an error is the name of its class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["internal", "server", "client"]


@dataclass
class Span:
    """What is known of one at its end; an attribute without a dot in its name gets the prefix `comms.`."""

    name: str
    kind: Kind = "internal"
    attributes: dict[str, Any] = field(default_factory=dict)
    failed: str | None = None
    """A code, or the class of an error."""
    caller: str | None = None
    """The `traceparent` that came with a request."""


class Collector(Protocol):
    """Takes spans and never fails."""

    def collecting(self, span: Span) -> AbstractContextManager[None]:
        """Take it when the block ends, as it is then."""

    def mark(self, span: Span, ids: Sequence[str], seconds: float) -> None:
        """Take it once for each id, into the trace of that id; where there is none, into a trace of its own."""

    def end(self) -> None:
        """Take no more."""


_collector: Collector | None = None


def collect(collector: Collector | None) -> None:
    """Let this process's spans go there."""
    global _collector
    _collector = collector


@contextmanager
def span(name: str, kind: Kind = "internal", *, caller: str | None = None, **attributes: Any) -> Iterator[Span]:
    """Take the work of this block as one; whatever it learns of itself it puts into the yielded span."""
    made = Span(name, kind, attributes, caller=caller)
    if _collector is None:
        yield made
        return
    with _collector.collecting(made):
        yield made


def mark(name: str, ids: Iterable[str | None] = (), *, seconds: float = 0.0, **attributes: Any) -> None:
    """Tell what has just happened, and took so long, in the trace of each of these ids."""
    if _collector is not None:
        _collector.mark(Span(name, attributes=attributes), list(dict.fromkeys(filter(None, ids))), seconds)


def end() -> None:
    """Hand out what is left, for a moment at most: the process is about to end."""
    if _collector is not None:
        _collector.end()
