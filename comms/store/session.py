"""Opening and closing units of work. Only the edge and the services that own several units call these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from comms.store.engines import begin_writing

Sessions = sessionmaker[Session]


def make_sessions(engine: Engine) -> Sessions:
    """Make the factory that services take as `sessions`."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def writing(sessions: Sessions) -> Iterator[Session]:
    """One transaction that may write: committed at the end, rolled back on any exception."""
    with sessions() as session:
        begin_writing(session)
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


@contextmanager
def reading(sessions: Sessions) -> Iterator[Session]:
    """One transaction that only reads: closed without a commit. What was loaded may be used after it."""
    with sessions() as session:
        yield session
