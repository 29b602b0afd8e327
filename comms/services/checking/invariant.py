"""What one invariant is: a code, the promise in words, and the query for what breaks it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, TextClause, bindparam, text

from comms.store.models import UtcDateTime


@dataclass(frozen=True)
class Invariant:
    """`query` finds what breaks it, as `kind:ID` in one column; nothing personal can stand there."""

    code: str
    promise: str
    query: TextClause | Select[str]
    kafka: bool = False
    """Holds only where there are brokers."""


def dated(query: str, *instants: str) -> TextClause:
    """A query with instants among its parameters; the two engines store them differently."""
    return text(query).bindparams(*(bindparam(name, type_=UtcDateTime()) for name in instants))
