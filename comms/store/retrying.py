"""Units of work that were undone through no fault of their own, and are done once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from comms.store.session import CommitLost

T = TypeVar("T")

TRIES = 3
VICTIMS = ("40P01", "40001")
"""PostgreSQL ended the transaction to break a deadlock, or for another that it could not stand beside."""


def persistently(work: Callable[[], T]) -> T:
    """Do this unit of work, which does nothing outside of its transaction; do it again where that was undone.

    So a connection that died in the pool needs no question before each use: whoever is handed it asks anew, and gets
    a new one. What may be done nevertheless (CommitLost) is not done again.
    """
    for _ in range(TRIES - 1):
        try:
            return work()
        except DBAPIError as error:
            if not _undone(error):
                raise
    return work()


def _undone(error: DBAPIError) -> bool:
    if isinstance(error, CommitLost):
        return False
    return error.connection_invalidated or getattr(error.orig, "pgcode", None) in VICTIMS
