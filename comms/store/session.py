"""Opening and closing units of work. Only the edge and the services that own several units call these."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from comms.store.engines import begin_writing

Sessions = sessionmaker[Session]


class CommitLost(OperationalError):
    """The database went away between the COMMIT and its answer: the change is written, or it is not."""


def make_sessions(engine: Engine) -> Sessions:
    """Make the factory that services take as `sessions`."""
    return sessionmaker(engine, expire_on_commit=False)


class _Here(threading.local):
    """What is so for one thread."""

    shared: Sessions | None = None


_here = _Here()


@contextmanager
def joining(sessions: Sessions) -> Iterator[None]:
    """Let whatever this thread is `writing` meanwhile be a part of the transaction that these sessions share."""
    _here.shared = sessions
    try:
        yield
    finally:
        _here.shared = None


@contextmanager
def writing(sessions: Sessions) -> Iterator[Session]:
    """One transaction that may write: committed at the end, rolled back on any exception.

    Raises CommitLost where nobody knows which of the two it became. Where this thread is `joining`, it is a savepoint.
    """
    with (_here.shared or sessions)() as session:
        begin_writing(session)
        try:
            yield session
            _commit(session)
        except BaseException:
            session.rollback()
            raise


def _commit(session: Session) -> None:
    session.flush()  # what fails here has not happened
    try:
        session.commit()
    except DBAPIError as error:
        if not error.connection_invalidated or error.orig is None:
            raise
        raise CommitLost(error.statement, error.params, error.orig, True, connection_invalidated=True) from error


@contextmanager
def reading(sessions: Sessions) -> Iterator[Session]:
    """One transaction that only reads: closed without a commit. What was loaded may be used after it."""
    with sessions() as session:
        yield session
