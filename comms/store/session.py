"""Opening and closing units of work. Only the edge and the services that own several units call these."""

from __future__ import annotations

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


@contextmanager
def writing(sessions: Sessions) -> Iterator[Session]:
    """One transaction that may write: committed at the end, rolled back on any exception.

    Raises CommitLost where nobody knows which of the two it became.
    """
    with sessions() as session:
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
